package download

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// adversary: B35
func TestFailover(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		second := e.start(hosttest.Options{Protocol: e.proto})
		second.Put(filePath, hosttest.File{Content: e.content})
		for _, fault := range []string{"404", "403", "503", "reset", "wrong", "truncated", "announced", "redirect-loop", "429-seconds"} {
			info, err, target := e.fetch(e.server.FaultURL(fault, 0, filePath), second.URL(filePath))
			want{attempts: 2}.check(t, info, err, target)
			if info.URL != second.URL(filePath) {
				t.Errorf("%s: Info.URL is %s, want the second mirror's", fault, info.URL)
			}
		}
		if len(e.clock.slept) != 0 {
			t.Errorf("waited %v although another mirror was ready", e.clock.slept)
		}
	})
}

// TestResumeOnAnotherMirror: a mirror with the same ETag continues where the
// other one broke off.
//
// adversary: B35
func TestResumeOnAnotherMirror(t *testing.T) {
	e := newEnv(t, hosttest.HTTPS2, Config{})
	second := e.start(hosttest.Options{Protocol: e.proto})
	second.Put(filePath, hosttest.File{Content: e.content, ETag: `"v1"`})
	info, err, target := e.fetch(e.server.FaultURL("truncated", 0, filePath), second.URL(filePath))
	want{attempts: 2, resumed: true}.check(t, info, err, target)
}

// TestRoundAndRound: faults that can pass are tried in a circle, those that
// cannot drop out, and the attempts of all URLs together are limited.
//
// adversary: B36
func TestRoundAndRound(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	a, b, c := e.server.FaultURL("503", 0, filePath), e.server.FaultURL("404", 0, filePath), e.server.FaultURL("500", 0, filePath)
	_, err, _ := e.fetch(a, b, c)
	if err == nil || err.Attempts != 10 || err.Kind != KindNetwork {
		t.Fatalf("got %v, want ten attempts", err)
	}
	for path, n := range map[string]int{"/fault/503" + filePath: 5, "/fault/404" + filePath: 1, "/fault/500" + filePath: 4} {
		if got := e.server.Count(path); got != n {
			t.Errorf("%s was requested %d times, want %d", path, got, n)
		}
	}
	if err.URL != a || len(err.Others) != 2 {
		t.Errorf("URL %s, others %v; want the first mirror, and two others", err.URL, err.Others)
	}
	for _, part := range []string{"503 Service", "404 Not Found", "500 Internal", "(10 attempts)", b, c} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
}

// TestFinalOnLast: the last mirror's 404 ends the fetch, and the others' causes
// are told.
//
// adversary: B6
func TestFinalOnLast(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	info, err, target := e.fetch(e.server.FaultURL("403", 0, filePath), e.server.FaultURL("404", 0, filePath))
	want{kind: KindNotFound, attempts: 2, text: "403 Forbidden"}.check(t, info, err, target)
}

// TestRetryAfterHoldsOneURL: a mirror that wants to be left alone is, while
// another one is tried again and again.
func TestRetryAfterHoldsOneURL(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{MaxAttempts: 5})
	e.server.Script("/held", hosttest.RetryAfter(503, "60"))
	e.fetch(e.server.URL("/held"), e.server.FaultURL("503", 0, filePath))
	if n := e.server.Count("/held"); n != 1 {
		t.Errorf("the mirror that asked for a minute got %d requests in %v", n, e.clock.slept)
	}
}

// adversary: B1
func TestRefused(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		e := newEnv(t, hosttest.HTTP, Config{})
		dead := scheme + "://" + hosttest.Refused(t) + "/f"
		info, err, target := e.fetch(dead)
		want{kind: KindNetwork, attempts: 10, text: "connection refused"}.check(t, info, err, target)
		if !strings.Contains(err.Hint, "no server listens") {
			t.Errorf("hint %q", err.Hint)
		}
		info, err, target = e.fetch(dead, e.server.URL(filePath))
		want{attempts: 2}.check(t, info, err, target)
	}
}

func TestConnectTimeout(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		e := newEnv(t, hosttest.HTTP, Config{ConnectTimeout: 100 * time.Millisecond, MaxAttempts: 2})
		info, err, target := e.fetch(scheme + "://" + hosttest.BlackHole(t, "127.0.0.1:0") + "/f")
		want{kind: KindTimeout, attempts: 2, text: "in time"}.check(t, info, err, target)
	}
}

// adversary: B33
func TestUnknownHost(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		e := newEnv(t, hosttest.HTTP, Config{Resolver: hosttest.Resolver(t, nil)})
		info, err, target := e.fetch(scheme + "://no-such-host.invalid/f")
		want{kind: KindNetwork, attempts: 3, text: "no-such-host.invalid could not be resolved"}.check(t, info, err, target)
	}
}

// TestDeadIPv6: the name has an IPv6 address that swallows everything, and an
// IPv4 address that works.
//
// adversary: B34
func TestDeadIPv6(t *testing.T) {
	for _, proto := range hosttest.Protocols {
		t.Run(string(proto), func(t *testing.T) {
			e := newEnv(t, proto, Config{
				Resolver: hosttest.Resolver(t, map[string][]string{"mirror.test": {"::1", "127.0.0.1"}}),
			})
			hosttest.BlackHole(t, "[::1]:"+e.server.Port())
			u := strings.Replace(e.server.URL(filePath), "127.0.0.1", "mirror.test", 1)
			info, err, target := e.fetch(u)
			want{attempts: 1}.check(t, info, err, target)
		})
	}
}

func TestBadURLs(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	for raw, text := range map[string]string{
		"":                      "scheme",
		"/just/a/path":          "scheme",
		"ftp://host/f":          `the scheme "ftp"`,
		"http:///f":             "no host",
		"http://host:port/f":    "malformed",
		"http://host:99999/f":   "the port 99999",
		"https://host:0/f":      "the port 0",
		"http://[::1/f":         "malformed",
		"file://server/f":       "must not name a host",
		"file:relative":         "absolute path",
		"file:///f?query":       "%3F",
		"http://ho st/f":        "malformed",
		"http://user:p@w@[x]/f": "malformed",
	} {
		_, err, _ := e.fetch(raw)
		if err == nil || err.Kind != KindInvalid || err.Attempts != 0 || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: %v; want an invalid URL with %q", raw, err, text)
		}
	}
	info, err, target := e.fetch("ftp://host/f", e.server.URL(filePath))
	want{attempts: 1}.check(t, info, err, target)
	if _, err, _ := e.fetchReq(Request{Name: "x"}); err == nil || err.Kind != KindInvalid {
		t.Errorf("without URLs: %v", err)
	}
}

func TestNoRedirects(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{MaxRedirects: -1})
	info, err, target := e.fetch(e.server.FaultURL("redirect", 0, filePath))
	want{kind: KindNetwork, attempts: 1, text: "more than 0 redirects"}.check(t, info, err, target)
}

func TestCheckURL(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	denied := errors.New("not granted to this plugin")
	req := e.request(e.server.URL("/secret"), e.server.URL(filePath))
	req.CheckURL = func(_ string, u *url.URL) error {
		if u.Path == "/secret" {
			return denied
		}
		return nil
	}
	info, err, target := e.fetchReq(req)
	want{attempts: 1}.check(t, info, err, target)

	req.URLs = req.URLs[:1]
	info, err, target = e.fetchReq(req)
	want{kind: KindDenied, attempts: 0, text: "not granted"}.check(t, info, err, target)
	if !errors.Is(err, denied) {
		t.Error("the policy's error is not in the chain")
	}

	e.server.Script("/to-secret", hosttest.Redirect(302, "/secret"))
	req.URLs = []string{e.server.URL("/to-secret")}
	info, err, target = e.fetchReq(req)
	want{kind: KindDenied, attempts: 1, text: "not granted"}.check(t, info, err, target)
	if n := e.server.Count("/secret"); n != 0 {
		t.Errorf("a denied URL was requested %d times", n)
	}
}

// TestCancel: whatever the engine is waiting for, it returns, although what it waits for
// takes an hour at least. It is canceled when it waits.
func TestCancel(t *testing.T) {
	waits := map[string]hosttest.Behaviour{
		"header": hosttest.Silent, "body": hosttest.Stalled, "drip": hosttest.Drip, "backoff": hosttest.Status(503),
	}
	for name, fault := range waits {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			overProtocols(t, func(t *testing.T, e *env) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				soon := func() { time.AfterFunc(10*time.Millisecond, cancel) }
				e.engine.sleep, e.engine.now = func(ctx context.Context, d time.Duration) bool { soon(); return sleep(ctx, d) }, time.Now
				e.engine.cfg.BackoffBase, e.engine.cfg.BackoffMax = time.Hour, time.Hour
				e.engine.cfg.HeaderTimeout, e.engine.watch.window = time.Hour, time.Hour
				e.server.Script(filePath, func(x *hosttest.Exchange) {
					if name == "header" {
						soon()
					}
					fault(x)
				})
				req := e.request()
				req.Progress = func(int64, int64) { soon() }
				done := make(chan error, 1)
				go func() {
					_, err := e.engine.Fetch(ctx, req, e.target())
					done <- err
				}()
				select {
				case err := <-done:
					if typed := asError(t, err); typed == nil || typed.Kind != KindCanceled || !errors.Is(err, context.Canceled) {
						t.Errorf("got %v, want it canceled", err)
					}
				case <-time.After(patience):
					t.Error("it goes on although it was canceled")
				}
			})
		})
	}
	t.Run("connecting", func(t *testing.T) {
		e := newEnv(t, hosttest.HTTP, Config{ConnectTimeout: time.Hour})
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_, err := e.engine.Fetch(ctx, e.request("http://"+hosttest.BlackHole(t, "127.0.0.1:0")+"/f"), e.target())
		if typed := asError(t, err); typed == nil || typed.Kind != KindCanceled {
			t.Errorf("got %v, want it canceled", err)
		}
	})
	t.Run("before", func(t *testing.T) {
		e := newEnv(t, hosttest.HTTP, Config{})
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := e.engine.Fetch(ctx, e.request(), e.target())
		if typed := asError(t, err); typed.Kind != KindCanceled || len(e.server.Log()) != 0 {
			t.Errorf("got %v and %d requests", err, len(e.server.Log()))
		}
	})
}

func TestDisk(t *testing.T) {
	full := errors.New("no space left")
	overProtocols(t, func(t *testing.T, e *env) {
		target := e.target()
		target.FailAt, target.FailWith = 1, full
		info, err := e.engine.Fetch(context.Background(), e.request(e.server.URL(filePath), e.server.URL(filePath)), target)
		want{kind: KindDisk, attempts: 1, text: "no space left"}.check(t, info, asError(t, err), target)
		if !errors.Is(err, full) {
			t.Error("the target's error is not in the chain")
		}
		target = e.target()
		target.VerifyErr = full
		info, err = e.engine.Fetch(context.Background(), e.request(), target)
		want{kind: KindDisk, attempts: 1, text: "no space left"}.check(t, info, asError(t, err), target)
	})
}
