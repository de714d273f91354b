package container_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/hosttest"
)

// trap is a server that nobody may connect to.
type trap struct {
	port  string
	conns atomic.Int64
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { listener.Close() })
	trap := &trap{}
	_, trap.port, _ = net.SplitHostPort(listener.Addr().String())
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			trap.conns.Add(1)
			conn.Close()
		}
	}()
	return trap
}

// only allows one port of this machine, as the grant of a foreign plugin does.
func only(addr string) *container.Addresses {
	rule := func(at netip.AddrPort) error {
		if at == netip.MustParseAddrPort(addr) {
			return nil
		}
		return errors.New("only " + addr + " is granted")
	}
	return &container.Addresses{Named: rule, Led: rule, Foreign: true}
}

// A registry does not make its client connect to what was not granted: by redirects,
// by the realm of its tokens, by the URL of a layer.
//
// adversary: A10d
func TestRegistryCannotLeadAstray(t *testing.T) {
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	l := gzipLayer(t, dockerLayer, "layer", 5000)
	img := newImage(t, dockerManifest, "astray", "amd64", l)
	img.push(t, registry+"/astray:latest", "--dest-tls-verify=false")
	led := newTrap(t)
	foreignLayer := strings.Replace(string(img.manifest), `"mediaType":"`+dockerLayer+`"`,
		fmt.Sprintf(`"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","urls":["http://0.0.0.0:%s/layer"]`, led.port), 1)
	if foreignLayer == string(img.manifest) {
		t.Fatal("the manifest has another form")
	}
	foreign := img
	foreign.manifest = []byte(foreignLayer)
	redirect := func(part, to string) func(w http.ResponseWriter, r *http.Request, n int) bool {
		return func(w http.ResponseWriter, r *http.Request, _ int) bool {
			if !strings.Contains(r.URL.Path, part) {
				return false
			}
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return true
		}
	}
	token := func(realm string) func(w http.ResponseWriter, r *http.Request, n int) bool {
		return func(w http.ResponseWriter, r *http.Request, _ int) bool {
			w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm=%q,service="x"`, realm))
			w.WriteHeader(http.StatusUnauthorized)
			return true
		}
	}
	manifest := func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if strings.Contains(r.URL.Path, "/manifests/") {
			send(dockerManifest, foreign.manifest)(w, r)
			return true
		}
		return false
	}
	for name, test := range map[string]struct {
		img   testImage
		fault func(w http.ResponseWriter, r *http.Request, n int) bool
		text  string
		// skopeo asks no proxy for what is on this machine by its name.
		embeddedOnly bool
	}{
		"blob to the link":               {img, redirect("/blobs/", "http://169.254.169.254/latest"), "169.254.169.254 is not allowed", false},
		"blob to the link, mapped":       {img, redirect("/blobs/", "http://[::ffff:169.254.169.254]/latest"), "169.254.169.254 is not allowed", false},
		"blob to this machine":           {img, redirect("/blobs/", "http://127.0.0.1:"+led.port+"/"), "127.0.0.1 is not allowed", true},
		"blob to a name of this machine": {img, redirect("/blobs/", "http://localhost:"+led.port+"/"), "is not allowed", true},
		"blob to the unspecified":        {img, redirect("/blobs/", "http://0.0.0.0:"+led.port+"/"), "0.0.0.0 is not allowed", false},
		"blob over https":                {img, redirect("/blobs/", "https://0.0.0.0:"+led.port+"/"), "0.0.0.0 is not allowed", false},
		"manifest":                       {img, redirect("/manifests/", "http://0.0.0.0:"+led.port+"/"), "0.0.0.0 is not allowed", false},
		"first request":                  {img, redirect("/v2/", "http://0.0.0.0:"+led.port+"/"), "0.0.0.0 is not allowed", false},
		"token":                          {img, token("http://0.0.0.0:" + led.port + "/token"), "0.0.0.0 is not allowed", false},
		"token from the link":            {img, token("https://169.254.169.254/token"), "169.254.169.254 is not allowed", false},
		"url of a layer":                 {foreign, manifest, "0.0.0.0 is not allowed", false},
	} {
		t.Run(name, func(t *testing.T) {
			eachEngine(t, func(t *testing.T, engine string) {
				if test.embeddedOnly && engine != container.Embedded {
					t.Skip("the program cannot be kept from this")
				}
				f := newFront(t, registry, test.fault)
				r := request(t, f.addr+"/astray", test.img)
				r.Addresses = only(f.addr)
				_, err := newCopier(t, engine, anything).Copy(t.Context(), r)
				if err != nil || name != "url of a layer" { // releases of skopeo then ask the registry
					wantError(t, r, err, container.KindDenied, test.text, "only "+f.addr+" is granted", "1 attempt")
				}
				if n := led.conns.Load(); n > 0 {
					t.Errorf("%d connections were made to where the registry led", n)
				}
			})
		})
	}
}

// The registry itself is judged, whatever its name is.
//
// adversary: A10d
func TestRegistryIsJudged(t *testing.T) {
	trap := newTrap(t)
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 10))
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0"} {
		eachEngine(t, func(t *testing.T, engine string) {
			r := request(t, host+":"+trap.port+"/x", img)
			r.Addresses = only("127.0.0.1:1")
			_, err := newCopier(t, engine, anything).Copy(t.Context(), r)
			wantError(t, r, err, container.KindDenied, "is not allowed: only 127.0.0.1:1 is granted", "1 attempt")
		})
	}
	if n := trap.conns.Load(); n > 0 {
		t.Errorf("%d connections were made", n)
	}
}

// A registry whose address is allowed is reached by its name, through the guard, and by
// its address, without.
func TestRegistryIsReached(t *testing.T) {
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 100_000))
	img.push(t, registry+"/x:latest", "--dest-tls-verify=false")
	_, port, err := net.SplitHostPort(registry)
	must(t, err)
	for _, host := range []string{"127.0.0.1", "localhost"} {
		eachEngine(t, func(t *testing.T, engine string) {
			r := request(t, net.JoinHostPort(host, port)+"/x", img)
			r.Addresses = only(registry)
			if _, err := newCopier(t, engine, anything).Copy(t.Context(), r); err != nil {
				t.Error(err)
			}
		})
	}
}

// Behind the operator's proxy names are the proxy's to resolve, and addresses are judged
// all the same.
//
// adversary: A10d
func TestAddressesBehindAProxy(t *testing.T) {
	proxy := newTrap(t)
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 10))
	cfg := anything
	cfg.Environ = environ(map[string]string{"HTTP_PROXY": "http://127.0.0.1:" + proxy.port, "HTTPS_PROXY": "http://127.0.0.1:" + proxy.port})
	if _, err := container.NewEmbedded(cfg); err != nil {
		t.Skip(err)
	}
	for host, judged := range map[string]string{"169.254.169.254:1": "169.254.169.254", "127.1:2": "127.0.0.1", "0xa9fea9fe:1": "169.254.169.254", "registry.invalid:1": ""} {
		r := request(t, host+"/x", img)
		r.Addresses = only("127.0.0.1:1")
		before := proxy.conns.Load()
		_, err := newCopier(t, container.Embedded, cfg).Copy(t.Context(), r)
		if judged != "" {
			wantError(t, r, err, container.KindDenied, judged+" is not allowed")
		}
		if asked := proxy.conns.Load() > before; asked != (judged == "") || err == nil {
			t.Errorf("%s: the proxy was asked: %v: %v", host, asked, err)
		}
	}
}

// A program runs with the proxy that judges, unless another one is set or somebody
// vouches for the request.
func TestSkopeoProxy(t *testing.T) {
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 10))
	for _, test := range []struct {
		foreign bool
		env     map[string]string
		want    string
	}{
		{true, nil, "socks5://sourcehost:"},
		{true, map[string]string{"NO_PROXY": "*"}, "socks5://sourcehost:"},
		{true, map[string]string{"https_proxy": "http://proxy.invalid"}, "http://proxy.invalid"},
		{false, nil, ""},
	} {
		var env []string
		cfg := anything
		cfg.Environ = environ(test.env)
		program := container.NewSkopeo(cfg, "/usr/bin/skopeo", func(_ context.Context, _ string, _, e []string, _ string, _ func(string)) ([]byte, error) {
			env = e
			return nil, errors.New("stop")
		})
		r := request(t, registry+"/x", img)
		r.Addresses.Foreign = test.foreign
		if _, err := container.New(cfg, nil, program).Copy(t.Context(), r); err == nil {
			t.Error("no error")
		}
		got := ""
		for _, v := range env {
			name, value, _ := strings.Cut(v, "=")
			if strings.EqualFold(name, "HTTPS_PROXY") {
				got = value
			}
			if strings.EqualFold(name, "NO_PROXY") {
				t.Errorf("the program gets %s", v)
			}
		}
		if !strings.HasPrefix(got, test.want) || (test.want == "") != (got == "") {
			t.Errorf("%+v: the proxy is %q", test, got)
		}
	}
}

// What the operator's registries.conf names by its address needs no other grant.
func TestOperatorsMirror(t *testing.T) {
	registry, dead := hosttest.StartRegistry(t, hosttest.RegistryOptions{}), hosttest.Refused(t)
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 100))
	img.push(t, registry+"/x:latest", "--dest-tls-verify=false")
	cfg := anything
	cfg.RegistriesConf = filepath.Join(t.TempDir(), "registries.conf")
	if _, err := container.NewEmbedded(cfg); err != nil {
		t.Skip(err)
	}
	must(t, os.WriteFile(cfg.RegistriesConf, fmt.Appendf(nil, "[[registry]]\nlocation = %q\n[[registry.mirror]]\nlocation = %q\ninsecure = true\n", dead, registry), 0o600))
	r := request(t, dead+"/x", img)
	r.Image.SkipTLSVerify, r.Addresses = false, only("127.0.0.1:1")
	if _, err := newCopier(t, container.Embedded, cfg).Copy(t.Context(), r); err != nil {
		t.Error(err)
	}
}
