package host

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/sourcehost/sourcehost/host/download"
	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/host/store"
	"github.com/sourcehost/sourcehost/internal/abi"
)

// run is the state of one request.
type run struct {
	host   *Host
	req    Request
	plugin *loaded
	chain  []*loaded
	items  []*item
	flow   *flow // while downloading
	store  *store.Store
	// entries are what the source's items become. Nil when nothing is stored.
	entries entries
	files   *store.Files   // of items that are files
	trees   *store.Trees   // of the content type; nil when nothing is stored
	commits *store.Commits // of items that are commits; nil for others
	// format and part are the form of items that are images.
	format, part string
	images       images
	groups       groups
	shared       sharedCalls
	record       *download.MirrorRecord
	mirrors      mirrorLists
	splits       splits
	// timeouts and denials keep a plugin from taking time and log without end.
	timeouts timeouts
	denials  denials

	mu    sync.Mutex
	pools map[*loaded]*guest.Pool
}

// item is one item on its way through the pipeline. Only one goroutine works on
// an item at any time.
type item struct {
	key  store.Key
	desc []byte
	// adopted are the references that chained plugins have put into the
	// description, each with the policy of the plugin that was granted it.
	adopted map[reference]*policy
	done    bool
	result  ItemResult
}

// newRun checks the request as far as that needs neither plugin nor store.
func (h *Host) newRun(req Request) (*run, error) {
	l, err := h.serving(req.Source)
	if err != nil {
		return nil, err
	}
	if !canProduce(l.manifest) {
		return nil, usagef("the plugin %q produces items of the kind %q, which this version cannot store", l.Name, l.manifest.Produces)
	}
	r := &run{host: h, req: req, plugin: l, chain: h.chain(req.Source), pools: map[*loaded]*guest.Pool{}}
	if err := r.chooseFormat(); err != nil {
		return nil, err
	}
	r.shared.init()
	h.passwords.ofJSON(req.Options)
	r.record = h.engine.NewRecord()
	r.items = make([]*item, len(req.Items))
	all := make([]item, len(req.Items))
	seen := make(map[string]bool, len(req.Items))
	for i, in := range req.Items {
		if seen[in.Key] {
			return nil, usagef("the request has the item %s twice", plain(in.Key, 160))
		}
		seen[in.Key] = true
		it := &all[i]
		it.desc, it.result.Key = in.Desc, in.Key
		h.passwords.ofJSON(in.Desc)
		if len(it.desc) == 0 {
			it.desc = []byte("null")
		}
		r.items[i] = it
	}
	return r, r.validate()
}

// parseKeys ends the items whose keys cannot be names in the store.
func (r *run) parseKeys() {
	for _, it := range r.items {
		var err error
		if it.key, err = parseKey(r.plugin.manifest, it.result.Key); err != nil {
			r.fail(it, r.itemError(it, nil, "", abi.ErrInvalid, err))
		}
	}
}

// validate checks options and descriptions against the plugin's schema.
func (r *run) validate() error {
	if r.req.Checked {
		return nil
	}
	if problems := r.plugin.checkRequest(r.req); len(problems) > 0 {
		return &UsageError{Err: problems}
	}
	return nil
}

func (r *run) close() {
	r.shared.close()
	for _, p := range r.pools {
		p.Close()
	}
	r.images.close(r.host.log)
	if r.store != nil {
		r.store.Close()
	}
}

// pool returns the instances of a plugin for this run, making it at first use.
func (r *run) pool(l *loaded) *guest.Pool {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.pools[l]
	if p == nil {
		setup := abi.Page{Source: r.req.Source, Options: r.req.Options, Config: l.Config, Format: r.format}
		p = l.guest.Pool(setup.Append(nil), func() guest.Caller {
			return &caller{run: r, plugin: l, hook: abi.Setup}
		})
		r.pools[l] = p
	}
	return p
}

// maxPages bounds how many pages are prepared at once.
const maxPages = 8

// instances is how many pages are prepared at once: as many as the most parallel
// plugin of the run allows.
func (r *run) instances() int {
	n := 1
	for _, l := range append([]*loaded{r.plugin}, r.chain...) {
		n = max(n, l.manifest.Instances())
	}
	return min(n, maxPages)
}

func (r *run) pageItems() int { return r.host.cfg.PageItems }

// tellCached tells how many items need no fetching.
func (r *run) tellCached() {
	e := Event{Kind: EventCached, Source: r.req.Source}
	for _, it := range r.items {
		switch it.result.State {
		case Cached:
			e.Items++
		case Skipped:
			e.Skipped++
		}
	}
	r.host.notify(e)
}

// split cuts items into pages.
func (r *run) split(items []*item) [][]*item {
	return slices.Collect(slices.Chunk(items, r.pageItems()))
}

// fail ends an item as failed. The first failure counts.
func (r *run) fail(it *item, e *Error) {
	if it.done {
		return
	}
	it.done = true
	it.result.State, it.result.Err = Failed, e
	it.result.URL, it.result.Attempts = e.URL, e.Attempts
	r.host.notify(Event{Kind: EventItem, Source: r.req.Source, Key: it.result.Key, URL: e.URL, Result: &it.result})
}

// end ends an item that did not fail.
func (r *run) end(it *item, s State) {
	it.done = true
	it.result.State = s
}

// result gathers what became of the items. What was not finished when the
// context ended has failed.
func (r *run) result(took time.Duration) *Result {
	res := &Result{Source: r.req.Source, Plugin: r.plugin.Name, Duration: took, Items: make([]ItemResult, len(r.items))}
	for i, it := range r.items {
		if !it.done {
			r.fail(it, r.itemError(it, nil, "", abi.ErrCanceled, errors.New("the run was stopped before the item was fetched")))
		}
		res.Items[i] = it.result
	}
	return res
}

// itemError makes the error of an item; plugin and hook may be absent.
func (r *run) itemError(it *item, l *loaded, hook abi.Hook, kind abi.Kind, err error) *Error {
	e := &Error{Kind: kind, Source: r.req.Source, Hook: hook, Key: it.result.Key, Message: err.Error(), Err: err}
	if l != nil {
		e.Plugin = l.Name
		e.Message = fmt.Sprintf("plugin %s, %s: %s", l.Name, hook, err.Error())
	}
	e.Message = r.host.secrets.Redact(e.Message)
	e.Hint = r.host.secrets.Redact(e.Hint)
	return e
}

// runError makes the error of the run as a whole.
func (r *run) runError(kind abi.Kind, err error) *Error {
	return &Error{Kind: kind, Source: r.req.Source, Message: r.host.secrets.Redact(err.Error()), Err: err}
}

// hookError makes the error of a run whose plugin failed as a whole.
func (r *run) hookError(l *loaded, hook abi.Hook, err error) *Error {
	e := r.itemError(&item{}, l, hook, abi.ErrPlugin, err)
	r.describeHookError(e, l, hook, err)
	return e
}
