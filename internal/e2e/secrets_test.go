package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestSecretStaysWithHost: the header that a plugin added goes to the host of
// the URL and to no other that a redirect leads to, although the secret is bound
// to that one too.
//
// adversary: B19
func TestSecretStaysWithHost(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	other := hosttest.Start(t, hosttest.Options{})
	c.reach = []string{other.URL("/")}
	c.wire(c.pin, granted, c.origin.Addr(), c.mirror.Addr(), other.Addr())
	data := content("elsewhere", 3000)
	other.Put("/file", hosttest.File{Content: data})
	c.mirror.Script("/moved", hosttest.Redirect(http.StatusFound, other.URL("/file")))
	o := c.fetch(c.sandbox.manifest(items{key(data): c.origin.URL("/moved")}), "--log-level", "debug").ends(0)
	o.hides(vault)
	first, second := c.mirror.Log(), other.Log()
	if len(first) != 1 || first[0].Header.Get("X-Token") != "Token "+vault {
		t.Errorf("the mirror got %d requests, or no token", len(first))
	}
	if len(second) != 1 || second[0].Header.Get("X-Token") != "" {
		t.Errorf("the other host got %d requests, or the token", len(second))
	}
}

// TestSecretIsEchoed: a server repeats the token that it got where errors show
// it.
func TestSecretIsEchoed(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.wire(c.pin, granted, c.origin.Addr(), c.mirror.Addr())
	data := content("echoed", 3000)
	c.mirror.Script("/file", func(x *hosttest.Exchange) {
		token := strings.TrimPrefix(x.R.Header.Get("X-Token"), "Token ")
		if token != vault {
			t.Errorf("the token that came is %q", token)
		}
		hosttest.Redirect(http.StatusFound, "/gone/"+token+"/file?name="+token)(x)
	})
	o := c.fetch(c.sandbox.manifest(items{key(data): c.origin.URL("/file")}), "--log-level", "debug").ends(1)
	o.failed(key(data), "not found", "[secret vault]")
	o.hides(vault)
}

// TestSignedURL: the signature in a URL reaches the server and nobody else.
func TestSignedURL(t *testing.T) {
	t.Parallel()
	server := hosttest.Start(t, hosttest.Options{})
	const signature = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
	good, bad := content("signed", 2000), content("unsigned", 2000)
	server.Put("/good", hosttest.File{Content: good})
	query := "?Expires=1700000000&X-Amz-Signature=" + signature + "&name=a%20b"
	s := newSandbox(t)
	o := s.fetch(s.manifest(items{key(good): server.URL("/good" + query), key(bad): server.URL("/bad" + query)}), "--log-level", "debug").ends(1)
	o.fetched(key(good))
	o.failed(key(bad), "not found", server.URL("/bad?Expires=1700000000&X-Amz-Signature=***&name=a%20b"))
	o.hides(signature)
	for _, e := range server.Log() {
		if !strings.HasSuffix(e.URI, query) {
			t.Errorf("the server was asked for %s, want the query as it is", e.URI)
		}
	}
}
