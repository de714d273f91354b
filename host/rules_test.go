package host_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// The filter of a chained plugin drops items before the source's plugin sees them.
func TestChainedFilter(t *testing.T) {
	srv := serve(t)
	items := srv.many(2)
	policy := preparer("policy")
	policy.Hooks = []abi.Hook{abi.Filter}
	p := scripted(t, policy, `{"filter":{"output":`+quoted(`{"items":[{"key":"`+items[0].Key+`","skip":"not wanted"}]}`)+`}}`)
	h := newHost(t, func(c *host.Config) { c.Prepare = map[string][]string{testSource: {"policy"}} }, scripted(t, source("prepare"), "{}"), p)
	res := run(t, h, t.TempDir(), items)
	wantStates(t, res, host.Skipped, host.Fetched)
	if res.Items[0].Reason != "not wanted" {
		t.Errorf("the reason is %q", res.Items[0].Reason)
	}
}

func rules(t *testing.T, g *host.Grant) *host.Rules {
	t.Helper()
	m := &plugin.Manifest{Name: "p", Capabilities: []plugin.Capability{
		{Name: "download", Values: []string{"https://a.example/"}}, {Name: "env", Values: []string{"A", "B"}},
		{Name: "secrets", Values: []string{"token"}}, {Name: "read", Values: []string{"/etc/a/"}}, {Name: "exec", Values: []string{"cat"}},
		{Name: "stat", Values: []string{"/etc/"}}, {Name: "image", Values: []string{"docker://r.example"}}, {Name: "clock"},
	}}
	if g == nil {
		all := host.GrantAll(m)
		g = &all
	}
	return host.NewRules(m, *g)
}

// adversary: A10a
func TestRulesOfRequests(t *testing.T) {
	for _, c := range []struct {
		op, req string
		all     abi.Status // when all is granted; nothing is granted otherwise
		nothing abi.Status
	}{
		{abi.OpRead, `{"path":"/etc/a/b"}`, abi.OK, abi.Denied},
		{abi.OpRead, `{"path":"/etc/b"}`, abi.Denied, abi.Denied},
		{abi.OpStat, `{"path":"/etc/b"}`, abi.OK, abi.Denied},
		{abi.OpList, `{"path":"/usr"}`, abi.Denied, abi.Denied},
		{abi.OpEnv, `{"name":"A"}`, abi.OK, abi.Denied},
		{abi.OpEnv, `{"name":"C"}`, abi.Denied, abi.Denied},
		{abi.OpEnv, `{"name":1}`, abi.Invalid, abi.Invalid},
		{abi.OpDownload, `{"key":"k","urls":["https://a.example/x"],"headers":[{"name":"X","secret":"token"}],"insecure":true}`, abi.OK, abi.Denied},
		{abi.OpDownload, `{"key":"k","urls":["https://a.example/x"],"headers":[{"name":"X","secret":"other"}]}`, abi.Denied, abi.Denied},
		{abi.OpDownload, `{"key":"k","urls":["https://b.example/x"]}`, abi.Denied, abi.Denied},
		{abi.OpDownload, `{"key":"k","urls":["https://a.example/x"],"proxy_env":"P"}`, abi.Denied, abi.Denied},
		{abi.OpDownload, `{"key":"k"}`, abi.Invalid, abi.Invalid},
		{abi.OpCopyImage, `{"key":"k","name":"r.example/a"}`, abi.OK, abi.Denied},
		{abi.OpCopyImage, `{"key":"k","name":"s.example/a"}`, abi.Denied, abi.Denied},
		{abi.OpExec, `{"program":"cat","env":["B"]}`, abi.OK, abi.Denied},
		{abi.OpExec, `{"program":"cat","env":["C"]}`, abi.Denied, abi.Denied},
		{abi.OpRun, `{"key":"k","steps":[{"program":"cat"}],"finally":[{"program":"rm"}]}`, abi.Denied, abi.Denied},
		{abi.OpPut, "{\"key\":\"k\"}\ncontent", abi.OK, abi.OK},
		{abi.OpPut, `{"key":"k"}`, abi.Invalid, abi.Invalid},
		{"own/v9", `anything`, abi.OK, abi.OK},
	} {
		for i, g := range []*host.Grant{nil, {}} {
			want := []abi.Status{c.all, c.nothing}[i]
			if got, err := rules(t, g).Check(c.op, []byte(c.req)); got != want || (err == nil) != (want == abi.OK) {
				t.Errorf("%s %s: %v, %v; want %v", c.op, c.req, got, err, want)
			}
		}
	}
}

func TestRulesOfDescriptions(t *testing.T) {
	const before = `{"url":"https://b.example/x"}`
	for _, c := range []struct {
		after, schema string
		chained       bool
		kind          abi.Kind
		want          string
	}{
		{`{"url":"https://a.example/x"}`, ``, true, "", ""},
		{`{"urls":["https://b.example/x","https://a.example/x"]}`, ``, true, "", ""},
		{`{"url":"https://c.example/x"}`, ``, true, abi.ErrDenied, "c.example"},
		{`{"url":"https://c.example/x"}`, ``, false, "", ""},
		{`{"url":"https://b.example/x","insecure":true}`, ``, true, abi.ErrDenied, "only the manifest"},
		{`{"url":5}`, `{"properties":{"url":{"type":"string"}}}`, true, abi.ErrPlugin, "url"},
		{`"` + strings.Repeat("x", 64<<10) + `"`, ``, false, abi.ErrPlugin, "65538 bytes"},
	} {
		kind, err := rules(t, nil).Prepared([]byte(before), []byte(c.after), []byte(c.schema), c.chained)
		if kind != c.kind || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60s: %q, %v; want %q, %s", c.after, kind, err, c.kind, c.want)
		}
	}
}

func TestGrantAdd(t *testing.T) {
	var g host.Grant
	for _, c := range []struct {
		name   string
		values []string
		want   string
	}{
		{"env", []string{"A", "B"}, ""}, {"http", []string{"https://a/"}, ""}, {"clock", nil, ""},
		{"env", nil, "needs a value: the name of an environment variable"},
		{"download", []string{"https://a", "*", "file:///a"}, ""}, {"download", []string{"https://b/", "b.example"}, `a URL prefix such as "https://example.org/"`},
		{"http", []string{"https://a?b"}, "a URL prefix"}, {"read", []string{"etc/passwd"}, "an absolute path"}, {"exec", []string{"../sh"}, "the plain name of a program"},
		{"random", []string{"x"}, "takes no values"}, {"evn", []string{"x"}, `did you mean "env"?`}, {"telephone", []string{"x"}, "there are clock, download, env,"},
	} {
		err := g.Add(c.name, c.values...)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %q: %v, want %s", c.name, c.values, err, c.want)
		}
	}
	if !slices.Equal(g.Env, []string{"A", "B"}) || len(g.HTTP) != 1 || len(g.Download) != 3 || !g.Clock || g.Random {
		t.Errorf("granted %+v", g)
	}
	for _, name := range host.Capabilities() {
		if err := new(host.Grant).Add(name); err != nil && strings.Contains(err.Error(), "there is no") {
			t.Errorf("%s is listed and cannot be granted", name)
		}
	}
}

func TestCheckOutput(t *testing.T) {
	items := []abi.Item{{Key: "a"}, {Key: "b"}}
	for out, want := range map[string]string{
		``:                                         "",
		`{"items":[{"key":"a","desc":1}]}`:         "",
		`{"items":[{"key":"c","desc":1}]}`:         "not called with",
		`{"items":[{"key":"a"},{"key":"a"}]}`:      "twice",
		`{"items":[{"key":"a","skip":"because"}]}`: "only filter may skip",
	} {
		if _, err := host.CheckOutput([]byte(out), abi.Prepare, items); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", out, err, want)
		}
	}
}
