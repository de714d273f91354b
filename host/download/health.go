package download

import (
	"net/url"
	"sync"
	"sync/atomic"
)

// health remembers which hosts could not be connected to, so that a run of
// thousands of items does not go through every retry and time-out for each of
// them: after some items in a row have failed, the host is set aside.
type health struct {
	limit  int
	known  atomic.Bool // whether failed has entries
	mu     sync.Mutex
	failed map[string]int // by host and port
}

// unreached counts one item that could not connect to u's host.
func (h *health) unreached(u *url.URL) {
	if h.limit < 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failed == nil {
		h.failed = make(map[string]int)
	}
	h.failed[hostPort(u)]++
	h.known.Store(true)
}

// reached forgets what was counted: u's host has answered.
func (h *health) reached(u *url.URL) {
	if !h.known.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.failed, hostPort(u))
	h.known.Store(len(h.failed) > 0)
}

// aside reports whether the host of rawURL is set aside.
func (h *health) aside(rawURL string) bool {
	if !h.known.Load() {
		return false
	}
	u, err := url.Parse(QuotePath(rawURL))
	if err != nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failed[hostPort(u)] >= h.limit
}
