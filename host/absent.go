package host

import (
	"context"
	"errors"
	"io/fs"
	"sync"

	"github.com/sourcehost/sourcehost/host/store"
)

// absent is the default filter: what is in the store already needs no fetching.
// It is decided natively, in one pass, without a plugin.
func (r *run) absent(ctx context.Context) []*item {
	open := newPage(r.items).open()
	if r.entries == nil { // nothing is stored, so nothing can be there
		return open
	}
	keys := make([]store.Key, len(open))
	for i, it := range open {
		keys[i] = it.key
	}
	present, err := r.entries.Present(keys)
	wrong := map[store.Key]error{}
	var entries *store.PresentError
	switch {
	case errors.As(err, &entries):
		for _, e := range entries.Entries {
			wrong[e.Key] = e
		}
	case err != nil:
		for _, it := range open {
			r.fail(it, r.storeError(ctx, it, err))
		}
		return nil
	}
	if r.req.Verify {
		return r.verify(ctx, open, present, wrong)
	}
	var missing []*item
	for i, it := range open {
		switch {
		case wrong[it.key] != nil:
			r.fail(it, r.storeError(ctx, it, wrong[it.key]))
		case present[i]:
			r.end(it, Cached)
		default:
			missing = append(missing, it)
		}
	}
	return missing
}

// verify reads the entries that are there and removes those that do not match
// their keys, so that they are fetched again. It returns what is missing then.
func (r *run) verify(ctx context.Context, items []*item, present []bool, wrong map[store.Key]error) []*item {
	absent := make([]bool, len(items))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(r.host.cfg.Workers, len(items)) {
		wg.Go(func() {
			for i := range next {
				absent[i] = r.verifyOne(ctx, items[i], wrong[items[i].key])
			}
		})
	}
	for i, it := range items {
		if present[i] || wrong[it.key] != nil {
			next <- i
		} else {
			absent[i] = true
		}
	}
	close(next)
	wg.Wait()
	var missing []*item
	for i, it := range items {
		if absent[i] && !it.done {
			missing = append(missing, it)
		}
	}
	return missing
}

// verifyOne ends an item whose entry is right, and reports whether it has to be
// fetched.
func (r *run) verifyOne(ctx context.Context, it *item, wrong error) bool {
	err := wrong
	if err == nil {
		err = r.entries.Verify(ctx, it.key)
	}
	var corrupt *store.CorruptError
	switch {
	case err == nil:
		r.end(it, Cached)
		return false
	case errors.Is(err, fs.ErrNotExist):
		return true // another run has just removed it, to repair it
	case errors.As(err, &corrupt):
		r.host.log.Warn("a corrupt entry is fetched again", "source", r.req.Source, "entry", corrupt.Path, "why", corrupt.Reason)
		if r.req.DryRun {
			return true
		}
		if err = r.entries.Remove(ctx, it.key); err == nil {
			return true
		}
	}
	r.fail(it, r.storeError(ctx, it, err))
	return false
}
