package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// TreeStage is a part of an entry in the making. Its holder has the part to
// itself, across goroutines and processes. It must be closed, and must be used by
// one goroutine at a time.
type TreeStage struct {
	trees   *Trees
	staging *folder
	key     Key
	part    string
	kind    uint32
	lockFD  int
	dev     uint64

	broken error // a sync failed, so that nobody knows what is on the disk
	ended  bool
}

// Stage starts a part of a key's entry. While another goroutine or process has
// that part, Stage waits, and then either finds it in the entry or takes over, with
// an empty folder. The error is ErrExists when the entry has the part, the
// context's when that ended first, or a *CorruptError (what stands under the name
// is no such entry), *DiskError or *KeyError.
func (t *Trees) Stage(ctx context.Context, key Key, part string) (*TreeStage, error) {
	kind, err := partType(part)
	if err != nil {
		return nil, err
	}
	if err := t.files.store.enter(); err != nil {
		return nil, err
	}
	s := &TreeStage{trees: t, key: key, part: part, kind: kind, lockFD: -1}
	if err := s.begin(ctx); err != nil {
		t.files.store.leave()
		return nil, err
	}
	return s, nil
}

func (s *TreeStage) begin(ctx context.Context) error {
	if err := s.vacant(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("stage %s of %s: %w", s.part, s.key, context.Cause(ctx))
	}
	staging, err := s.trees.files.stagingFolder()
	if err != nil {
		return err
	}
	fd, st, err := staging.lock(ctx, s.stem()+lockSuffix)
	if err != nil {
		return fmt.Errorf("stage %s of %s: %w", s.part, s.key, err)
	}
	s.staging, s.lockFD, s.dev = staging, fd, st.Dev
	if err = s.vacant(); err == nil { // whoever had the lock may have finished
		err = s.empty()
	}
	if err != nil {
		return errors.Join(err, s.remove())
	}
	return nil
}

// empty makes the folder, without what a dead run has left in it.
func (s *TreeStage) empty() error {
	return s.staging.emptySub(s.stem()+treeSuffix, s.dev)
}

// emptySub makes an empty folder, whatever stood under its name.
func (d *folder) emptySub(name string, dev uint64) error {
	if err := d.removeAll(name, dev); err != nil {
		return err
	}
	sub, err := d.makeSub(name, func(int) error { return nil }) // synced with its content
	if err != nil {
		return err
	}
	return sub.close()
}

// vacant returns nil when the entry lacks the part.
func (s *TreeStage) vacant() error {
	there, err := s.trees.lookup(s.key, s.part, s.kind)
	if there {
		return ErrExists
	}
	return err
}

func (s *TreeStage) stem() string { return s.key.text + "." + s.part }

// Dir returns the absolute path of an empty folder on the file system of the store. Commit
// expects the part there, under its name, and nothing else.
func (s *TreeStage) Dir() string {
	return absolute(filepath.Join(s.staging.path, s.stem()+treeSuffix))
}

// Commit makes what stands in Dir under the part's name that part of the entry,
// which may be a new one. Files get the mode 0644 and folders 0755; anything else,
// symbolic links included, is refused. Commit returns nil once content and name are
// on the disk; that the entry has the part already is success. No reader ever sees
// an entry without a part, or half a part. The TreeStage is closed when Commit
// succeeds; when it fails, Close is still due.
func (s *TreeStage) Commit(ctx context.Context) error {
	if s.ended {
		return fmt.Errorf("commit %s of %s: %w", s.part, s.key, ErrClosed)
	}
	if s.part == PartScratch {
		return fmt.Errorf("commit %s of %s: it is no part of an entry", s.part, s.key)
	}
	if s.broken != nil {
		return s.broken
	}
	if err := s.commit(ctx); err != nil {
		return err
	}
	return s.Close()
}

func (s *TreeStage) commit(ctx context.Context) error {
	tree, err := s.staging.sub(s.stem() + treeSuffix)
	if err != nil {
		return s.staging.fail("open folder", s.stem()+treeSuffix, err)
	}
	defer tree.close()
	if err := s.checkTop(tree); err != nil {
		return err
	}
	w := &treeWalk{ctx: ctx, disk: s.trees.files.store.disk}
	if err := w.settle(tree); err != nil {
		return err
	}
	if err := w.sync(tree); err != nil {
		var de *DiskError
		if errors.As(err, &de) { // a second sync would not report it again
			s.broken = err
		}
		return err
	}
	return s.name(tree)
}

// checkTop refuses anything but the part.
func (s *TreeStage) checkTop(tree *folder) error {
	st, err := tree.lstat(s.part)
	if err != nil {
		return tree.fail("stat", s.part, err)
	}
	if st.Mode&unix.S_IFMT != s.kind {
		return refuse(tree, s.part, "it is neither folder nor file as the part requires")
	}
	if s.kind == unix.S_IFREG && st.Size == 0 {
		return refuse(tree, s.part, "it is empty")
	}
	return tree.each(func(name string) error {
		if name != s.part {
			return refuse(tree, name, "only "+s.part+" is expected there")
		}
		return nil
	})
}

// name gives the part its name and puts that on the disk.
func (s *TreeStage) name(tree *folder) error {
	content, d := s.trees.files.content, s.trees.files.store.disk
	err := d.rename(s.staging, s.stem()+treeSuffix, content, s.key.text)
	if err == unix.EEXIST || err == unix.ENOTEMPTY { // the latter from a plain rename
		return s.join(tree)
	}
	if err != nil {
		return content.fail("name", s.key.text, err)
	}
	return content.orFail("sync folder", "", d.syncDir(content.fd))
}

// join moves the part into an entry that exists.
func (s *TreeStage) join(tree *folder) error {
	entry, err := s.trees.entry(s.key)
	if err == unix.ENOENT { // it was removed just now
		err = s.trees.files.content.fail("open folder", s.key.text, err)
	}
	if err != nil {
		return err
	}
	defer entry.close()
	content, d := s.trees.files.content, s.trees.files.store.disk
	switch err := d.rename(tree, s.part, entry, s.part); err {
	case nil:
	case unix.EEXIST, unix.ENOTEMPTY: // of one of osbuild's own sources, if it is sound
		if err := s.vacant(); err != ErrExists {
			return err
		}
	default:
		return entry.fail("name", s.part, err)
	}
	if err := d.syncDir(entry.fd); err != nil {
		return entry.fail("sync folder", "", err)
	}
	// Whoever made the entry may not have got so far.
	return content.orFail("sync folder", "", d.syncDir(content.fd))
}

// Close gives the part up and removes what is staged. Closing a closed TreeStage
// does nothing.
func (s *TreeStage) Close() error {
	if s.ended {
		return nil
	}
	s.ended = true
	defer s.trees.files.store.leave()
	return s.remove()
}

// remove deletes what is staged while the lock is still held, then releases it.
func (s *TreeStage) remove() error {
	defer unlock(s.lockFD)
	if err := s.staging.removeAll(s.stem()+treeSuffix, s.dev); err != nil {
		return err
	}
	return s.staging.unlink(s.stem() + lockSuffix)
}
