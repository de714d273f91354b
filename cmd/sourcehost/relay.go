package main

import (
	"sync/atomic"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/progress"
	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/manifest"
)

// relay connects a host to its progress report, which begins only after the
// host was made and the manifest read: what is logged before goes straight to
// standard error.
type relay struct {
	app      *app
	mode     progress.Mode
	reporter atomic.Pointer[progress.Reporter]
}

func (r *relay) event(e host.Event) {
	if p := r.reporter.Load(); p != nil {
		(*p).Event(e)
	}
}

// Write takes log lines.
func (r *relay) Write(line []byte) (int, error) {
	if p := r.reporter.Load(); p != nil {
		return (*p).Write(line)
	}
	return r.app.stderr.Write(line)
}

// start begins the report. A dry run is too short for one.
func (r *relay) start(m *manifest.Manifest, dryRun bool) {
	if dryRun && r.mode != progress.JSON {
		return
	}
	items := 0
	for _, s := range m.Sources {
		items += len(s.Items)
	}
	p := progress.New(r.mode, r.app.stderr, items)
	r.reporter.Store(&p)
}

// startOpen begins the report of a run that finds out itself what there is to do.
func (r *relay) startOpen() {
	p := progress.New(r.mode, r.app.stderr, 0)
	r.reporter.Store(&p)
}

// sourceFailed tells of a source that failed as a whole.
func (r *relay) sourceFailed(s sourceSummary) {
	if p := r.reporter.Load(); p != nil {
		items := s.items
		if s.stopped {
			items = 0 // they have not failed
		}
		(*p).SourceFailed(s.name, items, *newFailure(s.err))
	}
}

// stop ends the report. Stopped is why the run ended early, or nil.
func (r *relay) stop(stopped error) {
	if p := r.reporter.Load(); p != nil {
		(*p).Close(newFailure(stopped))
	}
}

// newFailure is nil for no error.
func newFailure(err error) *progress.Failure {
	doc := newErrorDocument(err)
	if doc == nil {
		return nil
	}
	return &progress.Failure{Kind: doc.Kind, Message: doc.Message, Hint: doc.Hint}
}
