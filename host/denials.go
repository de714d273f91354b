package host

import (
	"log/slog"
	"sync"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// maxDenials is how many different denials of a run are logged.
const maxDenials = 100

// denials logs each denial of a run once.
type denials struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (d *denials) log(log *slog.Logger, plugin string, hook abi.Hook, op string, why error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	id := plugin + "\x00" + op + "\x00" + why.Error()
	if d.seen[id] || len(d.seen) > maxDenials {
		return
	}
	if d.seen == nil {
		d.seen = map[string]bool{}
	}
	d.seen[id] = true
	if len(d.seen) > maxDenials {
		log.Warn("further denials of this run are not logged", "plugin", plugin)
		return
	}
	log.Warn("denied to a plugin", "plugin", plugin, "hook", string(hook), "operation", op, "why", why.Error())
}
