package download

import (
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestFaults is the table of what servers do wrong, each over HTTP/1.1 with and
// without TLS and over HTTP/2.
//
// adversary: B2, B3, B5, B6, B7, B10, B11, B12, B13, B16, B20, B23, B25, B26
func TestFaults(t *testing.T) {
	script := func(b ...hosttest.Behaviour) []hosttest.Behaviour { return b }
	rows := []struct {
		name   string
		script []hosttest.Behaviour
		want   want
	}{
		{"good", script(hosttest.Good), want{attempts: 1}},
		{"404", script(hosttest.Status(404)), want{kind: KindNotFound, attempts: 1, text: "404 Not Found"}},
		{"410", script(hosttest.Status(410)), want{kind: KindNotFound, attempts: 1, text: "410 Gone"}},
		{"401", script(hosttest.Status(401)), want{kind: KindDenied, attempts: 1, text: "credentials"}},
		{"403", script(hosttest.Status(403)), want{kind: KindDenied, attempts: 1, text: "403 Forbidden"}},
		{"400", script(hosttest.Status(400)), want{kind: KindNetwork, attempts: 1, text: "400 Bad Request"}},
		{"204", script(hosttest.Status(204)), want{kind: KindNetwork, attempts: 1, text: "204 No Content"}},
		{"206 unasked", script(hosttest.Status(206)), want{kind: KindNetwork, attempts: 1, text: "206"}},
		{"416 unasked", script(hosttest.Status(416)), want{kind: KindNetwork, attempts: 1, text: "416"}},
		{"408", script(hosttest.Status(408)), want{kind: KindTimeout, attempts: 10, text: "408"}},
		{"429", script(hosttest.Status(429)), want{kind: KindNetwork, attempts: 10, text: "429 Too Many Requests"}},
		{"500", script(hosttest.Status(500)), want{kind: KindNetwork, attempts: 10, text: "500"}},
		{"501", script(hosttest.Status(501)), want{kind: KindNetwork, attempts: 1, text: "501"}},
		{"502", script(hosttest.Status(502)), want{kind: KindNetwork, attempts: 10, text: "502"}},
		{"503", script(hosttest.Status(503)), want{kind: KindNetwork, attempts: 10, text: "503 Service Unavailable (10 attempts)"}},
		{"504", script(hosttest.Status(504)), want{kind: KindTimeout, attempts: 10, text: "504"}},
		{"503 twice, then good", script(hosttest.Status(503), hosttest.Status(503), hosttest.Good), want{attempts: 3}},
		{"wrong bytes", script(hosttest.WrongBytes), want{kind: KindMismatch, attempts: 2, text: "other bytes"}},
		{"wrong bytes once", script(hosttest.WrongBytes, hosttest.Good), want{attempts: 2}},
		{"wrong bytes, then half", script(hosttest.WrongBytes, hosttest.Truncated, hosttest.Good), want{attempts: 3, resumed: true}},
		{"truncated", script(hosttest.Truncated, hosttest.Good), want{attempts: 2, resumed: true}},
		{"truncated always", script(hosttest.Truncated), want{kind: KindNetwork, attempts: 10, text: "ended early, after 30000 of 60000 bytes"}},
		{"more than any disk announced", script(hosttest.Announced(math.MaxInt64)), want{kind: KindNetwork, attempts: 10, text: "60000 of 9223372036854775807 bytes"}},
		{"more than any disk announced once", script(hosttest.Announced(1<<50), hosttest.Good), want{attempts: 2, resumed: true}},
		{"reset halfway", script(hosttest.ResetHalfway, hosttest.WrongBytes, hosttest.Good), want{attempts: 3}},
		{"reset always", script(hosttest.ResetHalfway), want{kind: KindNetwork, attempts: 10, text: "of 60000 bytes"}},
		{"longer, without length", script(hosttest.LongerChunked), want{kind: KindMismatch, attempts: 2, text: "other bytes"}},
		{"no length", script(hosttest.NoLength), want{attempts: 1}},
		{"broken framing", script(hosttest.BrokenFraming), want{kind: KindNetwork, attempts: 10, text: "the body broke"}},
		{"gzip encoding", script(hosttest.Packed), want{attempts: 1}},
		{"hangs up", script(hosttest.Hangup, hosttest.Good), want{attempts: 2}},
		{"range ignored", script(hosttest.RangeIgnored), want{attempts: 2}},
		{"wrong range", script(hosttest.WrongRange), want{attempts: 3}},
		{"range of another total", script(hosttest.WrongTotal), want{attempts: 3}},
		{"short ranges", script(hosttest.Truncated, hosttest.ShortRange, hosttest.ShortRange, hosttest.Good), want{attempts: 4, resumed: true}},
		{"416", script(hosttest.Unsatisfiable), want{attempts: 3}},
		{"changed between attempts", script(hosttest.Changed), want{attempts: 2}},
		{"changed unnoticed", script(hosttest.Mixed), want{attempts: 3}},
		{"redirect", script(hosttest.Redirect(302, "/other.rpm")), want{attempts: 1}},
		{"redirect without a place", script(hosttest.Status(302)), want{kind: KindNetwork, attempts: 1, text: "302"}},
		{"redirect to nonsense", script(hosttest.Redirect(302, "http://[")), want{kind: KindInvalid, attempts: 1, text: "malformed"}},
		{"redirect to a file", script(hosttest.Redirect(302, "file:///etc/passwd")), want{kind: KindDenied, attempts: 1, text: "file:///etc/passwd"}},
		{"redirect loop", script(hosttest.Redirect(302, filePath)), want{kind: KindNetwork, attempts: 1, text: "loop"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			overProtocols(t, func(t *testing.T, e *env) {
				e.server.Put("/other.rpm", hosttest.File{Content: e.content})
				e.server.Script(filePath, row.script...)
				info, err, target := e.fetch()
				row.want.check(t, info, err, target)
			})
		})
	}
}

// TestLongerThanAnnounced: over HTTP/1.1 what comes after the announced bytes is
// not part of the message; over HTTP/2 it breaks the stream.
//
// adversary: B4
func TestLongerThanAnnounced(t *testing.T) {
	for _, proto := range []hosttest.Protocol{hosttest.HTTP, hosttest.HTTPS1} {
		t.Run(string(proto), func(t *testing.T) {
			e := newEnv(t, proto, Config{})
			e.server.Script(filePath, hosttest.Longer)
			info, err, target := e.fetch()
			want{attempts: 1}.check(t, info, err, target)
		})
	}
	t.Run("https2", func(t *testing.T) {
		e := newEnv(t, hosttest.HTTPS2, Config{MaxAttempts: 2})
		raw := hosttest.StartRawH2(t, e.pair, func(c *hosttest.H2Conn, stream uint32) {
			c.Header(stream, 10)
			c.Data(stream, []byte("0123456789 and more"), true)
		})
		info, err, target := e.fetch(raw.URL + "/f")
		want{kind: KindNetwork, attempts: 2, text: "broke"}.check(t, info, err, target)
		if raw.Requests() != 2 {
			t.Errorf("%d requests, want 2", raw.Requests())
		}
	})
}

// TestH2Streams: a stream that is reset fails alone, and is tried again.
//
// adversary: B2
func TestH2Streams(t *testing.T) {
	e := newEnv(t, hosttest.HTTPS2, Config{})
	raw := hosttest.StartRawH2(t, e.pair, func(c *hosttest.H2Conn, stream uint32) {
		c.Header(stream, len(e.content))
		if stream == 1 {
			c.Data(stream, e.content[:100], false)
			c.Reset(stream, 2) // INTERNAL_ERROR
			return
		}
		for rest := e.content; len(rest) > 0; {
			n := min(len(rest), 16<<10)
			c.Data(stream, rest[:n], n == len(rest))
			rest = rest[n:]
		}
	})
	info, err, target := e.fetch(raw.URL + "/f")
	want{attempts: 2}.check(t, info, err, target)
}

// TestH2GoAway: a server that closes the connection before it has looked at the
// request is asked again at once.
//
// adversary: B38
func TestH2GoAway(t *testing.T) {
	e := newEnv(t, hosttest.HTTPS2, Config{})
	var requests atomic.Int64
	raw := hosttest.StartRawH2(t, e.pair, func(c *hosttest.H2Conn, stream uint32) {
		if requests.Add(1) == 1 {
			c.GoAway(0, 0)
			return
		}
		c.Header(stream, 5)
		c.Data(stream, []byte("hello"), true)
	})
	target := &hosttest.Target{Want: []byte("hello")}
	info, err := e.engine.Fetch(t.Context(), e.request(raw.URL+"/f"), target)
	want{attempts: 1}.check(t, info, asError(t, err), target)
}

// adversary: B8, B9
func TestRetryAfter(t *testing.T) {
	rows := []struct {
		name     string
		fault    hosttest.Behaviour
		min, max time.Duration
	}{
		{"seconds", hosttest.RetryAfter(429, "7"), 7 * time.Second, 7 * time.Second},
		{"date", hosttest.RetryAfterDate(503, 30*time.Second), 30 * time.Second, 30 * time.Second},
		{"past date", hosttest.RetryAfterDate(503, -time.Hour), DefaultBackoffBase, DefaultBackoffBase},
		{"too long", hosttest.RetryAfter(503, "86400"), DefaultRetryAfterMax, DefaultRetryAfterMax},
		{"nonsense", hosttest.RetryAfter(503, "soon"), DefaultBackoffBase, DefaultBackoffBase},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			overProtocols(t, func(t *testing.T, e *env) {
				e.server.Script(filePath, row.fault, hosttest.Good)
				info, err, target := e.fetch()
				want{attempts: 2}.check(t, info, err, target)
				if len(e.clock.slept) != 1 || e.clock.slept[0] < row.min || e.clock.slept[0] > row.max {
					t.Errorf("waited %v, want once between %v and %v", e.clock.slept, row.min, row.max)
				}
			})
		})
	}
}

// adversary: B36
func TestBackoffGrows(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{BackoffBase: time.Second, BackoffMax: 5 * time.Second, MaxAttempts: 6})
	e.server.Script(filePath, hosttest.Status(503))
	e.engine.jitter = func() float64 { return 0.5 }
	e.fetch()
	quarterOff := func(d time.Duration) time.Duration { return d - d/4 }
	for i, d := range []time.Duration{1, 2, 4, 5, 5} {
		if want := quarterOff(d * time.Second); e.clock.slept[i] != want {
			t.Errorf("pause %d is %v, want %v", i, e.clock.slept[i], want)
		}
	}
	if len(e.clock.slept) != 5 {
		t.Errorf("%d pauses between 6 attempts", len(e.clock.slept))
	}
}

// TestSlow: transfers and servers that take too long.
//
// adversary: B14, B15
func TestSlow(t *testing.T) {
	rows := []struct {
		name   string
		fault  hosttest.Behaviour
		config Config // with the one time that is short
		text   string
	}{
		{"stalled body", hosttest.Stalled, Config{StallTimeout: 500 * time.Millisecond}, "stalled after 30000 of 60000 bytes"},
		{"slow-loris", hosttest.Drip, Config{StallTimeout: 500 * time.Millisecond}, "less than 1000 bytes/s"},
		{"no answer", hosttest.Silent, Config{HeaderTimeout: time.Second}, "did not answer in time"},
	}
	for _, row := range rows {
		for _, proto := range hosttest.Protocols {
			t.Run(row.name+"/"+string(proto), func(t *testing.T) {
				t.Parallel()
				config := row.config
				config.MaxAttempts = 2
				e := newEnv(t, proto, config)
				e.server.Put(filePath, hosttest.File{Content: e.content}) // without ETag: no resume
				e.server.Script(filePath, row.fault)
				info, err, target := e.fetch()
				want{kind: KindTimeout, attempts: 2, text: row.text}.check(t, info, err, target)
				if n := e.server.Count(filePath); n != 2 {
					t.Errorf("the server saw %d requests, want 2", n)
				}
				e.server.Script(filePath, row.fault, hosttest.Good)
				info, err, target = e.fetch()
				want{attempts: 2}.check(t, info, err, target)
			})
		}
	}
}

// TestSlowTarget: the time that the target takes is not held against the server.
func TestSlowTarget(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{StallTimeout: 500 * time.Millisecond})
	target := e.target()
	target.WriteDelay = 1500 * time.Millisecond
	info, err := e.engine.Fetch(t.Context(), e.request(), target)
	want{attempts: 1}.check(t, info, asError(t, err), target)
}

// adversary: B26
func TestNotHTTP(t *testing.T) {
	for _, proto := range []hosttest.Protocol{hosttest.HTTP, hosttest.HTTPS1} {
		e := newEnv(t, proto, Config{MaxAttempts: 2})
		e.server.Script(filePath, hosttest.NotHTTP)
		info, err, target := e.fetch()
		want{kind: KindNetwork, attempts: 2, text: "malformed HTTP"}.check(t, info, err, target)
	}
	t.Run("https asked for http", func(t *testing.T) {
		e := newEnv(t, hosttest.HTTPS1, Config{MaxAttempts: 2})
		_, err, _ := e.fetch(strings.Replace(e.server.URL(filePath), "https", "http", 1))
		if err == nil || err.Kind != KindNetwork || err.Attempts != 1 {
			t.Errorf("got %v, want the server's 400 once", err)
		}
	})
	t.Run("http asked for https", func(t *testing.T) {
		e := newEnv(t, hosttest.HTTP, Config{MaxAttempts: 2})
		info, err, target := e.fetch(strings.Replace(e.server.URL(filePath), "http", "https", 1))
		want{kind: KindTLS, attempts: 1, text: "is it an http port?"}.check(t, info, err, target)
	})
}

// TestGzipStays: a packed file is stored packed, whatever the server calls it.
//
// adversary: B24
func TestGzipStays(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		e.server.Script(filePath, hosttest.Packed)
		e.fetch()
		if got := e.server.Log()[0].Header["Accept-Encoding"]; len(got) != 1 || got[0] != "identity" {
			t.Errorf("Accept-Encoding was %q, want identity", got)
		}
	})
}

// TestLongErrorsAreCut: a server cannot fill the log.
func TestLongErrorsAreCut(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{MaxAttempts: 1})
	e.server.Script(filePath, hosttest.Raw(strings.Repeat("long ", 2000)+"\r\n\r\n"))
	_, err, _ := e.fetch()
	if err == nil || len(err.Error()) > 2*maxText || err.Kind != KindNetwork {
		t.Errorf("an error of %d bytes", len(err.Error()))
	}
}

// TestRedactedBeforeCut: wherever the text of an error is cut, no part of a secret is
// in it, and none gets into what a target keeps.
func TestRedactedBeforeCut(t *testing.T) {
	const secret = "pass-word-0123456789"
	redact := func(s string) string { return strings.ReplaceAll(s, secret, "[secret]") }
	e := newEnv(t, hosttest.HTTP, Config{MaxAttempts: 1, Redact: redact})
	for pad := maxText - 140; pad < maxText; pad += 7 {
		e.server.Script(filePath, hosttest.Raw("HTTP/1.1 200 OK\r\n"+strings.Repeat("x", pad)+secret+"\r\n\r\n"))
		if _, err, _ := e.fetch(); err == nil || strings.Contains(err.Error(), "pass-") {
			t.Errorf("after %d characters: %v", pad, err)
		}
	}
	e.server.Put(filePath, hosttest.File{Content: e.content, ETag: `"` + secret + `"`})
	e.server.Script(filePath, hosttest.Truncated)
	if _, _, target := e.fetch(); target.Validator() != "" {
		t.Errorf("the target keeps %q", target.Validator())
	}
}

// TestWebPage: a portal answers everything with 200 and a page.
//
// adversary: B5
func TestWebPage(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	e.server.Script(filePath, func(x *hosttest.Exchange) { x.W.Write([]byte("<html>please log in</html>")) })
	info, err, target := e.fetch()
	want{kind: KindMismatch, attempts: 2, text: "login page"}.check(t, info, err, target)
}

func TestNoCacheAfterMismatch(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	e.server.Script(filePath, hosttest.WrongBytes, hosttest.Good)
	e.fetch()
	log := e.server.Log()
	first, second := log[0].Header.Get("Cache-Control"), log[1].Header.Get("Cache-Control")
	if first != "" || second != "no-cache" {
		t.Errorf("Cache-Control was %q and %q, want it in the second request only", first, second)
	}
	if log[1].Header.Get("Range") != "" {
		t.Error("wrong bytes were resumed")
	}
}
