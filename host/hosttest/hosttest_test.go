package hosttest

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// setup returns a server with a file under /f, and a client that trusts it and
// follows no redirects.
func setup(t *testing.T, proto Protocol) (*Server, *http.Client, []byte) {
	t.Helper()
	ca, err := NewCA(t.TempDir(), "ca")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.Issue(Leaf{Name: "server", Hosts: []string{"127.0.0.1"}})
	if err != nil {
		t.Fatal(err)
	}
	s := Start(t, Options{Protocol: proto, Certificate: pair, DripEvery: 10 * time.Millisecond})
	content := bytes.Repeat([]byte("content "), 1000)
	s.Put("/f", File{Content: content, ETag: `"v1"`})
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Pool}, ForceAttemptHTTP2: proto == HTTPS2, DisableCompression: true}
	t.Cleanup(tr.CloseIdleConnections)
	client := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return s, client, content
}

// seen is what a plain client gets.
type seen struct {
	status int
	header http.Header
	body   []byte
	err    error
}

// get reads the whole answer.
func get(client *http.Client, url string) seen {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return getUntil(ctx, client, url, func(n int) {})
}

// getUntil reads an answer, of which n bytes have come when it calls came.
func getUntil(ctx context.Context, client *http.Client, url string, came func(n int)) seen {
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	req.Close = true // what one fault left on a connection must not meet the next
	resp, err := client.Do(req)
	if err != nil {
		return seen{err: err}
	}
	defer resp.Body.Close()
	var body []byte
	for buf := make([]byte, 4096); err == nil; {
		var n int
		n, err = resp.Body.Read(buf)
		body = append(body, buf[:n]...)
		came(len(body))
	}
	if err == io.EOF {
		err = nil
	}
	return seen{resp.StatusCode, resp.Header, body, err}
}

// errGaveUp is why getSlow leaves an answer.
var errGaveUp = errors.New("gave up")

// getSlow gives an answer up of which no end is to come: a moment after as many bytes
// have come as there may be for this fault, so that what comes late is seen too.
func getSlow(client *http.Client, url, fault string, size int) seen {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	soon := func() { time.AfterFunc(100*time.Millisecond, func() { cancel(errGaveUp) }) }
	want := map[string]int{"drip": 2, "stall": size / 2}[fault]
	if want == 0 {
		soon()
	}
	begun := false
	return getUntil(ctx, client, url, func(n int) {
		if n >= want && !begun {
			begun = true
			soon()
		}
	})
}

// TestFaults: every fault looks to a plain client as its name says.
func TestFaults(t *testing.T) {
	for _, proto := range Protocols {
		t.Run(string(proto), func(t *testing.T) {
			s, client, content := setup(t, proto)
			for name := range Faults() {
				var got seen
				if name == "silent" || name == "stall" || name == "drip" {
					got = getSlow(client, s.FaultURL(name, 0, "/f"), name, len(content))
				} else {
					got = get(client, s.FaultURL(name, 0, "/f"))
				}
				if problem := unlike(name, got, content, proto); problem != "" {
					t.Errorf("%s: %s: status %d, %d bytes, %v", name, problem, got.status, len(got.body), got.err)
				}
			}
		})
	}
}

// gaveUp tells whether a request has failed because the client left. The transport tells
// the cause or, over HTTP/2, that there is one.
func gaveUp(err error) bool { return errors.Is(err, errGaveUp) || errors.Is(err, context.Canceled) }

// unlike says in what got differs from the fault that it should be.
func unlike(name string, got seen, content []byte, proto Protocol) string {
	code, _, _ := strings.Cut(name, "-")
	whole := got.err == nil && bytes.Equal(got.body, content)
	switch {
	case name == "416" || strings.HasPrefix(name, "range-") || name == "changed" || name == "mixed" || name == "truncated" || name == "announced" || name == "reset" || name == "broken-framing":
		if got.status != 200 || got.err == nil {
			return "want a body that breaks off"
		}
	case name == "drip":
		if got.status != 200 || !gaveUp(got.err) || len(got.body) < 2 || len(got.body) == len(content) {
			return "want a few bytes, one after the other, and no end"
		}
	case name == "stall":
		if got.status != 200 || !gaveUp(got.err) || len(got.body) != len(content)/2 {
			return "want half of the bytes, and no end"
		}
	case name == "silent":
		if got.status != 0 || !gaveUp(got.err) {
			return "want no answer"
		}
	case name == "hangup" || name == "not-http":
		if got.err == nil {
			return "want an error instead of an answer"
		}
	case name == "wrong":
		if got.err != nil || len(got.body) != len(content) || whole {
			return "want other bytes of the same length"
		}
	case name == "longer-chunked":
		if got.err != nil || len(got.body) <= len(content) {
			return "want more bytes"
		}
	case name == "longer":
		if proto == HTTPS2 {
			whole = got.status == http.StatusTeapot // not to be had
		}
		if !whole {
			return "want what was announced"
		}
	case name == "good" || name == "gzip" || name == "no-length":
		if !whole || name == "gzip" && got.header.Get("Content-Encoding") != "gzip" || name == "no-length" && got.header.Get("Content-Length") != "" {
			return "want the file"
		}
	case name == "redirect-away" || name == "redirect-down":
		if got.status != http.StatusTeapot {
			return "want a refusal without a peer"
		}
	case code == "redirect":
		if got.status != http.StatusFound || got.header.Get("Location") == "" {
			return "want a redirect"
		}
	default:
		if http.StatusText(got.status) == "" || !strings.HasPrefix(code, string([]byte{byte('0' + got.status/100)})) {
			return "want the status"
		}
		if name != code && got.header.Get("Retry-After") == "" {
			return "want Retry-After"
		}
	}
	return ""
}

func TestCountedFault(t *testing.T) {
	s, client, _ := setup(t, HTTP)
	for i, status := range []int{503, 503, 200} {
		if got := get(client, s.FaultURL("503", 2, "/f")); got.status != status {
			t.Errorf("request %d: status %d, want %d", i, got.status, status)
		}
	}
	for _, name := range []string{"nonsense", "nonsense:1", "503:x"} {
		if got := get(client, s.FaultURL(name, 0, "/f")); got.status != http.StatusTeapot {
			t.Errorf("%s: status %d, want %d for a fault that is none", name, got.status, http.StatusTeapot)
		}
	}
	if n := s.Count("/fault/503:2/f"); n != 3 {
		t.Errorf("%d requests are in the log, want 3", n)
	}
}

func TestScriptStaysAtItsEnd(t *testing.T) {
	s, client, _ := setup(t, HTTPS2)
	s.Script("/f", Status(500), Good, Status(404))
	for i, status := range []int{500, 200, 404, 404} {
		if got := get(client, s.URL("/f")); got.status != status {
			t.Errorf("request %d: status %d, want %d", i, got.status, status)
		}
	}
	if got := get(client, s.URL("/none")); got.status != 404 {
		t.Errorf("a file that is not there: status %d", got.status)
	}
}

// recorder is a testing.TB that notes failures.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }

func TestTripwire(t *testing.T) {
	for addr, local := range map[string]bool{"127.0.0.1": true, "127.1.2.3": true, "::1": true, "10.0.0.1": false, "2001:db8::1": false} {
		r := &recorder{TB: t}
		err := Tripwire(r)(netip.MustParseAddr(addr))
		if (err == nil) != local || r.failed == local {
			t.Errorf("%s: error %v, test failed: %v", addr, err, r.failed)
		}
	}
}

func TestAddresses(t *testing.T) {
	if conn, err := net.Dial("tcp", Refused(t)); err == nil {
		conn.Close()
		t.Error("the refused address takes connections")
	}
	conn, err := net.DialTimeout("tcp", BlackHole(t, "127.0.0.1:0"), 100*time.Millisecond)
	var timeout net.Error
	if err == nil {
		conn.Close()
	}
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("the black hole: %v, want a time-out", err)
	}
	r := Resolver(t, map[string][]string{"both.test": {"::1", "127.0.0.9"}})
	addrs, err := r.LookupHost(t.Context(), "both.test")
	if err != nil || len(addrs) != 2 {
		t.Errorf("both.test has %v, %v", addrs, err)
	}
	_, err = r.LookupHost(t.Context(), "other.test")
	var dns *net.DNSError
	if !errors.As(err, &dns) || !dns.IsNotFound {
		t.Errorf("other.test: %v, want that it does not exist", err)
	}
}

func TestProxyPassword(t *testing.T) {
	s, client, content := setup(t, HTTPS1)
	p := StartProxy(t, ProxyOptions{User: "me", Password: "pw"})
	through := func(raw string) seen {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		client.Transport.(*http.Transport).Proxy = http.ProxyURL(u)
		return get(client, s.URL("/f"))
	}
	if got := through("http://" + p.Addr()); got.err == nil || len(s.Log()) != 0 {
		t.Errorf("without a password: %v", got.err)
	}
	if got := through(p.URL()); !bytes.Equal(got.body, content) || len(p.Log()) != 2 {
		t.Errorf("with the password: %v, %d requests", got.err, len(p.Log()))
	}
}

func TestReceiverSuite(t *testing.T) {
	TestReceiver(t, func(_ *testing.T, content []byte) Receiver { return &Target{Want: content} })
}
