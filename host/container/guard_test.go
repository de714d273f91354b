package container

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// testGuard has rules that refuse by saying which one was asked.
func testGuard(t *testing.T, registry string) *guard {
	t.Helper()
	g, err := newGuard(&Request{Image: Image{Name: registry + "/x"}, Addresses: &Addresses{
		Named: func(netip.AddrPort) error { return errors.New("named") },
		Led:   func(netip.AddrPort) error { return errors.New("led") },
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.close)
	return g
}

// Which rule is asked follows from who has named a server, and from where the
// servers that are named were found.
func TestGuardRules(t *testing.T) {
	at := netip.MustParseAddrPort("127.0.0.1:80")
	for _, c := range []struct {
		registry, target string
		here, elsewhere  bool
		want             string
	}{
		{"r.example", "r.example:443", false, false, "named"},
		{"r.example", "r.example:80", false, false, "named"},
		{"r.example", "r.example:81", false, false, "led"},
		{"r.example:5000", "r.example:5000", false, false, "named"},
		{"r.example:5000", "r.example:443", false, false, "led"},
		{"docker.io", "registry-1.docker.io:443", false, false, "named"},
		{"[::1]:5000", "[::1]:5000", false, false, "named"},
		{"r.example", "cdn.example:443", false, true, "led"},
		{"r.example", "cdn.example:443", true, false, "named"},
		{"r.example", "cdn.example:443", true, true, "led"},
		{"r.example", "mirror.example:443", false, false, "named"},
		{"r.example", "127.0.0.1:5000", false, true, ""},
		{"127.0.0.1:5000", "127.0.0.1:5000", false, false, "named"},
	} {
		g := testGuard(t, c.registry)
		g.name(byOperator, "mirror.example:443", "127.0.0.1:5000")
		g.here, g.elsewhere = c.here, c.elsewhere
		err := g.allow(c.target, at)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasSuffix(err.Error(), ": "+c.want)) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// Where a named server is found decides about those that it leads to.
func TestGuardNotesThisMachine(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	addr := server.Listener.Addr().String()
	g, err := newGuard(&Request{Image: Image{Name: addr + "/x"}, Addresses: &Addresses{Led: func(netip.AddrPort) error { return errors.New("led") }}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	led, _ := netip.ParseAddrPort(addr)
	if g.allow("other.example:80", led) == nil {
		t.Error("nothing was found on this machine yet")
	}
	conn, err := g.dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := g.allow("other.example:80", led); err != nil {
		t.Errorf("the registry is on this machine: %v", err)
	}
}

// The guard serves those who know the password, and says what it was asked to.
func TestGuardIsPrivate(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }))
	defer server.Close()
	g, err := newGuard(&Request{Image: Image{Name: "r.example/x"}, Addresses: &Addresses{}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	right := g.url()
	wrong := *right
	wrong.User = url.UserPassword(guardUser, "wrong")
	none := *right
	none.User = nil
	for name, proxy := range map[string]*url.URL{"right": right, "wrong": &wrong, "none": &none} {
		transport := &http.Transport{Proxy: http.ProxyURL(proxy)}
		resp, err := (&http.Client{Transport: transport}).Get(server.URL)
		if (err == nil) != (name == "right") {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			if body, err := io.ReadAll(resp.Body); string(body) != "hello" || err != nil {
				t.Errorf("got %q, %v", body, err)
			}
			resp.Body.Close()
		}
		transport.CloseIdleConnections()
	}
}

// What is not SOCKS is not answered for long, and nothing hangs when the guard ends.
func TestGuardHostileClients(t *testing.T) {
	g := testGuard(t, "r.example")
	for name, said := range map[string][]byte{
		"http":        []byte("GET / HTTP/1.1\r\n\r\n"),
		"version 4":   {4, 1, 0, 80, 127, 0, 0, 1, 0},
		"no methods":  {5, 0},
		"half":        {5, 1},
		"binding":     append(append([]byte{5, 1, 2, 1, byte(len(guardUser))}, guardUser...), append(append([]byte{byte(len(g.password))}, g.password...), 5, 2, 0, 1, 127, 0, 0, 1, 0, 80)...),
		"other types": append(append([]byte{5, 1, 2, 1, byte(len(guardUser))}, guardUser...), append(append([]byte{byte(len(g.password))}, g.password...), 5, 1, 0, 9)...),
	} {
		conn, err := net.Dial("tcp", g.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(said); err != nil {
			t.Fatal(err)
		}
		if name == "half" {
			continue // until the guard ends
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
		answer, err := io.ReadAll(conn)
		if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
			t.Errorf("%s: the connection stays open", name)
		}
		if bytes.Contains(answer, socksReply(socksOK)) {
			t.Errorf("%s: answered with %v", name, answer)
		}
	}
	ended := make(chan struct{})
	go func() { g.close(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("the guard does not end")
	}
}

// A connection that breaks off does so for the client, too; one that ends, ends.
func TestGuardBreaksOff(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	g, err := newGuard(&Request{Image: Image{Name: "r.example/x"}, Addresses: &Addresses{}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	for _, reset := range []bool{true, false} {
		go func() {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Read(make([]byte, 4096))
			io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\nbegin")
			time.Sleep(50 * time.Millisecond) // so that it arrives before the reset
			if reset {
				conn.(*net.TCPConn).SetLinger(0)
			}
			conn.Close()
		}()
		transport := &http.Transport{Proxy: http.ProxyURL(g.url())}
		resp, err := (&http.Client{Transport: transport}).Get("http://" + listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if (err != nil) != reset || !reset && string(body) != "begin" {
			t.Errorf("reset %v: got %q, %v", reset, body, err)
		}
	}
}

// A reason takes the place of what a client of the proxy sees.
func TestGuardExplains(t *testing.T) {
	g := testGuard(t, "r.example")
	if _, err := g.dial("127.0.0.1:9"); err == nil {
		t.Fatal("not refused")
	}
	g.failed["gone.example:443"] = errors.New("dial tcp: lookup gone.example: no such host")
	for said, want := range map[string]string{
		"pinging: socks connect tcp 127.0.0.1:1->127.0.0.1:9: unknown error connection not allowed by ruleset": "pinging: connecting to the address 127.0.0.1 is not allowed: named",
		"a socks connect tcp [::1]:1->gone.example:443: unknown error general SOCKS server failure, b":         "a dial tcp: lookup gone.example: no such host, b",
		"a socks connect tcp 127.0.0.1:1->other.example:443: unknown error general SOCKS server failure":       "a socks connect tcp 127.0.0.1:1->other.example:443: unknown error general SOCKS server failure",
		"timeout": "timeout",
	} {
		want = strings.Replace(want, "named", "led", 1)
		err := g.explain(errors.New(said))
		if e, ok := errors.AsType[*Error](err); ok {
			if e.Kind != KindDenied {
				t.Errorf("%s: kind %s", said, e.Kind)
			}
			err = e.Err
		}
		if err.Error() != want {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
	var none *guard
	if err := errors.New("x"); none.explain(err) != err || g.explain(nil) != nil {
		t.Error("an error has changed")
	}
}
