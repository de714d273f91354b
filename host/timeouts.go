package host

import (
	"errors"
	"sync"

	"github.com/sourcehost/sourcehost/host/guest"
)

// maxTimeouts is how many calls of a plugin may reach their deadline in a run.
// A plugin that hangs would otherwise hang once for each page.
const maxTimeouts = 3

// timeouts counts them, by plugin.
type timeouts struct {
	mu   sync.Mutex
	last map[*loaded]*guest.Error
	n    map[*loaded]int
}

// check returns the last error of a plugin that is not worth another call.
func (t *timeouts) check(l *loaded) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n[l] < maxTimeouts {
		return nil
	}
	return t.last[l]
}

// note remembers err if a deadline was its cause.
func (t *timeouts) note(l *loaded, err error) {
	var e *guest.Error
	if !errors.As(err, &e) || e.Cause != guest.Deadline {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n == nil {
		t.n, t.last = map[*loaded]int{}, map[*loaded]*guest.Error{}
	}
	t.n[l]++
	t.last[l] = e
}
