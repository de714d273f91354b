package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/manifest"
	"github.com/sourcehost/sourcehost/host/osbuild"
	"github.com/sourcehost/sourcehost/host/osbuild/libdir"
)

// installed installs all sources for a version and returns the folder sources/.
func installed(t *testing.T, v osbuild.Version) (dir string, all []libdir.Module) {
	t.Helper()
	needPlugins(t)
	a := &app{env: func(string) (string, bool) { return "", false }, configPath: filepath.Join(t.TempDir(), "c.toml")}
	if err := os.WriteFile(a.configPath, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	all, err := a.modules()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sources"), 0o755); err != nil {
		t.Fatal(err)
	}
	binary, err := exec.LookPath("sourcehost")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := libdir.Install(libdir.Plan{Dir: dir, Modules: all, Binary: binary, Osbuild: v}); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "sources"), all
}

// wholeSchema is what osbuild makes of the keys of a module's schema.
func wholeSchema(keys map[string]any) map[string]any {
	whole := map[string]any{"title": "Source", "type": "object", "additionalProperties": false, "$schema": "http://json-schema.org/draft-04/schema#"}
	maps.Copy(whole, keys)
	return whole
}

// What stands in meta.json is what osbuild reads, and its schema is a valid one of
// draft 4 that says what the commands say.
func TestMetaFiles(t *testing.T) {
	dir, all := installed(t, 0)
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2*len(all) {
		t.Fatalf("%d files for %d sources, %v", len(entries), len(all), err)
	}
	for _, m := range all {
		data, err := os.ReadFile(filepath.Join(dir, m.Name+".meta.json"))
		if err != nil {
			t.Fatal(err)
		}
		var meta struct {
			Summary      string
			Description  []string
			Capabilities []string
			Schema       map[string]any
			Schema2      map[string]any `json:"schema_2"`
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&meta); err != nil || meta.Summary == "" || meta.Description == nil {
			t.Errorf("%s: %v\n%s", m.Name, err, data)
		}
		keys := meta.Schema
		if keys == nil {
			keys = meta.Schema2
		}
		if (meta.Schema == nil) == (meta.Schema2 == nil) {
			t.Errorf("%s has not exactly one schema", m.Name)
		}
		checkSchema(t, m, wholeSchema(keys))
	}
}

func checkSchema(t *testing.T, m libdir.Module, whole map[string]any) {
	t.Helper()
	text, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.Draft = jsonschema.Draft4
	if err := c.AddResource("m.json", bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("m.json")
	if err != nil {
		t.Fatalf("%s: %v", m.Name, err)
	}
	ours, err := manifest.CompileSchema(m.Name, m.Schema)
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"items", "urls", "digests", "commits", "options", "other"} {
		for _, value := range []string{`{}`, `[]`, `{"x": 1}`, `{"../sha256:` + strings.Repeat("a", 64) + `": "http://x/"}`, `{"sha256:` + strings.Repeat("a", 64) + `": "http://x/"}`} {
			source := fmt.Sprintf(`{%q: %s}`, field, value)
			var v any
			if err := json.Unmarshal([]byte(source), &v); err != nil {
				t.Fatal(err)
			}
			theirs, mine := schema.Validate(v) == nil, len(ours.Check("", []byte(source))) == 0
			if theirs != mine {
				t.Errorf("%s: osbuild accepts %s: %v, the commands: %v", m.Name, source, theirs, mine)
			}
		}
	}
}

// readModules does what osbuild did before version 113: it parses the file and
// never runs it.
const readModules = `
import ast, json, sys
out = {}
for path in sys.argv[1:]:
    with open(path, encoding="ascii") as f:
        tree = ast.parse(f.read(), path)
    values = {}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and isinstance(node.value, ast.Constant):
                    values[target.id] = node.value.value
    doc = ast.get_docstring(tree).split("\n")
    out[path] = {"desc": doc[0], "info": "\n".join(doc[1:]).strip(), **{
        key: json.loads("{" + values[key] + "}") for key in ("SCHEMA", "SCHEMA_2") if key in values}}
print(json.dumps(out))
`

// Before version 113 osbuild reads the schema from Python source.
func TestLaunchers(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("python3 is missing: install the Debian package python3")
		}
		t.Skip("python3 is missing: install the Debian package python3")
	}
	dir, all := installed(t, 112)
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(paths) != len(all) {
		t.Fatalf("%v for %d sources, %v", paths, len(all), err)
	}
	out, err := exec.Command(python, slices.Concat([]string{"-c", readModules}, paths)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	type read struct {
		Desc, Info string
		Schema     map[string]any `json:"SCHEMA"`
		Schema2    map[string]any `json:"SCHEMA_2"`
	}
	var got map[string]read
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		r := got[filepath.Join(dir, m.Name)]
		keys := r.Schema
		if keys == nil {
			keys = r.Schema2
		}
		var want map[string]any
		if err := json.Unmarshal(m.Schema, &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, keys); diff != "" {
			t.Errorf("%s: %s", m.Name, diff)
		}
		if r.Desc != m.Summary || r.Info != strings.Join(m.Description, "\n") {
			t.Errorf("%s: the docstring is %q, %q", m.Name, r.Desc, r.Info)
		}
		checkSchema(t, m, wholeSchema(keys))
	}
}

func TestOwnPath(t *testing.T) {
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "sourcehost")
	if err := os.Symlink(own, link); err != nil {
		t.Fatal(err)
	}
	for called, want := range map[string]string{link: link, own: own, "/bin/sh": own, "nowhere": own} {
		if got, err := ownPath(called); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", called, got, err, want)
		}
	}
	t.Setenv("PATH", filepath.Dir(link))
	if got, err := ownPath("sourcehost"); err != nil || got != link {
		t.Errorf("%s, %v, want %s", got, err, link)
	}
}

func TestIsService(t *testing.T) {
	for _, c := range []struct {
		argv []string
		want bool
	}{
		{nil, false}, {[]string{"sourcehost"}, false}, {[]string{"/usr/bin/sourcehost", "fetch"}, false},
		{[]string{"bin/sourcehost-1.2"}, false}, {[]string{"/usr/lib/osbuild/sources/org.osbuild.curl"}, true},
		{[]string{"sourcehost", "--service-id", "source/x", "--service-fd", "3"}, true}, {[]string{"sourcehost", "--service-fd=3"}, true},
	} {
		if got := isService(c.argv); got != c.want {
			t.Errorf("%q: %v, want %v", c.argv, got, c.want)
		}
	}
}

func TestServiceArgs(t *testing.T) {
	for _, c := range []struct {
		argv   string
		source string
		fd     int
	}{
		{"/l/sources/org.a --service-id source/org.a --service-fd 7", "org.a", 7},
		{"/l/sources/org.a --service-fd=7", "org.a", 7},
		{"sourcehost --service-fd 0 --service-id source/org.a", "org.a", 0},
		{"sourcehost --service-id=source/org.a --service-fd=12", "org.a", 12},
		{"sourcehost --service-fd 7", "", -1},
		{"org.a --service-fd x", "", -1},
		{"org.a --service-fd -1", "", -1},
		{"org.a --service-fd", "", -1},
		{"org.a --other 1", "", -1},
		{"org.a", "", -1},
	} {
		source, fd, err := serviceArgs(strings.Fields(c.argv))
		if (err != nil) != (c.fd < 0) || err == nil && (source != c.source || fd != c.fd) {
			t.Errorf("%s: %q, %d, %v", c.argv, source, fd, err)
		}
	}
}

// A service has the plugins that its source needs and no others, and serves it by
// the same plugin as the commands do.
func TestNarrow(t *testing.T) {
	plug := func(name string, builtin bool) host.Plugin { return host.Plugin{Name: name, Builtin: builtin} }
	for _, c := range []struct {
		name    string
		plugins []host.Plugin
		serve   string
		chain   []string
		want    string
		known   bool
	}{
		{"built in", []host.Plugin{plug("curl", true), plug("other", false)}, "", nil, "curl", true},
		{"with a chain", []host.Plugin{plug("curl", true), plug("token", false), plug("other", false)}, "", []string{"token"}, "curl token", true},
		{"replaced", []host.Plugin{plug("curl", true), plug("mine", false), plug("other", false)}, "mine", nil, "curl mine", true},
		{"by manifest", []host.Plugin{plug("mine", false), plug("other", false)}, "", nil, "mine other", true},
		{"unknown", nil, "", nil, "", false},
		{"only a chain", []host.Plugin{plug("token", false)}, "", []string{"token"}, "token", false},
	} {
		cfg := host.Config{Plugins: c.plugins, Serve: map[string]string{"x": "y"}, Prepare: map[string][]string{"x": {"y"}}}
		if c.serve != "" {
			cfg.Serve["org.a"] = c.serve
		}
		if c.chain != nil {
			cfg.Prepare["org.a"] = c.chain
		}
		got, known := narrow(cfg, "org.a")
		var names []string
		for _, p := range got.Plugins {
			names = append(names, p.Name)
		}
		if strings.Join(names, " ") != c.want || known != c.known || got.Serve["x"] != "" || got.Prepare["x"] != nil {
			t.Errorf("%s: %v, %v, want %s, %v", c.name, names, known, c.want, c.known)
		}
		if got.Serve["org.a"] != c.serve || !slices.Equal(got.Prepare["org.a"], c.chain) {
			t.Errorf("%s: %v %v", c.name, got.Serve, got.Prepare)
		}
	}
}
