package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/sourcehost/sourcehost/host/store"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// CopyRequest asks for the items of one source to be copied from a store to another
// one. Nothing is downloaded, and no plugin runs.
type CopyRequest struct {
	// Source is the source's name.
	Source string
	// Items are what is to be copied, in the order in which the result lists them.
	// Only their keys matter. Keys must be unique.
	Items []Item
	// Options are the source's options; they do not matter yet.
	Options json.RawMessage
	// From and To are folders as Request.Store. To is made when it does not exist.
	From, To string
}

// Copy carries out one request: whatever From holds of the items, images in every
// form that is there and commits with all that they consist of, is in To afterwards.
// Files come to To as links where file system, owner and mode allow it, else as
// copies; each is read and verified against its key before it gets its name in
// either case. An item that From does not hold fails.
//
// In the result an item that was copied is Fetched, one that To had already Cached,
// and one of a source that stores nothing Skipped. The error is that of Run.
func (h *Host) Copy(ctx context.Context, req CopyRequest) (*Result, error) {
	start := time.Now()
	r, err := h.newRun(Request{Source: req.Source, Items: req.Items, Options: req.Options, Store: req.To, Checked: true})
	if err != nil {
		return nil, err
	}
	defer r.close()
	h.notify(Event{Kind: EventSource, Source: req.Source, Items: len(req.Items)})
	if err := r.openStore(ctx); err != nil {
		return nil, err
	}
	from, err := r.openSource(req.From)
	if err != nil {
		return nil, err
	}
	defer from.closeStore()
	r.parseKeys()
	missing := r.notCopied(ctx)
	r.tellCached()
	r.inParallel(missing, func(it *item) { r.copyItem(ctx, from, it) })
	h.notify(Event{Kind: EventSourceDone, Source: req.Source})
	return r.result(time.Since(start)), context.Cause(ctx)
}

// openSource opens the store that is copied from, to look at it only.
func (r *run) openSource(dir string) (*run, error) {
	if dir == "" {
		return nil, usagef("the request names no store to copy from")
	}
	from := &run{host: r.host, req: r.req, plugin: r.plugin, format: r.format, part: r.part}
	from.req.Store = dir
	if r.plugin.manifest.Produces == plugin.ProducesNone {
		return from, nil
	}
	var err error
	if from.store, err = store.OpenExisting(dir); err == nil {
		err = from.openEntries()
	}
	if err != nil {
		from.closeStore()
		return nil, r.runError(abi.ErrDisk, err)
	}
	return from, nil
}

// closeStore is close for a run that has used nothing but its store.
func (r *run) closeStore() {
	if r.store != nil {
		r.store.Close()
	}
}

// notCopied ends the items that need no copy and returns the others.
func (r *run) notCopied(ctx context.Context) []*item {
	switch r.plugin.manifest.Produces {
	case plugin.ProducesNone:
		for _, it := range newPage(r.items).open() {
			it.result.Reason = "the source keeps nothing in the store"
			r.end(it, Skipped)
		}
		return nil
	case plugin.ProducesImage: // of which another form may be missing
		return newPage(r.items).open()
	}
	return r.absent(ctx)
}

// inParallel calls fn with each item, as many at a time as there are workers.
func (r *run) inParallel(items []*item, fn func(it *item)) {
	next := make(chan *item)
	var wg sync.WaitGroup
	for range min(r.host.cfg.Workers, len(items)) {
		wg.Go(func() {
			for it := range next {
				fn(it)
			}
		})
	}
	for _, it := range items {
		next <- it
	}
	close(next)
	wg.Wait()
}

// copyItem copies one item and ends it.
func (r *run) copyItem(ctx context.Context, from *run, it *item) {
	if ctx.Err() != nil {
		return // reported as canceled
	}
	r.notifyStart(it)
	start := time.Now()
	n, err := r.copyEntry(ctx, from, it.key)
	it.result.Duration = time.Since(start)
	switch {
	case err == nil:
		it.result.Bytes, it.result.Attempts = n, 1
		r.end(it, Fetched)
	case errors.Is(err, store.ErrExists):
		r.end(it, Cached)
	case errors.Is(err, fs.ErrNotExist):
		e := r.itemError(it, nil, "", abi.ErrNotFound, fmt.Errorf("the item is not in the store %s", from.req.Store))
		e.Hint = "fetch it into that store first"
		r.fail(it, e)
		return
	default:
		e := r.storeError(ctx, it, err)
		if errors.As(err, new(*store.CorruptError)) {
			e.Kind = abi.ErrMismatch
		}
		r.fail(it, e)
		return
	}
	r.notifyItem(it)
}

// copyEntry copies what the source has of a key. The error is store.ErrExists when
// all of it is there, and fs.ErrNotExist when the source has nothing.
func (r *run) copyEntry(ctx context.Context, from *run, key store.Key) (int64, error) {
	switch r.plugin.manifest.Produces {
	case plugin.ProducesCommit:
		return r.commits.CopyFrom(ctx, from.commits, key)
	case plugin.ProducesImage:
		return r.copyImages(ctx, from, key)
	}
	return r.files.CopyFrom(ctx, from.files, key)
}

// copyImages copies an image in each form in which it is there.
func (r *run) copyImages(ctx context.Context, from *run, key store.Key) (int64, error) {
	total, copied, outcome := int64(0), false, error(fs.ErrNotExist)
	for _, format := range r.plugin.manifest.Formats {
		check := imageEntries{r.trees, format.Part}.check(key)
		n, err := r.trees.CopyFrom(ctx, from.trees, key, format.Part, check)
		switch {
		case err == nil:
			total, copied = total+n, true
		case errors.Is(err, store.ErrExists):
			outcome = err
		case !errors.Is(err, fs.ErrNotExist):
			return total, err
		}
	}
	if copied {
		outcome = nil
	}
	return total, outcome
}
