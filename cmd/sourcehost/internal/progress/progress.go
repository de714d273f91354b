// Package progress shows how a fetch proceeds: as bars on a terminal, as plain
// lines, as JSON lines for machines, or not at all.
package progress

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/sourcehost/sourcehost/host"
)

// Mode is a way to show progress.
type Mode string

const (
	// Auto is Bar on a terminal and Plain elsewhere.
	Auto Mode = "auto"
	// Bar draws one bar for all items and a line for each of the slowest.
	Bar Mode = "bar"
	// Plain writes a line now and then, for logs.
	Plain Mode = "plain"
	// JSON writes one JSON object per line; Schema describes them.
	JSON Mode = "json"
	// None writes nothing but the log.
	None Mode = "none"
)

// Modes are all modes, in the order in which help texts name them.
var Modes = []Mode{Auto, Bar, Plain, JSON, None}

// ParseMode reads the name of a mode. The error lists the known names.
func ParseMode(name string) (Mode, error) {
	known := make([]string, len(Modes))
	for i, m := range Modes {
		if name == string(m) {
			return m, nil
		}
		known[i] = string(m)
	}
	return "", fmt.Errorf("unknown kind of progress %q: use one of %s", name, strings.Join(known, ", "))
}

// Resolve replaces Auto by what fits w. A terminal that cannot move its cursor
// (TERM is "dumb") counts as none.
func (m Mode) Resolve(w io.Writer, termName string) Mode {
	if m != Auto {
		return m
	}
	if f, ok := w.(*os.File); ok && termName != "dumb" && term.IsTerminal(int(f.Fd())) {
		return Bar
	}
	return Plain
}

// Reporter shows the events of a run. Its methods are safe for concurrent use.
type Reporter interface {
	// Event takes one event. It fits host.Config.Notify.
	Event(host.Event)
	// Write writes whole lines (of a log) without disturbing what is shown.
	io.Writer
	// SourceFailed tells that a source with so many items failed as a whole:
	// those that have not ended have failed, too. JSON says why; with the other
	// modes that is left to the caller.
	SourceFailed(source string, items int, why Failure)
	// Close ends what is shown: nothing is written afterwards but what Write is
	// given. It may be called more than once. Stopped is why the run ended early,
	// or nil; JSON tells it.
	Close(stopped *Failure)
}

// Failure is why an item, a source or the run failed.
type Failure struct {
	// Kind is one of abi's kinds.
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// New starts to show a run of so many items on w, or of as many as its sources turn
// out to have when that is 0. Auto counts as Plain: see Resolve.
func New(mode Mode, w io.Writer, items int) Reporter {
	switch mode {
	case Bar:
		return newBars(w, items)
	case JSON:
		return newJSON(w, newTracker(items, time.Now), jsonInterval)
	case None:
		return silent{&lockedWriter{w: w}}
	}
	return newPlain(w, newTracker(items, time.Now), plainInterval)
}

type silent struct{ io.Writer }

func (silent) Event(host.Event)                  {}
func (silent) SourceFailed(string, int, Failure) {}
func (silent) Close(*Failure)                    {}
