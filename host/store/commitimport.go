package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/store/internal/ostree"
)

// Commit moves the verified objects into the store's repository: all but the commit
// object first, that one only when everything it stands for is on the disk, so that
// neither a crash nor a power loss leaves a commit that lacks an object. It returns
// nil once that one is on the disk as well. Objects, or the commit, that another
// process has stored meanwhile are success. The CommitStage is closed when Commit
// succeeds; when it fails, Close is still due.
func (s *CommitStage) Commit(ctx context.Context) error {
	if s.ended {
		return fmt.Errorf("commit %s: %w", s.key, ErrClosed)
	}
	if !s.verified {
		if err := s.Verify(ctx); err != nil {
			return err
		}
	}
	from, err := s.scratch.openRepo(repoName)
	if err != nil {
		return s.scratch.orFail("open folder", repoName, err)
	}
	defer from.close()
	if err := s.importAll(ctx, from); err != nil {
		return err
	}
	return s.Close()
}

func (s *CommitStage) importAll(ctx context.Context, from *repo) error {
	commit := ostree.Object{Sum: s.key.text, Kind: ostree.Commit}
	all := s.incoming
	if s.own {
		all = append(slices.Clip(all), commit)
	}
	if err := s.syncContent(ctx, from, all); err != nil {
		return err
	}
	for _, o := range s.incoming {
		if ctx.Err() != nil {
			return fmt.Errorf("commit %s: %w", s.key, context.Cause(ctx))
		}
		if err := s.move(from, o); err != nil {
			return err
		}
	}
	// Also the names of objects that were there: who gave them may not have got so
	// far as to sync them.
	if err := s.syncNames(); err != nil {
		return err
	}
	if s.own {
		if err := s.move(from, commit); err != nil {
			return err
		}
	}
	if err := s.syncDirs([]string{commit.Dir()}); err != nil {
		return err
	}
	return s.whole()
}

// whole takes the mark away from a commit that was partial in the store.
func (s *CommitStage) whole() error {
	partial, err := s.into.partial(s.key.text)
	if err != nil || !partial {
		return err
	}
	if err := s.into.state.unlink(s.key.text + partialSuffix); err != nil {
		return err
	}
	return s.into.state.orFail("sync folder", "", s.disk().syncDir(s.into.state.fd))
}

func (s *CommitStage) disk() disk { return s.commits.files.store.disk }

// syncContent puts the content of the objects on the disk.
func (s *CommitStage) syncContent(ctx context.Context, from *repo, objects []ostree.Object) error {
	sync := s.disk().syncFile
	if len(objects) >= wholeFrom && s.commits.files.whole && s.disk().syncFS(from.objects.fd) == nil {
		sync = s.disk().checkFile
	}
	return eachOf(ctx, objects, syncers, func(o ostree.Object) error {
		return from.withObject(o, func(fd int, _ *unix.Stat_t) error {
			return from.objects.orFail("sync", o.String(), sync(fd))
		})
	})
}

// move gives an object its name in the store.
func (s *CommitStage) move(from *repo, o ostree.Object) error {
	if err := s.into.objects.makeBelow(o.Dir(), func(int) error { return nil }); err != nil {
		return err
	}
	return from.objects.within(o.Dir(), func(source *folder) error {
		return s.into.objects.within(o.Dir(), func(target *folder) error {
			err := s.disk().rename(source, o.Name(), target, o.Name())
			if err == unix.EEXIST { // another process has stored it
				return nil
			}
			return target.orFail("name", o.Name(), err)
		})
	})
}

// syncNames puts the names of everything that the commit consists of on the disk.
func (s *CommitStage) syncNames() error {
	if err := s.disk().syncDir(s.into.objects.fd); err != nil {
		return s.into.objects.fail("sync folder", "", err)
	}
	return s.syncDirs(slices.Sorted(maps.Keys(s.touched)))
}

// syncDirs syncs folders beneath "objects", several at a time.
func (s *CommitStage) syncDirs(names []string) error {
	return eachOf(context.Background(), names, syncers, func(name string) error {
		return s.into.objects.within(name, func(dir *folder) error {
			return dir.orFail("sync folder", "", s.disk().syncDir(dir.fd))
		})
	})
}

// eachOf calls fn with every element, n at a time. It returns the first error, after
// which no further call is begun.
func eachOf[T any](ctx context.Context, list []T, n int, fn func(T) error) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, len(list)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(list)) && ctx.Err() == nil; i = next.Add(1) - 1 {
				if err := fn(list[i]); err != nil {
					stop(err)
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
