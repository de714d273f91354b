package host_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/manifest"
	"github.com/sourcehost/sourcehost/host/secret"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

func secretSpecs(name, env, boundTo string) []secret.Spec {
	return []secret.Spec{{Name: name, Env: env, Hosts: []string{boundTo}}}
}

func TestCheckReportsEverything(t *testing.T) {
	m := source()
	m.Schema = json.RawMessage(`{"properties":{"items":{"type":"object","additionalProperties":{"type":"string"}}},"required":["items"]}`)
	h := newHost(t, nil, scripted(t, m, "{}"))
	text := `{"version":"2","sources":{
		"org.example.test":{"items":{"` + keyOf("a") + `":5,"` + keyOf("b") + `":"x:"},"options":{}},
		"org.example.unknown":{"items":{}}}}`
	mf, err := manifest.Parse([]byte(text), manifest.Options{Aliases: h.Aliases})
	if err != nil {
		t.Fatal(err)
	}
	problems := h.Check(mf)
	all := problems.Error()
	for _, want := range []string{"/sources/org.example.test/items/" + keyOf("a"), "options", "/sources/org.example.unknown", "known sources: org.example.test"} {
		if !strings.Contains(all, want) {
			t.Errorf("problems lack %q:\n%s", want, all)
		}
	}
	if len(problems) != 3 {
		t.Errorf("%d problems, want 3:\n%s", len(problems), all)
	}
}

// A key that the plugin's schema lets through but the store would not take is a
// problem of the manifest.
// A key that is no name in the store is refused with its place and the reason, by the
// check before anything runs and, where nobody has checked, by the run itself.
//
// adversary: C9a, C9b, C9c, C9d, C9e
func TestCheckKeys(t *testing.T) {
	h := newHost(t, nil, scripted(t, source(), "{}"))
	digest := strings.Repeat("0a", 32)
	for name, c := range map[string]struct{ key, pointer, reason string }{
		"dots":        {"../../etc/x/sha256:" + digest, "..~1..~1etc~1x~1sha256:" + digest, "sha256"},
		"slash":       {"sha256:/" + digest[1:], "sha256:~1" + digest[1:], "hexadecimal"},
		"NUL":         {"sha256:" + digest[1:] + "\x00", "sha256:" + digest[1:] + "\x00", "hexadecimal"},
		"look-alikes": {"sha256:" + strings.Repeat("\u0430", 64), "sha256:" + strings.Repeat("\u0430", 64), "sha256"},
		"other name":  {"\u0455ha256:" + digest, "\u0455ha256:" + digest, "sha256"},
		"10 kB":       {"sha256:" + strings.Repeat("a", 10<<10), "sha256:aaaa", "64"},
		"upper case":  {"sha256:" + strings.ToUpper(digest), "sha256:" + strings.ToUpper(digest), "hexadecimal"},
	} {
		t.Run(name, func(t *testing.T) {
			mf, err := manifest.Parse([]byte(`{"sources":{"`+testSource+`":{"items":{`+quoted(c.key)+`:"x:"}}}}`), manifest.Options{})
			if err != nil {
				t.Fatal(err)
			}
			p := h.Check(mf)
			if len(p) != 1 || !strings.HasPrefix(p[0].Pointer, "/sources/"+testSource+"/items/"+c.pointer) {
				t.Fatalf("problems: %.300v", p)
			}
			if text := p[0].Message; !strings.Contains(text, c.reason) || len(text) > 1000 {
				t.Errorf("the reason has %d bytes: %.300s", len(text), text)
			}
			dir := t.TempDir()
			res := run(t, h, dir, []host.Item{{Key: c.key, Desc: []byte(`"x:"`)}})
			if len(res.Items) != 1 || res.Items[0].State != host.Failed || res.Items[0].Err.Kind != "invalid" {
				t.Errorf("the run says %+v", res.Items)
			}
			if names := entries(t, dir); len(names) != 0 {
				t.Errorf("the store holds %v", names)
			}
		})
	}
}

func TestConfigurationErrors(t *testing.T) {
	good := scripted(t, source(), "{}")
	foreign := good
	foreign.Builtin = false
	second := good
	second.Name = "second"
	strict := source()
	strict.Config = json.RawMessage(`{"type":"object","properties":{"url":{"type":"string"}},"additionalProperties":false}`)
	only := scripted(t, preparer("only"), "{}")
	for name, c := range map[string]struct {
		change  func(*host.Config)
		plugins []host.Plugin
		want    string
	}{
		"workers":         {func(c *host.Config) { c.Workers = -1 }, nil, "workers is -1"},
		"same name":       {nil, []host.Plugin{good, good}, `two plugins are named "test"`},
		"same source":     {nil, []host.Plugin{good, second}, "both serve " + testSource},
		"pin":             {func(c *host.Config) { c.Plugins[0].SHA256 = strings.Repeat("0", 64) }, []host.Plugin{good}, "the configuration pins"},
		"no file":         {nil, []host.Plugin{{Name: "x", Path: "/nonexistent/x.wasm"}}, "/nonexistent/x.wasm"},
		"not wasm":        {nil, []host.Plugin{{Name: "x", Wasm: []byte("hello")}}, `plugin "x"`},
		"plugin config":   {nil, []host.Plugin{scripted(t, strict, `{"uri":"x"}`)}, "uri"},
		"unknown chained": {func(c *host.Config) { c.Prepare = map[string][]string{testSource: {"auth"}} }, []host.Plugin{good}, `the plugin "auth"`},
		"chained source":  {func(c *host.Config) { c.Prepare = map[string][]string{"org.example.x": {"only"}} }, []host.Plugin{good, only}, "org.example.x"},
		"not chainable":   {func(c *host.Config) { c.Prepare = map[string][]string{testSource: {"test"}} }, []host.Plugin{good}, "has neither a filter nor a prepare hook"},
		"serve unknown":   {func(c *host.Config) { c.Serve = map[string]string{"org.example.x": "y"} }, []host.Plugin{good}, `the plugin "y"`},
		"serve preparer":  {func(c *host.Config) { c.Serve = map[string]string{"org.example.x": "only"} }, []host.Plugin{good, only}, "only prepare"},
	} {
		_, err := host.New(testConfig(t, c.change, c.plugins...))
		var usage *host.UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want a usage error with %q", name, err, c.want)
		}
	}
	// A configured plugin takes a source over from a built-in one only when the
	// configuration says so.
	foreign.Name = "foreign"
	for _, order := range [][]host.Plugin{{good, foreign}, {foreign, good}} {
		if got := newHost(t, nil, order...).Sources()[0].Plugin.Name; got != "test" {
			t.Errorf("the source is served by %s", got)
		}
		h := newHost(t, func(c *host.Config) { c.Serve = map[string]string{testSource: "foreign"} }, order...)
		if got := h.Sources()[0].Plugin.Name; got != "foreign" {
			t.Errorf("with plugin = foreign the source is served by %s", got)
		}
	}
	h := newHost(t, func(c *host.Config) { c.Serve = map[string]string{testSource: "test", "org.example.new": "test"} }, good, foreign)
	if infos := h.Sources(); len(infos) != 2 || infos[0].Name != "org.example.new" || infos[1].Plugin.Name != "test" {
		t.Errorf("sources are %+v", infos)
	}
}

// TestErrorsNameSettings: all that is wrong is found at once, and each error leads
// to its part of the configuration.
func TestErrorsNameSettings(t *testing.T) {
	good, strict := scripted(t, source(), "{}"), source()
	strict.Name, strict.Sources = "strict", nil
	strict.Hooks, strict.Produces, strict.ContentType = []abi.Hook{abi.Prepare}, "", ""
	strict.Config = json.RawMessage(`{"type":"object","properties":{"a/b":{"type":"array","items":{"type":"string"}}}}`)
	wrong := scripted(t, strict, `{"a/b":["x",1,2]}`)
	pinned := good
	pinned.Name, pinned.SHA256 = "pinned", strings.Repeat("0", 64)
	_, err := host.New(testConfig(t, func(c *host.Config) {
		c.Prepare = map[string][]string{testSource: {"test", "nobody", "gone", wrong.Name}, testSource + "s": nil}
		c.Serve = map[string]string{"org.example.a": "nobody", "org.example.b": "gone"}
	}, good, wrong, pinned, host.Plugin{Name: "gone", Path: "/nonexistent/x.wasm"}))
	var got []string
	for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
		var nested interface{ Unwrap() []error }
		if errors.As(err, &nested) {
			for _, err := range nested.Unwrap() {
				got = append(got, strings.Join(err.(*host.UsageError).Setting, " "))
			}
			continue
		}
		got = append(got, strings.Join(err.(*host.UsageError).Setting, " "))
	}
	want := []string{
		"plugin " + wrong.Name + " config a/b 1", "plugin " + wrong.Name + " config a/b 2",
		"plugin pinned sha256", "plugin gone path",
		"source org.example.a plugin",
		"source " + testSource + " prepare 0", "source " + testSource + " prepare 1",
		"source " + testSource + "s",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s\n%v", diff, err)
	}
}

func TestSourcesShowRequestsAndGrants(t *testing.T) {
	m := source()
	m.Capabilities = append(m.Capabilities, plugin.Capability{Name: "env", Values: []string{"A", "B"}, Reason: "why not"})
	p := scripted(t, m, "{}")
	p.Builtin = false
	p.Grant = host.Grant{Env: []string{"B", "C"}}
	info := newHost(t, nil, p).Sources()[0].Plugin
	granted := map[string]bool{}
	for _, c := range info.Capabilities {
		granted[c.Name+" "+c.Value] = c.Granted
	}
	if len(granted) != 3 || granted["env A"] || !granted["env B"] || granted["download *"] {
		t.Errorf("capabilities: %v", granted)
	}
	if len(info.Unrequested) != 1 || info.Unrequested[0] != "env C" {
		t.Errorf("unrequested: %v", info.Unrequested)
	}
	if len(info.SHA256) != 64 || info.Summary == "" || info.Origin != "test" {
		t.Errorf("info: %+v", info)
	}
}
