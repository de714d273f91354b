package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/store/internal/ostree"
)

// ContentTypes returns the names of the content types that the store has, sorted.
// Hidden names, and names that no content type may have, are left out.
func (s *Store) ContentTypes() ([]string, error) {
	if err := s.enter(); err != nil {
		return nil, err
	}
	defer s.leave()
	if s.root.fd < 0 {
		return nil, nil
	}
	var types []string
	err := s.root.each(func(name string) error {
		if st, err := s.root.lstat(name); err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR && checkContentType(name) == nil {
			types = append(types, name)
		}
		return nil
	})
	slices.Sort(types)
	return types, err
}

// Keys returns the keys under whose names something stands, sorted, and all other
// names that are not hidden.
func (f *Files) Keys(ctx context.Context) (keys []Key, others []string, err error) {
	if err := f.store.enter(); err != nil {
		return nil, nil, err
	}
	defer f.store.leave()
	if f.content.fd < 0 {
		return nil, nil, nil
	}
	err = f.content.each(func(name string) error {
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", f.content.path, context.Cause(ctx))
		}
		if key, err := ParseKey(name); err == nil {
			keys = append(keys, key)
		} else if !strings.HasPrefix(name, ".") {
			others = append(others, name)
		}
		return nil
	})
	slices.SortFunc(keys, func(a, b Key) int { return strings.Compare(a.text, b.text) })
	slices.Sort(others)
	return keys, others, err
}

// Keys is Files.Keys.
func (t *Trees) Keys(ctx context.Context) (keys []Key, others []string, err error) {
	return t.files.Keys(ctx)
}

// Keys returns the commits of the repository, sorted, those left out that are marked
// as partial, and what stands beside the repository.
func (c *Commits) Keys(ctx context.Context) (keys []Key, others []string, err error) {
	files, others, err := c.files.Keys(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, key := range files {
		others = append(others, key.text)
	}
	others = slices.DeleteFunc(others, func(name string) bool { return name == repoName })
	if err := c.files.store.enter(); err != nil {
		return nil, nil, err
	}
	defer c.files.store.leave()
	r, err := c.repo()
	if err != nil || r == nil {
		return nil, others, err
	}
	defer r.close()
	err = r.eachCommit(ctx, func(commit string) error {
		key, err := ParseCommit(commit)
		if err != nil {
			return err
		}
		partial, err := r.partial(commit)
		if !partial {
			keys = append(keys, key)
		}
		return err
	})
	slices.SortFunc(keys, func(a, b Key) int { return strings.Compare(a.text, b.text) })
	return keys, others, err
}

// VerifyAll verifies commits as Verify does, but reads each object once, and after
// that all other objects of the repository: the next commit that is fetched may need
// them. report gets each commit's outcome, and the zero Key with a *CorruptError for
// each wrong object that none of the commits needs. The error says that the
// repository as a whole could not be read, or that ctx has ended.
func (c *Commits) VerifyAll(ctx context.Context, keys []Key, report func(key Key, err error)) error {
	if err := c.files.store.enter(); err != nil {
		return err
	}
	defer c.files.store.leave()
	r, err := c.repo()
	if err != nil || r == nil {
		return err
	}
	defer r.close()
	v := &verifier{repo: r, checked: map[ostree.Object]bool{}}
	for _, key := range keys {
		err := v.commit(ctx, key)
		if ctx.Err() != nil {
			return fmt.Errorf("verify %s: %w", key, context.Cause(ctx))
		}
		report(key, storedError(key, err))
	}
	return v.rest(ctx, func(err error) { report(Key{}, err) })
}

// verifier remembers which objects are sound.
type verifier struct {
	*repo
	mu      sync.Mutex
	checked map[ostree.Object]bool
}

// file checks a file that was not checked before.
func (v *verifier) file(ctx context.Context, o ostree.Object) error {
	v.mu.Lock()
	sound := v.checked[o]
	v.mu.Unlock()
	if sound {
		return nil
	}
	_, err := v.check(ctx, o)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.checked[o] = err == nil
	return err
}

func (v *verifier) commit(ctx context.Context, key Key) error {
	var files []ostree.Object
	err := walk(ctx, key.text, func(o ostree.Object) ([]ostree.Object, error) {
		if o.Kind == ostree.File {
			files = append(files, o)
			return nil, nil
		}
		refs, err := v.check(ctx, o)
		v.checked[o] = err == nil
		return refs, err
	})
	if err != nil {
		return err
	}
	return each(ctx, files, func(o ostree.Object) error { return v.file(ctx, o) })
}

// rest checks the objects that no commit has led to.
func (v *verifier) rest(ctx context.Context, report func(err error)) error {
	var rest []ostree.Object
	err := v.eachObject(ctx, func(o ostree.Object) error {
		if _, known := v.checked[o]; !known {
			rest = append(rest, o)
		}
		return nil
	})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	return each(ctx, rest, func(o ostree.Object) error {
		_, err := v.check(ctx, o)
		if ce := asCorrupt(Key{}, err); ce != nil {
			mu.Lock()
			defer mu.Unlock()
			report(ce)
			return nil
		}
		return err
	})
}

// Discard deletes an object that VerifyAll has reported with the zero Key, by its
// path in the error. One that is sound by now stays. That it is gone is success.
func (c *Commits) Discard(ctx context.Context, path string) error {
	o, ok := ostree.Parse(filepath.Base(filepath.Dir(path)), filepath.Base(path))
	if !ok {
		return fmt.Errorf("discard %s: it is no object of a repository", path)
	}
	if err := c.files.store.enter(); err != nil {
		return err
	}
	defer c.files.store.leave()
	if c.files.store.lookOnly {
		return fmt.Errorf("%s: %w", c.files.content.path, ErrLookOnly)
	}
	r, err := c.repo()
	if err != nil || r == nil {
		return err
	}
	defer r.close()
	if _, err := r.check(ctx, o); asCorrupt(Key{}, err) == nil || isMissing(err) {
		return err
	}
	bad := map[ostree.Object]bool{o: true}
	err = c.drop(ctx, r, Key{}, bad) // with the commits that a concurrent run has added
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
