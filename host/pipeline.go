package host

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// Run carries out one request: Setup, Filter, Prepare, Download.
//
// The error says that the request as a whole could not be carried out; it is a
// *UsageError when the request itself is wrong. Items that failed are no error
// of Run: the result names them. When ctx ends, Run returns within a second
// with both: the result, in which the items that were not finished have failed
// as canceled, and the cause.
func (h *Host) Run(ctx context.Context, req Request) (*Result, error) {
	start := time.Now()
	r, err := h.newRun(req)
	if err != nil {
		return nil, err
	}
	defer r.close()
	h.notify(Event{Kind: EventSource, Source: req.Source, Items: len(req.Items)})
	h.Preload(req)

	if err := r.setup(ctx); err != nil {
		return nil, err
	}
	missing := r.filter(ctx)
	r.tellCached()
	jobs := r.prepare(ctx, missing)
	r.download(ctx, jobs)

	h.notify(Event{Kind: EventSourceDone, Source: req.Source})
	return r.result(time.Since(start)), context.Cause(ctx)
}

func (h *Host) notify(e Event) {
	if h.cfg.Notify != nil {
		h.cfg.Notify(e)
	}
}

// setup makes the folders and lets the source's plugin see the options. A plugin
// without a setup hook is not even compiled here.
func (r *run) setup(ctx context.Context) error {
	if err := r.openStore(ctx); err != nil {
		return err
	}
	r.parseKeys()
	if !r.plugin.manifest.Has(abi.Setup) {
		return nil
	}
	if err := r.pool(r.plugin).Start(ctx); err != nil {
		return r.hookError(r.plugin, abi.Setup, err)
	}
	return nil
}

// filter decides what has to be fetched: not what is in the store already, and
// not what the filters of the chained plugins and of the source's own drop.
func (r *run) filter(ctx context.Context) []*item {
	items := r.absent(ctx)
	for _, l := range append(slices.Clone(r.chain), r.plugin) {
		if l.manifest.Has(abi.Filter) {
			items = r.filterWith(ctx, l, items)
		}
	}
	return items
}

func (r *run) filterWith(ctx context.Context, l *loaded, all []*item) []*item {
	var kept []*item
	for _, items := range r.split(all) {
		r.callHook(ctx, l, abi.Filter, newPage(items))
		for _, it := range items {
			if !it.done {
				kept = append(kept, it)
			}
		}
	}
	return kept
}

// prepare lets the chained plugins and then the source's own change what is to
// be fetched, and asks for the jobs. Pages flow: the first jobs arrive while
// later pages are still being prepared. The channel is closed at the end.
func (r *run) prepare(ctx context.Context, items []*item) <-chan *job {
	jobs := make(chan *job, 2*r.pageItems())
	pages := make(chan []*item)
	go func() {
		defer close(pages)
		for _, page := range r.split(items) {
			select {
			case pages <- page:
			case <-ctx.Done():
				return
			}
		}
	}()
	var wg sync.WaitGroup
	for range r.instances() {
		wg.Go(func() {
			for page := range pages {
				r.preparePage(ctx, newPage(page), jobs)
			}
		})
	}
	go func() {
		wg.Wait()
		close(jobs)
	}()
	return jobs
}

// preparePage takes one page through all its hooks and hands its jobs over.
func (r *run) preparePage(ctx context.Context, p *page, jobs chan<- *job) {
	for _, l := range r.chain {
		if l.manifest.Has(abi.Prepare) {
			r.callHook(ctx, l, abi.Prepare, p)
		}
	}
	if r.plugin.manifest.Has(abi.Prepare) {
		r.callHook(ctx, r.plugin, abi.Prepare, p)
	}
	r.callHook(ctx, r.plugin, abi.FetchOne, p)
	if ctx.Err() != nil {
		return // what a hook did not get to say is not the plugin's fault
	}
	for _, it := range p.open() {
		it.desc = nil // the job has all that is needed of it
		j := p.jobs[it]
		if j == nil {
			r.fail(it, r.itemError(it, r.plugin, abi.FetchOne, abi.ErrPlugin,
				errors.New("the plugin neither asked for the item nor said why not")))
			continue
		}
		select {
		case jobs <- j:
		case <-ctx.Done():
			return
		}
	}
}

// download performs the jobs, as many at a time as there are workers. Storing an
// item waits for the disk, so a worker does not: it goes on with the next.
func (r *run) download(ctx context.Context, jobs <-chan *job) {
	var workers, commits sync.WaitGroup
	pending := make(chan struct{}, commitLimit(r.host.cfg.Workers))
	r.flow = newFlow(r.host.cfg.Workers, r.host.adaptive)
	defer r.flow.stopWith(ctx)()
	for range r.host.cfg.Workers {
		workers.Go(func() {
			for r.flow.enter() {
				j, more := <-jobs
				if more {
					r.perform(ctx, j, &commits, pending)
				}
				r.flow.leave()
				if !more {
					return
				}
			}
		})
	}
	workers.Wait()
	if r.store != nil {
		r.store.Hurry()
	}
	commits.Wait()
}

// perform performs a job, unless its group has enough under way: then the worker
// that ends one of them goes on with it.
func (r *run) perform(ctx context.Context, j *job, commits *sync.WaitGroup, pending chan struct{}) {
	for ok := r.groups.enter(j); ok; j, ok = r.groups.leave(j) {
		r.fetch(ctx, j, commits, pending)
		r.flow.lighten(j.item)
	}
}
