package download

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// errStalled is the cause with which the watchdog cancels a transfer.
var errStalled = errors.New("the transfer stalled")

// watchSamples is how many times in a window the watchdog looks: a stall is
// found at most a tenth of the window late.
const watchSamples = 10

// watchdog ends transfers that are too slow. One goroutine with one ticker
// looks at all of them, and only while there are any, so that a read costs no
// more than adding to a counter.
type watchdog struct {
	window time.Duration
	least  int64 // bytes that a window must bring

	mu      sync.Mutex
	all     map[*transfer]struct{}
	running bool
	wake    chan struct{} // closed to have the goroutine look at once
}

// transfer is one body on its way.
type transfer struct {
	cancel   context.CancelCauseFunc
	received atomic.Int64
	// writing is set while the target has the bytes: its time is not the
	// server's.
	writing atomic.Bool

	// Of the watchdog's goroutine: the counter at the last ticks, a ring.
	samples [watchSamples]int64
	ticks   int
}

// add starts to watch t.
func (w *watchdog) add(t *transfer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = make(map[*transfer]struct{})
	}
	w.all[t] = struct{}{}
	if !w.running {
		w.running = true
		w.wake = make(chan struct{})
		go w.run(w.wake)
	}
}

// remove ends the watch over t.
func (w *watchdog) remove(t *transfer) {
	w.mu.Lock()
	delete(w.all, t)
	w.mu.Unlock()
}

// close ends the goroutine now rather than at its next tick, when nothing is
// left to watch.
func (w *watchdog) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running && len(w.all) == 0 {
		w.running = false
		close(w.wake)
	}
}

// run looks at every transfer at each tick until there is none.
func (w *watchdog) run(wake <-chan struct{}) {
	ticker := time.NewTicker(max(w.window/watchSamples, time.Millisecond))
	defer ticker.Stop()
	for {
		select {
		case <-wake:
			return
		case <-ticker.C:
		}
		if !w.tick(wake) {
			return
		}
	}
}

// tick looks at every transfer. It reports whether the goroutine with this wake
// channel is to go on.
func (w *watchdog) tick(wake <-chan struct{}) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wake != wake || !w.running {
		return false
	}
	for t := range w.all {
		t.look(w.least)
	}
	w.running = len(w.all) > 0
	return w.running
}

// look cancels t when the last window brought fewer than least bytes.
func (t *transfer) look(least int64) {
	if t.writing.Load() {
		t.ticks = 0
		return
	}
	now := t.received.Load()
	slot := &t.samples[t.ticks%watchSamples]
	before := *slot
	*slot = now
	t.ticks++
	if t.ticks > watchSamples && now-before < least {
		t.cancel(errStalled)
	}
}
