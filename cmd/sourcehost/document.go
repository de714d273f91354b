package main

import (
	"context"
	"errors"
	"time"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/abi"
)

// fetchResult is the document of `fetch --output json`. Sizes are in bytes,
// times in seconds.
type fetchResult struct {
	Success bool           `json:"success"`
	Store   string         `json:"store"`
	DryRun  bool           `json:"dry_run"`
	Stopped string         `json:"stopped,omitempty"`
	Seconds float64        `json:"seconds"`
	Counts  countsDocument `json:"counts"`
	Sources []sourceResult `json:"sources"`
}

type countsDocument struct {
	Fetched int   `json:"fetched"`
	Cached  int   `json:"cached"`
	Skipped int   `json:"skipped"`
	Failed  int   `json:"failed"`
	Planned int   `json:"planned"`
	Stopped int   `json:"stopped,omitempty"`
	Bytes   int64 `json:"bytes"`
}

type sourceResult struct {
	Source  string         `json:"source"`
	Plugin  string         `json:"plugin,omitempty"`
	Seconds float64        `json:"seconds"`
	Counts  countsDocument `json:"counts"`
	Error   *errorDocument `json:"error,omitempty"`
	Items   []itemResult   `json:"items"`
}

type itemResult struct {
	Key      string         `json:"key"`
	State    string         `json:"state"`
	Bytes    int64          `json:"bytes"`
	Seconds  float64        `json:"seconds"`
	Attempts int            `json:"attempts"`
	URL      string         `json:"url,omitempty"`
	Reason   string         `json:"reason,omitempty"`
	Error    *errorDocument `json:"error,omitempty"`
}

type errorDocument struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Plugin  string `json:"plugin,omitempty"`
	Hook    string `json:"hook,omitempty"`
}

// fetchDocument turns a summary into the document.
func fetchDocument(s summary) fetchResult {
	doc := fetchResult{
		Success: s.err() == nil, Store: s.store, DryRun: s.dryRun, Seconds: seconds(s.duration),
		Counts: newCountsDocument(s.counts()), Sources: []sourceResult{},
	}
	if s.stopped != nil {
		doc.Stopped = s.stopped.Error()
	}
	for _, src := range s.sources {
		out := sourceResult{Source: src.name, Counts: newCountsDocument(src.counts()), Error: newErrorDocument(src.err), Items: []itemResult{}}
		if src.result != nil {
			out.Plugin, out.Seconds = src.result.Plugin, seconds(src.result.Duration)
			for _, it := range src.result.Items {
				out.Items = append(out.Items, newItemResult(it))
			}
		}
		doc.Sources = append(doc.Sources, out)
	}
	return doc
}

func newCountsDocument(c counts) countsDocument {
	return countsDocument{
		Fetched: c.Fetched, Cached: c.Cached, Skipped: c.Skipped, Failed: c.Failed, Planned: c.Planned,
		Stopped: c.stopped, Bytes: c.Bytes,
	}
}

func newItemResult(it host.ItemResult) itemResult {
	doc := itemResult{
		Key: it.Key, State: string(it.State), Bytes: it.Bytes, Seconds: seconds(it.Duration),
		Attempts: it.Attempts, URL: it.URL, Reason: it.Reason,
	}
	if it.Err != nil { // a nil *host.Error must not become an error that is not nil
		doc.Error = newErrorDocument(it.Err)
	}
	return doc
}

func newErrorDocument(err error) *errorDocument {
	if err == nil {
		return nil
	}
	var e *host.Error
	var usage *host.UsageError
	kind := abi.ErrFailed
	switch {
	case errors.As(err, &e):
		return &errorDocument{Kind: string(e.Kind), Message: e.Message, Hint: e.Hint, Plugin: e.Plugin, Hook: string(e.Hook)}
	case errors.As(err, &usage):
		kind = abi.ErrInvalid
	case errors.Is(err, context.Canceled):
		kind = abi.ErrCanceled
	}
	return &errorDocument{Kind: string(kind), Message: err.Error()}
}

// seconds gives milliseconds' precision.
func seconds(d time.Duration) float64 {
	return float64(d.Milliseconds()) / 1000
}
