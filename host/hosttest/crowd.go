package hosttest

import (
	"context"
	"sync"
	"time"
)

// Crowd counts how many requests a server has at once. The first ones wait for each
// other, so that as many come together as the client sends, however slow the machine is.
type Crowd struct {
	want int
	all  chan struct{} // closed when so many are there

	mu        sync.Mutex
	now, most int
}

// NewCrowd expects so many requests at once.
func NewCrowd(want int) *Crowd { return &Crowd{want: want, all: make(chan struct{})} }

// Enter counts a request until leave is called. It returns when the expected number has
// come together, ctx has ended or a minute has passed, and a moment later: a request that
// is one too many is to be seen.
func (c *Crowd) Enter(ctx context.Context) (leave func()) {
	c.mu.Lock()
	c.now++
	if c.now == c.want && c.most < c.want {
		close(c.all)
	}
	c.most = max(c.most, c.now)
	c.mu.Unlock()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-c.all:
	case <-ctx.Done():
	case <-late.C:
	}
	time.Sleep(10 * time.Millisecond)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.now--
	}
}

// Most is how many requests there were at once.
func (c *Crowd) Most() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.most
}
