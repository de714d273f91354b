package download

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// env is a server, an engine that trusts it, and a file on the server.
type env struct {
	t       *testing.T
	proto   hosttest.Protocol
	ca      *hosttest.CA
	pair    *hosttest.Pair
	server  *hosttest.Server
	engine  *Engine
	clock   *clock
	content []byte
}

// clock stands in for time: sleeping takes none, and is recorded.
type clock struct {
	now   time.Time
	slept []time.Duration
}

func (c *clock) sleep(ctx context.Context, d time.Duration) bool {
	c.slept = append(c.slept, d)
	c.now = c.now.Add(d)
	return ctx.Err() == nil
}

const filePath = "/pool/file.rpm"

// overProtocols runs fn over HTTP/1.1 in the clear, HTTP/1.1 with TLS and HTTP/2.
func overProtocols(t *testing.T, fn func(t *testing.T, e *env)) {
	for _, proto := range hosttest.Protocols {
		t.Run(string(proto), func(t *testing.T) {
			t.Parallel()
			fn(t, newEnv(t, proto, Config{}))
		})
	}
}

func newEnv(t *testing.T, proto hosttest.Protocol, cfg Config) *env {
	t.Helper()
	e := &env{t: t, proto: proto}
	dir := t.TempDir()
	var err error
	if e.ca, err = hosttest.NewCA(dir, "ca"); err != nil {
		t.Fatal(err)
	}
	e.pair = e.issue(hosttest.Leaf{Name: "server", Hosts: []string{"127.0.0.1", "::1", "localhost", "mirror.test"}})
	e.server = e.start(hosttest.Options{Protocol: proto})
	e.content = randomBytes(60_000)
	e.server.Put(filePath, hosttest.File{Content: e.content, ETag: `"v1"`})
	if proto == hosttest.HTTPS2 && cfg.HTTP2 == Default {
		cfg.HTTP2 = On // that server speaks nothing else
	}
	e.engine, e.clock = newEngine(t, cfg)
	return e
}

// start starts a further server with the environment's certificate.
func (e *env) start(opts hosttest.Options) *hosttest.Server {
	e.t.Helper()
	if opts.Certificate == nil {
		opts.Certificate = e.pair
	}
	if opts.DripEvery == 0 {
		opts.DripEvery = 20 * time.Millisecond
	}
	return hosttest.Start(e.t, opts)
}

func (e *env) issue(leaf hosttest.Leaf) *hosttest.Pair {
	e.t.Helper()
	pair, err := e.ca.Issue(leaf)
	if err != nil {
		e.t.Fatal(err)
	}
	return pair
}

// patience is how long anything may take before a test gives up: what has less time
// is what has to take too long.
const patience = time.Minute

// newEngine returns an engine with a clock that does not wait, no proxy variables,
// and a tripwire.
func newEngine(t *testing.T, cfg Config) (*Engine, *clock) {
	if cfg.AddrPolicy == nil {
		cfg.AddrPolicy = hosttest.Tripwire(t)
	}
	if cfg.Environ == nil {
		cfg.Environ = func(string) string { return "" }
	}
	orNumber(&cfg.ConnectTimeout, patience)
	orNumber(&cfg.HeaderTimeout, patience)
	orNumber(&cfg.StallTimeout, patience)
	e := New(cfg)
	c := &clock{now: time.Now()}
	e.now = func() time.Time { return c.now }
	e.sleep = c.sleep
	e.jitter = func() float64 { return 0 }
	t.Cleanup(e.Close)
	return e, c
}

// request asks for the file at the given URLs, by default at its own.
func (e *env) request(urls ...string) Request {
	if len(urls) == 0 {
		urls = []string{e.server.URL(filePath)}
	}
	return Request{Name: "sha256:abc", URLs: urls, CA: e.ca.Path}
}

func (e *env) target() *hosttest.Target { return &hosttest.Target{Want: e.content} }

// fetch fetches the file into a fresh target.
func (e *env) fetch(urls ...string) (Info, *Error, *hosttest.Target) {
	e.t.Helper()
	return e.fetchReq(e.request(urls...))
}

func (e *env) fetchReq(req Request) (Info, *Error, *hosttest.Target) {
	e.t.Helper()
	target := e.target()
	info, err := e.engine.Fetch(context.Background(), req, target)
	return info, asError(e.t, err), target
}

// asError returns err as what Fetch promises it to be.
func asError(t *testing.T, err error) *Error {
	t.Helper()
	if err == nil {
		return nil
	}
	var typed *Error
	if !errors.As(err, &typed) {
		t.Fatalf("the error %v is a %T, want an *Error", err, err)
	}
	return typed
}

// want checks how a fetch ended: kind "" means success.
type want struct {
	kind     Kind
	attempts int
	text     string
	resumed  bool
}

func (w want) check(t *testing.T, info Info, err *Error, target *hosttest.Target) {
	t.Helper()
	if w.kind == "" {
		if err != nil {
			t.Fatalf("Fetch: %v", err)
		}
		if info.Attempts != w.attempts || info.Resumed != w.resumed {
			t.Errorf("%d attempts, resumed %v; want %d, %v", info.Attempts, info.Resumed, w.attempts, w.resumed)
		}
		if !bytes.Equal(target.Bytes, target.Want) || info.Bytes != int64(len(target.Want)) {
			t.Errorf("%d bytes arrived, Info says %d; want the %d of the file", len(target.Bytes), info.Bytes, len(target.Want))
		}
		return
	}
	if err == nil {
		t.Fatalf("Fetch succeeded after %d attempts, want the error %q", info.Attempts, w.kind)
	}
	if err.Kind != w.kind || err.Attempts != w.attempts {
		t.Errorf("kind %q after %d attempts, want %q after %d: %v", err.Kind, err.Attempts, w.kind, w.attempts, err)
	}
	text := err.Error()
	for _, part := range []string{"sha256:abc", err.URL, w.text} {
		if !strings.Contains(text, part) {
			t.Errorf("the error does not say %q: %s", part, text)
		}
	}
}

func randomBytes(n int) []byte {
	src := rand.NewChaCha8([32]byte{1})
	b := make([]byte, n)
	src.Read(b)
	return b
}
