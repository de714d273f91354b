package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/progress"
	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/abi"
)

// summary is the outcome of a fetch.
type summary struct {
	store    string
	dryRun   bool
	sources  []sourceSummary
	duration time.Duration
	stopped  error // why the run ended early, or nil
}

type sourceSummary struct {
	name    string
	items   int
	result  *host.Result // may be nil when err is set
	err     error        // of the source as a whole
	stopped bool         // err came after the run was asked to stop
}

func (s sourceSummary) counts() counts {
	switch {
	case s.result != nil:
	case s.stopped:
		return counts{stopped: s.items}
	default: // none was fetched, and the run was to see to each
		return counts{Counts: host.Counts{Failed: s.items}}
	}
	c := counts{Counts: s.result.Counts()}
	for _, it := range s.result.Failed() {
		if stopped(it) {
			c.stopped++
			c.Failed--
		}
	}
	return c
}

// counts tells items that a signal stopped apart from those that failed.
type counts struct {
	host.Counts
	stopped int
}

func stopped(it host.ItemResult) bool {
	return it.State == host.Failed && it.Err != nil && it.Err.Kind == abi.ErrCanceled
}

func (s summary) counts() counts {
	var all counts
	for _, src := range s.sources {
		c := src.counts()
		all.Fetched += c.Fetched
		all.Cached += c.Cached
		all.Skipped += c.Skipped
		all.Failed += c.Failed
		all.Planned += c.Planned
		all.Bytes += c.Bytes
		all.stopped += c.stopped
	}
	return all
}

// err is what the summary means for the exit status, or nil.
func (s summary) err() error {
	if s.stopped != nil {
		return s.stopped
	}
	var broken []error
	items := 0
	for _, src := range s.sources {
		items += src.items
		if src.err != nil {
			broken = append(broken, src.err)
		}
	}
	if failed := s.counts().Failed; failed > 0 {
		broken = append(broken, fmt.Errorf("%d of %s failed", failed, text.Count(items, "item")))
	}
	return errors.Join(broken...)
}

// report writes the result and returns the error for the exit status.
func (a *app) report(s summary, output format, mode progress.Mode) error {
	err := s.err()
	if output == formatJSON {
		if failed := writeJSON(a.stdout, fetchDocument(s)); failed != nil {
			return failed
		}
	} else {
		a.printSummary(s)
	}
	if err != nil && mode == progress.JSON {
		return &quietError{err: err} // standard error is for machines: its lines have told all of it
	}
	return err
}

func (a *app) printSummary(s summary) {
	for _, src := range s.sources {
		if src.result == nil {
			continue
		}
		for _, it := range src.result.Items {
			a.printItem(it, s.dryRun)
		}
	}
	for _, src := range s.sources {
		a.printCounts(src.name, src.items, src.counts(), s.dryRun)
	}
	switch {
	case len(s.sources) == 0 && s.stopped == nil:
		fmt.Fprintln(a.stdout, "the manifest has no sources: nothing to fetch")
	case len(s.sources) > 1:
		items := 0
		for _, src := range s.sources {
			items += src.items
		}
		a.printCounts("all", items, s.counts(), s.dryRun)
	}
	if !s.dryRun && len(s.sources) > 0 {
		c := s.counts()
		fmt.Fprintf(a.stdout, "%s fetched in %s\n", text.Bytes(c.Bytes), text.Seconds(s.duration))
	}
}

// printItem lists failed items, and in a dry run all others too.
func (a *app) printItem(it host.ItemResult, dryRun bool) {
	key := text.Clean(it.Key)
	switch {
	case stopped(it): // counted in the summary
	case it.State == host.Failed && it.Err != nil:
		fmt.Fprintf(a.stdout, "failed: %s: %s\n", key, text.Clean(explain(it.Err)))
	case !dryRun:
	case it.State == host.Planned:
		fmt.Fprintf(a.stdout, "would fetch %s from %s\n", key, text.Clean(it.URL))
	case it.State == host.Skipped:
		fmt.Fprintf(a.stdout, "skipped     %s: %s\n", key, text.Clean(it.Reason))
	default:
		fmt.Fprintf(a.stdout, "%-11s %s\n", it.State, key)
	}
}

// explain is an item's error in one line: what happened, and what to do.
func explain(e *host.Error) string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "; " + e.Hint
}

func (a *app) printCounts(name string, items int, c counts, dryRun bool) {
	first := fmt.Sprintf("%d fetched", c.Fetched)
	if dryRun {
		first = fmt.Sprintf("%d to fetch", c.Planned)
	}
	last := ""
	if c.stopped > 0 {
		last = fmt.Sprintf(", %d not fetched yet", c.stopped)
	}
	fmt.Fprintf(a.stdout, "%s: %s: %s, %d cached, %d skipped, %d failed%s\n",
		text.Clean(name), text.Count(items, "item"), first, c.Cached, c.Skipped, c.Failed, last)
}
