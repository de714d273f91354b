package progress

import (
	"encoding/json"
	"io"
	"time"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host"
)

// jsonInterval is the time between two "progress" lines.
const jsonInterval = time.Second

// maxActive bounds the list of active items in a "progress" line.
const maxActive = 32

// Schema describes the lines that the mode JSON writes.
const Schema = `Each line is one JSON object. Its field "event" says what it tells; readers
should pass over events and fields that they do not know. Sizes are in bytes,
times in seconds, and "elapsed" counts from the start of the run.

  source       a source starts: source, items
  cached       which items need no fetching: source, items (in the store
               already), skipped (dropped by a plugin's filter)
  start        the download of an item begins: source, key, url
  item         an item has ended: source, key, state (fetched, cached, skipped,
               failed, planned), bytes, seconds, attempts, url, reason, and for
               a failed item: error {kind, message, hint}
  progress     once a second: done, items (ended and in all), failed, bytes,
               bytes_per_second, active [{source, key, url, done, total,
               seconds}], the longest running first, at most 32; total is -1
               when it is not known
  source-done  a source has ended: source, and when it failed as a whole, which
               may be before it has started: failed (how many items that is,
               without those that have an "item" line) and error {kind,
               message, hint}
  log          a log line: level, msg, and whatever belongs to it
  end          the last line: done, items, fetched, cached, skipped, failed,
               planned, bytes, and when the run was stopped early: error {kind,
               message}
`

// line is one line of the output. Fields that the event does not have are left
// out; numbers that it has are there even when they are 0.
type line struct {
	Event    string    `json:"event"`
	Elapsed  float64   `json:"elapsed"`
	Source   string    `json:"source,omitempty"`
	Key      string    `json:"key,omitempty"`
	State    string    `json:"state,omitempty"`
	URL      string    `json:"url,omitempty"`
	Items    *int      `json:"items,omitempty"`
	Done     *int      `json:"done,omitempty"`
	Fetched  *int      `json:"fetched,omitempty"`
	Cached   *int      `json:"cached,omitempty"`
	Skipped  *int      `json:"skipped,omitempty"`
	Failed   *int      `json:"failed,omitempty"`
	Planned  *int      `json:"planned,omitempty"`
	Bytes    *int64    `json:"bytes,omitempty"`
	Rate     *int64    `json:"bytes_per_second,omitempty"`
	Seconds  *float64  `json:"seconds,omitempty"`
	Attempts *int      `json:"attempts,omitempty"`
	Reason   string    `json:"reason,omitempty"`
	Error    *Failure  `json:"error,omitempty"`
	Active   []running `json:"active,omitempty"`
}

type running struct {
	Source  string  `json:"source"`
	Key     string  `json:"key"`
	URL     string  `json:"url,omitempty"`
	Done    int64   `json:"done"`
	Total   int64   `json:"total"`
	Seconds float64 `json:"seconds"`
}

type jsonLines struct {
	out     *lockedWriter
	tracker *tracker
	ticker  *ticker
	ended   chan struct{} // holds one token until the last line was written
}

func newJSON(w io.Writer, t *tracker, interval time.Duration) *jsonLines {
	j := &jsonLines{out: &lockedWriter{w: w}, tracker: t, ended: make(chan struct{}, 1)}
	j.ended <- struct{}{}
	j.ticker = startTicker(interval, j.tick)
	return j
}

func (j *jsonLines) Write(p []byte) (int, error) { return j.out.Write(p) }

func (j *jsonLines) SourceFailed(source string, items int, why Failure) {
	n := j.tracker.sourceFailed(source, items)
	j.put(line{Event: string(host.EventSourceDone), Source: source, Failed: &n, Error: &why})
}

func (j *jsonLines) Close(stopped *Failure) {
	j.ticker.stop()
	select {
	case <-j.ended:
		s := j.tracker.snapshot()
		j.put(line{
			Event: "end", Done: &s.done, Items: &s.items, Fetched: &s.fetched, Cached: &s.cached,
			Skipped: &s.skipped, Failed: &s.failed, Planned: &s.planned, Bytes: &s.bytes, Error: stopped,
		})
	default:
	}
}

func (j *jsonLines) Event(e host.Event) {
	j.tracker.event(e)
	l := line{Event: string(e.Kind), Source: e.Source, Key: e.Key, URL: e.URL}
	switch e.Kind {
	case host.EventSource:
		l.Items = &e.Items
	case host.EventCached:
		l.Items, l.Skipped = &e.Items, &e.Skipped
	case host.EventItem:
		if e.Result == nil {
			return
		}
		l.result(e.Result)
	case host.EventStart, host.EventSourceDone:
	default: // what single items do shows in the "progress" lines
		return
	}
	j.put(l)
}

func (l *line) result(r *host.ItemResult) {
	seconds := round(r.Duration)
	l.State, l.Key, l.URL, l.Reason = string(r.State), r.Key, r.URL, r.Reason
	l.Bytes, l.Seconds, l.Attempts = &r.Bytes, &seconds, &r.Attempts
	if r.Err != nil {
		l.Error = &Failure{Kind: string(r.Err.Kind), Message: r.Err.Message, Hint: r.Err.Hint}
	}
}

func (j *jsonLines) tick() {
	s := j.tracker.snapshot()
	rate := int64(s.rate)
	l := line{Event: "progress", Done: &s.done, Items: &s.items, Failed: &s.failed, Bytes: &s.bytes, Rate: &rate}
	for _, a := range s.active[:min(len(s.active), maxActive)] {
		l.Active = append(l.Active, running{
			Source: a.source, Key: a.key, URL: a.url, Done: a.done, Total: a.total, Seconds: round(s.at.Sub(a.start)),
		})
	}
	j.put(l)
}

func (j *jsonLines) put(l line) {
	l.Elapsed = round(j.tracker.now().Sub(j.tracker.start))
	data, err := json.Marshal(l)
	if err != nil { // a struct of strings and finite numbers always encodes
		return
	}
	j.out.Write(append(text.JSON(data), '\n'))
}

// round gives seconds with milliseconds.
func round(d time.Duration) float64 {
	return float64(d.Milliseconds()) / 1000
}
