package main

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/progress"
	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/manifest"
	"github.com/sourcehost/sourcehost/internal/abi"
)

// hostile is what a plugin or a server might say to a terminal.
const hostile = "\x1b]0;x\a\u009b2J\nfailed: \u202e"

func failedItem(key string, kind abi.Kind, message, hint string) host.ItemResult {
	return host.ItemResult{Key: key, State: host.Failed, Err: &host.Error{Kind: kind, Key: key, Message: message, Hint: hint}}
}

func TestSummary(t *testing.T) {
	sum := summary{store: "s", duration: 1500 * time.Millisecond, sources: []sourceSummary{
		{name: "a" + hostile, items: 5, result: &host.Result{Items: []host.ItemResult{
			{Key: "k1", State: host.Fetched, Bytes: 1_000_000},
			{Key: "k2", State: host.Cached},
			{Key: "k3", State: host.Skipped, Reason: "old"},
			failedItem("k4"+hostile, abi.ErrDenied, "no"+hostile, "ask"+hostile),
			failedItem("k5", abi.ErrCanceled, "stopped", ""),
		}}},
		{name: "b", items: 2, err: errors.New("b: no such folder")},
		{name: "c", items: 3, err: errors.New("c: stopped"), stopped: true},
	}}
	var out bytes.Buffer
	a := &app{stdout: &out}
	err := a.report(sum, formatText, progress.Plain)
	const seen = `\x1b]0;x\x07\x9b2J\x0afailed: \u202e`
	want := "failed: k4" + seen + ": no" + seen + "; ask" + seen + "\n" +
		"a" + seen + ": 5 items: 1 fetched, 1 cached, 1 skipped, 1 failed, 1 not fetched yet\n" +
		"b: 2 items: 0 fetched, 0 cached, 0 skipped, 2 failed\n" +
		"c: 3 items: 0 fetched, 0 cached, 0 skipped, 0 failed, 3 not fetched yet\n" +
		"all: 10 items: 1 fetched, 1 cached, 1 skipped, 3 failed, 4 not fetched yet\n" +
		"1.0 MB fetched in 1.5 s\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
	if err == nil || err.Error() != "b: no such folder\nc: stopped\n3 of 10 items failed" || status(err) != statusFailed {
		t.Errorf("the error is %v with status %d", err, status(err))
	}
}

func TestStatus(t *testing.T) {
	usage := &host.UsageError{Err: errors.New("wrong")}
	for _, c := range []struct {
		sum  summary
		want int
	}{
		{summary{sources: []sourceSummary{{result: &host.Result{}}}}, statusOK},
		{summary{sources: []sourceSummary{{result: &host.Result{Items: []host.ItemResult{failedItem("k", abi.ErrFailed, "m", "")}}}}}, statusFailed},
		{summary{sources: []sourceSummary{{err: errors.New("disk")}}}, statusFailed},
		{summary{sources: []sourceSummary{{err: usage}, {result: &host.Result{}}}}, statusUsage},
		{summary{sources: []sourceSummary{{err: usage}}, stopped: &interrupted{signal: nil}}, statusFailed},
	} {
		got := statusOK
		if err := c.sum.err(); err != nil {
			got = status(err)
		}
		if got != c.want {
			t.Errorf("%+v: status %d, want %d", c.sum, got, c.want)
		}
	}
}

// What Host.Check has validated is not validated again, and plugins see the
// options of format version 1 as osbuild passes them: the whole source object.
func TestRequest(t *testing.T) {
	const source = `{"urls":{"k":"http://h/"},"x":1}`
	for version, want := range map[string]string{
		`{"version":"1","sources":{"s":` + source + `}}`:                        source,
		`{"version":"2","sources":{"s":{"items":{"k":"u"},"options":{"a":1}}}}`: `{"a":1}`,
	} {
		m, err := manifest.Parse([]byte(version), manifest.Options{Aliases: func(string) []string { return []string{"urls"} }})
		if err != nil {
			t.Fatal(err)
		}
		req := fetchFlags{store: "d"}.request(m.Sources[0])
		if string(req.Options) != want || !req.Checked || req.Store != "d/sources" || len(req.Items) != 1 {
			t.Errorf("%s gives the request %+v", version, req)
		}
	}
}
