package download

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

func TestProxies(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		rows := map[string]hosttest.ProxyOptions{
			"plain":         {},
			"password":      {User: "me", Password: "s3cret"},
			"over tls":      {Certificate: e.pair},
			"both of these": {Certificate: e.pair, User: "me", Password: "s3cret"},
		}
		for name, opts := range rows {
			t.Run(name, func(t *testing.T) {
				proxy := hosttest.StartProxy(t, opts)
				before := len(e.server.Log())
				req := e.request()
				req.Proxy = proxy.URL()
				req.Insecure = true // of the server's certificate, not of the proxy's
				info, err, target := e.fetchReq(req)
				want{attempts: 1}.check(t, info, err, target)
				if len(proxy.Log()) == 0 || proxy.Log()[0].Host != e.server.Addr() {
					t.Errorf("the proxy saw %v", proxy.Log())
				}
				log := e.server.Log()[before:]
				if len(log) != 1 || log[0].Header.Get("Proxy-Authorization") != "" {
					t.Errorf("the server saw %v", log)
				}
			})
		}
	})
}

func TestSocksProxy(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		proxy := hosttest.StartSocks(t)
		req := e.request()
		req.Proxy = proxy.URL
		info, err, target := e.fetchReq(req)
		want{attempts: 1}.check(t, info, err, target)
		if n := proxy.Connections(); n != 1 {
			t.Errorf("%d connections through the proxy, want 1", n)
		}
	})
}

// TestSilentProxies: a proxy that takes connections and never answers.
func TestSilentProxies(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, scheme := range []string{"http", "https", "socks5"} {
		e := newEnv(t, hosttest.HTTP, Config{MaxAttempts: 2, ConnectTimeout: 200 * time.Millisecond,
			TLSTimeout: 200 * time.Millisecond, HeaderTimeout: 200 * time.Millisecond})
		req := e.request()
		req.Proxy = scheme + "://" + silent.Addr().String()
		info, err, target := e.fetchReq(req)
		want{kind: KindTimeout, attempts: 2, text: req.Proxy}.check(t, info, err, target)
	}
}

// TestProxyRefusals: errors name the proxy, never its password.
//
// adversary: B31, B32
func TestProxyRefusals(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		e.engine.cfg.MaxAttempts = 3
		asks := hosttest.StartProxy(t, hosttest.ProxyOptions{User: "me", Password: "right"})
		forbids := hosttest.StartProxy(t, hosttest.ProxyOptions{Refuse: 403})
		unauthorized := hosttest.StartProxy(t, hosttest.ProxyOptions{Refuse: 401})
		fails := hosttest.StartProxy(t, hosttest.ProxyOptions{Refuse: 502})
		overTLS := hosttest.StartProxy(t, hosttest.ProxyOptions{Certificate: e.pair})
		dead := hosttest.Refused(t)
		withPassword := func(addr string) string { return "http://me:wr0ng@" + addr }
		rows := []struct {
			name, proxy string
			kind        Kind
			attempts    int
			text        string
		}{
			{"no password", "http://" + asks.Addr(), KindDenied, 1, "407"},
			{"wrong password", withPassword(asks.Addr()), KindDenied, 1, "http://user:password@"},
			{"wrong password, 401", withPassword(unauthorized.Addr()), KindDenied, 1, "401"},
			{"refuses", withPassword(forbids.Addr()), KindDenied, 1, "403"},
			{"fails", withPassword(fails.Addr()), KindNetwork, 3, "502"},
			{"nobody there", withPassword(dead), KindNetwork, 3, "the proxy itself could not be reached"},
			{"socks, nobody there", "socks5://me:wr0ng@" + dead, KindNetwork, 3, "the proxy itself could not be reached"},
			{"unknown certificate", "https://me:wr0ng@" + overTLS.Addr(), KindTLS, 1, "unknown authority"},
			{"not a URL", "http://me:wr0ng@[", KindInvalid, 0, "write proxies as"},
			{"unknown scheme", "gopher://me:wr0ng@host", KindInvalid, 0, `"gopher"`},
		}
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				req := e.request()
				req.Proxy = row.proxy
				if row.kind == KindTLS {
					req.CA, req.Insecure = "", true
				}
				info, err, target := e.fetchReq(req)
				want{kind: row.kind, attempts: row.attempts, text: row.text}.check(t, info, err, target)
				if strings.Contains(err.Error(), "wr0ng") {
					t.Errorf("the proxy's password is shown: %v", err)
				}
				named := row.proxy[strings.LastIndex(row.proxy, "@")+1:]
				if !strings.Contains(err.Error(), strings.TrimPrefix(named, "http://")) {
					t.Errorf("the error does not name the proxy: %v", err)
				}
			})
		}
		if len(e.server.Log()) != 0 {
			t.Error("a request went past the proxy")
		}
	})
}

func TestProxyVariables(t *testing.T) {
	e := newEnv(t, hosttest.HTTP, Config{})
	proxy := hosttest.StartProxy(t, hosttest.ProxyOptions{})
	vars := map[string]string{"http_proxy": proxy.Addr()}
	e.engine, _ = newEngine(t, Config{Environ: func(name string) string { return vars[name] }})
	info, err, target := e.fetch()
	want{attempts: 1}.check(t, info, err, target)
	if len(proxy.Log()) != 1 {
		t.Errorf("the proxy saw %d requests, want 1", len(proxy.Log()))
	}
	bad := map[string]string{"http_proxy": "ftp://x"}
	e.engine, _ = newEngine(t, Config{Environ: func(name string) string { return bad[name] }})
	info, err, target = e.fetch()
	want{kind: KindInvalid, attempts: 0, text: "from the variable http_proxy"}.check(t, info, err, target)
}

// TestProxyDoesNotHideAddresses: an address in a URL is checked, although the
// connection goes to the proxy.
func TestProxyDoesNotHideAddresses(t *testing.T) {
	proxy := hosttest.StartProxy(t, hosttest.ProxyOptions{})
	e := newEnv(t, hosttest.HTTP, Config{AddrPolicy: func(ip netip.Addr) error {
		if ip.IsLinkLocalUnicast() {
			return errLinkLocal
		}
		return nil
	}})
	for _, host := range []string{
		"169.254.169.254", "169.254.169.254.", "[::ffff:169.254.169.254]", "[fe80::1%25eth0]",
		"2852039166", "0xA9FEA9FE", "0251.0376.0251.0376", "169.254.43518", "169.16689662", "0xa9.254.0251.254",
		"\uff11\uff16\uff19.254.169.254", "169\u3002254\u3002169\u3002254",
	} {
		req := e.request("http://" + host + "/latest/meta-data")
		req.Proxy = proxy.URL()
		info, err, target := e.fetchReq(req)
		want{kind: KindDenied, attempts: 0, text: errLinkLocal.Error()}.check(t, info, err, target)
	}
	if len(proxy.Log()) != 0 {
		t.Error("the proxy was asked")
	}
}

// What is no address in any form is left to name servers.
func TestNotLiteral(t *testing.T) {
	for _, host := range []string{"4294967296", "1.2.3.256", "1.2.65536", "1.2.3.4.5", "08", "0b1", "1_0", "0x", "x.1", "1.", "1..1", "example"} {
		if at, ok := literal(&url.URL{Scheme: "http", Host: host}); ok != (host == "1.") {
			t.Errorf("%s is the address %v", host, at)
		}
	}
}

var errLinkLocal = url.InvalidHostError("link-local")

func TestWhichProxy(t *testing.T) {
	all := map[string]string{"http_proxy": "http://h:1", "HTTPS_PROXY": "s", "no_proxy": "Internal.example, .corp:8080,10.0.0.0/8 192.168.1.1,*.dom.test,[::1]:443"}
	rows := []struct {
		vars           map[string]string
		own, url, want string
	}{
		{all, "", "http://x/", "http://h:1"},
		{all, "", "https://x/", "http://s:80"},
		{all, "socks5://o", "https://x/", "socks5://o:1080"},
		{all, "https://o", "https://x/", "https://o:443"},
		{all, "o:1", "http://internal.EXAMPLE/", ""},
		{all, "", "http://sub.internal.example./", ""},
		{all, "", "http://notinternal.example/", "http://h:1"},
		{all, "", "http://a.corp:8080/", ""},
		{all, "", "http://a.corp/", "http://h:1"},
		{all, "", "http://10.1.2.3/", ""},
		{all, "", "http://[::ffff:10.1.2.3]/", ""},
		{all, "", "http://11.1.2.3/", "http://h:1"},
		{all, "", "http://192.168.1.1:99/", ""},
		{all, "", "http://a.dom.test/", ""},
		{all, "", "https://[::1]/", ""},
		{all, "", "http://[::1]/", "http://h:1"},
		{map[string]string{"all_proxy": "a", "NO_PROXY": "*"}, "", "http://x/", ""},
		{map[string]string{"all_proxy": "a"}, "", "https://x/", "http://a:80"},
		{map[string]string{"HTTP_PROXY": "b", "http_proxy": "a"}, "", "http://x/", "http://a:80"},
		{nil, "", "https://x/", ""},
	}
	for _, row := range rows {
		e := New(Config{Environ: func(name string) string { return row.vars[name] }})
		f := newFetch(e, &Request{Proxy: row.own}, nil)
		u, err := url.Parse(row.url)
		if err != nil {
			t.Fatal(err)
		}
		proxy, flt := f.proxyFor(u)
		got := ""
		if proxy != nil {
			got = proxy.String()
		}
		if flt != nil || got != row.want {
			t.Errorf("%s with the own proxy %q: %q, %v; want %q", row.url, row.own, got, flt, row.want)
		}
	}
}
