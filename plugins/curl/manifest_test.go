//go:build !wasip1

package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/manifest"
	pluginfile "github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

// pluginManifest reads plugin.json as the host reads it.
func pluginManifest(t *testing.T) *pluginfile.Manifest {
	t.Helper()
	data, err := os.ReadFile("plugin.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := pluginfile.ParseManifest(data)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSchemaOfKeys(t *testing.T) {
	schema, err := manifest.CompileSchema("curl", pluginManifest(t).Schema)
	if err != nil {
		t.Fatal(err)
	}
	accepts := func(key string) bool {
		return len(schema.Check("", []byte(`{"items":{"`+key+`":"http://a/b"}}`))) == 0
	}
	for name, digits := range map[string]int{"md5": 32, "sha1": 40, "sha256": 64, "sha384": 96, "sha512": 128} {
		good := name + ":" + strings.Repeat("0af9", digits/4)
		if !accepts(good) {
			t.Errorf("%s is refused", good)
		}
		for _, bad := range []string{
			good + "0", good[:len(good)-1], "x" + good, "../" + good, good + "/x", good + " ", name + ":",
			strings.Replace(good, "a", "A", 1), strings.Replace(good, "a", "g", 1), strings.Replace(good, ":", "-", 1),
		} {
			if accepts(bad) {
				t.Errorf("%q is accepted", bad)
			}
		}
	}
	if accepts("sha224:" + strings.Repeat("0", 56)) {
		t.Error("sha224 is accepted")
	}
}

func TestSchemaOfDescriptions(t *testing.T) {
	m := pluginManifest(t)
	source, err := manifest.CompileSchema("curl", m.Schema)
	if err != nil {
		t.Fatal(err)
	}
	prepared, err := manifest.CompileValueSchema("curl", m.Prepared)
	if err != nil {
		t.Fatal(err)
	}
	const (
		both         = "in a manifest and from prepare"
		preparedOnly = "from prepare only"
		neither      = "nowhere"
	)
	for desc, where := range map[string]string{
		`"http://a/b"`:                         both,
		`{"url":"http://a/b"}`:                 both,
		`{"url":"u","insecure":true}`:          both,
		`{"url":"u","secrets":{"name":"x.y"}}`: both,
		`{"urls":["a","b"]}`:                   preparedOnly,
		`{"urls":["a"],"url":"b"}`:             preparedOnly,
		`{"url":"u","tls":{"ca":"/a","cert":"/b","key":"/c"},"proxy_env":"P"}`:                                     preparedOnly,
		`{"url":"u","headers":[{"name":"A","value":"b"},{"name":"C","secret":"s","prefix":"p"},{"name":"Empty"}]}`: preparedOnly,
		`""`:                           neither,
		`5`:                            neither,
		`null`:                         neither,
		`{}`:                           neither,
		`{"insecure":true}`:            neither,
		`{"url":""}`:                   neither,
		`{"url":["a"]}`:                neither,
		`{"url":"u","insecure":"yes"}`: neither,
		`{"url":"u","more":1}`:         neither,
		`{"url":"u","secrets":{}}`:     neither,
		`{"url":"u","secrets":"x"}`:    neither,
		`{"url":"u","secrets":{"name":"x","more":1}}`: neither,
		`{"urls":[]}`:                           neither,
		`{"urls":[""]}`:                         neither,
		`{"url":"u","tls":{"password":"x"}}`:    neither,
		`{"url":"u","headers":[{"value":"b"}]}`: neither,
		`{"url":"u","headers":[{"name":"A","value":"b","secret":"c"}]}`: neither,
	} {
		inSource := `{"items":{"md5:` + strings.Repeat("0", 32) + `":` + desc + `}}`
		if ok := len(source.Check("", []byte(inSource))) == 0; ok != (where == both) {
			t.Errorf("%s is right %s, but in a manifest: %v", desc, where, ok)
		}
		if ok := len(prepared.Check("", []byte(desc))) == 0; ok != (where != neither) {
			t.Errorf("%s is right %s, but from prepare: %v", desc, where, ok)
		}
	}
}

func TestSchemaOfTheSource(t *testing.T) {
	schema, err := manifest.CompileSchema("curl", pluginManifest(t).Schema)
	if err != nil {
		t.Fatal(err)
	}
	for source, want := range map[string]bool{
		`{"items":{}}`: true, `{"urls":{}}`: true,
		`{}`: false, `{"items":{},"urls":{}}`: false, `{"items":[]}`: false, `{"items":{},"options":{}}`: false,
	} {
		if got := len(schema.Check("", []byte(source))) == 0; got != want {
			t.Errorf("%s is accepted: %v, want %v", source, got, want)
		}
	}
}

// TestPreparedFitsTheSchema holds what prepare returns against the schema by
// which the host checks it.
func TestPreparedFitsTheSchema(t *testing.T) {
	schema, err := manifest.CompileValueSchema("curl", pluginManifest(t).Prepared)
	if err != nil {
		t.Fatal(err)
	}
	for _, desc := range []string{
		rhsm("https://two.example/repo/a"),
		`{"urls":["a","b"],"insecure":true,"secrets":{"name":"org.osbuild.rhsm"},"headers":[{"name":"A","value":"b"},{"name":"C","secret":"s"}],"proxy_env":"P"}`,
	} {
		got := prepared(t, hostAt(t, "host"), desc)
		if problems := schema.Check("", []byte(got)); len(problems) > 0 {
			t.Errorf("%s: %v", got, problems)
		}
	}
}

// TestRequestsCoverWhatIsAsked runs the hooks over all fixtures and compares
// what they ask of the host with the capabilities that the manifest requests.
func TestRequestsCoverWhatIsAsked(t *testing.T) {
	requested := map[string][]string{}
	for _, c := range pluginManifest(t).Capabilities {
		requested[c.Name] = c.Values
	}
	capabilities := map[string]string{"read/v1": "read", "stat/v1": "stat", "list/v1": "stat", "env/v1": "env"}
	roots, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, root := range roots {
		h := hostAt(t, root.Name())
		for _, desc := range []string{rhsm("https://cdn.redhat.com/a"), `{"url":"u","secrets":{"name":"org.osbuild.mtls"}}`} {
			sdktest.Prepare(t, newPlugin(), h, sdktest.Item{Key: key, Desc: desc})
		}
		for _, call := range h.Calls {
			op, what, _ := strings.Cut(call, " ")
			if asked++; !slices.ContainsFunc(requested[capabilities[op]], func(entry string) bool {
				return what == strings.TrimSuffix(entry, "/") || strings.HasSuffix(entry, "/") && strings.HasPrefix(what, entry)
			}) {
				t.Errorf("%s: %q is asked for, but not requested in plugin.json", root.Name(), call)
			}
		}
	}
	if asked == 0 {
		t.Error("nothing was asked for")
	}
	if !slices.Contains(requested["env"], proxyEnv) || !slices.Contains(requested["download"], "*") {
		t.Error("fetch_one's download and proxy are not requested")
	}
}
