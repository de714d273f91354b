package osbuild

import (
	"fmt"
	"sync"
	"time"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/abi"
)

// signOfLife is how long the log may be silent while files arrive.
const signOfLife = 10 * time.Second

// watcher makes log lines of events.
type watcher struct {
	lines *Lines

	mu   sync.Mutex
	last time.Time // of the last line
}

func (w *watcher) event(e host.Event) {
	switch {
	case e.Kind == host.EventItem && e.Result != nil:
		w.item(e)
	case e.Kind == host.EventProgress && w.due():
		w.print("Downloading %s: %s", e.URL, progress(e.Done, e.Total))
	}
}

func (w *watcher) item(e host.Event) {
	where := e.URL
	if where == "" {
		where = e.Key
	}
	switch e.Result.State {
	case host.Fetched:
		w.print("Downloaded %s", where)
	case host.Failed:
		if e.Result.Err != nil && e.Result.Err.Kind != abi.ErrCanceled {
			w.print("Failed: %s", e.Result.Err.Error())
		}
	}
}

func (w *watcher) print(format string, args ...any) {
	w.lines.Printf(format, args...)
	w.mu.Lock()
	w.last = time.Now()
	w.mu.Unlock()
}

// due reports whether it is time for a sign of life, once.
func (w *watcher) due() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.last) < signOfLife {
		return false
	}
	w.last = time.Now()
	return true
}

func progress(done, total int64) string {
	const mega = 1e6
	if total <= 0 {
		return fmt.Sprintf("%.1f MB", float64(done)/mega)
	}
	return fmt.Sprintf("%.1f of %.1f MB", float64(done)/mega, float64(total)/mega)
}
