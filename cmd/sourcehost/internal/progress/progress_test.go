package progress

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/abi"
)

const source = "org.osbuild.curl"

// clock is set by hand.
type clock struct{ t time.Time }

func newClock() *clock                   { return &clock{time.Unix(1000, 0)} }
func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

func fetched(key string, n int64, d time.Duration) host.Event {
	return host.Event{Kind: host.EventItem, Source: source, Key: key, Result: &host.ItemResult{
		Key: key, State: host.Fetched, Bytes: n, Duration: d, Attempts: 1, URL: "http://h/pool/" + key + ".rpm",
	}}
}

func failed(key, message, hint string) host.Event {
	return host.Event{Kind: host.EventItem, Source: source, Key: key, Result: &host.ItemResult{
		Key: key, State: host.Failed, Attempts: 3,
		Err: &host.Error{Kind: abi.ErrNotFound, Key: key, Message: message, Hint: hint},
	}}
}

func start(key, url string) host.Event {
	return host.Event{Kind: host.EventStart, Source: source, Key: key, URL: url}
}

func moved(key string, done, total int64) host.Event {
	return host.Event{Kind: host.EventProgress, Source: source, Key: key, Done: done, Total: total}
}

func TestModes(t *testing.T) {
	for _, m := range Modes {
		if got, err := ParseMode(string(m)); got != m || err != nil {
			t.Errorf("ParseMode(%q) = %q, %v", m, got, err)
		}
	}
	_, err := ParseMode("fancy")
	if err == nil || err.Error() != `unknown kind of progress "fancy": use one of auto, bar, plain, json, none` {
		t.Errorf("ParseMode names the known kinds, got %v", err)
	}
	if got := Auto.Resolve(io.Discard, "xterm"); got != Plain {
		t.Errorf("Auto away from a terminal is %q", got)
	}
	if got := Bar.Resolve(io.Discard, "dumb"); got != Bar {
		t.Errorf("an explicit mode stays, got %q", got)
	}
}

func TestPlain(t *testing.T) {
	var out bytes.Buffer
	c := newClock()
	p := newPlain(&out, newTracker(5, c.now), 0)
	p.Event(host.Event{Kind: host.EventSource, Source: source, Items: 5})
	p.Event(host.Event{Kind: host.EventCached, Source: source, Items: 1})
	p.Event(start("k1", "http://h/pool/one.rpm"))
	p.Event(moved("k1", 2_000_000, 4_000_000))
	c.advance(2 * time.Second)
	p.tick()
	p.Event(fetched("k1", 4_000_000, 2*time.Second))
	p.Event(fetched("k2", 40_000_000, 3*time.Second))
	p.Event(failed("k3", "http://h/\x1b[2J: 404 Not Found", ""))
	c.advance(2 * time.Second)
	p.tick()
	fmt.Fprintln(p, "a log line")
	p.Event(host.Event{Kind: host.EventItem, Source: source, Key: "k4", Result: &host.ItemResult{
		Key: "k4", State: host.Failed, Err: &host.Error{Kind: abi.ErrCanceled, Message: "stopped"},
	}})
	p.tick()
	p.Close(nil)
	p.Close(nil)
	want := `org.osbuild.curl: 5 items
org.osbuild.curl: 1 in the store already
1 of 5 items, 2.0 MB, 1.0 MB/s; longest: one.rpm, 2.0 s
fetched k2.rpm, 40.0 MB in 3.0 s
failed: k3: http://h/\x1b[2J: 404 Not Found
4 of 5 items, 44.0 MB, 21.0 MB/s, 1 failed
a log line
4 of 5 items, 44.0 MB, 21.0 MB/s, 1 failed
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestPlainTicksByItself(t *testing.T) {
	r, w := io.Pipe()
	p := newPlain(w, newTracker(1, time.Now), time.Millisecond)
	line := make([]byte, 100)
	n, err := r.Read(line)
	if err != nil || !strings.HasPrefix(string(line[:n]), "0 of 1 items") {
		t.Errorf("read %q, %v", line[:n], err)
	}
	go io.Copy(io.Discard, r)
	p.Close(nil)
}

func TestJSONLines(t *testing.T) {
	var out bytes.Buffer
	c := newClock()
	j := newJSON(&out, newTracker(3, c.now), 0)
	j.Event(host.Event{Kind: host.EventSource, Source: source, Items: 3})
	j.Event(host.Event{Kind: host.EventCached, Source: source, Items: 1})
	j.Event(start("k1", "http://h/one.rpm"))
	j.Event(moved("k1", 500, -1))
	c.advance(time.Second)
	j.tick()
	j.Event(fetched("k1", 1000, 1500*time.Millisecond))
	j.Event(failed("k2", "gone\nfor good", "ask the owner"))
	j.Event(host.Event{Kind: host.EventSourceDone, Source: source})
	j.Close(nil)
	j.Close(nil)
	want := `{"event":"source","elapsed":0,"source":"org.osbuild.curl","items":3}
{"event":"cached","elapsed":0,"source":"org.osbuild.curl","items":1,"skipped":0}
{"event":"start","elapsed":0,"source":"org.osbuild.curl","key":"k1","url":"http://h/one.rpm"}
{"event":"progress","elapsed":1,"items":3,"done":1,"failed":0,"bytes":500,"bytes_per_second":500,"active":[{"source":"org.osbuild.curl","key":"k1","url":"http://h/one.rpm","done":500,"total":-1,"seconds":1}]}
{"event":"item","elapsed":1,"source":"org.osbuild.curl","key":"k1","state":"fetched","url":"http://h/pool/k1.rpm","bytes":1000,"seconds":1.5,"attempts":1}
{"event":"item","elapsed":1,"source":"org.osbuild.curl","key":"k2","state":"failed","bytes":0,"seconds":0,"attempts":3,"error":{"kind":"not found","message":"gone\nfor good","hint":"ask the owner"}}
{"event":"source-done","elapsed":1,"source":"org.osbuild.curl"}
{"event":"end","elapsed":1,"items":3,"done":3,"fetched":1,"cached":1,"skipped":0,"failed":1,"planned":0,"bytes":1000}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

// planned, dropped and cached items are not the same to a program.
func TestJSONTellsStatesApart(t *testing.T) {
	var out bytes.Buffer
	c := newClock()
	j := newJSON(&out, newTracker(7, c.now), 0)
	j.Event(host.Event{Kind: host.EventCached, Source: source, Items: 1, Skipped: 2})
	j.Event(host.Event{Kind: host.EventItem, Source: source, Key: "k", Result: &host.ItemResult{Key: "k", State: host.Planned}})
	j.Event(host.Event{Kind: host.EventItem, Source: source, Key: "l", Result: &host.ItemResult{Key: "l", State: host.Planned}})
	j.Event(host.Event{Kind: host.EventItem, Source: source, Key: "m", Result: &host.ItemResult{Key: "m", State: host.Planned}})
	j.Close(nil)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, want := range map[int]string{
		0:              `{"event":"cached","elapsed":0,"source":"org.osbuild.curl","items":1,"skipped":2}`,
		len(lines) - 1: `{"event":"end","elapsed":0,"items":7,"done":6,"fetched":0,"cached":1,"skipped":2,"failed":0,"planned":3,"bytes":0}`,
	} {
		if lines[i] != want {
			t.Errorf("line %d is\n%s\nwant\n%s", i, lines[i], want)
		}
	}
}

// A source that fails as a whole says why, and its items have failed, but each
// only once.
func TestJSONSourceFailed(t *testing.T) {
	var out bytes.Buffer
	c := newClock()
	j := newJSON(&out, newTracker(5, c.now), 0)
	j.Event(failed("k1", "bad key", ""))
	j.SourceFailed(source, 3, Failure{Kind: "disk", Message: "no such folder", Hint: "make it"})
	j.SourceFailed("other", 2, Failure{Kind: "plugin", Message: "trap"})
	j.Close(&Failure{Kind: "canceled", Message: "stopped by signal: interrupt"})
	got := strings.SplitN(out.String(), "\n", 2)
	want := `{"event":"source-done","elapsed":0,"source":"org.osbuild.curl","failed":2,"error":{"kind":"disk","message":"no such folder","hint":"make it"}}
{"event":"source-done","elapsed":0,"source":"other","failed":2,"error":{"kind":"plugin","message":"trap"}}
{"event":"end","elapsed":0,"items":5,"done":5,"fetched":0,"cached":0,"skipped":0,"failed":5,"planned":0,"bytes":0,"error":{"kind":"canceled","message":"stopped by signal: interrupt"}}
`
	if diff := cmp.Diff(want, got[1]); diff != "" {
		t.Error(diff)
	}
}

func TestPlainCached(t *testing.T) {
	for _, c := range []struct {
		cached, skipped int
		want            string
	}{
		{0, 0, ""},
		{3, 0, "org.osbuild.curl: 3 in the store already\n"},
		{0, 2, "org.osbuild.curl: 0 in the store already, 2 skipped\n"},
		{3, 2, "org.osbuild.curl: 3 in the store already, 2 skipped\n"},
	} {
		var out bytes.Buffer
		p := newPlain(&out, newTracker(5, newClock().now), 0)
		p.Event(host.Event{Kind: host.EventCached, Source: source, Items: c.cached, Skipped: c.skipped})
		p.SourceFailed(source, 5, Failure{})
		if out.String() != c.want {
			t.Errorf("%d cached, %d skipped: %q, want %q", c.cached, c.skipped, out.String(), c.want)
		}
		s := p.tracker.snapshot()
		if s.cached != c.cached || s.skipped != c.skipped || s.failed != 5-c.cached-c.skipped || s.done != 5 {
			t.Errorf("%d cached, %d skipped: counted %+v", c.cached, c.skipped, s)
		}
	}
}

// Every field and event of the output must be in the text that documents them.
func TestSchemaNamesEveryField(t *testing.T) {
	full := line{
		Event: "e", Source: "s", Key: "k", State: "s", URL: "u", Reason: "r",
		Items: new(int), Done: new(int), Fetched: new(int), Cached: new(int), Skipped: new(int), Failed: new(int), Planned: new(int),
		Bytes: new(int64), Rate: new(int64), Seconds: new(float64), Attempts: new(int),
		Error: &Failure{Hint: "h"}, Active: []running{{URL: "u"}},
	}
	var words []string
	collect := func(v any) {
		data, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(data, &fields); err != nil {
			t.Fatal(err)
		}
		for name := range fields {
			words = append(words, name)
		}
	}
	collect(full)
	collect(*full.Error)
	collect(full.Active[0])
	for _, k := range []host.EventKind{host.EventSource, host.EventCached, host.EventStart, host.EventItem, host.EventSourceDone} {
		words = append(words, "\n  "+string(k)+" ")
	}
	if len(words) < 25 {
		t.Fatalf("found only %d names", len(words))
	}
	for _, w := range words {
		if !strings.Contains(Schema, w) {
			t.Errorf("Schema does not mention %q", w)
		}
	}
}

func TestRate(t *testing.T) {
	c := newClock()
	tr := newTracker(2, c.now)
	if got := tr.snapshot().rate; got != 0 {
		t.Errorf("at the start the rate is %v", got)
	}
	tr.event(start("k", "http://h/x"))
	for i := 1; i <= 20; i++ {
		c.advance(time.Second)
		tr.event(moved("k", int64(i)*100, -1))
		if got := tr.snapshot().rate; got != 100 {
			t.Fatalf("after %d s of 100 B/s the rate is %v", i, got)
		}
	}
	// A retry starts from 0: the rate must not become negative.
	c.advance(time.Second)
	tr.event(moved("k", 0, -1))
	if got := tr.snapshot().rate; got != 0 {
		t.Errorf("after a restart the rate is %v", got)
	}
	if n := len(tr.samples); n > 8 {
		t.Errorf("%d samples are kept for a window of %v", n, rateWindow)
	}
}

func TestName(t *testing.T) {
	for _, c := range []struct{ url, key, want string }{
		{"https://h/pool/a-1.rpm?sig=x", "k", "a-1.rpm"},
		{"https://h/pool/a%1b%5b2J.rpm", "k", `a\x1b[2J.rpm`},
		{"file:/data/x.img", "k", "x.img"},
		{"https://h/", "sha256:ab", "sha256:ab"},
		{"", "k\x1b", `k\x1b`},
		{"::bad", "k", "k"},
	} {
		if got := name(c.url, c.key); got != c.want {
			t.Errorf("name(%q, %q) = %q, want %q", c.url, c.key, got, c.want)
		}
	}
}

func TestRenderFitsAnyWidth(t *testing.T) {
	c := newClock()
	tr := newTracker(1965, c.now)
	for i := range 6 {
		tr.event(start(fmt.Sprintf("k%d", i), fmt.Sprintf("http://h/漢字-a-rather-long-name-%d.x86_64.rpm", i)))
		tr.event(moved(fmt.Sprintf("k%d", i), 123_456_789, 5_000_000_000))
		c.advance(time.Second)
	}
	tr.event(failed("z", "x", ""))
	s := tr.snapshot()
	for width := -1; width <= 250; width++ {
		lines := append(slowLines(s, width, slowest), totalLine(s, width))
		if len(lines) != slowest+1 {
			t.Fatalf("width %d: %d lines", width, len(lines))
		}
		for _, l := range lines {
			if text.Width(l) > max(width, 0) {
				t.Fatalf("width %d: %q is %d columns wide", width, l, text.Width(l))
			}
		}
	}
	wide := strings.Join(append([]string{totalLine(s, 100)}, slowLines(s, 100, 2)...), "\n")
	want := "[>                                           ]  1 failed  1 of 1965 items  740.7 MB  123.5 MB/s  6 s\n" +
		"  漢字-a-rather-long-name-0.x86_64.rpm                          123.5 MB of 5.0 GB  6 s\n" +
		"  漢字-a-rather-long-name-1.x86_64.rpm                          123.5 MB of 5.0 GB  5 s"
	if diff := cmp.Diff(want, wide); diff != "" {
		t.Error(diff)
	}
}

func TestDrawBar(t *testing.T) {
	for _, c := range []struct {
		done, all int
		want      string
	}{
		{0, 0, "[>         ]"}, {0, 4, "[>         ]"}, {2, 4, "[=====>    ]"}, {4, 4, "[==========]"},
	} {
		if got := drawBar(c.done, c.all, 12); got != c.want {
			t.Errorf("drawBar(%d, %d) = %q, want %q", c.done, c.all, got, c.want)
		}
	}
}

// screen plays the few control sequences that mpb uses, as a terminal would.
func screen(t *testing.T, raw string) []string {
	t.Helper()
	rows, at := []string{""}, 0
	for raw != "" {
		switch {
		case raw[0] == '\n':
			if at++; at == len(rows) {
				rows = append(rows, "")
			}
			raw = raw[1:]
		case strings.HasPrefix(raw, "\x1b["):
			end := strings.IndexAny(raw, "AJ")
			if end < 0 {
				t.Fatalf("unknown control sequence in %q", raw)
			}
			if raw[end] == 'A' {
				n := 0
				fmt.Sscanf(raw[2:end], "%d", &n)
				at -= n
			} else {
				rows = append(rows[:at], "")
			}
			raw = raw[end+1:]
		default:
			end := strings.IndexAny(raw, "\n\x1b")
			if end < 0 {
				end = len(raw)
			}
			rows[at] += raw[:end]
			raw = raw[end:]
		}
	}
	return rows
}

func TestBarsLeaveOnlyTheLog(t *testing.T) {
	out := &lockedWriter{w: &bytes.Buffer{}}
	b := New(Bar, out, 2).(*bars)
	b.Event(host.Event{Kind: host.EventSource, Source: source, Items: 2})
	b.Event(start("k1", "http://h/one.rpm"))
	fmt.Fprintln(b, "first log line")
	b.Event(fetched("k1", 10, time.Second))
	fmt.Fprintln(b, "second log line")
	b.Close(nil)
	b.Close(nil)
	fmt.Fprintln(b, "after the end")
	raw := out.w.(*bytes.Buffer).String()
	got := strings.TrimRight(strings.Join(screen(t, raw), "\n"), "\n")
	if want := "first log line\nsecond log line\nafter the end"; got != want {
		t.Errorf("the screen shows %q, want %q\nraw %q", got, want, raw)
	}
	if !strings.Contains(raw, "of 2 items") {
		t.Errorf("no bar was drawn: %q", raw)
	}
}
