package store

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestGather has many commits come one by one while syncs are slow: after a sync
// that many shared, the next one waits for more, and Hurry ends that. The time is that of
// the bubble, in which nothing else takes any.
func TestGather(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &committer{disk: kernel{}, took: time.Hour}
		waited := func(last int) bool {
			start, done := time.Now(), make(chan struct{})
			go func() { c.gather(last); close(done) }()
			synctest.Wait()
			select {
			case <-done:
				return false
			default:
			}
			c.hurry()
			<-done
			if took := time.Since(start); took > 0 {
				t.Errorf("in a hurry a sync still waited for %v", took)
			}
			c.hurried = false
			return true
		}
		if waited(wholeFrom - 1) {
			t.Error("a sync waits for others although few come")
		}
		if !waited(wholeFrom) {
			t.Error("a sync waits for no others although many come")
		}
		c.queue = make([]*entry, gatherMost)
		if waited(wholeFrom) {
			t.Errorf("a sync waits although %d entries are there", gatherMost)
		}
		c.queue = nil
		for last, want := range map[time.Duration]time.Duration{time.Hour: gatherLongest, time.Millisecond: gatherTimes * time.Millisecond} {
			start := time.Now()
			c.took = last
			c.gather(wholeFrom)
			if took := time.Since(start); took != want {
				t.Errorf("after a sync of %v the next one waited for %v, want %v", last, took, want)
			}
		}
	})
}

// TestFullQueueIsCommitted fills the queue while a sync waits for more.
func TestFullQueueIsCommitted(t *testing.T) {
	_, f := openStore(t, t.TempDir(), kernel{})
	f.store.committer.took = time.Hour
	var wg sync.WaitGroup
	for i := range 2 * gatherMost {
		wg.Go(func() {
			data := content(uint64(i), 10)
			if err := put(t.Context(), f, keyOf(t, data), data, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}
