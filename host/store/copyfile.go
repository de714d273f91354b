package store

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// CopyFrom makes the entry that another store has of a key an entry of this one: as
// a further link to the same file where that can be, which then must belong to this
// user and have the mode of entries; else as a copy that shares its blocks, or as one
// that does not. In every case all bytes are read and compared with the key before
// the name is given. It returns how many bytes the entry has, once content and name
// are on the disk.
//
// The error is ErrExists when the entry is there, a *CorruptError when that of the
// other store is not what the key names, an error that is fs.ErrNotExist when it has
// none, or one of Stage and Commit.
func (f *Files) CopyFrom(ctx context.Context, from *Files, key Key) (int64, error) {
	stage, err := f.Stage(ctx, key)
	if err != nil {
		return 0, err
	}
	defer stage.Close()
	if err := from.store.enter(); err != nil {
		return 0, err
	}
	defer from.store.leave()
	fd, st, err := from.openEntry(key)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	if sharable(&st) && sameDevice(f.content, &st) {
		linked, err := stage.link(from, fd, &st)
		if linked || err != nil {
			return st.Size, err
		}
	}
	if err := stage.copy(from, fd, &st); err != nil {
		return 0, err
	}
	return stage.Offset(), stage.Commit(ctx)
}

// openEntry opens an entry to be read.
func (f *Files) openEntry(key Key) (fd int, st unix.Stat_t, err error) {
	if there, err := f.lookup(key); err != nil {
		return -1, st, err
	} else if !there {
		return -1, st, f.content.fail("open", key.text, unix.ENOENT)
	}
	if fd, err = f.content.open(key.text, unix.O_RDONLY); err != nil {
		return -1, st, f.content.fail("open", key.text, err)
	}
	if err = unix.Fstat(fd, &st); err != nil {
		err = f.content.fail("stat", key.text, err)
	} else if reason := f.wrong(key, &st); reason != "" {
		err = f.corrupt(key, &st, reason)
	}
	if err != nil {
		unix.Close(fd)
	}
	return fd, st, err
}

func sameDevice(d *folder, st *unix.Stat_t) bool {
	var own unix.Stat_t
	return unix.Fstat(d.fd, &own) == nil && own.Dev == st.Dev
}

// link makes an open file the entry of the stage's key. It reports false when it
// cannot have a further name.
func (s *Stage) link(from *Files, fd int, st *unix.Stat_t) (bool, error) {
	h := s.key.New()
	n, err := s.files.store.sum(s.ctx, h, fd, 0, -1)
	if err != nil {
		return false, s.files.readError("read", from.content, s.key.text, err)
	}
	if got := s.key.digest(h); got != s.key.text {
		e := from.corrupt(s.key, st, "its digest is "+got)
		e.Got, e.Size = got, n
		return false, e
	}
	if err := s.files.store.disk.syncFile(fd); err != nil {
		return false, from.content.fail("sync", s.key.text, err)
	}
	switch err := linkTo(fd, s.files.content, s.key.text); err {
	case nil, unix.EEXIST: // of one of osbuild's own sources
	default:
		return false, nil
	}
	if err := s.drop(); err != nil { // a partial is of no use any more
		return true, err
	}
	err = s.files.settled(s.ctx, s.key, s.files.vacant(s.key))
	if errors.Is(err, ErrExists) {
		err = nil
	}
	return true, err
}

// copy fills the stage with the bytes of an open file.
func (s *Stage) copy(from *Files, fd int, st *unix.Stat_t) error {
	if err := s.Reset(st.Size, ""); err != nil {
		return err
	}
	if _, err := unix.Seek(fd, 0, 0); err != nil {
		return from.content.fail("read", s.key.text, err)
	}
	s.used = true
	if unix.IoctlFileClone(s.fd, fd) == nil {
		s.written = st.Size
	} else if err := s.copyBytes(from, fd); err != nil {
		return err
	}
	err := s.Verify()
	var mismatch *MismatchError
	if errors.As(err, &mismatch) {
		e := from.corrupt(s.key, st, "its digest is "+mismatch.Got)
		e.Got, e.Size = mismatch.Got, mismatch.Size
		return e
	}
	return err
}

func (s *Stage) copyBytes(from *Files, fd int) error {
	_, err := from.store.sum(s.ctx, s, fd, 0, -1) // reads, and Write keeps its own error
	if s.broken != nil {
		return s.broken
	}
	if err != nil {
		return from.readError("read", from.content, s.key.text, err)
	}
	return nil
}

// CopyFrom makes a part of an entry that another store has one of this store, file
// by file as Files.CopyFrom does. check looks at what is to be stored before it gets
// its name. It returns how many bytes the part has.
func (t *Trees) CopyFrom(ctx context.Context, from *Trees, key Key, part string, check Check) (int64, error) {
	stage, err := t.Stage(ctx, key, part)
	if err != nil {
		return 0, err
	}
	defer stage.Close()
	if err := from.files.store.enter(); err != nil {
		return 0, err
	}
	defer from.files.store.leave()
	if there, err := from.lookup(key, part, stage.kind); err != nil {
		return 0, err
	} else if !there {
		return 0, from.files.content.fail("open", key.text+"/"+part, unix.ENOENT)
	}
	entry, err := from.entry(key)
	if err != nil {
		return 0, from.files.content.orFail("open folder", key.text, err)
	}
	defer entry.close()
	top, err := stage.staging.sub(stage.stem() + treeSuffix)
	if err != nil {
		return 0, stage.staging.fail("open folder", stage.stem(), err)
	}
	defer top.close()
	c := &treeCopy{ctx: ctx}
	if err := c.take(top, entry, part, maxTreeDepth); err != nil {
		return 0, err
	}
	if err := checkCopy(ctx, check, stage.Dir(), key, entry.path+"/"+part); err != nil {
		return 0, err
	}
	return c.bytes, stage.Commit(ctx)
}

// checkCopy reports a mismatch as what it is: one of the entry that was copied.
func checkCopy(ctx context.Context, check Check, dir string, key Key, path string) error {
	err := check(ctx, dir)
	var wrong interface{ Mismatch() bool }
	if errors.As(err, &wrong) && wrong.Mismatch() {
		return &CorruptError{Key: key, Path: path, Reason: err.Error()}
	}
	return err
}

// treeCopy copies what a folder holds.
type treeCopy struct {
	ctx   context.Context
	bytes int64
}

func (c *treeCopy) take(to, from *folder, name string, depth int) error {
	if c.ctx.Err() != nil {
		return fmt.Errorf("copy %s: %w", from.path, context.Cause(c.ctx))
	}
	st, err := from.lstat(name)
	if err != nil {
		return from.fail("stat", name, err)
	}
	switch {
	case st.Mode&unix.S_IFMT == unix.S_IFREG:
		c.bytes += st.Size
		return from.opened(name, func(fd int) error {
			var st unix.Stat_t
			if err := unix.Fstat(fd, &st); err != nil {
				return from.fail("stat", name, err)
			}
			return to.takeFile(c.ctx, name, fd, &st)
		})
	case st.Mode&unix.S_IFMT != unix.S_IFDIR || depth == 0:
		return fmt.Errorf("copy %s/%s: it is neither file nor folder, or nested too deep", from.path, name)
	}
	if err := to.makeBelow(name, func(int) error { return nil }); err != nil {
		return err
	}
	return to.within(name, func(to *folder) error {
		return from.within(name, func(from *folder) error {
			return from.each(func(inner string) error { return c.take(to, from, inner, depth-1) })
		})
	})
}
