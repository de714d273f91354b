package download

import (
	"net/url"
	"sync"
	"sync/atomic"
)

// health remembers which hosts could not be connected to, so that a run of
// thousands of items does not go through every retry and time-out for each of
// them. Some items in a row that did without a host put it behind the other
// URLs of an item. Only items that failed for it take its retries away: an item
// that succeeded elsewhere, or in a later attempt, is no sign that the host
// will not come back in time for one that has no other.
type health struct {
	limit int
	known atomic.Bool // whether hosts has entries
	mu    sync.Mutex
	hosts map[string]strikes // by host and port
}

// strikes are the items in a row that could not connect to a host.
type strikes struct{ failed, passed int }

// failed counts an item that failed, against each of hosts.
func (h *health) failed(hosts []string) {
	h.count(hosts, func(s *strikes) { s.failed++ })
}

// passed counts an item that succeeded without hosts.
func (h *health) passed(hosts []string) {
	h.count(hosts, func(s *strikes) { s.passed++ })
}

func (h *health) count(hosts []string, add func(*strikes)) {
	if h.limit < 0 || len(hosts) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.hosts == nil {
		h.hosts = make(map[string]strikes)
	}
	for _, host := range hosts {
		s := h.hosts[host]
		add(&s)
		h.hosts[host] = s
	}
	h.known.Store(true)
}

// reached forgets what was counted: u's host has answered.
func (h *health) reached(u *url.URL) {
	if !h.known.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.hosts, hostPort(u))
	h.known.Store(len(h.hosts) > 0)
}

// look reports whether the host of rawURL is set aside behind others, and
// whether it gets a single attempt to connect.
func (h *health) look(rawURL string) (aside, once bool) {
	if !h.known.Load() {
		return false, false
	}
	u, err := url.Parse(QuotePath(rawURL))
	if err != nil {
		return false, false
	}
	s := h.of(u)
	return s.failed+s.passed >= h.limit, s.failed >= h.limit
}

// once reports whether u's host gets a single attempt to connect.
func (h *health) once(u *url.URL) bool { return h.of(u).failed >= h.limit }

func (h *health) of(u *url.URL) strikes {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hosts[hostPort(u)]
}
