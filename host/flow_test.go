package host

import (
	"context"
	"errors"
	"testing"
	"time"
)

// under returns how many more items the flow lets in without waiting.
func under(f *flow) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return max(0, f.limit-f.light-len(f.heavy)*f.weight())
}

func enterAll(t *testing.T, f *flow) {
	t.Helper()
	for range under(f) {
		if !f.enter() {
			t.Fatal("the flow is closed")
		}
	}
}

// Near servers get a few items at a time, far ones many, up to what is allowed.
func TestFlowGrowsWithDistance(t *testing.T) {
	for _, c := range []struct {
		name  string
		most  int
		waits func(i int) time.Duration
		want  int
	}{
		{"near", 128, func(int) time.Duration { return 300 * time.Microsecond }, flowStart},
		{"near, busy", 128, func(i int) time.Duration { return time.Duration(i+1) * time.Millisecond / 2 }, flowStart},
		{"far", 128, func(int) time.Duration { return 50 * time.Millisecond }, 128},
		{"far, new connections", 128, func(i int) time.Duration { return time.Duration(1+i%3) * 50 * time.Millisecond }, 128},
		{"far, few allowed", 20, func(int) time.Duration { return 50 * time.Millisecond }, 20},
		{"far, very few allowed", 3, func(int) time.Duration { return 50 * time.Millisecond }, 3},
		{"far, in a queue", 128, func(i int) time.Duration { return time.Duration(max(1, i-flowStart)) * 50 * time.Millisecond }, flowStart + 5*flowGrowth},
		{"near, slow at first", 128, func(i int) time.Duration { return max(1, 20-time.Duration(i)) * time.Millisecond }, flowStart},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFlow(c.most, true)
			for i := range 200 {
				f.answered("server", c.waits(i))
			}
			if f.limit != c.want {
				t.Errorf("%d items at once, want %d", f.limit, c.want)
			}
		})
	}
}

// A number that somebody chose stays, whatever servers and items are like.
func TestFlowKeepsWhatWasChosen(t *testing.T) {
	f := newFlow(8, false)
	for range 100 {
		f.answered("server", 50*time.Millisecond)
		f.refused()
	}
	for n := range 8 {
		if under(f) != 8-n {
			t.Fatalf("%d more items may be under way beside %d, want %d", under(f), n, 8-n)
		}
		f.enter()
		f.weigh(&item{})
	}
}

// Each server's waits are compared with its own shortest one.
func TestFlowKnowsServersApart(t *testing.T) {
	f := newFlow(128, true)
	for range 100 {
		f.answered("near", 100*time.Microsecond)
		f.answered("far", 80*time.Millisecond)
	}
	if f.limit != 128 {
		t.Errorf("%d items at once, want 128", f.limit)
	}
}

func TestFlowYieldsToRefusals(t *testing.T) {
	f := newFlow(128, true)
	for range 100 {
		f.answered("server", 50*time.Millisecond)
	}
	for _, want := range []int{64, 32, 16, 8, flowLeast, flowLeast} {
		f.refused()
		f.answered("server", 50*time.Millisecond)
		if f.limit != want {
			t.Errorf("%d items at once, want %d", f.limit, want)
		}
	}
	if f := newFlow(2, true); true {
		f.refused()
		if f.limit != 2 {
			t.Errorf("%d items at once, want the 2 that are allowed", f.limit)
		}
	}
}

// No more than flowHeavy large items are begun, however many small ones could be.
func TestFlowCountsLargeItems(t *testing.T) {
	f := newFlow(128, true)
	for range 100 {
		f.answered("server", 50*time.Millisecond)
	}
	var large []*item
	for under(f) > 0 {
		f.enter()
		it := &item{}
		f.weigh(it)
		f.weigh(it) // a second attempt
		large = append(large, it)
	}
	if len(large) != flowHeavy {
		t.Errorf("%d large items at once, want %d", len(large), flowHeavy)
	}
	f.lighten(large[0])
	f.leave()
	if got, want := under(f), 128/flowHeavy; got != want {
		t.Errorf("%d small items beside %d large ones, want %d", got, flowHeavy-1, want)
	}
	for _, it := range large[1:] {
		f.lighten(it)
		f.lighten(it) // it has become a small one
		f.leave()
	}
	if under(f) != 128 || f.light != 0 {
		t.Errorf("after the large items %d may be under way, %d are", under(f), f.light)
	}
}

// Who waits is let in when another item ends, and sent away when the run is stopped.
func TestFlowWaits(t *testing.T) {
	f := newFlow(4, false)
	ctx, cancel := context.WithCancelCause(t.Context())
	defer f.stopWith(ctx)()
	enterAll(t, f)
	got := make(chan bool)
	go func() { got <- f.enter() }()
	select {
	case <-got:
		t.Fatal("a fifth item was let in")
	case <-time.After(20 * time.Millisecond):
	}
	f.leave()
	if !<-got {
		t.Fatal("the flow is closed")
	}
	go func() { got <- f.enter() }()
	cancel(errors.New("stopped"))
	if <-got {
		t.Error("an item was let in after the run was stopped")
	}
}
