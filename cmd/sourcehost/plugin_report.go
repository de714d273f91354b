package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/author/cases"
)

// testDocument is the document of `plugin test --output json`. Times are in
// seconds, sizes in bytes.
type testDocument struct {
	Plugin string         `json:"plugin"`
	Passed int            `json:"passed"`
	Failed int            `json:"failed"`
	Limits limitsDocument `json:"limits"`
	Cases  []caseDocument `json:"cases"`
}

type limitsDocument struct {
	HookSeconds float64 `json:"hook_seconds"`
	Memory      int64   `json:"memory"`
	Calls       int     `json:"calls"`
}

type caseDocument struct {
	Path    string         `json:"path"`
	Passed  bool           `json:"passed"`
	Updated bool           `json:"updated,omitempty"`
	Memory  int64          `json:"memory,omitempty"`
	Hooks   []hookDocument `json:"hooks"`
	Calls   []callDocument `json:"calls"`
	Differs []string       `json:"differs,omitempty"`
	Log     []string       `json:"log,omitempty"`
	Stack   string         `json:"stack,omitempty"`
}

type hookDocument struct {
	Hook    string  `json:"hook"`
	Seconds float64 `json:"seconds"`
}

type callDocument struct {
	Hook string `json:"hook"`
	cases.Call
	RequestBytes int     `json:"request_bytes"`
	ResultBytes  int     `json:"result_bytes"`
	Seconds      float64 `json:"seconds"`
	Problem      string  `json:"problem,omitempty"`
}

// testReport shows results as they come, or all at the end as a document.
type testReport struct {
	w      io.Writer
	flags  testFlags
	limits guest.Limits
	doc    testDocument
}

func newTestReport(w io.Writer, l guest.Limits, f testFlags) *testReport {
	return &testReport{w: w, flags: f, limits: l, doc: testDocument{
		Limits: limitsDocument{HookSeconds: l.HookTime.Seconds(), Memory: l.MemoryBytes, Calls: l.Calls}, Cases: []caseDocument{},
	}}
}

// updatable reports whether a case may expect what happened: not a plugin that breaks
// the contract.
func updatable(r *cases.Result) bool {
	return len(r.Differs) > 0 && (r.Got.Error == nil || r.Got.Error.Kind != abi.ErrPlugin)
}

// add takes the result of one case.
func (t *testReport) add(r *cases.Result) {
	passed := len(r.Differs) == 0
	updated := t.flags.update && updatable(r)
	if passed || updated {
		t.doc.Passed++
	} else {
		t.doc.Failed++
	}
	if *t.flags.output == formatJSON {
		t.doc.Cases = append(t.doc.Cases, newCaseDocument(r, updated))
		return
	}
	verdict := "ok  "
	switch {
	case updated:
		verdict = "new "
	case !passed:
		verdict = "FAIL"
	}
	title := r.Case.Path
	if r.Case.Summary != "" {
		title += ": " + r.Case.Summary
	}
	fmt.Fprintf(t.w, "%s  %s\n", verdict, text.Clean(title))
	t.usage(r)
	t.trace(r)
	for _, line := range r.Differs {
		indented(t.w, "%s", text.Clean(line))
	}
	t.stack(r)
	if t.flags.verbose {
		for _, line := range r.Got.Log {
			indented(t.w, "log %s", text.Clean(line))
		}
	}
}

// stack prints where a hook broke off, and what the plugin said about it.
func (t *testReport) stack(r *cases.Result) {
	if r.Stack == "" {
		return
	}
	for _, line := range r.Got.Log {
		if strings.HasPrefix(line, "error ") && !t.flags.verbose { // else all of the log is printed
			indented(t.w, "log %s", text.Clean(line))
		}
	}
	printStack(t.w, r.Stack)
}

// printStack prints frames, or the trace of Go's runtime as it stands.
func printStack(w io.Writer, stack string) {
	for line := range strings.Lines(stack) {
		line, indent := strings.CutPrefix(strings.TrimRight(line, "\n"), "\t")
		switch {
		case line == "":
		case indent:
			indented(w, "    %s", text.Clean(line))
		case strings.HasPrefix(line, "."): // the module has no name
			indented(w, "at %s", text.Clean(line[1:]))
		default:
			indented(w, "%s", text.Clean(line))
		}
	}
	if guest.Nameless(stack) {
		indented(w, "these are numbers of functions: with --debug they have names")
	}
}

// usage prints time and memory against the limits.
func (t *testReport) usage(r *cases.Result) {
	var parts []string
	for _, h := range r.Hooks {
		parts = append(parts, fmt.Sprintf("%s %s of %s", h.Hook, short(h.Duration), short(t.limits.HookTime)))
	}
	if r.Memory > 0 {
		parts = append(parts, fmt.Sprintf("memory %s of %s MiB", mebibytes(r.Memory), mebibytes(t.limits.MemoryBytes)))
	}
	if len(r.Calls) > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d calls", len(r.Calls), t.limits.Calls))
	}
	if len(parts) > 0 {
		indented(t.w, "%s", strings.Join(parts, ", "))
	}
}

// shownCalls is how many operations of a case are printed without --verbose.
const shownCalls = 20

func (t *testReport) trace(r *cases.Result) {
	for i, c := range r.Calls {
		if i == shownCalls && !t.flags.verbose {
			indented(t.w, "... and %d more calls", len(r.Calls)-i)
			return
		}
		line := clip(c.Call.String(), 160)
		if c.Problem != "" {
			line += ": " + clip(c.Problem, 160)
		}
		indented(t.w, "%s  (%d B out, %d B in, %s)", text.Clean(line), c.RequestBytes, c.ResultBytes, short(c.Duration))
	}
}

// end prints the sum; the error says that cases failed.
func (t *testReport) end(s subject) error {
	t.doc.Plugin = s.path
	if *t.flags.output == formatJSON {
		if err := writeJSON(t.w, t.doc); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(t.w, "%d passed, %d failed\n", t.doc.Passed, t.doc.Failed)
	}
	if t.doc.Failed > 0 {
		return &quietError{errors.New("some cases failed")}
	}
	return nil
}

func newCaseDocument(r *cases.Result, updated bool) caseDocument {
	doc := caseDocument{
		Path: r.Case.Path, Passed: len(r.Differs) == 0 || updated, Updated: updated, Memory: r.Memory,
		Hooks: []hookDocument{}, Calls: []callDocument{}, Differs: r.Differs, Log: r.Got.Log, Stack: r.Stack,
	}
	for _, h := range r.Hooks {
		doc.Hooks = append(doc.Hooks, hookDocument{Hook: string(h.Hook), Seconds: h.Duration.Seconds()})
	}
	for _, c := range r.Calls {
		doc.Calls = append(doc.Calls, callDocument{
			Hook: string(c.Hook), Call: c.Call, RequestBytes: c.RequestBytes, ResultBytes: c.ResultBytes,
			Seconds: c.Duration.Seconds(), Problem: c.Problem,
		})
	}
	return doc
}

// short writes a duration with a unit that fits.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.3g ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%d us", d.Microseconds())
}

func mebibytes(n int64) string { return fmt.Sprintf("%.3g", float64(n)/(1<<20)) }

// clip shortens a line.
func clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}
