package progress

import (
	"fmt"
	"io"
	"time"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host"
)

const (
	// plainInterval is the time between two lines about the run as a whole.
	plainInterval = 2 * time.Second
	// largeItem is the size from which on an item gets a line of its own.
	largeItem = 16 << 20
)

// plain writes lines for people who read a log.
type plain struct {
	out     *lockedWriter
	tracker *tracker
	ticker  *ticker
}

func newPlain(w io.Writer, t *tracker, interval time.Duration) *plain {
	p := &plain{out: &lockedWriter{w: w}, tracker: t}
	p.ticker = startTicker(interval, p.tick)
	return p
}

func (p *plain) Write(line []byte) (int, error) { return p.out.Write(line) }

func (p *plain) SourceFailed(source string, items int, _ Failure) {
	p.tracker.sourceFailed(source, items)
}

func (p *plain) Close(*Failure) { p.ticker.stop() }

func (p *plain) Event(e host.Event) {
	p.tracker.event(e)
	source := text.Clean(e.Source)
	switch e.Kind {
	case host.EventSource:
		p.printf("%s: %s", source, text.Count(e.Items, "item"))
	case host.EventCached:
		switch {
		case e.Skipped > 0:
			p.printf("%s: %d in the store already, %d skipped", source, e.Items, e.Skipped)
		case e.Items > 0:
			p.printf("%s: %d in the store already", source, e.Items)
		}
	case host.EventItem:
		p.item(e.Result)
	}
}

func (p *plain) item(r *host.ItemResult) {
	switch {
	case r == nil || canceled(r):
	case r.State == host.Failed && r.Err != nil:
		p.printf("failed: %s: %s", text.Clean(r.Key), text.Clean(r.Err.Message))
	case r.State == host.Fetched && r.Bytes >= largeItem:
		p.printf("fetched %s, %s in %s", name(r.URL, r.Key), text.Bytes(r.Bytes), text.Seconds(r.Duration))
	}
}

func (p *plain) tick() {
	s := p.tracker.snapshot()
	line := fmt.Sprintf("%d of %d items, %s, %s/s", s.done, s.items, text.Bytes(s.bytes), text.Bytes(int64(s.rate)))
	if s.failed > 0 {
		line += fmt.Sprintf(", %d failed", s.failed)
	}
	if len(s.active) > 0 {
		a := s.active[0]
		line += fmt.Sprintf("; longest: %s, %s", name(a.url, a.key), text.Seconds(s.at.Sub(a.start)))
	}
	p.printf("%s", line)
}

func (p *plain) printf(format string, args ...any) {
	fmt.Fprintf(p.out, format+"\n", args...)
}
