package e2e

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// userinfo is in every URL of the faults. The password must not be seen
// anywhere.
const (
	password = "swordfish-4711"
	userinfo = "builder:" + password + "@"
)

// bed is what one row of the table of faults has to itself: a file under path,
// on a server that no other row can disturb.
type bed struct {
	t       *testing.T
	proto   hosttest.Protocol
	ca      *hosttest.CA
	pair    *hosttest.Pair
	server  *hosttest.Server
	path    string
	content []byte
	// servers are all that the row asks.
	servers *[]string
	// after looks at what the servers saw.
	after func()
}

// faultSize is the size of the files of the faults. A server breaks off in the
// middle.
const faultSize = 60_000

// start starts a further server with the file.
func (b *bed) start(opts hosttest.Options) *hosttest.Server {
	if opts.Certificate == nil {
		opts.Certificate = b.pair
	}
	opts.DripEvery = 100 * time.Millisecond
	s := hosttest.Start(b.t, opts)
	*b.servers = append(*b.servers, s.URL("/"))
	s.Put(b.path, hosttest.File{Content: b.content, ETag: `"v1"`})
	return s
}

// row is a fault, and what becomes of the item. kind "" means that it is
// fetched.
type row struct {
	name     string
	script   []hosttest.Behaviour
	setup    func(*bed) string // instead of a script: returns the URL
	only     []hosttest.Protocol
	kind     string
	attempts int
	parts    []string
	slow     bool // the server takes too long
}

func script(b ...hosttest.Behaviour) []hosttest.Behaviour { return b }

var secure = []hosttest.Protocol{hosttest.HTTPS1, hosttest.HTTPS2}

// faults is the table: everything that a network and its servers do wrong. An
// item is tried four times at most (see quick), and twice where servers take too long.
func faults() []row {
	say := func(parts ...string) []string { return parts }
	return []row{
		{name: "good", script: script(hosttest.Good), attempts: 1},
		{name: "refused", setup: refused, kind: "network", attempts: 4, parts: say("connection refused", "no server listens")},
		{name: "unknown-host", setup: unknownHost, kind: "network", attempts: 3, parts: say("could not be resolved", "name servers")},
		{name: "hangup", script: script(hosttest.Hangup), kind: "network", attempts: 4},
		{name: "hangup-once", script: script(hosttest.Hangup, hosttest.Good), attempts: 2},
		{name: "reset", script: script(hosttest.ResetHalfway), kind: "network", attempts: 4},
		{name: "reset-once", script: script(hosttest.ResetHalfway, hosttest.Good), attempts: 2},
		{name: "truncated", script: script(hosttest.Truncated), kind: "network", attempts: 4, parts: say("ended early", "30000 of 60000 bytes")},
		{name: "truncated-once", script: script(hosttest.Truncated, hosttest.Good), attempts: 2},
		{name: "announced", script: script(hosttest.Announced(math.MaxInt64)), kind: "network", attempts: 4, parts: say("ended early", "60000 of 9223372036854775807 bytes")},
		{name: "announced-once", script: script(hosttest.Announced(1<<50), hosttest.Good), attempts: 2},
		{name: "longer", script: script(hosttest.Longer), only: []hosttest.Protocol{hosttest.HTTP, hosttest.HTTPS1}, attempts: 1},
		{name: "longer-stream", setup: longerStream, only: []hosttest.Protocol{hosttest.HTTPS2}, kind: "network", attempts: 4, parts: say("broke")},
		{name: "longer-without-length", script: script(hosttest.LongerChunked), kind: "mismatch", attempts: 2, parts: say("60008 bytes")},
		{name: "wrong-bytes", script: script(hosttest.WrongBytes), kind: "mismatch", attempts: 2, parts: say("expected sha256:", "got sha256:", "60000 bytes")},
		{name: "wrong-bytes-once", script: script(hosttest.WrongBytes, hosttest.Good), attempts: 2},
		{name: "401", script: script(hosttest.Status(401)), kind: "denied", attempts: 1, parts: say("401 Unauthorized", "credentials")},
		{name: "403", script: script(hosttest.Status(403)), kind: "denied", attempts: 1, parts: say("403 Forbidden")},
		{name: "404", script: script(hosttest.Status(404)), kind: "not found", attempts: 1, parts: say("404 Not Found")},
		{name: "410", script: script(hosttest.Status(410)), kind: "not found", attempts: 1, parts: say("410 Gone")},
		{name: "429", script: script(hosttest.Status(429)), kind: "network", attempts: 4, parts: say("429 Too Many Requests", "fewer workers")},
		{name: "429-seconds", setup: retryAfter(hosttest.RetryAfter(429, "1")), attempts: 2},
		{name: "429-date", setup: retryAfter(hosttest.RetryAfterDate(429, 2*time.Second)), attempts: 2},
		{name: "503-date", setup: retryAfter(hosttest.RetryAfterDate(503, 2*time.Second)), attempts: 2},
		{name: "500", script: script(hosttest.Status(500)), kind: "network", attempts: 4, parts: say("500 Internal Server Error")},
		{name: "502", script: script(hosttest.Status(502)), kind: "network", attempts: 4, parts: say("502 Bad Gateway")},
		{name: "503", script: script(hosttest.Status(503)), kind: "network", attempts: 4, parts: say("503 Service Unavailable")},
		{name: "503-twice", script: script(hosttest.Status(503), hosttest.Status(503), hosttest.Good), attempts: 3},
		{name: "504", script: script(hosttest.Status(504)), kind: "timeout", attempts: 4, parts: say("504 Gateway Timeout")},
		{name: "slow-loris", script: script(hosttest.Drip), kind: "timeout", attempts: 2, parts: say("less than 1000 bytes/s"), slow: true},
		{name: "stalled", script: script(hosttest.Stalled), kind: "timeout", attempts: 2, parts: say("stalled after 30000 of 60000 bytes"), slow: true},
		{name: "stalled-once", script: script(hosttest.Stalled, hosttest.Good), attempts: 2, slow: true},
		{name: "redirect", script: script(hosttest.Redirect(302, "/elsewhere/file")), attempts: 1},
		{name: "redirect-loop", script: script(hosttest.Redirect(302, "/pool/redirect-loop")), kind: "network", attempts: 1, parts: say("loop")},
		{name: "redirect-endless", setup: endless, kind: "network", attempts: 1, parts: say("more than 10 redirects")},
		{name: "redirect-to-http", setup: redirectDown, only: secure, kind: "denied", attempts: 3, parts: say("from https to http://", "not encrypted", "mirror")},
		{name: "redirect-to-other-host", setup: redirectAway, attempts: 1},
		{name: "redirect-to-file", script: script(hosttest.Redirect(302, "file:///etc/passwd")), kind: "denied", attempts: 1, parts: say("file:///etc/passwd", "only http and https")},
		{name: "range-ignored", script: script(hosttest.RangeIgnored), attempts: 2},
		{name: "range-wrong", script: script(hosttest.WrongRange), attempts: 3},
		{name: "range-of-other-total", script: script(hosttest.WrongTotal), attempts: 3},
		{name: "range-short", script: script(hosttest.Truncated, hosttest.ShortRange, hosttest.Good), attempts: 3},
		{name: "416", script: script(hosttest.Unsatisfiable), attempts: 3},
		{name: "changed-meanwhile", script: script(hosttest.Changed), attempts: 2},
		{name: "changed-unnoticed", script: script(hosttest.Mixed), attempts: 3},
		{name: "gzip-encoding", script: script(hosttest.Packed), attempts: 1},
		{name: "no-length", script: script(hosttest.NoLength), attempts: 1},
		{name: "broken-framing", script: script(hosttest.BrokenFraming), kind: "network", attempts: 4, parts: say("the body broke")},
		{name: "no-http", script: script(hosttest.NotHTTP), kind: "network", attempts: 4},
		{name: "expired", setup: expired, only: secure, kind: "tls", attempts: 1, parts: say("expired", "clock")},
		{name: "unknown-ca", setup: unknownCA, only: secure, kind: "tls", attempts: 1, parts: say("unknown authority", "certificate authority")},
		{name: "wrong-name", setup: wrongName, only: secure, kind: "tls", attempts: 1, parts: say("valid for 192.0.2.1, not 127.0.0.1", "check the URL")},
		{name: "wants-certificate", setup: wantsCertificate, only: secure, kind: "tls", attempts: 1, parts: say("certificate required", "check the item's secrets")},
		{name: "no-tls", setup: noTLS, only: secure, kind: "tls", attempts: 1, parts: say("does not speak TLS")},
	}
}

func refused(b *bed) string { return "http://" + hosttest.Refused(b.t) + b.path }

// unknownHost has a label that is too long for the name system, so that no name
// server is asked.
func unknownHost(b *bed) string { return "http://" + strings.Repeat("x", 64) + ".test" + b.path }

func longerStream(b *bed) string {
	raw := hosttest.StartRawH2(b.t, b.pair, func(c *hosttest.H2Conn, stream uint32) {
		c.Header(stream, 10)
		c.Data(stream, []byte("0123456789 and more"), true)
	})
	return raw.URL + b.path
}

// retryAfter asks for a pause of at least a second, and looks whether it was
// made.
func retryAfter(first hosttest.Behaviour) func(*bed) string {
	return func(b *bed) string {
		b.server.Script(b.path, first, hosttest.Good)
		b.after = func() {
			log := b.server.Log()
			if len(log) == 2 && log[1].Time.Sub(log[0].Time) < 900*time.Millisecond {
				b.t.Errorf("%s: the server was asked again after %v, although it wanted a pause", b.path, log[1].Time.Sub(log[0].Time))
			}
		}
		return b.server.URL(b.path)
	}
}

func endless(b *bed) string { return b.server.FaultURL("redirect-endless", 0, b.path) }

func redirectDown(b *bed) string {
	peer := b.start(hosttest.Options{Protocol: hosttest.HTTP})
	b.server.Script(b.path, hosttest.Redirect(302, peer.URL(b.path)))
	b.after = func() {
		if n := len(peer.Log()); n > 0 {
			b.t.Errorf("%d requests in the clear after a redirect from https", n)
		}
	}
	return b.server.URL(b.path)
}

// redirectAway leads to another port, which is another host for credentials.
func redirectAway(b *bed) string {
	peer := b.start(hosttest.Options{Protocol: b.proto})
	b.server.Script(b.path, hosttest.Redirect(302, peer.URL(b.path)))
	b.after = func() {
		first, second := b.server.Log(), peer.Log()
		if len(first) != 1 || first[0].Header.Get("Authorization") == "" {
			b.t.Errorf("the server got %d requests, or no credentials", len(first))
		}
		if len(second) != 1 || second[0].Header.Get("Authorization") != "" {
			b.t.Errorf("the other host got %d requests, or credentials that are not for it", len(second))
		}
	}
	return b.server.URL(b.path)
}

func (b *bed) withLeaf(leaf hosttest.Leaf) string {
	return b.start(hosttest.Options{Protocol: b.proto, Certificate: issue(b.t, b.ca, leaf)}).URL(b.path)
}

func expired(b *bed) string {
	return b.withLeaf(hosttest.Leaf{Name: "expired", Hosts: local, Expired: true})
}

func wrongName(b *bed) string {
	return b.withLeaf(hosttest.Leaf{Name: "other", Hosts: []string{"mirror.example", "192.0.2.1"}})
}

func unknownCA(b *bed) string {
	other := newCA(b.t, "other-ca")
	return b.start(hosttest.Options{Protocol: b.proto, Certificate: serverPair(b.t, other)}).URL(b.path)
}

func wantsCertificate(b *bed) string {
	return b.start(hosttest.Options{Protocol: b.proto, ClientCA: b.ca}).URL(b.path)
}

func noTLS(b *bed) string {
	plain := b.start(hosttest.Options{Protocol: hosttest.HTTP})
	return strings.Replace(plain.URL(b.path), "http:", "https:", 1)
}

// TestFaults meets all faults in one run for each protocol, with the source's plugin
// as it is built in and as one that somebody else has written. Servers that take too long
// have a run of their own, in which little time is given.
//
// adversary: B1, B2, B3, B4, B5, B6, B7, B8, B9, B10, B11, B12, B13, B14, B15, B16, B17, B18, B19, B20, B21, B22, B23, B24, B25, B26, B27, B28, B29, B30, B33, B37
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, proto := range hosttest.Protocols {
		for kind, foreign := range map[string]bool{"built-in": false, "foreign": true} {
			for pace, slow := range map[string]bool{"": false, "-slow": true} {
				t.Run(string(proto)+"-"+kind+pace, func(t *testing.T) {
					t.Parallel()
					meetFaults(t, proto, foreign, slow)
				})
			}
		}
	}
}

// foreign has the source of files served by a plugin that is not built in: the same,
// in a process of its own, which may download from these servers only.
func (s *sandbox) foreign(servers ...string) {
	s.t.Helper()
	wasm, err := filepath.Abs("../builtin/wasm/curl.wasm")
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := os.ReadFile(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.configure(string(text) + fmt.Sprintf("[source.\"org.osbuild.curl\"]\nplugin = \"theirs\"\n[plugin.theirs]\npath = %q\n[plugin.theirs.grant]\ndownload = [\"%s\"]\nenv = [%q]\n",
		wasm, strings.Join(servers, `", "`), proxyEnv))
}

func meetFaults(t *testing.T, proto hosttest.Protocol, foreign, slow bool) {
	ca := newCA(t, "ca")
	pair := serverPair(t, ca)
	s := newSandbox(t)
	if slow {
		s.configure(strings.Replace(hasty, "max_attempts = 4", "max_attempts = 2", 1))
	}
	s.env = append(s.env, "SSL_CERT_FILE="+ca.Path) // stands for the system's pool
	all, beds, urls := items{}, map[string]*bed{}, map[string]string{}
	var servers []string
	for _, r := range faults() {
		if r.slow != slow || r.only != nil && !slices.Contains(r.only, proto) {
			continue
		}
		b := &bed{t: t, proto: proto, ca: ca, pair: pair, path: "/pool/" + r.name, content: content(r.name, faultSize), servers: &servers}
		b.server = b.start(hosttest.Options{Protocol: proto})
		b.server.Put("/elsewhere/file", hosttest.File{Content: b.content})
		b.server.Script(b.path, r.script...)
		url := b.server.URL(b.path)
		if r.setup != nil {
			url = r.setup(b)
		}
		beds[r.name], urls[r.name] = b, url
		all[key(b.content)] = strings.Replace(url, "://", "://"+userinfo, 1)
		servers = append(servers, strings.TrimSuffix(url, b.path))
	}
	if foreign {
		s.foreign(servers...)
	}
	o := s.fetch(s.manifest(all), "--workers", "100", "--log-level", "debug").ends(1)
	var good []string
	for _, r := range faults() {
		b := beds[r.name]
		if b == nil {
			continue
		}
		k := key(b.content)
		t.Run(r.name, func(t *testing.T) {
			mine := *o
			mine.t, b.t = t, t
			r.check(t, &mine, k, urls[r.name])
			if b.after != nil {
				b.after()
			}
		})
		if r.kind == "" {
			good = append(good, k)
		}
	}
	o.counts(len(good), 0, len(all)-len(good))
	o.hides(password)
	s.holds(good...)
	s.nothingStaged()
}

// check looks at the item of a row.
func (r row) check(t *testing.T, o *outcome, k, url string) {
	t.Helper()
	it := o.items[k]
	if it.Attempts != r.attempts {
		t.Errorf("%s: %d attempts, want %d: %+v", r.name, it.Attempts, r.attempts, it.Error)
	}
	if it.URL != url {
		t.Errorf("%s: the URL is given as %s, want %s", r.name, it.URL, url)
	}
	if r.kind == "" {
		if it.State != "fetched" || it.Bytes != faultSize {
			t.Errorf("%s: %q with %d bytes, want it fetched: %+v", r.name, it.State, it.Bytes, it.Error)
		}
		return
	}
	attempts := fmt.Sprintf("(%d attempts)", r.attempts)
	if r.attempts == 1 {
		attempts = "(1 attempt)"
	}
	o.failed(k, r.kind, append(r.parts, "cannot download "+url+": ", attempts)...)
	if !strings.Contains(o.errOut, k) {
		t.Errorf("%s: the progress does not name the item that failed", r.name)
	}
}

// TestNeighbours: over HTTP/2 all items share a connection, and one that breaks
// it breaks the others' transfers. All are fetched in the end.
//
// adversary: B38
func TestNeighbours(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	server := hosttest.Start(t, hosttest.Options{Protocol: hosttest.HTTPS2, Certificate: serverPair(t, ca)})
	all, keys := items{}, []string{}
	for i := range 60 {
		path := fmt.Sprintf("/f%d", i)
		data := content("neighbour"+path, 200_000)
		server.Put(path, hosttest.File{Content: data, ETag: `"1"`})
		switch i {
		case 10, 40:
			server.Script(path, hosttest.ResetHalfway, hosttest.Good)
		case 20:
			server.Script(path, hosttest.Hangup, hosttest.Good)
		case 30:
			server.Script(path, hosttest.BrokenFraming, hosttest.Good)
		}
		all[key(data)] = server.URL(path)
		keys = append(keys, key(data))
	}
	s := newSandbox(t)
	s.configure(strings.Replace(quick, "max_attempts = 4", "max_attempts = 10", 1))
	s.env = append(s.env, "SSL_CERT_FILE="+ca.Path)
	o := s.fetch(s.manifest(all), "--workers", "32").ends(0).counts(len(keys), 0, 0)
	retried := 0
	for _, it := range o.items {
		if it.Attempts > 1 {
			retried++
		}
	}
	if retried < 4 {
		t.Errorf("%d items were tried again, want at least those four that broke", retried)
	}
	s.holds(keys...)
	s.nothingStaged()
}
