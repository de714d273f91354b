package host_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/hosttest"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// quoted is a Go string as JSON, for scripts inside of configurations.
func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// eachKind runs a test with plugins that are built in and with others, which run in
// processes of their own and are granted what they request, and these servers.
func eachKind(t *testing.T, servers []string, test func(t *testing.T, kind func(host.Plugin, plugin.Manifest) host.Plugin)) {
	t.Helper()
	t.Parallel()
	t.Run("built in", func(t *testing.T) {
		t.Parallel()
		test(t, func(p host.Plugin, _ plugin.Manifest) host.Plugin { return p })
	})
	t.Run("foreign", func(t *testing.T) {
		t.Parallel()
		test(t, func(p host.Plugin, m plugin.Manifest) host.Plugin {
			p.Builtin, p.Grant = false, host.GrantAll(&m)
			p.Grant.Download = append(p.Grant.Download, servers...)
			return p
		})
	})
}

// What a plugin must not say about items, and what comes of it: the items of
// the page fail with a typed error, nothing is stored under another key.
//
// adversary: A8a, A8b, A8c, A8d, A8e, A8f
func TestOutputsThatBreakTheContract(t *testing.T) {
	eachKind(t, nil, testOutputsThatBreakTheContract)
}

func testOutputsThatBreakTheContract(t *testing.T, kind func(host.Plugin, plugin.Manifest) host.Plugin) {
	srv := serve(t)
	items := srv.many(2)
	other := keyOf("other")
	a, b := items[0].Key, items[1].Key
	for name, c := range map[string]struct {
		hook, output, want string
	}{
		"not JSON":            {"prepare", `{"items":[`, "output is wrong"},
		"wrong shape":         {"prepare", `{"items":{"a":1}}`, "output is wrong"},
		"unknown item":        {"prepare", `{"items":[{"key":"` + other + `","desc":1}]}`, "was not called with"},
		"changed key":         {"filter", `{"items":[{"key":"../` + a + `","skip":"x"}]}`, "was not called with"},
		"item twice":          {"prepare", `{"items":[{"key":"` + a + `","desc":1},{"key":"` + a + `","desc":2}]}`, "the output names"},
		"duplicate member":    {"prepare", `{"items":[{"key":"` + a + `","key":"` + b + `","desc":1}]}`, "output is wrong"},
		"two outcomes":        {"filter", `{"items":[{"key":"` + a + `","skip":"x","error":{"message":"y"}}]}`, "more than one thing"},
		"skip in prepare":     {"prepare", `{"items":[{"key":"` + a + `","skip":"x"}]}`, "only filter"},
		"desc in filter":      {"filter", `{"items":[{"key":"` + a + `","desc":1}]}`, "only prepare"},
		"desc in fetch_one":   {"fetch_one", `{"items":[{"key":"` + a + `","desc":1}]}`, "only prepare"},
		"nothing asked for":   {"fetch_one", `{}`, "neither asked for the item"},
		"too many items":      {"prepare", `{"items":[{},{},{}]}`, "more items than the page has"},
		"large description":   {"prepare", `{"items":[{"key":"` + a + `","desc":"` + strings.Repeat("x", 70_000) + `"},{"key":"` + b + `","desc":"` + strings.Repeat("x", 70_000) + `"}]}`, "but may have 65536"},
		"trailing characters": {"prepare", `{} {}`, "output is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			hooks := []string{c.hook}
			if c.hook == "fetch_one" {
				hooks = nil
			}
			m := source(hooks...)
			h := newHost(t, nil, kind(scripted(t, m, `{"`+c.hook+`":{"output":`+quoted(c.output)+`}}`), m))
			res := run(t, h, dir, items)
			wantStates(t, res, host.Failed, host.Failed)
			wantError(t, res.Items[0], "plugin", c.want, "test", c.hook)
			if names := entries(t, dir); len(names) != 0 {
				t.Errorf("the store holds %v", names)
			}
		})
	}
}

// One item that makes the plugin trap does not take its page with it.
//
// adversary: A5c
func TestTrapFailsOneItemOfAPage(t *testing.T) {
	srv := serve(t)
	items := srv.many(40)
	eachKind(t, []string{srv.URL}, func(t *testing.T, kind func(host.Plugin, plugin.Manifest) host.Plugin) {
		trapFailsOneItem(t, items, kind)
	})
}

func trapFailsOneItem(t *testing.T, items []host.Item, kind func(host.Plugin, plugin.Manifest) host.Plugin) {
	bad := items[17].Key
	for _, hook := range []string{"prepare", "fetch_one", "filter"} {
		t.Run(hook, func(t *testing.T) {
			hooks := []string{hook}
			script := `{"` + hook + `":{"trap_on":"` + bad + `"}}`
			if hook == "fetch_one" {
				hooks, script = nil, `{"fetch_one":{"fetch":true,"trap_on":"`+bad+`"}}`
			}
			m := source(hooks...)
			p, first, last := kind(scripted(t, m, script), m), 0, len(items)
			if !p.Builtin { // each trap costs a process
				first, last = 14, 20
			}
			res := run(t, newHost(t, nil, p), t.TempDir(), items[first:last])
			if c := res.Counts(); c.Fetched != last-first-1 || c.Failed != 1 {
				t.Errorf("counts are %+v", c)
			}
			wantError(t, res.Items[17-first], "plugin", hook)
		})
	}
}

// A foreign plugin that never returns is stopped at the deadline; the host goes
// on with another source.
//
// adversary: A1a
func TestDeadline(t *testing.T) {
	srv := serve(t)
	items := srv.many(1)
	loop := scripted(t, source("prepare"), `{"prepare":{"loop":true}}`)
	loop.Builtin, loop.Grant.Download = false, []string{"*"}
	m := source()
	m.Name, m.Sources = "good", []string{"org.example.good"}
	h := newHost(t, func(c *host.Config) { c.Limits.HookTime = 3 * time.Second }, loop, scripted(t, m, "{}"))
	within(t, patience, func() {
		res := run(t, h, t.TempDir(), items)
		wantError(t, res.Items[0], "timeout", "prepare")
	})
	res, err := h.Run(t.Context(), host.Request{Source: "org.example.good", Items: items, Store: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, res, host.Fetched)
}

func TestReportedErrors(t *testing.T) {
	srv := serve(t)
	items := srv.many(2)
	one := fmt.Sprintf(`{"items":[{"key":"%s","error":{"kind":"denied","message":"no subscription","hint":"buy one"}}]}`, items[0].Key)
	p := scripted(t, source("prepare"), `{"prepare":{"output":`+quoted(one)+`}}`)
	res := run(t, newHost(t, nil, p), t.TempDir(), items)
	wantStates(t, res, host.Failed, host.Fetched)
	wantError(t, res.Items[0], "denied", "no subscription", "(buy one)")

	page := scripted(t, source("prepare"), `{"prepare":{"error":"{\"kind\":\"network\",\"message\":\"the token server is down\"}"}}`)
	res = run(t, newHost(t, nil, page), t.TempDir(), items)
	wantStates(t, res, host.Failed, host.Failed)
	wantError(t, res.Items[1], "network", "the token server is down")
}

// Producing calls are refused, as statuses, where they make no sense.
//
// adversary: A10a, A10g
func TestProducingCallsAreChecked(t *testing.T) {
	eachKind(t, nil, testProducingCallsAreChecked)
}

func testProducingCallsAreChecked(t *testing.T, kind func(host.Plugin, plugin.Manifest) host.Plugin) {
	srv := serve(t)
	items := srv.many(1)
	key, url := items[0].Key, srv.URL+"/file-0"
	req := func(extra string) string { return `{"key":"` + key + `","urls":["` + url + `"]` + extra + `}` }
	for name, c := range map[string]struct{ hook, op, req, want string }{
		"in prepare":      {"prepare", "download/v1", req(""), "invalid"},
		"another key":     {"fetch_one", "download/v1", `{"key":"x","urls":["http://a/"]}`, "invalid"},
		"no url":          {"fetch_one", "download/v1", `{"key":"` + key + `"}`, "invalid"},
		"range header":    {"fetch_one", "download/v1", req(`,"headers":[{"name":"range","value":"bytes=0-"}]`), "invalid"},
		"header splitter": {"fetch_one", "download/v1", req(`,"headers":[{"name":"A","value":"b\r\nHost: c"}]`), "invalid"},
		"prefix splitter": {"fetch_one", "download/v1", req(`,"headers":[{"name":"A","prefix":"b\r\nHost: c","secret":"s"}]`), "invalid"},
		"header name":     {"fetch_one", "download/v1", req(`,"headers":[{"name":"A: b\r\nHost","value":"c"}]`), "invalid"},
		"long url":        {"fetch_one", "download/v1", `{"key":"` + key + `","urls":["` + url + strings.Repeat("x", 9000) + `"]}`, "invalid"},
		"long header":     {"fetch_one", "download/v1", req(`,"headers":[{"name":"A","value":"` + strings.Repeat("x", 70_000) + `"}]`), "invalid"},
		"secret":          {"fetch_one", "download/v1", req(`,"headers":[{"name":"A","secret":"s"}]`), "denied"},
		"tls path":        {"fetch_one", "download/v1", req(`,"tls":{"ca":"/etc/../etc/shadow"}`), "denied"},
		"proxy variable":  {"fetch_one", "download/v1", req(`,"proxy_env":"HOME"`), "denied"},
		"read":            {"prepare", "read/v1", `{"path":"/etc/passwd"}`, "denied"},
		"list":            {"prepare", "list/v1", `{"path":"/etc"}`, "denied"},
		"stat":            {"prepare", "stat/v1", `{"path":"/etc"}`, "denied"},
		"environment":     {"prepare", "env/v1", `{"name":"HOME"}`, "denied"},
		"not JSON":        {"prepare", "env/v1", `HOME`, "invalid"},
		"unknown":         {"prepare", "teleport/v9", `{}`, "unsupported"},
	} {
		t.Run(name, func(t *testing.T) {
			var log lockedBuffer
			hooks := []string{"prepare"}
			if c.hook == "fetch_one" {
				hooks = nil
			}
			script := `{"` + c.hook + `":{"calls":[` + quoted(c.op+" "+c.req) + `]}}`
			m := source(hooks...)
			h := newHost(t, logTo(&log), kind(scripted(t, m, script), m))
			run(t, h, t.TempDir(), items)
			if want := c.op + " -> " + c.want; !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, log.String())
			}
			if c.want == "denied" && !strings.Contains(log.String(), "denied to a plugin") {
				t.Errorf("a denial was not logged:\n%s", log.String())
			}
		})
	}
}

// A secret that a chained plugin refers to is filled in towards its own host,
// is not shown to anybody, and needs a grant.
func TestSealedSecret(t *testing.T) {
	srv := serve(t)
	item := srv.add("/private", "content")
	t.Setenv("SOURCEHOST_TEST_TOKEN", "marked-secret-value")
	desc := `{"urls":["` + srv.URL + `/private"],"headers":[{"name":"Authorization","secret":"token","prefix":"Bearer "}]}`
	caps := plugin.Capability{Name: "secrets", Values: []string{"token"}, Reason: "to log in"}
	auth := scripted(t, preparer("auth", caps), `{"prepare":{"each":`+quoted(`{"key":"$KEY","desc":`+desc+`}`)+`}}`)
	auth.Builtin = false
	try := func(grant []string, boundTo string) (*host.Result, string) {
		var log lockedBuffer
		auth.Grant.Secrets = grant
		h := newHost(t, func(c *host.Config) {
			logTo(&log)(c)
			c.Environ = nil
			c.Prepare = map[string][]string{testSource: {"auth"}}
			c.Secrets = secretSpecs("token", "SOURCEHOST_TEST_TOKEN", boundTo)
		}, scripted(t, source(), "{}"), auth)
		return run(t, h, t.TempDir(), []host.Item{item}), log.String()
	}

	res, log := try([]string{"token"}, srv.URL)
	wantStates(t, res, host.Fetched)
	if got := srv.sent("/private", "Authorization"); got != "Bearer marked-secret-value" {
		t.Errorf("the server got %q", got)
	}
	if strings.Contains(log, "marked-secret") {
		t.Errorf("the log shows the secret:\n%s", log)
	}

	res, _ = try(nil, srv.URL)
	wantError(t, res.Items[0], "denied", "not granted", "secrets", "token")
	// Bound to the host without http://, the secret is sent encrypted only.
	res, log = try([]string{"token"}, strings.TrimPrefix(srv.URL, "http://"))
	wantError(t, res.Items[0], "denied", "token")
	if strings.Contains(log+res.Items[0].Err.Error(), "marked-secret") {
		t.Error("the secret is shown in a denial")
	}
	res, log = try([]string{"token"}, "other.example")
	wantError(t, res.Items[0], "denied", "token")
	if strings.Contains(log+res.Items[0].Err.Error(), "marked-secret") {
		t.Error("the secret is shown in a denial")
	}
}

// What a chained plugin puts into a description must be covered by its own
// grants, although the source's plugin may use more.
//
// adversary: A10a
func TestChainedPluginIsHeldToItsOwnGrants(t *testing.T) {
	srv := serve(t)
	item := srv.add("/file", "content")
	m := source()
	m.Capabilities = append(m.Capabilities, plugin.Capability{Name: "tls", Values: []string{"/"}, Reason: "any"},
		plugin.Capability{Name: "env", Values: []string{"OTHER_PROXY"}, Reason: "any"})
	own := `"urls":["` + srv.URL + `/file"]`
	for name, c := range map[string]struct{ desc, want string }{
		"url":       {`{"urls":["http://169.254.169.254/latest","` + srv.URL + `/file"]}`, "download"},
		"string":    {`"http://169.254.169.254/latest"`, "download"},
		"tls":       {`{` + own + `,"tls":{"cert":"/etc/pki/key.pem"}}`, "tls"},
		"proxy_env": {`{` + own + `,"proxy_env":"OTHER_PROXY"}`, "env"},
		"provider":  {`{` + own + `,"secrets":{"name":"org.osbuild.mtls"}}`, "secrets"},
		"insecure":  {`{` + own + `,"insecure":true}`, "which only the manifest can do"},
		"nothing":   {`{` + own + `}`, ""},
	} {
		caps := []plugin.Capability{{Name: "tls", Values: []string{"/"}, Reason: "x"}, {Name: "env", Values: []string{"OTHER_PROXY"}, Reason: "x"}, {Name: "download", Values: []string{"*"}, Reason: "x"}, {Name: "secrets", Values: []string{"org.osbuild.mtls"}, Reason: "x"}}
		p := scripted(t, preparer("chained", caps...), `{"prepare":{"each":`+quoted(`{"key":"$KEY","desc":`+c.desc+`}`)+`}}`)
		p.Builtin = false
		h := newHost(t, func(cfg *host.Config) { cfg.Prepare = map[string][]string{testSource: {"chained"}} }, scripted(t, m, "{}"), p)
		res := run(t, h, t.TempDir(), []host.Item{item})
		if c.want == "" {
			wantStates(t, res, host.Fetched)
			continue
		}
		t.Run(name, func(t *testing.T) {
			wantError(t, res.Items[0], "denied", "chained", c.want)
		})
	}
}

// A URL that is not granted is denied before a byte moves, and so is one that a
// redirect leads to.
//
// adversary: A10b
func TestDownloadGrants(t *testing.T) {
	srv := serve(t)
	items := srv.many(1)
	p := scripted(t, source(), "{}")
	p.Builtin = false
	p.Grant.Download = []string{"https://mirror.example/"}
	res := run(t, newHost(t, nil, p), t.TempDir(), items)
	wantError(t, res.Items[0], "denied", "not granted", srv.URL)
	if srv.requests("/file-0") != 0 {
		t.Error("a URL that was denied was requested")
	}
	p.Grant.Download = []string{srv.URL + "/other/"}
	wantError(t, run(t, newHost(t, nil, p), t.TempDir(), items).Items[0], "denied")
	p.Grant.Download = []string{srv.URL}
	wantStates(t, run(t, newHost(t, nil, p), t.TempDir(), items), host.Fetched)
}

// A download of a foreign plugin may not connect to an address that its grants do not
// name, whatever name leads there.
//
// adversary: A10d
func TestDownloadAddresses(t *testing.T) {
	srv := serve(t)
	item := srv.add("/file", "content")
	_, port, _ := strings.Cut(strings.TrimPrefix(srv.URL, "http://"), ":")
	resolver := hosttest.Resolver(t, map[string][]string{"here.test": {"127.0.0.1"}, "meta.test": {"169.254.169.254"}})
	for name, c := range map[string]struct {
		url   string
		grant []string
		want  string
	}{
		"metadata":             {"http://meta.test/latest", []string{"http://meta.test/"}, "link-local or metadata"},
		"this machine":         {"http://here.test:" + port + "/file", []string{"http://here.test:" + port}, "an address of this machine"},
		"anything":             {srv.URL + "/file", []string{"*"}, "an address of this machine"},
		"this machine, by all": {"http://here.test:" + port + "/file", []string{"http://here.test:" + port, srv.URL}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := scripted(t, source(), "{}")
			p.Builtin, p.Grant.Download = false, c.grant
			h := newHost(t, func(cfg *host.Config) { cfg.Download.Resolver = resolver }, p)
			fetchedUnlessDenied(t, h, host.Item{Key: item.Key, Desc: []byte(quoted(c.url))}, c.want)
		})
	}
}

// A plugin that hangs does not hang once for each page, and one that is denied
// the same thing over and over does not fill the log.
//
// adversary: A1a
func TestHangingPluginIsGivenUp(t *testing.T) {
	srv := serve(t)
	items := srv.many(8)
	loop := scripted(t, source("prepare"), `{"prepare":{"log":"looping","loop":true}}`)
	loop.Builtin = false
	var log lockedBuffer
	h := newHost(t, func(c *host.Config) {
		logTo(&log)(c)
		c.PageItems, c.Limits.HookTime = 1, time.Second
	}, loop)
	within(t, patience, func() {
		res := run(t, h, t.TempDir(), items)
		for _, it := range res.Items {
			wantError(t, it, "timeout", "prepare")
		}
	})
	// Some pages may have been on their way to other instances by then.
	if n := strings.Count(log.String(), "msg=looping"); n < 1 || n > 5 {
		t.Errorf("of 8 pages the plugin that hangs got %d:\n%s", n, log.String())
	}
}

// adversary: A9a
func TestDenialsAreLoggedOnce(t *testing.T) {
	srv := serve(t)
	var log lockedBuffer
	calls := strings.Repeat(`"env/v1 {\"name\":\"HOME\"}",`, 50)
	h := newHost(t, logTo(&log), scripted(t, source("prepare"), `{"prepare":{"calls":[`+strings.TrimSuffix(calls, ",")+`]}}`))
	run(t, h, t.TempDir(), srv.many(3))
	if n := strings.Count(log.String(), "denied to a plugin"); n != 1 {
		t.Errorf("the same denial was logged %d times, want once", n)
	}
}

// fetchedUnlessDenied fetches an item. It must be stored, or be denied with the text
// denial, unless that is empty, and leave nothing behind.
func fetchedUnlessDenied(t *testing.T, h *host.Host, item host.Item, denial string) {
	t.Helper()
	dir := t.TempDir()
	res := run(t, h, dir, []host.Item{item})
	if denial == "" {
		wantStates(t, res, host.Fetched)
		return
	}
	wantError(t, res.Items[0], "denied", denial)
	if names := entries(t, dir); len(names) != 0 {
		t.Errorf("the store holds %v", names)
	}
}
