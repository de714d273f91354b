package host_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/hosttest"
	"github.com/sourcehost/sourcehost/host/secret"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// asking is a plugin, not a built-in one, that makes calls in its prepare hook. It logs
// whether it has seen the word "marked": the log itself is redacted.
func asking(t *testing.T, grant host.Grant, calls ...string) host.Plugin {
	t.Helper()
	m := source("prepare")
	m.Capabilities = append(m.Capabilities,
		plugin.Capability{Name: "http", Values: []string{"*"}, Reason: "to ask"},
		plugin.Capability{Name: "secrets", Values: []string{"token"}, Reason: "to log in"})
	var quotedCalls []string
	for _, c := range calls {
		quotedCalls = append(quotedCalls, quoted(c))
	}
	p := scripted(t, m, `{"prepare":{"tell":"marked","calls":[`+strings.Join(quotedCalls, ",")+`]}}`)
	p.Builtin, p.Grant = false, grant
	return p
}

// saying runs a plugin on one item and returns the log, in which it says what its
// calls have brought.
func saying(t *testing.T, change func(*host.Config), p host.Plugin) string {
	t.Helper()
	var log lockedBuffer
	h := newHost(t, func(c *host.Config) {
		logTo(&log)(c)
		c.Download.MaxAttempts = 4
		if change != nil {
			change(c)
		}
	}, p)
	run(t, h, t.TempDir(), []host.Item{{Key: keyOf("x"), Desc: []byte(`"http://127.0.0.1:1/x"`)}})
	return strings.ReplaceAll(log.String(), `\"`, `"`)
}

// site is a server for what a plugin may ask.
func site(t *testing.T) *httptest.Server {
	t.Helper()
	var flaky atomic.Int32
	mux := http.NewServeMux()
	answer := func(path, text string) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) })
	}
	answer("/api/token", "the answer")
	answer("/private", "not for plugins")
	answer("/api/large", strings.Repeat("x", 5000))
	mux.HandleFunc("/api/endless", func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	})
	mux.HandleFunc("/api/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/api/token", http.StatusFound) })
	mux.HandleFunc("/api/out", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/private", http.StatusFound) })
	mux.HandleFunc("/api/elsewhere", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, strings.Replace("http://"+r.Host+"/api/token", "127.0.0.1", "localhost", 1), http.StatusTemporaryRedirect)
	})
	mux.HandleFunc("/api/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/api/loop", http.StatusFound) })
	mux.HandleFunc("/api/flaky", func(w http.ResponseWriter, r *http.Request) {
		if flaky.Add(1) < 3 || r.Method == "POST" {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "at last")
	})
	mux.HandleFunc("/api/slow", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/api/echo", func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		fmt.Fprintf(w, "%s %s token=%q query=%q user=%q password=%q", r.Method, r.Header.Get("X-A"), r.Header.Get("X-Token"), r.URL.Query().Get("t"), user, password)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server
}

// adversary: A10b, A10c, A10d
func TestHTTP(t *testing.T) {
	server := site(t)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	named := "http://api.test:" + u.Port()
	resolver := hosttest.Resolver(t, map[string][]string{"api.test": {"127.0.0.1"}, "meta.test": {"169.254.169.254"}})
	api := server.URL + "/api/"
	get := func(path string) string { return `{"url":"` + api + path + `"}` }
	for name, c := range map[string]struct {
		grant []string
		req   string
		want  []string
	}{
		"a token":                 {[]string{api}, get("token"), []string{`-> ok {"status":200,"url":"` + api + `token","headers":[`, "} the answer"}},
		"not granted":             {nil, get("token"), []string{"-> denied", "not granted http", "[plugin.test.grant]"}},
		"beside the prefix":       {[]string{api}, `{"url":"` + server.URL + `/private"}`, []string{"-> denied", "not granted http"}},
		"anything, and loopback":  {[]string{"*"}, get("token"), []string{"-> denied", "an address of this machine"}},
		"a name for loopback":     {[]string{named}, `{"url":"` + named + `/api/token"}`, []string{"-> denied", "an address of this machine", `http = ["http://127.0.0.1:` + u.Port()}},
		"name and address":        {[]string{named, server.URL}, `{"url":"` + named + `/api/token"}`, []string{"-> ok", "the answer"}},
		"a name for metadata":     {[]string{"http://meta.test/"}, `{"url":"http://meta.test/latest"}`, []string{"-> denied", "link-local or metadata"}},
		"a redirect":              {[]string{api}, get("moved"), []string{"-> ok", `"url":"` + api + `token"`, "the answer"}},
		"a redirect out":          {[]string{api}, get("out"), []string{"-> denied", "redirect to", "/private is not allowed"}},
		"a redirect elsewhere":    {[]string{api}, get("elsewhere"), []string{"-> denied", "localhost"}},
		"a body elsewhere":        {[]string{api, strings.Replace(api, "127.0.0.1", "localhost", 1)}, `{"method":"POST","body":"b","url":"` + api + `elsewhere"}`, []string{"-> denied", "not sent on to another server"}},
		"a loop":                  {[]string{api}, get("loop"), []string{"-> failed", "loop"}},
		"not there":               {[]string{api}, get("none"), []string{`-> ok {"status":404`}},
		"too large":               {[]string{api}, get("large"), []string{"-> limit", "too large"}},
		"no end":                  {[]string{api}, get("endless"), []string{"-> limit", "too large"}},
		"too slow":                {[]string{api}, `{"timeout":100,"url":"` + api + `slow"}`, []string{"-> failed", `"kind":"timeout"`, "longer than 100ms"}},
		"POST is not repeated":    {[]string{api}, `{"method":"POST","url":"` + api + `flaky"}`, []string{`-> ok {"status":503`}},
		"method, header and body": {[]string{api}, `{"method":"PUT","body":"b","headers":[{"name":"x-a","value":"yes"}],"url":"` + api + `echo"}`, []string{"PUT yes token="}},
		"reserved header":         {[]string{api}, `{"headers":[{"name":"host","value":"x"}],"url":"` + api + `token"}`, []string{"-> invalid"}},
		"bad method":              {[]string{api}, `{"method":"CONNECT","url":"` + api + `token"}`, []string{"-> invalid", "CONNECT"}},
		"method of two lines":     {[]string{api}, `{"method":"GET /\r\nX: y","url":"` + api + `token"}`, []string{"-> invalid"}},
		"a file":                  {[]string{"*"}, `{"url":"file:///etc/passwd"}`, []string{"-> invalid", "expected http or https"}},
		"start without once":      {[]string{api}, `{"start":true,"url":"` + api + `token"}`, []string{"-> invalid", "needs once"}},
		"timeout":                 {[]string{api}, `{"timeout":-1,"url":"` + api + `token"}`, []string{"-> invalid"}},
		"a certificate":           {[]string{api}, `{"tls":{"ca":"/etc/x"},"url":"` + api + `token"}`, []string{"-> denied", "tls"}},
		"a proxy":                 {[]string{api}, `{"proxy_env":"HOME","url":"` + api + `token"}`, []string{"-> denied", "env"}},
		"nobody there":            {[]string{"http://127.0.0.1:1/"}, `{"url":"http://user:word@127.0.0.1:1/x"}`, []string{"-> failed", `"kind":"network"`, "cannot request http://127.0.0.1:1/x", "4 attempts"}},
	} {
		t.Run(name, func(t *testing.T) {
			log := saying(t, func(c *host.Config) {
				c.Download.Resolver = resolver
				c.Limits.ResultBytes = 2000
			}, asking(t, host.Grant{HTTP: c.grant}, "http/v1 "+c.req))
			for _, part := range c.want {
				if !strings.Contains(log, part) {
					t.Errorf("the log lacks %q:\n%s", part, log)
				}
			}
			if strings.Contains(log, "user:word") || strings.Contains(log, "not for plugins") {
				t.Errorf("the log shows what it must not:\n%s", log)
			}
		})
	}
	log := saying(t, nil, asking(t, host.Grant{HTTP: []string{api}}, "http/v1 "+get("flaky")))
	if !strings.Contains(log, "at last") {
		t.Errorf("a server that was busy is not asked again:\n%s", log)
	}
}

// What a plugin may ask for it can ask for in every hook.
func TestHTTPInSetup(t *testing.T) {
	server := site(t)
	m := source("setup")
	m.Capabilities = append(m.Capabilities, plugin.Capability{Name: "http", Values: []string{server.URL + "/"}, Reason: "to ask"})
	var log lockedBuffer
	h := newHost(t, logTo(&log), scripted(t, m, `{"setup":{"calls":[`+quoted(`http/v1 {"url":"`+server.URL+`/api/token"}`)+`]}}`))
	run(t, h, t.TempDir(), []host.Item{{Key: keyOf("x"), Desc: []byte(`"http://127.0.0.1:1/x"`)}})
	if !strings.Contains(log.String(), "the answer") {
		t.Errorf("no answer in setup:\n%s", log.String())
	}
}

// Secrets go to their hosts in headers, parameters and passwords, and a server that
// repeats them does not tell the plugin.
func TestHTTPSecrets(t *testing.T) {
	server := site(t)
	const value = "marked secret/value"
	api := server.URL + "/api/"
	fields := `"headers":[{"name":"x-token","secret":"token","prefix":"T "}],"query":[{"name":"t","secret":"token"}],"auth":{"user":"me","secret":"token"}`
	for name, c := range map[string]struct {
		boundTo, req string
		want         []string
	}{
		"bound":     {server.URL, `{"url":"` + api + `echo?a=b",` + fields + `}`, []string{"-> ok", `token="T ***" query="***" user="me" password="***"`, `echo?a=b"`}},
		"not bound": {"other.example", `{"url":"` + api + `echo",` + fields + `}`, []string{"-> denied", "token"}},
		"plain http": {strings.TrimPrefix(server.URL, "http://"), `{"url":"` + api + `echo",` + fields + `}`,
			[]string{"-> denied", "http://"}},
		"insecure":    {server.URL, `{"insecure":true,"url":"` + api + `echo",` + fields + `}`, []string{"-> denied", "verification"}},
		"parameter":   {"other.example", `{"url":"` + api + `echo","query":[{"name":"t","secret":"token"}]}`, []string{"-> denied", "the parameter t cannot be filled in"}},
		"certificate": {"other.example", `{"url":"https://127.0.0.1:1/","tls":{"key_secret":"token"}}`, []string{"-> denied", "the client certificate cannot be filled in"}},
		"no name":     {server.URL, `{"url":"` + api + `echo","query":[{"secret":"token"}]}`, []string{"-> invalid"}},
		"a colon":     {server.URL, `{"url":"` + api + `echo","auth":{"user":"a:b","secret":"token"}}`, []string{"-> invalid"}},
	} {
		t.Run(name, func(t *testing.T) {
			log := saying(t, func(cfg *host.Config) {
				cfg.Environ = func(name string) (string, bool) { return map[string]string{"TOKEN": value}[name], name == "TOKEN" }
				cfg.Secrets = []secret.Spec{{Name: "token", Env: "TOKEN", Hosts: []string{c.boundTo}}}
			}, asking(t, host.Grant{HTTP: []string{api, "https://127.0.0.1:1/"}, Secrets: []string{"token"}}, "http/v1 "+c.req))
			for _, part := range c.want {
				if !strings.Contains(strings.ReplaceAll(log, "[secret token]", "***"), part) {
					t.Errorf("the log lacks %q:\n%s", part, log)
				}
			}
			if strings.Contains(log, "marked") || strings.Contains(log, "can tell") {
				t.Errorf("the secret is shown:\n%s", log)
			}
		})
	}
}

// Nor does a server tell the plugin that keeps what it was sent, and repeats it when it is
// asked without the secret.
func TestHTTPSecretsAreNotKept(t *testing.T) {
	kept := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keep" {
			kept = r.Header.Get("X-Token")
		}
		w.Header().Set("X-Kept", kept)
		fmt.Fprintf(w, "kept %q", kept)
	}))
	defer server.Close()
	log := saying(t, func(cfg *host.Config) {
		cfg.Environ = func(name string) (string, bool) {
			return map[string]string{"TOKEN": "marked secret/value"}[name], name == "TOKEN"
		}
		cfg.Secrets = []secret.Spec{{Name: "token", Env: "TOKEN", Hosts: []string{server.URL}}}
	}, asking(t, host.Grant{HTTP: []string{server.URL}, Secrets: []string{"token"}},
		`http/v1 {"url":"`+server.URL+`/keep","headers":[{"name":"x-token","secret":"token"}]}`, `http/v1 {"url":"`+server.URL+`/show"}`))
	if n := strings.Count(log, "-> ok"); n != 2 || kept != "marked secret/value" {
		t.Errorf("%d requests came through, and the server has %q:\n%s", n, kept, log)
	}
	if strings.Contains(log, "marked") || strings.Contains(log, "can tell") || !strings.Contains(log, `/show","headers"`) {
		t.Errorf("the secret is shown:\n%s", log)
	}
}

// A connection that one plugin may have is no way for another to an address that it
// may not connect to.
func TestConnectionsAreNotLent(t *testing.T) {
	srv := serve(t)
	srv.add("/x", "x")
	u, _ := url.Parse(srv.URL)
	named := "http://lent.test:" + u.Port()
	m := source()
	m.Name, m.Sources = "builtin", []string{"org.example.builtin"}
	foreign := asking(t, host.Grant{HTTP: []string{named}, Download: []string{named}}, `http/v1 {"url":"`+named+`/x"}`)
	var log lockedBuffer
	h := newHost(t, func(c *host.Config) {
		logTo(&log)(c)
		c.Download.Resolver = hosttest.Resolver(t, map[string][]string{"lent.test": {"127.0.0.1"}})
	}, scripted(t, m, "{}"), foreign)
	item := host.Item{Key: keyOf("x"), Desc: []byte(`"` + named + `/x"`)}
	res, err := h.Run(t.Context(), host.Request{Source: "org.example.builtin", Items: []host.Item{item}, Store: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, res, host.Fetched)
	res = run(t, h, t.TempDir(), []host.Item{item})
	wantError(t, res.Items[0], "denied", "an address of this machine", "add download")
	if n := srv.requests("/x"); n != 1 || !strings.Contains(log.String(), "http/v1 -> denied") {
		t.Errorf("%d requests, want that of the built-in plugin alone:\n%s", n, log.String())
	}
}

// A server elsewhere must not send a built-in plugin to this machine; there is none
// elsewhere in tests, so a name for the loopback is asked through the rules instead:
// see TestAddressesOfBuiltinPlugins. A server on this machine may redirect.
func TestRedirectOnThisMachine(t *testing.T) {
	srv := serve(t)
	srv.add("/x", "x")
	from := httptest.NewServer(http.RedirectHandler(srv.URL+"/x", http.StatusFound))
	defer from.Close()
	item := host.Item{Key: keyOf("x"), Desc: []byte(`"` + from.URL + `/y"`)}
	wantStates(t, run(t, newHost(t, nil, scripted(t, source(), "{}")), t.TempDir(), []host.Item{item}), host.Fetched)
}

// What a server elsewhere has named must not lead a built-in plugin to this machine.
func TestForeignMirrors(t *testing.T) {
	srv := serve(t)
	item := srv.add("/repo/x", "x")
	for foreign, want := range map[string]host.State{"false": host.Fetched, "true": host.Failed} {
		item.Desc = []byte(`{"mirrors":["` + srv.URL + `/repo"],"path":"x","foreign":` + foreign + `}`)
		res := run(t, newHost(t, nil, scripted(t, source(), "{}")), t.TempDir(), []host.Item{item})
		wantStates(t, res, want)
		if want == host.Failed {
			wantError(t, res.Items[0], "denied", "an address of this machine")
		}
	}
}

// Requests with "once" are made once in a run, whatever page and instance asks, also
// when they fail, and "start" does not wait for them.
func TestHTTPOnce(t *testing.T) {
	var asked, failing atomic.Int32
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/gone" {
			if failing.Add(1) == 1 { // the plugin goes on while the list is being asked for
				close(release)
			}
			http.NotFound(w, r)
			return
		}
		if asked.Add(1) == 1 {
			<-release
		}
		fmt.Fprint(w, "shared")
	}))
	defer server.Close()
	once := func(more, path string) string {
		return `http/v1 {"url":"` + server.URL + path + `","once":true` + more + `}`
	}
	p := asking(t, host.Grant{HTTP: []string{server.URL}, Download: []string{server.URL}},
		once(`,"start":true`, "/list"), once("", "/gone"), once("", "/list"), `probe/v1 {"urls":["`+server.URL+`/","http://127.0.0.1:1/"]}`)
	p.Grant.HTTP = append(p.Grant.HTTP, "http://127.0.0.1:1/")
	var log lockedBuffer
	h := newHost(t, func(c *host.Config) { logTo(&log)(c); c.PageItems = 1 }, p)
	var items []host.Item
	for i := range 20 {
		items = append(items, host.Item{Key: keyOf(fmt.Sprint(i)), Desc: []byte(`"` + server.URL + `/gone"`)})
	}
	run(t, h, t.TempDir(), items)
	text := strings.ReplaceAll(log.String(), `\"`, `"`)
	if n := asked.Load(); n != 1 || failing.Load() != 21 { // 20 items, and the plugin's own request
		t.Errorf("%d requests of the list, %d of the other, want 1 and 21", n, failing.Load())
	}
	if n := strings.Count(text, "} shared"); n != 20 {
		t.Errorf("%d pages got the answer, want 20:\n%s", n, text)
	}
	if n := len(regexp.MustCompile(`probe/v1 -> ok {"millis":\[\d+,-1\]}`).FindAllString(text, -1)); n != 20 {
		t.Errorf("%d pages got the measurement, want 20:\n%s", n, text)
	}
	run(t, h, t.TempDir(), items[:1])
	if asked.Load() != 2 {
		t.Errorf("another run got the answer of the first")
	}
}

// The end of a run ends what nobody waits for any more.
func TestHTTPEndsWithTheRun(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/item" {
			<-begun // so that the run does not end before
			http.NotFound(w, r)
			return
		}
		close(begun)
		<-r.Context().Done()
		close(ended)
	}))
	defer server.Close()
	p := asking(t, host.Grant{HTTP: []string{server.URL}, Download: []string{server.URL}},
		`http/v1 {"url":"`+server.URL+`/","once":true,"start":true,"timeout":600000}`)
	h := newHost(t, nil, p)
	within(t, patience, func() {
		run(t, h, t.TempDir(), []host.Item{{Key: keyOf("x"), Desc: []byte(`"` + server.URL + `/item"`)}})
		<-ended
	})
}

func TestGroupsBoundDownloads(t *testing.T) {
	crowd := hosttest.NewCrowd(2)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		crowd.Enter(r.Context())()
		fmt.Fprint(w, r.URL.Path)
	}))
	defer server.Close()
	var items []host.Item
	for i := range 30 {
		path := fmt.Sprintf("/a/b %d", i)
		items = append(items, host.Item{Key: keyOf(path), Desc: []byte(fmt.Sprintf(
			`{"mirrors":["http://127.0.0.1:1/","%s/a/"],"path":"b %d","group":"g","parallel":2}`, server.URL, i))})
	}
	h := newHost(t, func(c *host.Config) { c.Workers = 16 }, scripted(t, source(), "{}"))
	res := run(t, h, t.TempDir(), items)
	if c := res.Counts(); c.Fetched != len(items) || crowd.Most() != 2 {
		t.Errorf("%+v, %d at once, want all fetched and 2", c, crowd.Most())
	}
	// Further items need not repeat the mirrors of their group.
	for i := range items[1:] {
		items[i+1].Desc = fmt.Appendf(nil, `{"path":"b %d","group":"g","parallel":2}`, i+1)
	}
	res = run(t, newHost(t, nil, scripted(t, source(), "{}")), t.TempDir(), items)
	if c := res.Counts(); c.Fetched != len(items) {
		t.Errorf("%+v, want all fetched", c)
	}
	wantError(t, run(t, h, t.TempDir(), items[1:2]).Items[0], "invalid", "0 urls and mirrors") // another run
	for _, bad := range []string{`"parallel":2`, `"group":"g","parallel":-1`, `"mirrors":["http://a/"]`} {
		items[0].Desc = []byte(`{"urls":["` + server.URL + `"],` + bad + `}`)
		wantError(t, run(t, h, t.TempDir(), items[:1]).Items[0], "invalid")
	}
}
