package progress

import (
	"cmp"
	"net/url"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/abi"
)

// rateWindow is the time over which the rate is averaged.
const rateWindow = 5 * time.Second

// tracker adds events up to the state of the run.
type tracker struct {
	now   func() time.Time
	start time.Time

	mu      sync.Mutex
	items   int
	grows   bool // items was not known before
	counts  counts
	known   map[string]int // by source: how many of its items were counted
	bytes   int64          // of items that have ended
	active  map[itemID]*activeItem
	samples []sample
}

// counts is how many items ended in each state.
type counts struct {
	cached, fetched, skipped, planned, failed int
}

func (c counts) done() int { return c.cached + c.fetched + c.skipped + c.planned + c.failed }

type itemID struct{ source, key string }

type activeItem struct {
	source, key, url string
	start            time.Time
	done, total      int64 // bytes; total is -1 when it is not known
}

type sample struct {
	at    time.Time
	bytes int64
}

// snapshot is the state of the run at one moment.
type snapshot struct {
	counts
	items, done int
	bytes       int64
	rate        float64 // bytes per second
	elapsed     time.Duration
	active      []activeItem // longest running first
	at          time.Time
}

func newTracker(items int, now func() time.Time) *tracker {
	return &tracker{now: now, start: now(), items: items, grows: items == 0, known: map[string]int{}, active: map[itemID]*activeItem{}}
}

func (t *tracker) event(e host.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := itemID{e.Source, e.Key}
	switch e.Kind {
	case host.EventSource:
		if t.grows {
			t.items += e.Items
		}
	case host.EventCached:
		t.counts.cached += e.Items
		t.counts.skipped += e.Skipped
		t.known[e.Source] += e.Items + e.Skipped
	case host.EventStart, host.EventProgress:
		t.progress(id, e)
	case host.EventItem:
		delete(t.active, id)
		t.ended(e.Source, e.Result)
	}
}

// sourceFailed counts the items of a source that failed as a whole, but for
// those that were counted already, and returns how many that are.
func (t *tracker) sourceFailed(source string, items int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := max(0, items-t.known[source])
	t.known[source] += n
	t.counts.failed += n
	return n
}

func (t *tracker) progress(id itemID, e host.Event) {
	a := t.active[id]
	if a == nil {
		a = &activeItem{source: e.Source, key: e.Key, start: t.now(), total: -1}
		t.active[id] = a
	}
	if e.URL != "" {
		a.url = e.URL
	}
	if e.Kind == host.EventProgress {
		a.done, a.total = e.Done, e.Total
	}
}

func (t *tracker) ended(source string, r *host.ItemResult) {
	if r == nil || canceled(r) {
		return
	}
	t.bytes += r.Bytes
	t.known[source]++
	switch r.State {
	case host.Fetched:
		t.counts.fetched++
	case host.Cached:
		t.counts.cached++
	case host.Skipped:
		t.counts.skipped++
	case host.Planned:
		t.counts.planned++
	default:
		t.counts.failed++
	}
}

// canceled tells items that were stopped from those that failed.
func canceled(r *host.ItemResult) bool {
	return r.State == host.Failed && r.Err != nil && r.Err.Kind == abi.ErrCanceled
}

// snapshot also takes a sample for the rate, so it should be called regularly.
func (t *tracker) snapshot() snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	s := snapshot{
		counts: t.counts, items: t.items, done: t.counts.done(),
		bytes: t.bytes, elapsed: now.Sub(t.start), at: now,
	}
	s.items = max(s.items, s.done)
	for _, a := range t.active {
		s.bytes += a.done
		s.active = append(s.active, *a)
	}
	slices.SortFunc(s.active, func(a, b activeItem) int {
		return cmp.Or(a.start.Compare(b.start), cmp.Compare(a.key, b.key))
	})
	s.rate = t.rate(now, s.bytes)
	return s
}

func (t *tracker) rate(now time.Time, bytes int64) float64 {
	t.samples = append(t.samples, sample{now, bytes})
	first := 0
	for first < len(t.samples)-1 && now.Sub(t.samples[first].at) > rateWindow {
		first++
	}
	t.samples = slices.Delete(t.samples, 0, first)
	from := t.samples[0]
	if len(t.samples) == 1 {
		from = sample{at: t.start}
	}
	span := now.Sub(from.at).Seconds()
	if span <= 0 {
		return 0
	}
	return max(0, float64(bytes-from.bytes)/span)
}

// name is what people call an item: the last element of its URL's path, or the
// key when there is none. It is fit for a terminal.
func name(rawURL, key string) string {
	if u, err := url.Parse(rawURL); err == nil && rawURL != "" {
		p := u.Path
		if p == "" {
			p = u.Opaque
		}
		if base := path.Base(p); base != "." && base != "/" {
			return text.Clean(base)
		}
	}
	return text.Clean(key)
}
