package host

import (
	"context"
	"net/url"
	"sync"
	"time"

	"github.com/sourcehost/sourcehost/host/store"
)

const (
	// flowStart is how many items are under way at first, and at least unless
	// servers refuse: on a near server more bring nothing.
	flowStart = 16
	// flowLeast is what refusals can bring that down to.
	flowLeast = 4
	// flowHeavy is how many large items are under way at most: a few fill any line.
	flowHeavy = 8
	// heavyBytes is from what size on an item is large.
	heavyBytes = 16 << 20
	// farWait is from what wait for an answer on a server is far away.
	farWait = 2 * time.Millisecond
	// flowGrowth is how many more are begun at each answer of a far server.
	flowGrowth = 4
	// flowItem is what an item costs at the least where nothing has to be waited for:
	// so many items are worth beginning as fit into a wait.
	flowItem = 100 * time.Microsecond
	// flowQueued is by how much a wait may exceed the shortest one before it counts
	// as time in a queue, where more items would only wait too. A new connection
	// needs two to four round trips, another one.
	flowQueued = 4
)

// flow decides how many items are under way at once: more while waiting for far
// servers is what takes the time, fewer when servers refuse or items are large.
type flow struct {
	adaptive bool

	mu      sync.Mutex
	free    sync.Cond
	limit   int
	ceiling int // lowered by refusals
	light   int // items under way
	heavy   map[*item]bool
	closed  bool

	nearest map[string]time.Duration // shortest wait so far, by server
	answers map[string]int           // how many there were, by server
}

// newFlow returns a flow of always that many items, or, when it is adaptive, of
// that many at most.
func newFlow(most int, adaptive bool) *flow {
	f := &flow{adaptive: adaptive, limit: most, ceiling: most, heavy: map[*item]bool{},
		nearest: map[string]time.Duration{}, answers: map[string]int{}}
	f.free.L = &f.mu
	if adaptive {
		f.limit = min(flowStart, most)
	}
	return f
}

// stopWith makes enter return false when ctx ends. The result undoes that.
func (f *flow) stopWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.closed = true
		f.free.Broadcast()
	})
}

// enter waits until one more item may be under way.
func (f *flow) enter() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.closed && f.light+len(f.heavy)*f.weight() >= f.limit {
		f.free.Wait()
	}
	if !f.closed {
		f.light++
	}
	return !f.closed
}

// weight is as how many items a large one counts.
func (f *flow) weight() int { return max(1, f.limit/flowHeavy) }

// leave ends what enter began.
func (f *flow) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.light--
	f.free.Broadcast()
}

// weigh counts an item that is under way as a large one from now on.
func (f *flow) weigh(it *item) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.adaptive && !f.heavy[it] {
		f.heavy[it] = true
		f.light--
	}
}

// lighten undoes weigh, if that was called: the item has come.
func (f *flow) lighten(it *item) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.heavy[it] {
		delete(f.heavy, it)
		f.light++
		f.free.Broadcast()
	}
}

// answered notes how long a server took to answer, from the start of the item on.
func (f *flow) answered(server string, wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	nearest, known := f.nearest[server]
	if !known || wait < nearest {
		nearest = max(wait, time.Microsecond)
		f.nearest[server] = nearest
		f.rethink()
	}
	// The first answers come over new connections, which are made all at once.
	f.answers[server]++
	if f.answers[server] <= flowStart {
		return
	}
	if nearest >= farWait && float64(wait) <= flowQueued*float64(nearest) {
		f.limit = max(f.limit, min(f.limit+flowGrowth, f.useful(nearest), f.ceiling))
		f.free.Broadcast()
	}
}

// useful is how many items at once a server is worth at that distance.
func (f *flow) useful(nearest time.Duration) int { return max(flowStart, int(nearest/flowItem)) }

// rethink takes back what no server turned out to be worth. A busy start makes a
// near server look far: its first answers are late because of everything else.
func (f *flow) rethink() {
	if !f.adaptive {
		return
	}
	most := flowStart
	for _, nearest := range f.nearest {
		if nearest >= farWait {
			most = max(most, f.useful(nearest))
		}
	}
	f.limit = min(f.limit, most)
}

// refused halves what may be under way, for good: an item needed several attempts,
// perhaps because a server has too much to do.
func (f *flow) refused() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.adaptive {
		f.ceiling = max(f.limit/2, min(f.limit, flowLeast))
		f.limit = f.ceiling
	}
}

// watched is a stage under the eyes of the flow.
type watched struct {
	*store.Stage
	flow     *flow
	item     *item
	server   string
	start    time.Time
	answered bool
}

// watch begins an item's download to a stage.
func (f *flow) watch(it *item, s *store.Stage, from string) *watched {
	w := &watched{Stage: s, flow: f, item: it, start: time.Now()}
	if u, err := url.Parse(from); err == nil {
		w.server = u.Host
	}
	return w
}

// Reset is called when the answer to a request is there.
func (w *watched) Reset(size int64, validator string) error {
	if !w.answered {
		w.answered = true
		w.flow.answered(w.server, time.Since(w.start))
	}
	if size >= heavyBytes {
		w.flow.weigh(w.item)
	}
	return w.Stage.Reset(size, validator)
}
