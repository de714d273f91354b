package host_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// chained makes a host whose items are prepared by a foreign plugin that turns
// every description into desc.
func chained(t *testing.T, change func(*host.Config), grant host.Grant, desc string) *host.Host {
	t.Helper()
	caps := []plugin.Capability{
		{Name: "download", Values: []string{"*"}, Reason: "any"}, {Name: "tls", Values: []string{"/"}, Reason: "any"},
		{Name: "env", Values: []string{"OTHER_PROXY"}, Reason: "any"}, {Name: "secrets", Values: []string{"token"}, Reason: "any"},
	}
	p := scripted(t, preparer("chained", caps...), `{"prepare":{"each":`+quoted(`{"key":"$KEY","desc":`+desc+`}`)+`}}`)
	p.Builtin, p.Grant = false, grant
	return newHost(t, func(c *host.Config) {
		c.Prepare = map[string][]string{testSource: {"chained"}}
		if change != nil {
			change(c)
		}
	}, scripted(t, source(), "{}"), p)
}

// What a chained plugin was granted works, although the source's own plugin
// neither requests nor is granted it.
func TestChainedPluginLendsItsGrants(t *testing.T) {
	srv := serve(t)
	item := srv.add("/file", "content")
	proxied := 0
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxied++
		fmt.Fprint(w, "content")
	}))
	defer proxy.Close()
	h := chained(t, func(c *host.Config) {
		c.Environ = func(name string) (string, bool) { return proxy.URL, name == "OTHER_PROXY" }
	}, host.Grant{Env: []string{"OTHER_PROXY"}}, `{"urls":["`+srv.URL+`/file"],"proxy_env":"OTHER_PROXY"}`)
	wantStates(t, run(t, h, t.TempDir(), []host.Item{item}), host.Fetched)
	if proxied != 1 {
		t.Errorf("%d requests went through the proxy, want 1", proxied)
	}
}

// A redirect from a URL of a chained plugin may lead where that plugin may go,
// not where the source's own plugin may.
//
// adversary: A10c
func TestRedirectIsJudgedByWhoAddedTheURL(t *testing.T) {
	srv := serve(t)
	item := srv.add("/file", "content")
	from := httptest.NewServer(http.RedirectHandler(srv.URL+"/file", http.StatusFound))
	defer from.Close()
	desc := `{"urls":["` + from.URL + `/x"]}`
	res := run(t, chained(t, nil, host.Grant{Download: []string{from.URL}}, desc), t.TempDir(), []host.Item{item})
	wantError(t, res.Items[0], "denied", "chained", srv.URL)
	if srv.requests("/file") != 0 {
		t.Error("the redirect was followed")
	}
	h := chained(t, nil, host.Grant{Download: []string{from.URL, srv.URL}}, desc)
	wantStates(t, run(t, h, t.TempDir(), []host.Item{item}), host.Fetched)
}

// Mirrors and every kind of reference to a secret need the chained plugin's own grants,
// and redirects of its mirrors are judged by them.
func TestChainedPluginNeedsItsOwnGrants(t *testing.T) {
	srv := serve(t)
	item := srv.add("/repo/file", "content")
	from := httptest.NewServer(http.RedirectHandler(srv.URL+"/repo/file", http.StatusFound))
	defer from.Close()
	place := `"path":"file","mirrors":["` + srv.URL + `/repo/"]`
	grant := host.Grant{Download: []string{srv.URL}}
	for desc, want := range map[string][]string{
		`{` + place + `,"auth":{"user":"u","secret":"token"}}`:    {"secrets", "token"},
		`{` + place + `,"query":[{"name":"t","secret":"token"}]}`: {"secrets", "token"},
		`{` + place + `,"tls":{"key_secret":"token"}}`:            {"secrets", "token"},
		`{` + place + `,"tls":{"cert_secret":"token"}}`:           {"secrets", "token"},
		`{` + place + `,"tls":{"cert":"/etc/x"}}`:                 {"tls", "/etc/x"},
		`{"path":"file","mirrors":["` + from.URL + `/"]}`:         {"download", from.URL},
	} {
		res := run(t, chained(t, nil, grant, desc), t.TempDir(), []host.Item{item})
		wantError(t, res.Items[0], "denied", append(want, "not granted", "chained")...)
	}
	wantStates(t, run(t, chained(t, nil, grant, `{`+place+`}`), t.TempDir(), []host.Item{item}), host.Fetched)
	redirected := `{"path":"file","mirrors":["` + from.URL + `/"]}`
	res := run(t, chained(t, nil, host.Grant{Download: []string{from.URL}}, redirected), t.TempDir(), []host.Item{item})
	wantError(t, res.Items[0], "denied", "chained", srv.URL)
	grant.Download = append(grant.Download, from.URL)
	wantStates(t, run(t, chained(t, nil, grant, redirected), t.TempDir(), []host.Item{item}), host.Fetched)
}

// A secret does not go to a server that nobody has verified.
func TestSecretNeedsAVerifiedServer(t *testing.T) {
	got := make(chan string, 10)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Authorization")
		fmt.Fprint(w, "content")
	}))
	defer srv.Close()
	t.Setenv("SOURCEHOST_TEST_TOKEN", "marked-secret-value")
	desc := `{"urls":["` + srv.URL + `/x"],"headers":[{"name":"Authorization","secret":"token"}],"insecure":true}`
	h := chained(t, func(c *host.Config) {
		c.Environ = nil
		c.Secrets = secretSpecs("token", "SOURCEHOST_TEST_TOKEN", strings.TrimPrefix(srv.URL, "https://"))
	}, host.Grant{Download: []string{srv.URL}, Secrets: []string{"token"}}, desc)
	// The manifest has turned the verification off, so the plugin may leave it.
	item := host.Item{Key: keyOf("content"), Desc: []byte(`{"insecure":true}`)}
	res := run(t, h, t.TempDir(), []host.Item{item})
	wantError(t, res.Items[0], "denied", "token", "verification")
	if len(got) != 0 {
		t.Errorf("the server got %q", <-got)
	}
}

// What a hook reports for a whole page is redacted and fit for a terminal, as
// what it reports for an item.
func TestErrorOfAPageIsRedacted(t *testing.T) {
	srv := serve(t)
	t.Setenv("SOURCEHOST_TEST_TOKEN", "marked-secret-value")
	said := quoted(`{"kind":"denied","message":"got marked-secret-value \u001b[31mred","hint":"(marked-secret-value)"}`)
	auth := scripted(t, preparer("auth", plugin.Capability{Name: "secrets", Values: []string{"token"}, Reason: "x"}), `{"prepare":{"each":`+
		quoted(`{"key":"$KEY","desc":{"urls":["`+srv.URL+`/file-0"],"headers":[{"name":"A","secret":"token"}]}}`)+`}}`)
	failing := source("filter")
	failing.Name, failing.Sources = "failing", []string{"org.example.failing"}
	h := newHost(t, func(c *host.Config) {
		c.Environ = nil
		c.Prepare = map[string][]string{testSource: {"auth"}}
		c.Secrets = secretSpecs("token", "SOURCEHOST_TEST_TOKEN", srv.URL)
	}, scripted(t, source(), "{}"), auth, scripted(t, failing, `{"filter":{"error":`+said+`}}`))
	items := srv.many(1)
	items[0].Desc = []byte(`{"urls":["` + srv.URL + `/file-0"]}`)
	wantStates(t, run(t, h, t.TempDir(), items), host.Fetched) // now the value is known
	res, err := h.Run(t.Context(), host.Request{Source: "org.example.failing", Items: items, Store: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	wantError(t, res.Items[0], "denied", "[secret token]")
	if text := res.Items[0].Err.Error(); strings.Contains(text, "marked-secret") || strings.Contains(text, "\x1b") {
		t.Errorf("the error is %q", text)
	}
}

// A file that blocks whoever opens it neither holds the run up nor its end.
//
// adversary: A10h
func TestReadingAPipeDoesNotBlock(t *testing.T) {
	root := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(root, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := serve(t)
	m := source("prepare")
	m.Capabilities = append(m.Capabilities, plugin.Capability{Name: "read", Values: []string{"/pipe"}, Reason: "x"},
		plugin.Capability{Name: "stat", Values: []string{"/pipe"}, Reason: "x"})
	var log lockedBuffer
	within(t, patience, func() {
		h := newHost(t, func(c *host.Config) { logTo(&log)(c); c.Root = root },
			scripted(t, m, `{"prepare":{"calls":["read/v1 {\"path\":\"/pipe\"}","list/v1 {\"path\":\"/pipe\"}"]}}`))
		wantStates(t, run(t, h, t.TempDir(), srv.many(1)), host.Fetched)
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, want := range []string{"read/v1 -> failed", "not a regular file", "list/v1 -> failed"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
}

// A chained plugin may make only those images come that it was granted.
func TestChainedPluginIsHeldToItsImages(t *testing.T) {
	caps := []plugin.Capability{{Name: "image", Values: []string{"*"}, Reason: "any"}}
	before := `{"image":{"name":"quay.io/team/app","digest":"d"}}`
	for desc, denied := range map[string]string{
		before: "",
		`{"image":{"name":"mirror.example/team/app","digest":"d"}}`:                                      "",
		`{"image":{"name":"mirror.example/team/app/sub","digest":"d"}}`:                                  "",
		`{"image":{"name":"mirror.example/team/application","digest":"d"}}`:                              `image \"docker://mirror.example/team/application\"`,
		`{"image":{"name":"docker.io/x","digest":"d"}}`:                                                  `image \"docker://docker.io/x\"`,
		`{"image":{"name":"quay.io/team/app","digest":"d","tls-verify":false}}`:                          "certificates",
		`{"image":{"name":"quay.io/team/app","digest":"d","containers-transport":"containers-storage"}}`: `image \"containers-storage:\"`,
		`{"image":{"name":"quay.io/team/app","digest":"d","storage-location":"/x"}}`:                     `image \"containers-storage:\"`,
		`{"nested":[{"image":{"name":"docker.io/x"}}],"image":{"name":"quay.io/team/app"}}`:              `image \"docker://docker.io/x\"`,
		`{"image":{"name":"mirror.example/team/app","Name":"docker.io/x"}}`:                              `image \"docker://docker.io/x\"`,
		`{"image":{"Name":"docker.io/x","name":"mirror.example/team/app"}}`:                              `image \"docker://docker.io/x\"`,
		`{"Image":{"NAME":"quay.io/team/app","Containers-Transport":"containers-storage"}}`:              `image \"containers-storage:\"`,
		`{"image":{"name":"quay.io/team/app","TLS-Verify":false}}`:                                       "certificates",
		`{"Insecure":true}`:                                                               "certificates",
		`{"URL":"https://elsewhere.example/"}`:                                            `download \"https://`,
		"{\"url\u017f\":[\"https://elsewhere.example/\"]}":                                `download \"https://`,
		`{"Secrets":{"name":"org.osbuild.rhsm"}}`:                                         `secrets \"org.osbuild.rhsm\"`,
		`{"TLS":{"Key_Secret":"other"}}`:                                                  `secrets \"other\"`,
		`{"\u0055rl":"https://elsewhere.example/"}`:                                       `download \"https://`,
		`{"remote":{"url":"https://elsewhere.example/","contenturl":"https://quay.io/"}}`: `download \"https://`,
		`{"image":{"name":"mirror.example/team/app","digest":"d"},"remote":{"contenturl":"https://elsewhere.example"}}`: `download \"https://elsewhere.example`,
	} {
		p := scripted(t, preparer("chained", caps...), `{"prepare":{"each":`+quoted(`{"key":"$KEY","desc":`+desc+`}`)+`}}`)
		p.Builtin, p.Grant = false, host.Grant{Image: []string{"docker://mirror.example/team/app"}}
		m := source()
		m.Produces, m.Formats = plugin.ProducesImage, []plugin.Format{{Name: "dir", Part: "image"}}
		h := newHost(t, func(c *host.Config) { c.Prepare = map[string][]string{testSource: {"chained"}} },
			scripted(t, m, `{"fetch_one":{"each":"{\"key\":\"$KEY\",\"error\":{\"kind\":\"invalid\",\"message\":\"it came through\"}}"}}`), p)
		res := run(t, h, t.TempDir(), []host.Item{{Key: keyOf("x"), Desc: []byte(before)}})
		if denied == "" {
			wantError(t, res.Items[0], "invalid", "it came through")
			continue
		}
		wantError(t, res.Items[0], "denied", "chained", strings.ReplaceAll(denied, `\"`, `"`))
	}
}
