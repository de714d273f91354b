package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/store/internal/ostree"
)

// CopyFrom makes a commit of another store one of this store, with all the objects
// that it consists of and this store lacks, each as Files.CopyFrom does. It returns
// how many bytes those have. The error is ErrExists when the commit is there, a
// *CorruptError when the other store's is not whole or wrong, an error that is
// fs.ErrNotExist when it has none, or one of Stage and Commit.
func (c *Commits) CopyFrom(ctx context.Context, from *Commits, key Key) (int64, error) {
	if err := c.vacant(key); err != nil {
		return 0, err
	}
	if err := from.files.store.enter(); err != nil {
		return 0, err
	}
	defer from.files.store.leave()
	source, err := from.repo()
	if err != nil {
		return 0, err
	}
	if source == nil {
		return 0, from.absent(key)
	}
	defer source.close()
	there, err := source.lookup(key)
	if err != nil {
		return 0, storedError(key, err)
	}
	if !there {
		return 0, from.absent(key)
	}
	if err := source.checkMode(); err != nil {
		return 0, err
	}
	stage, err := c.Stage(ctx, key)
	if err != nil {
		return 0, err
	}
	defer stage.Close()
	if err := stage.fill(ctx, source); err != nil {
		return 0, storedError(key, err)
	}
	if err := stage.Verify(ctx); err != nil {
		return 0, blame(source, key, err)
	}
	return stage.Size(), stage.Commit(ctx)
}

// blame reports a wrong object as what it is: one of the repository it came from.
func blame(source *repo, key Key, err error) error {
	var wrong *CommitError
	if errors.As(err, &wrong) {
		return &CorruptError{Key: key, Path: filepath.Join(source.objects.path, wrong.Object), Reason: wrong.Reason}
	}
	return err
}

// fill puts into the scratch repository what the commit needs and the store lacks.
func (s *CommitStage) fill(ctx context.Context, source *repo) error {
	into, err := s.scratch.openRepo(repoName)
	if err != nil {
		return s.scratch.orFail("open folder", repoName, err)
	}
	defer into.close()
	take := func(o ostree.Object) error {
		stored, err := s.into.has(o)
		if err != nil || stored {
			return err
		}
		return into.takeObject(ctx, source, o)
	}
	var files []ostree.Object
	err = walk(ctx, s.key.text, func(o ostree.Object) ([]ostree.Object, error) {
		if o.Kind == ostree.File {
			files = append(files, o)
			return nil, nil
		}
		refs, err := source.check(ctx, o)
		if err == nil {
			err = take(o)
		}
		return refs, err
	})
	if err != nil {
		return err
	}
	if err := each(ctx, files, take); err != nil {
		return err
	}
	meta := ostree.Object{Sum: s.key.text, Kind: ostree.CommitMeta}
	if there, err := source.has(meta); err != nil || !there {
		return err
	}
	return take(meta)
}

// takeObject takes an object of another repository.
func (r *repo) takeObject(ctx context.Context, source *repo, o ostree.Object) error {
	if ctx.Err() != nil {
		return fmt.Errorf("copy %s: %w", o, context.Cause(ctx))
	}
	if err := r.objects.makeBelow(o.Dir(), func(int) error { return nil }); err != nil {
		return err
	}
	return source.withObject(o, func(fd int, st *unix.Stat_t) error {
		return r.objects.within(o.Dir(), func(dir *folder) error {
			return dir.takeFile(ctx, o.Name(), fd, st)
		})
	})
}
