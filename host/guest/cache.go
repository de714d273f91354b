package guest

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The disk cache holds compiled machine code, which is run as it is. So the
// folder must belong to this user alone, and each entry is checked as a whole
// before the runtime reads it: the runtime itself checks the code, but neither
// the table of functions before it nor what follows.
//
//	DIR/<build>/<sha256 of the code>-<trusted or worker>/entry     the runtime's own file, under its own names
//	DIR/<build>/<sha256 of the code>-<trusted or worker>/checksum  what the files in entry/ must be
//
// An entry is written to a temporary folder and renamed when it is complete, so
// that processes can use the cache at the same time.

// cacheError is a fault of the disk cache; it is logged and never fails a call.
type cacheError struct{ err error }

func (e *cacheError) Error() string { return e.err.Error() }

func (e *cacheError) Unwrap() error { return e.err }

const (
	entryFolder  = "entry"
	checksumFile = "checksum"
	partPrefix   = ".part-"
	// unusedFor is after how long entries that nobody used are removed.
	unusedFor = 30 * 24 * time.Hour
	// partAge is after how long the temporary folder of another process counts
	// as left behind.
	partAge = time.Hour
	// maxChecksums bounds what is read of a checksum file, in bytes.
	maxChecksums = 64 << 10
)

// openCache returns the folder for entries of this build, made if need be. The
// error says why the disk cache cannot be used.
func openCache(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making it: %w", err)
	}
	if err := checkPrivate(dir, unix.S_IFDIR); err != nil {
		return "", err
	}
	if err := checkParents(dir); err != nil {
		return "", err
	}
	build := filepath.Join(dir, buildKey())
	if err := os.Mkdir(build, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("making a folder in it: %w", err)
	}
	if err := checkPrivate(build, unix.S_IFDIR); err != nil {
		return "", err
	}
	return build, nil
}

// checkPrivate reports an error unless path is of this type, belongs to this
// user, and cannot be written by others. Folders must not be readable either, as
// every folder that this package makes. Symbolic links are not followed.
func checkPrivate(path string, kind uint32) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	forbidden := uint32(0o077)
	what := "a folder"
	if kind == unix.S_IFREG {
		forbidden, what = 0o022, "a file"
	}
	switch {
	case st.Mode&unix.S_IFMT != kind:
		return fmt.Errorf("%s: expected %s, found something else", path, what)
	case int(st.Uid) != os.Geteuid():
		return fmt.Errorf("%s: expected the owner %d, found %d", path, os.Geteuid(), st.Uid)
	case st.Mode&forbidden != 0:
		return fmt.Errorf("%s: expected %s that others cannot write (chmod go-rwx), found mode %04o", path, what, st.Mode&0o7777)
	}
	return nil
}

// checkParents reports an error if a stranger could put another folder in the
// place of dir: if a folder above it belongs to another user than root, or can be
// written by everybody and does not keep them from each other's files.
func checkParents(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	path, err := filepath.EvalSymlinks(filepath.Dir(abs))
	if err != nil {
		return err
	}
	for {
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return &fs.PathError{Op: "lstat", Path: path, Err: err}
		}
		if st.Uid != 0 && int(st.Uid) != os.Geteuid() {
			return fmt.Errorf("%s, above it: expected the owner %d or 0, found %d", path, os.Geteuid(), st.Uid)
		}
		if st.Mode&0o002 != 0 && st.Mode&unix.S_ISVTX == 0 {
			return fmt.Errorf("%s, above it: expected a folder that others cannot write, found mode %04o", path, st.Mode&0o7777)
		}
		parent := filepath.Dir(path)
		if parent == path {
			return nil
		}
		path = parent
	}
}

// verifyEntry checks all files of an entry against its checksums. The checksum
// is there to find what a crash, a full disk or a bad disk left; whoever could
// forge the code could forge a checksum too, and is kept out by checkPrivate.
func verifyEntry(entry string) error {
	if err := checkPrivate(entry, unix.S_IFDIR); err != nil {
		return err
	}
	sums := filepath.Join(entry, checksumFile)
	if err := checkPrivate(sums, unix.S_IFREG); err != nil { // opening a FIFO would wait
		return err
	}
	f, err := os.Open(sums)
	if err != nil {
		return err
	}
	defer f.Close()
	want, err := io.ReadAll(io.LimitReader(f, maxChecksums))
	if err != nil {
		return err
	}
	got, err := checksums(filepath.Join(entry, entryFolder))
	if err != nil {
		return err
	}
	if got == "" || string(want) != got {
		return fmt.Errorf("%s: the files are not those that were written", entry)
	}
	return nil
}

// checksums describes the files under dir: for each a line of CRC-32C, size and
// name.
func checksums(dir string) (string, error) {
	var b strings.Builder
	table := crc32.MakeTable(crc32.Castagnoli)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return checkPrivate(path, unix.S_IFDIR)
		}
		if err := checkPrivate(path, unix.S_IFREG); err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		h := crc32.New(table)
		n, err := io.CopyBuffer(h, onlyReader{f}, make([]byte, 256<<10))
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%08x %d %s\n", h.Sum32(), n, rel)
		return nil
	})
	return b.String(), err
}

// onlyReader hides other methods, so that io.CopyBuffer uses its buffer.
type onlyReader struct{ io.Reader }

// publish completes an entry that was made in the folder part: it writes the
// checksums and gives the folder its name. Another process may have been faster,
// which is as good.
func publish(part, entry string) error {
	sums, err := checksums(filepath.Join(part, entryFolder))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(part, checksumFile), []byte(sums), 0o600); err != nil {
		return err
	}
	err = os.Rename(part, entry)
	if errors.Is(err, fs.ErrExist) || errors.Is(err, unix.ENOTEMPTY) {
		return nil
	}
	return err
}

// discard removes an entry that is not usable. It is moved away first, so that
// no other process begins to read it meanwhile.
func discard(build, entry string) error {
	aside, err := os.MkdirTemp(build, partPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(aside)
	if err := os.Rename(entry, filepath.Join(aside, "entry")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// prune removes entries, of this and other builds, that were not used for long,
// and temporary folders that were left behind. It is done when an entry was
// written, and faults are ignored: the next time will do.
func prune(dir string, now time.Time) {
	builds, _ := os.ReadDir(dir)
	for _, b := range builds {
		build := filepath.Join(dir, b.Name())
		if checkPrivate(build, unix.S_IFDIR) != nil {
			continue
		}
		entries, _ := os.ReadDir(build)
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				continue
			}
			most := unusedFor
			if strings.HasPrefix(e.Name(), partPrefix) {
				most = partAge
			}
			if now.Sub(info.ModTime()) > most {
				_ = os.RemoveAll(filepath.Join(build, e.Name()))
			}
		}
		// Fails unless the folder is empty.
		_ = os.Remove(build)
	}
}
