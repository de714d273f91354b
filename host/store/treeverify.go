package store

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Check looks at the content of an entry, whose folder it gets, and returns nil
// when that is what the key names. An error that has a method Mismatch() bool
// which returns true says that it is not; with any other error nothing is known.
type Check func(ctx context.Context, dir string) error

// Verify has the part of an entry checked. It returns nil, a *CorruptError, an
// error that is fs.ErrNotExist when the entry has no such part, or what check
// returned, when that was no mismatch.
func (t *Trees) Verify(ctx context.Context, key Key, part string, check Check) error {
	kind, err := partType(part)
	if err != nil {
		return err
	}
	if err := t.files.store.enter(); err != nil {
		return err
	}
	defer t.files.store.leave()
	return t.verify(ctx, key, part, kind, check)
}

func (t *Trees) verify(ctx context.Context, key Key, part string, kind uint32, check Check) error {
	there, err := t.lookup(key, part, kind)
	if err != nil {
		return err
	}
	if !there {
		return t.files.content.fail("stat", filepath.Join(key.text, part), unix.ENOENT)
	}
	dir := filepath.Join(t.files.content.path, key.text)
	err = check(ctx, dir)
	var wrong interface{ Mismatch() bool }
	if errors.As(err, &wrong) && wrong.Mismatch() {
		return &CorruptError{Key: key, Path: filepath.Join(dir, part), Reason: err.Error()}
	}
	return err
}

// Remove moves a corrupt part of an entry out of the way and deletes it, so that
// it can be made anew; the rest of the entry stays. The part is checked once more
// while it is locked: a sound one stays, and that is no error. Nor is a missing one.
func (t *Trees) Remove(ctx context.Context, key Key, part string, check Check) error {
	kind, err := partType(part)
	if err != nil {
		return err
	}
	if err := t.files.store.enter(); err != nil {
		return err
	}
	defer t.files.store.leave()
	staging, err := t.files.stagingFolder()
	if err != nil {
		return err
	}
	stem := key.text + "." + part
	fd, st, err := staging.lock(ctx, stem+lockSuffix)
	if err != nil {
		return err
	}
	defer unlock(fd)
	defer staging.unlink(stem + lockSuffix)
	err = t.verify(ctx, key, part, kind, check)
	var corrupt *CorruptError
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return nil
	case !errors.As(err, &corrupt):
		return err
	}
	return t.discard(key, part, staging, stem+treeSuffix, st.Dev)
}

// discard takes the name from a part, or from what stands in place of the entry,
// then deletes it. The caller holds the part's lock.
func (t *Trees) discard(key Key, part string, staging *folder, aside string, dev uint64) error {
	if err := staging.removeAll(aside, dev); err != nil { // of a run that died here
		return err
	}
	entry, err := t.entry(key)
	if err == nil {
		defer entry.close()
		err = unix.Renameat(entry.fd, part, staging.fd, aside)
		if err != nil && err != unix.ENOENT {
			return entry.fail("move aside", part, err)
		}
		// Only an entry without another part goes.
		_ = unix.Unlinkat(t.files.content.fd, key.text, unix.AT_REMOVEDIR)
		return staging.removeAll(aside, dev)
	}
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) {
		return err
	}
	if err := unix.Renameat(t.files.content.fd, key.text, staging.fd, aside); err != nil {
		return t.files.content.fail("move aside", key.text, err)
	}
	return staging.removeAll(aside, dev)
}
