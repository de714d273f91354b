package e2e

import (
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestLibrepoTLS: private authorities, client certificates from the environment and
// from subscriptions, and servers that are not verified, each for the list and for
// the items.
func TestLibrepoTLS(t *testing.T) {
	t.Parallel()
	ca := newCA(t, "ca")
	n := startNginx(t, ca)
	client := issue(t, ca, hosttest.Leaf{Name: "acme-client"})
	data := content("tls", 5000)
	n.put("repo/a.rpm", data)
	for name, port := range map[string]int{"open": n.open, "closed": n.tls1, "h2": n.tls2} {
		n.put("list-"+name, metalink(n.url(port, "repo/")))
	}
	secrets := func(name string) []any { return []any{"secrets", map[string]string{"name": name}} }
	for _, c := range []struct {
		name, list string
		port       int
		env        []string
		more       []any
		kind       string
	}{
		{"private CA", "open", n.open, []string{"SSL_CERT_FILE=" + ca.Path}, nil, ""},
		{"unknown CA", "open", n.open, nil, nil, "tls"},
		{"insecure", "open", n.open, nil, []any{"insecure", true}, ""},
		{"mtls", "closed", n.tls1, mtls(ca, client), secrets("org.osbuild.mtls"), ""},
		{"mtls, http/2", "h2", n.tls2, mtls(ca, client), secrets("org.osbuild.mtls"), ""},
		{"mtls without variables", "closed", n.tls1, nil, secrets("org.osbuild.mtls"), "not found"},
		{"no certificate", "closed", n.tls1, []string{"SSL_CERT_FILE=" + ca.Path}, nil, ""},
		{"unknown provider", "open", n.open, nil, secrets("org.example.x"), "invalid"},
	} {
		s := newSandbox(t)
		s.env = append(s.env, c.env...)
		r := newLibrepoSource().mirror("fedora", "metalink", n.url(c.port, "list-"+c.list), c.more...)
		k := r.item("fedora", "a.rpm", data)
		o := s.fetch(r.write(s))
		switch {
		case c.name == "no certificate": // nginx answers 400 to what has none
			o.ends(1).failed(k, "network", `mirror "fedora"`, "400")
		case c.kind != "":
			o.ends(1).failed(k, c.kind, `mirror "fedora"`)
		case o.ends(0).items[k].State != "fetched":
			t.Errorf("%s: %s", c.name, o.failures())
		}
	}
	for _, r := range n.log(0) {
		if strings.Contains(r.client, "acme-client") && strings.HasPrefix(r.uri, "/list-open") {
			t.Errorf("a certificate went where none was asked for: %+v", r)
		}
	}
}

// TestLibrepoSubscription finds the certificate for the list and for the mirrors.
func TestLibrepoSubscription(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	s.configure("root = \"root\"\n" + quick)
	v := newVendor(t, "red", hosttest.HTTPS2)
	s.write("root/etc/yum.repos.d/redhat.repo", []byte(v.subscribe(t, filepath.Join(s.dir, "root"), v.ca)))
	data := content("subscribed", 5000)
	const base = "/content/9/x86_64/os/"
	v.server.Put(base+"list", hosttest.File{Content: mirrorlist(v.server.URL(base))})
	v.server.Put(base+"Packages/a.rpm", hosttest.File{Content: data})
	r := newLibrepoSource().mirror("rhel", "mirrorlist", v.server.URL(base+"list"), "secrets", map[string]string{"name": "org.osbuild.rhsm"})
	k := r.item("rhel", "Packages/a.rpm", data)
	s.fetch(r.write(s)).ends(0).fetched(k)
	for _, e := range v.server.Log() {
		if e.Client != "red-client" {
			t.Errorf("%s was asked for with the certificate of %q", e.Path, e.Client)
		}
	}
}

// TestLibrepoProxy: list and items go through the proxy of osbuild's variable.
func TestLibrepoProxy(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newCA(t, "ca"))
	proxy := hosttest.StartProxy(t, hosttest.ProxyOptions{})
	s := newSandbox(t)
	s.env = append(s.env, "OSBUILD_SOURCES_CURL_PROXY="+proxy.URL())
	data := content("proxied", 100)
	n.put("repo/a.rpm", data)
	n.put("list", mirrorlist(n.url(n.plain, "repo/"), n.url(n.plain, "other/")))
	r := newLibrepoSource().mirror("fedora", "mirrorlist", n.url(n.plain, "list"), "fastest-mirror", true)
	k := r.item("fedora", "a.rpm", data)
	s.fetch(r.write(s)).ends(0).fetched(k)
	if got := len(proxy.Log()); got != 2 {
		t.Errorf("%d requests came through the proxy, want 2", got)
	}
}

// TestLibrepoMaxParallels counts the requests that are under way at once.
func TestLibrepoMaxParallels(t *testing.T) {
	t.Parallel()
	crowds := map[string]*hosttest.Crowd{"two": hosttest.NewCrowd(2), "one": hosttest.NewCrowd(1), "free": hosttest.NewCrowd(4)}
	files := map[string][]byte{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		crowds[strings.Split(r.URL.Path, "/")[1]].Enter(r.Context())()
		w.Write(files[r.URL.Path])
	}))
	defer server.Close()
	s := newSandbox(t)
	r := newLibrepoSource().
		mirror("two", "baseurl", server.URL+"/two/", "max-parallels", 2).
		mirror("one", "baseurl", server.URL+"/one/", "max-parallels", 1.0).
		mirror("free", "baseurl", server.URL+"/free/")
	for id := range crowds {
		for i := range 40 {
			data := content(fmt.Sprint(id, i), 100)
			files[fmt.Sprintf("/%s/%d.rpm", id, i)] = data
			r.item(id, fmt.Sprintf("%d.rpm", i), data)
		}
	}
	s.fetch(r.write(s), "--workers", "16").ends(0).counts(120, 0, 0)
	if two, one, free := crowds["two"].Most(), crowds["one"].Most(), crowds["free"].Most(); two != 2 || one != 1 || free < 4 {
		t.Errorf("at once: %d, %d and %d, want 2, 1 and at least 4", two, one, free)
	}
}

// connecting tells whether somebody tries to connect to an address of 127.0.0.1 that does
// not answer (SYN_SENT in /proc/net/tcp).
func connecting(t *testing.T, addr netip.AddrPort) bool {
	t.Helper()
	data, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	ip := addr.Addr().As4()
	to := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), addr.Port())
	return slices.ContainsFunc(lines(string(data)), func(line string) bool {
		f := strings.Fields(line)
		return len(f) > 3 && f[2] == to && f[3] == "02"
	})
}

// slowServer is a server whose queue is full until somebody has tried to connect for more
// than a second. Who has is served two seconds later, when kernels try for the third time.
func slowServer(t *testing.T, handler http.Handler) (url string) {
	t.Helper()
	listener, addr := hosttest.FullQueue(t, "127.0.0.1:0")
	server := &http.Server{Handler: handler}
	t.Cleanup(func() { server.Close() })
	go func() {
		for at := netip.MustParseAddrPort(addr); !connecting(t, at); {
			select {
			case <-t.Context().Done():
				return
			case <-time.After(time.Millisecond):
			}
		}
		time.Sleep(1100 * time.Millisecond)
		server.Serve(listener())
	}()
	return "http://" + addr
}

// TestLibrepoFastestMirror: the server that can be connected to first gets the items,
// although the other is preferred; without the option it is the other way round.
func TestLibrepoFastestMirror(t *testing.T) {
	t.Parallel()
	var slow, fast atomic.Int32
	count := func(n *atomic.Int32) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			w.Write(content(strings.TrimPrefix(r.URL.Path, "/repo/"), 100))
		})
	}
	slowURL, fastServer := slowServer(t, count(&slow)), httptest.NewServer(count(&fast))
	defer fastServer.Close()
	lists := hosttest.Start(t, hosttest.Options{})
	for kind, list := range listKinds {
		lists.Put("/"+kind, hosttest.File{Content: list(slowURL+"/repo/", fastServer.URL+"/repo/")})
	}
	for _, c := range []struct {
		kind       string
		fastest    bool
		slow, fast int32
	}{{"metalink", true, 0, 300}, {"mirrorlist", false, 300, 0}} {
		slow.Store(0)
		fast.Store(0)
		s := newSandbox(t)
		r := newLibrepoSource().mirror("fedora", c.kind, lists.URL("/"+c.kind), "fastest-mirror", c.fastest)
		for i := range 300 {
			r.item("fedora", fmt.Sprintf("%d.rpm", i), content(fmt.Sprintf("%d.rpm", i), 100))
		}
		s.fetch(r.write(s)).ends(0).counts(300, 0, 0)
		if slow.Load() != c.slow || fast.Load() != c.fast {
			t.Errorf("fastest-mirror %v: the slow server got %d requests, the fast one %d; want %d and %d",
				c.fastest, slow.Load(), fast.Load(), c.slow, c.fast)
		}
	}
}
