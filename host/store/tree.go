package store

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// The parts that an entry of type org.osbuild.containers may hold, side by side.
const (
	// PartImage is a folder in the dir format of skopeo.
	PartImage = "image"
	// PartArchive is a file in the docker-archive format.
	PartArchive = "container-image.tar"
	// PartScratch can be staged and never committed: a folder for the making of
	// an entry, under the key's lock.
	PartScratch = "scratch"
)

// Trees are the entries of a content type whose entries are folders:
// DIR/<content type>/<key>/<part>. A key says nothing about the bytes of a part
// that this package could check: whoever commits has verified them. Its methods
// may be called from many goroutines.
type Trees struct {
	files *Files
}

// Trees returns the entries of one content type, for example
// org.osbuild.containers. The rules are those of Files.
func (s *Store) Trees(contentType string) (*Trees, error) {
	files, err := s.Files(contentType)
	if err != nil {
		return nil, err
	}
	return &Trees{files: files}, nil
}

// Dir returns the absolute path of the folder that holds the entries.
func (t *Trees) Dir() string { return absolute(t.files.content.path) }

// absolute is for programs that run elsewhere. Without a working folder, which a
// relative path needs, nothing could have been opened.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// partType returns the file type that a part must have, as in stat(2).
func partType(part string) (uint32, error) {
	switch part {
	case PartImage, PartScratch:
		return unix.S_IFDIR, nil
	case PartArchive:
		return unix.S_IFREG, nil
	}
	return 0, fmt.Errorf("part %s is refused: it must be %s or %s", quote(part), PartImage, PartArchive)
}

// Present tells which keys have an entry that holds the part, in the order of
// keys. It reads no content. Where something else stands than a folder under the
// key's name, or something else than the part under the part's, the value is false
// and the error a *PresentError that lists all such keys; the other values are
// valid then. With any other error the values are nil.
func (t *Trees) Present(keys []Key, part string) ([]bool, error) {
	kind, err := partType(part)
	if err != nil {
		return nil, err
	}
	if err := t.files.store.enter(); err != nil {
		return nil, err
	}
	defer t.files.store.leave()
	present := make([]bool, len(keys))
	var corrupt []*CorruptError
	for i, key := range keys {
		there, err := t.lookup(key, part, kind)
		if ce, ok := err.(*CorruptError); ok {
			corrupt = append(corrupt, ce)
		} else if err != nil {
			return nil, err
		}
		present[i] = there
	}
	if corrupt != nil {
		return present, &PresentError{Entries: corrupt}
	}
	return present, nil
}

// lookup tells whether an entry has the part. Its error is a *CorruptError,
// *DiskError or *KeyError.
func (t *Trees) lookup(key Key, part string, kind uint32) (bool, error) {
	entry, err := t.entry(key)
	if err == unix.ENOENT {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer entry.close()
	st, err := entry.lstat(part)
	if err == unix.ENOENT {
		return false, nil
	}
	if err != nil {
		return false, entry.fail("stat", part, err)
	}
	reason := ""
	switch {
	case st.Mode&unix.S_IFMT != kind && kind == unix.S_IFDIR:
		reason = "it is not a folder"
	case st.Mode&unix.S_IFMT != kind:
		reason = "it is not a regular file"
	case kind == unix.S_IFREG && st.Size == 0:
		reason = "it is empty"
	default:
		return true, nil
	}
	return false, &CorruptError{Key: key, Path: filepath.Join(entry.path, part), Reason: reason}
}

// entry opens the folder of a key; the error is ENOENT itself when there is none.
func (t *Trees) entry(key Key) (*folder, error) {
	if err := key.check(); err != nil {
		return nil, err
	}
	content := t.files.content
	entry, err := content.sub(key.text)
	switch err {
	case nil, unix.ENOENT:
		return entry, err
	case unix.ELOOP:
		return nil, &CorruptError{Key: key, Path: filepath.Join(content.path, key.text), Reason: "it is a symbolic link, which is not followed"}
	case unix.ENOTDIR:
		return nil, &CorruptError{Key: key, Path: filepath.Join(content.path, key.text), Reason: "it is not a folder"}
	}
	return nil, content.fail("open folder", key.text, err)
}

// Suffixes of the names in the staging folder, after <key>.<part>.
const (
	treeSuffix = ".tree" // the folder in which a part is made
	lockSuffix = ".lock" // whoever holds its lock has the folder
)

// Clean removes what dead runs have left: staged parts whose lock is free, and
// whatever Files.Clean removes in the same content type.
func (t *Trees) Clean(ctx context.Context) error {
	if err := t.files.Clean(ctx); err != nil {
		return err
	}
	if err := t.files.store.enter(); err != nil {
		return err
	}
	defer t.files.store.leave()
	if _, err := t.files.content.lstat(stagingName); err == unix.ENOENT {
		return nil
	}
	staging, err := t.files.stagingFolder()
	if err != nil {
		return err
	}
	return staging.eachError(ctx, func(name string) error {
		if stem, ok := stagedTree(name); ok {
			return staging.cleanTree(stem)
		}
		return nil
	})
}

// stagedTree returns what a name of a staged part has before its suffix.
func stagedTree(name string) (stem string, ok bool) {
	stem, ok = strings.CutSuffix(name, treeSuffix)
	if !ok {
		stem, ok = strings.CutSuffix(name, lockSuffix)
	}
	if !ok {
		return "", false
	}
	if isScratch(stem) {
		return stem, true
	}
	text, part, found := strings.Cut(stem, ".")
	if !found {
		return "", false
	}
	_, keyErr := parseAnyKey(text)
	_, partErr := partType(part)
	return stem, keyErr == nil && partErr == nil
}

// cleanTree removes a staged part if nobody has it.
func (d *folder) cleanTree(stem string) error {
	if st, err := d.lstat(stem + lockSuffix); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil // not ours
	}
	fd, st, err := d.tryLock(stem + lockSuffix)
	if err == errBusy {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock(fd)
	// The lock's name goes last: without it nobody would look for the folder.
	for _, name := range []string{stem + treeSuffix, newPrefix + stem + treeSuffix} { // the latter of a run that died while making the former
		if err := d.removeAll(name, st.Dev); err != nil {
			return err
		}
	}
	return d.unlink(stem + lockSuffix)
}
