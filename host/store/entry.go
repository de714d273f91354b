package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Present tells which keys have an entry, in the order of keys: true where a
// regular file stands under the key's name. It reads no content. Where something
// else stands, or an empty file that cannot be the entry (power loss leaves such
// files when a program did not sync), the value is false and the error a
// *PresentError that lists all such keys; the other values are valid then. Any
// other error is a *DiskError or *KeyError, and the values are nil.
func (f *Files) Present(keys []Key) ([]bool, error) {
	if err := f.store.enter(); err != nil {
		return nil, err
	}
	defer f.store.leave()
	// One lstat for each key: listing the folder is only faster when the store
	// holds little else than these keys, and cannot see empty files.
	present := make([]bool, len(keys))
	var corrupt []*CorruptError
	for i, key := range keys {
		there, err := f.lookup(key)
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

// lookup tells whether a key has an entry, from its status alone. Its error is a
// *CorruptError, *DiskError or *KeyError.
func (f *Files) lookup(key Key) (bool, error) {
	if err := key.check(); err != nil {
		return false, err
	}
	st, err := f.content.lstat(key.text)
	if err == unix.ENOENT {
		return false, nil
	}
	if err != nil {
		return false, f.content.fail("stat", key.text, err)
	}
	if reason := f.wrong(key, &st); reason != "" {
		return false, f.corrupt(key, &st, reason)
	}
	return true, nil
}

// wrong says what an entry's status shows to be wrong with it; "" for nothing.
func (f *Files) wrong(key Key, st *unix.Stat_t) string {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		if st.Size == 0 && key.text != key.emptyDigest() {
			return "it is empty"
		}
		return ""
	case unix.S_IFDIR:
		return "it is a folder, not a file"
	case unix.S_IFLNK:
		return "it is a symbolic link, which is not followed"
	}
	return "it is not a regular file"
}

func (f *Files) corrupt(key Key, st *unix.Stat_t, reason string) *CorruptError {
	e := &CorruptError{Key: key, Path: filepath.Join(f.content.path, key.text), Reason: reason}
	if st.Mode&unix.S_IFMT == unix.S_IFREG {
		e.Size = st.Size
	}
	return e
}

// Verify reads an entry and compares it with its key. It returns nil, a
// *CorruptError, an error that is fs.ErrNotExist when there is no such entry, or
// another error when the entry could not be read (then nothing is known about it).
func (f *Files) Verify(ctx context.Context, key Key) error {
	if err := f.store.enter(); err != nil {
		return err
	}
	defer f.store.leave()
	return f.verify(ctx, key)
}

func (f *Files) verify(ctx context.Context, key Key) error {
	if err := key.check(); err != nil {
		return err
	}
	st, err := f.content.lstat(key.text)
	if err != nil {
		return f.content.fail("stat", key.text, err)
	}
	// Looked at before it is opened: opening a device can have effects.
	if reason := f.wrong(key, &st); reason != "" {
		return f.corrupt(key, &st, reason)
	}
	fd, err := f.content.open(key.text, unix.O_RDONLY)
	if err != nil {
		return f.content.fail("open", key.text, err)
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil {
		return f.content.fail("stat", key.text, err)
	}
	if reason := f.wrong(key, &st); reason != "" {
		return f.corrupt(key, &st, reason)
	}
	h := key.New()
	n, err := f.store.sum(ctx, h, fd, 0, -1)
	if err != nil {
		return f.readError("read", f.content, key.text, err)
	}
	if got := key.digest(h); got != key.text {
		e := f.corrupt(key, &st, "its digest is "+got)
		e.Got, e.Size = got, n
		return e
	}
	return nil
}

// readError adds the file to an error of sum, which is an errno or the context's.
func (f *Files) readError(op string, d *folder, name string, err error) error {
	if errno, ok := err.(unix.Errno); ok {
		return d.fail(op, name, errno)
	}
	return fmt.Errorf("%s %s: %w", op, filepath.Join(d.path, name), err)
}

// sum adds the bytes of a file from offset off up to end to h, or up to the end
// of the file when end is negative. It returns how many bytes it added.
func (s *Store) sum(ctx context.Context, h io.Writer, fd int, off, end int64) (int64, error) {
	buf := s.buffers.Get().(*[bufferSize]byte)
	defer s.buffers.Put(buf)
	start := off
	for end < 0 || off < end {
		if ctx.Err() != nil {
			return off - start, context.Cause(ctx)
		}
		want := buf[:]
		if end >= 0 && end-off < bufferSize {
			want = want[:end-off]
		}
		n, err := unix.Pread(fd, want, off)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return off - start, err
		case n == 0 && end >= 0:
			return off - start, io.ErrUnexpectedEOF
		case n == 0:
			return off - start, nil
		}
		h.Write(want[:n]) // never fails: hash.Hash
		off += int64(n)
	}
	return off - start, nil
}

// Remove moves a corrupt entry out of the way and deletes it, whatever kind of
// thing it is, so that it can be fetched anew. The entry is verified once more
// while its key is locked: one that is sound, perhaps because another process has
// repaired it in the meantime, stays, and that is no error. Nor is a missing one.
// An entry that cannot be read stays, too, since nothing is known about it.
func (f *Files) Remove(ctx context.Context, key Key) error {
	if err := key.check(); err != nil {
		return err
	}
	if err := f.store.enter(); err != nil {
		return err
	}
	defer f.store.leave()
	staging, err := f.stagingFolder()
	if err != nil {
		return err
	}
	fd, st, err := staging.lock(ctx, key.text+partSuffix)
	if err != nil {
		return err
	}
	defer unlock(fd)
	if st.Size == 0 {
		// A partial of another run would be kept.
		defer staging.unlink(key.text + partSuffix)
	}
	switch err := f.verify(ctx, key).(type) {
	case *CorruptError:
		return f.discard(key, staging, st.Dev)
	case nil:
		return nil
	default:
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
}

// discard takes the name from an entry, then deletes it. The caller holds the
// key's lock.
func (f *Files) discard(key Key, staging *folder, dev uint64) error {
	aside := key.text + corruptSuffix
	if err := staging.removeAll(aside, dev); err != nil { // of a run that died here
		return err
	}
	if err := unix.Renameat(f.content.fd, key.text, staging.fd, aside); err != nil {
		return f.content.fail("move aside", key.text, err)
	}
	return staging.removeAll(aside, dev)
}
