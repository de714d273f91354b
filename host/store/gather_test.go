package store

import (
	"sync"
	"testing"
	"time"
)

// TestGather has many commits come one by one while syncs are slow: after a sync
// that many shared, the next one waits for more, and Hurry ends that.
func TestGather(t *testing.T) {
	c := &committer{disk: kernel{}, took: time.Hour}
	waited := func(last int) bool {
		done := make(chan struct{})
		go func() { c.gather(last); close(done) }()
		select {
		case <-done:
			return false
		case <-time.After(gatherLongest / 4):
		}
		c.hurry()
		<-done
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
	start := time.Now()
	c.gather(wholeFrom)
	if took := time.Since(start); took < gatherLongest || took > 20*gatherLongest {
		t.Errorf("a sync waited for %v, want %v", took, gatherLongest)
	}
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
