package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

const proxyEnv = "OSBUILD_SOURCES_CURL_PROXY"

// tinyproxy is a real proxy that wants a password.
type tinyproxy struct {
	t    *testing.T
	port int
	log  string
}

func startTinyproxy(t *testing.T) *tinyproxy {
	t.Helper()
	program := need(t, "tinyproxy", "tinyproxy-bin")
	dir := t.TempDir()
	p := &tinyproxy{t: t, port: freePort(t), log: filepath.Join(dir, "log")}
	config := filepath.Join(dir, "tinyproxy.conf")
	text := fmt.Sprintf("Port %d\nListen 127.0.0.1\nTimeout 60\nAllow 127.0.0.1\nBasicAuth builder %s\nMaxClients 50\nLogFile %q\nLogLevel Connect\n", p.port, password, p.log)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	daemon(t, filepath.Join(dir, "out"), p.port, program, "-d", "-c", config)
	return p
}

// url is the proxy's URL with a password.
func (p *tinyproxy) url(password string) string {
	return fmt.Sprintf("http://builder:%s@127.0.0.1:%d", password, p.port)
}

// requests counts the lines of the log that tell of a request.
func (p *tinyproxy) requests(line string) int {
	p.t.Helper()
	data, err := os.ReadFile(p.log)
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.Count(string(data), line)
}

// targets are servers behind the proxy, and files on them.
type targets struct {
	http, https *hosttest.Server
	ca          *hosttest.CA
	items       items
	keys        []string
}

func newTargets(t *testing.T) *targets {
	t.Helper()
	x := &targets{ca: newCA(t, "ca"), items: items{}}
	x.http = hosttest.Start(t, hosttest.Options{})
	x.https = hosttest.Start(t, hosttest.Options{Protocol: hosttest.HTTPS1, Certificate: serverPair(t, x.ca)})
	for i, server := range []*hosttest.Server{x.http, x.https, x.http, x.https} {
		path := fmt.Sprintf("/file-%d", i)
		data := content(path, 20_000)
		server.Put(path, hosttest.File{Content: data})
		x.items[key(data)] = server.URL(path)
		x.keys = append(x.keys, key(data))
	}
	return x
}

// viaProxy counts the requests in the clear that a proxy has passed on.
func (x *targets) viaProxy() (n int) {
	for _, e := range x.http.Log() {
		if e.Header.Get("Via") != "" {
			n++
		}
	}
	return n
}

// adversary: B32
func TestProxy(t *testing.T) {
	t.Parallel()
	p := startTinyproxy(t)
	down := "http://builder:" + password + "@" + hosttest.Refused(t)
	usual := func(proxy, except string) []string {
		return []string{"http_proxy=" + proxy, "HTTPS_PROXY=" + proxy, "no_proxy=" + except}
	}
	for _, c := range []struct {
		name    string
		env     []string
		proxied int // requests in the clear that the proxy passes on
		kind    string
		parts   []string
	}{
		{"osbuild's variable", []string{proxyEnv + "=" + p.url(password)}, 2, "", nil},
		{"usual variables", usual(p.url(password), ""), 2, "", nil},
		{"all_proxy", []string{"ALL_PROXY=" + p.url(password)}, 2, "", nil},
		{"osbuild's variable wins", append(usual(down, ""), proxyEnv+"="+p.url(password)), 2, "", nil},
		{"no_proxy by address", usual(down, "example.com,127.0.0.1"), 0, "", nil},
		{"no_proxy by prefix", usual(down, "10.0.0.0/8, 127.0.0.0/8"), 0, "", nil},
		{"no_proxy for all", usual(down, "*"), 0, "", nil},
		{"no_proxy for osbuild's variable", []string{proxyEnv + "=" + down, "NO_PROXY=127.0.0.1"}, 0, "", nil},
		{"no_proxy for others", usual(p.url(password), "10.0.0.0/8,localhost"), 2, "", nil},
		{"wrong password", []string{proxyEnv + "=" + p.url("wrong-"+password)}, 0, "denied", []string{"through the proxy", "401", "1 attempt"}},
		{"no password", []string{proxyEnv + "=" + strings.Replace(p.url(""), "builder:@", "", 1)}, 0, "denied", []string{"through the proxy", "407", "user name and password"}},
		{"down", []string{proxyEnv + "=" + down}, 0, "network", []string{"connection refused", "4 attempts", "the proxy itself could not be reached"}},
		{"nonsense", []string{proxyEnv + "=gopher://builder:" + password + "@127.0.0.1:70"}, 0, "invalid", []string{"gopher", "socks5://"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := newTargets(t)
			s := newSandbox(t)
			s.env = append(append(s.env, "SSL_CERT_FILE="+x.ca.Path), c.env...)
			connect := fmt.Sprintf("CONNECT %s HTTP", x.https.Addr())
			before := p.requests(connect) // an earlier case may have had the same port
			o := s.fetch(s.manifest(x.items), "--log-level", "debug")
			o.hides(password)
			if n := x.viaProxy(); n != c.proxied {
				t.Errorf("%d requests came through the proxy, want %d", n, c.proxied)
			}
			if c.kind != "" {
				o.ends(1).counts(0, 0, len(x.keys))
				for _, k := range x.keys {
					o.failed(k, c.kind, c.parts...)
				}
				if n := len(x.http.Log()) + len(x.https.Log()); n != 0 {
					t.Errorf("%d requests went past the proxy", n)
				}
				return
			}
			o.ends(0).counts(len(x.keys), 0, 0)
			s.holds(x.keys...)
			if tunnels := p.requests(connect) - before; (tunnels > 0) != (c.proxied > 0) {
				t.Errorf("%d tunnels were made", tunnels)
			}
		})
	}
}

// TestProxyOfForeignPlugin: a plugin that is not built in gets to its servers through
// a proxy that wants a password, and no further than to them.
//
// adversary: B32
func TestProxyOfForeignPlugin(t *testing.T) {
	t.Parallel()
	proxy := hosttest.StartProxy(t, hosttest.ProxyOptions{User: "builder", Password: password})
	x, s := newTargets(t), newSandbox(t)
	s.foreign(x.http.URL("/"))
	s.env = append(s.env, "SSL_CERT_FILE="+x.ca.Path, proxyEnv+"="+proxy.URL())
	o := s.fetch(s.manifest(x.items), "--log-level", "debug").ends(1).counts(2, 0, 2)
	o.hides(password)
	o.failed(x.keys[1], "denied", x.https.URL("/"), "[plugin.theirs.grant]")
	s.holds(x.keys[0], x.keys[2])
	s.env[len(s.env)-1] = proxyEnv + "=" + strings.Replace(proxy.URL(), password, "wrong", 1)
	s.store = filepath.Join(s.dir, "other")
	s.fetch(s.manifest(x.items)).ends(1).counts(0, 0, 4).failed(x.keys[0], "denied", "through the proxy", "407")
	if n := x.viaProxy(); n > 2 || len(x.https.Log()) > 0 {
		t.Errorf("%d requests in the clear came, %d others", n, len(x.https.Log()))
	}
}

// TestProxyWrongPassword: tinyproxy answers 401 to a password that is wrong.
// What it says to CONNECT is about the proxy's password, not about what the
// proxy allows; in the clear it could be the server's answer, so the error names
// the proxy too.
func TestProxyWrongPassword(t *testing.T) {
	t.Parallel()
	p, x, s := startTinyproxy(t), newTargets(t), newSandbox(t)
	s.env = append(s.env, "SSL_CERT_FILE="+x.ca.Path, proxyEnv+"="+p.url("wrong"))
	o := s.fetch(s.manifest(x.items)).ends(1)
	for i, k := range x.keys {
		e := o.failed(k, "denied", fmt.Sprintf("through the proxy http://127.0.0.1:%d", p.port), "401")
		if i%2 == 1 { // https
			contains(t, e.Hint, "the proxy's URL", "password")
		}
	}
}

// TestProxyRefuses meets proxies that answer with an error.
//
// adversary: B31
func TestProxyRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		kind   string
		parts  []string
	}{
		{403, "denied", []string{"403"}},
		{502, "network", []string{"502", "4 attempts"}},
	} {
		for _, foreign := range []bool{false, true} {
			x := newTargets(t)
			proxy := hosttest.StartProxy(t, hosttest.ProxyOptions{Refuse: c.status})
			s := newSandbox(t)
			if foreign {
				s.foreign(x.http.URL("/"), x.https.URL("/"))
			}
			s.env = append(s.env, "SSL_CERT_FILE="+x.ca.Path, proxyEnv+"="+proxy.URL())
			o := s.fetch(s.manifest(x.items)).ends(1).counts(0, 0, len(x.keys))
			for _, k := range x.keys {
				o.failed(k, c.kind, c.parts...)
			}
			s.holds()
			s.nothingStaged()
		}
	}
}
