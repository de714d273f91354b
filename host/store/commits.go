package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/store/internal/ostree"
)

// Commits are the entries of a content type that is an ostree repository in archive
// mode, DIR/<content type>/repo: each key is that of a commit (see ParseCommit). An
// entry is there when the commit object is, and is not marked as partial. Its
// methods may be called from many goroutines.
type Commits struct {
	files *Files
	trees *Trees
}

// Commits returns the entries of one content type, for example org.osbuild.ostree.
// The rules are those of Files. The repository is made when the first commit is
// staged.
func (s *Store) Commits(contentType string) (*Commits, error) {
	trees, err := s.Trees(contentType)
	if err != nil {
		return nil, err
	}
	return &Commits{files: trees.files, trees: trees}, nil
}

// repo opens the repository; nil when there is none yet.
func (c *Commits) repo() (*repo, error) {
	r, err := c.files.content.openRepo(repoName)
	if err == unix.ENOENT {
		return nil, nil
	}
	return r, err
}

// Present tells which keys have a commit in the repository, in the order of keys.
// It runs no program and reads no content. A commit object that cannot be one makes
// the value false and the error a *PresentError that lists all such keys; the other
// values are valid then. With any other error the values are nil.
func (c *Commits) Present(keys []Key) ([]bool, error) {
	if err := c.files.store.enter(); err != nil {
		return nil, err
	}
	defer c.files.store.leave()
	present := make([]bool, len(keys))
	r, err := c.repo()
	if err != nil || r == nil {
		return present, err
	}
	defer r.close()
	var corrupt []*CorruptError
	for i, key := range keys {
		there, err := r.lookup(key)
		if ce := asCorrupt(key, err); ce != nil {
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

// lookup tells whether a commit is there and not partial.
func (r *repo) lookup(key Key) (bool, error) {
	if err := key.check(); err != nil {
		return false, err
	}
	if _, err := ParseCommit(key.text); err != nil {
		return false, err
	}
	there, err := r.has(ostree.Object{Sum: key.text, Kind: ostree.Commit})
	if !there || err != nil {
		return false, err
	}
	partial, err := r.partial(key.text)
	return !partial, err
}

// asCorrupt turns an *objectError into a *CorruptError of the key; nil for others.
func asCorrupt(key Key, err error) *CorruptError {
	var oe *objectError
	if !errors.As(err, &oe) {
		return nil
	}
	return &CorruptError{Key: key, Path: oe.path, Reason: oe.reason}
}

// Verify reads a commit and all that it consists of, and compares each object with
// its digest. It returns nil, a *CorruptError that names the first wrong or missing
// object, an error that is fs.ErrNotExist when there is no such commit, or another
// error when something could not be read.
func (c *Commits) Verify(ctx context.Context, key Key) error {
	if err := c.files.store.enter(); err != nil {
		return err
	}
	defer c.files.store.leave()
	r, err := c.repo()
	if err != nil {
		return err
	}
	if r == nil {
		return c.absent(key)
	}
	defer r.close()
	there, err := r.lookup(key)
	if err == nil && !there {
		return c.absent(key)
	}
	if err == nil {
		err = r.verify(ctx, key)
	}
	if ce := asCorrupt(key, err); ce != nil {
		return ce
	}
	return err
}

func (c *Commits) absent(key Key) error {
	return c.files.content.fail("stat", filepath.Join(repoName, key.text), unix.ENOENT)
}

// verify checks all objects of a commit.
func (r *repo) verify(ctx context.Context, key Key) error {
	var files []ostree.Object
	err := walk(ctx, key.text, func(o ostree.Object) ([]ostree.Object, error) {
		if o.Kind == ostree.File {
			files = append(files, o)
			return nil, nil
		}
		return r.check(ctx, o)
	})
	if err != nil {
		return err
	}
	return each(ctx, files, func(o ostree.Object) error {
		_, err := r.check(ctx, o)
		return err
	})
}

// Remove deletes the objects of a commit that are wrong and marks the commit, and
// all others that need those objects, as partial, so that they are fetched again. A
// sound commit stays as it is, and that is no error; nor is a missing one.
func (c *Commits) Remove(ctx context.Context, key Key) error {
	if err := c.files.store.enter(); err != nil {
		return err
	}
	defer c.files.store.leave()
	lock, err := c.trees.Stage(ctx, key, PartScratch)
	if err != nil {
		return err
	}
	defer lock.Close()
	r, err := c.repo()
	if err != nil || r == nil {
		return err
	}
	defer r.close()
	bad, err := r.findCorrupt(ctx, key)
	if err != nil || len(bad) == 0 {
		return err
	}
	return c.drop(ctx, r, key, bad)
}

// findCorrupt returns the objects of a commit that are wrong or missing, as far as
// the sound ones lead.
func (r *repo) findCorrupt(ctx context.Context, key Key) (map[ostree.Object]bool, error) {
	bad := map[ostree.Object]bool{}
	err := walk(ctx, key.text, func(o ostree.Object) ([]ostree.Object, error) {
		refs, err := r.check(ctx, o)
		var oe *objectError
		if errors.As(err, &oe) {
			bad[o] = true
			return nil, nil
		}
		return refs, err
	})
	return bad, err
}

// drop marks the commits first: whatever stops it, none is taken for whole that
// lacks an object.
func (c *Commits) drop(ctx context.Context, r *repo, key Key, bad map[ostree.Object]bool) error {
	d := c.files.store.disk
	if err := r.lockObjects(ctx, unix.LOCK_EX); err != nil {
		return err
	}
	for o := range bad { // another process may have repaired it meanwhile
		if _, err := r.check(ctx, o); err == nil {
			delete(bad, o)
		}
	}
	if len(bad) == 0 {
		return nil
	}
	err := r.eachCommit(ctx, func(commit string) error {
		reaches, err := commit == key.text, error(nil)
		if !reaches {
			reaches, err = r.reaches(ctx, commit, bad)
		}
		if err != nil || !reaches {
			return err
		}
		return r.markPartial(commit, d.syncDir)
	})
	if err != nil {
		return err
	}
	for o := range bad {
		err := r.objects.within(o.Dir(), func(dir *folder) error {
			st, err := dir.lstat(o.Name())
			if err == unix.ENOENT {
				return nil
			}
			if err != nil {
				return dir.fail("stat", o.Name(), err)
			}
			return dir.removeAll(o.Name(), st.Dev)
		})
		if err != nil && !errors.Is(err, unix.ENOENT) {
			return err
		}
	}
	return nil
}

// errReached ends a walk.
var errReached = errors.New("reached")

// reaches tells whether a commit needs one of the objects. It looks at folders only
// and takes what cannot be read for needed.
func (r *repo) reaches(ctx context.Context, commit string, objects map[ostree.Object]bool) (bool, error) {
	err := walk(ctx, commit, func(o ostree.Object) ([]ostree.Object, error) {
		if objects[o] {
			return nil, errReached
		}
		if o.Kind != ostree.Commit && o.Kind != ostree.DirTree {
			return nil, nil
		}
		return r.check(ctx, o)
	})
	if err == errReached || errors.As(err, new(*objectError)) {
		return true, nil
	}
	return false, err
}

// eachCommit calls fn with every commit in the repository.
func (r *repo) eachCommit(ctx context.Context, fn func(commit string) error) error {
	return r.eachObject(ctx, func(o ostree.Object) error {
		if o.Kind != ostree.Commit {
			return nil
		}
		return fn(o.Sum)
	})
}

// eachObject calls fn with every object in the repository.
func (r *repo) eachObject(ctx context.Context, fn func(o ostree.Object) error) error {
	return r.objects.each(func(dir string) error {
		st, err := r.objects.lstat(dir)
		if err != nil || len(dir) != 2 || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return nil
		}
		return r.objects.within(dir, func(sub *folder) error {
			return sub.each(func(name string) error {
				if ctx.Err() != nil {
					return fmt.Errorf("%s: %w", r.objects.path, context.Cause(ctx))
				}
				if o, ok := ostree.Parse(dir, name); ok {
					return fn(o)
				}
				return nil
			})
		})
	})
}

// Clean removes what dead runs have left, as Trees.Clean does. Objects in the
// repository that no commit needs stay: the next commit may need them.
func (c *Commits) Clean(ctx context.Context) error { return c.trees.Clean(ctx) }
