package config

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/pelletier/go-toml/v2"
)

func example(t *testing.T) *File {
	t.Helper()
	f, err := Load("testdata/sourcehost.toml", "curl")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// What is shown, read again, is the same configuration.
func TestShownIsTheSame(t *testing.T) {
	f := example(t)
	text := f.Settings(&File{}).Text()
	again, err := Parse("testdata/again.toml", []byte(text), "curl")
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	again.Plugin["curl"] = f.Plugin["curl"] // an empty table has no keys to show
	if diff := cmp.Diff(f, again, cmpopts.IgnoreFields(File{}, "Path", "Files", "Places")); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
}

func TestSettingsOrigins(t *testing.T) {
	f, err := Parse("f", []byte("workers = 3\n\n[download]\nhttp2 = true\nconnect_timeout = \"90m\"\n[plugin.p]\npath = \"/p\"\n[plugin.p.grant]\nclock = true"))
	if err != nil {
		t.Fatal(err)
	}
	all := f.Settings(&File{Workers: 32, Root: "/", Download: Download{PerHost: 16, BackoffBase: time.Hour}})
	for _, c := range []struct {
		key    string
		table  []string
		value  any
		origin string
	}{
		{"workers", nil, int64(3), "f:1"},
		{"root", nil, "/", "default"},
		{"cache_dir", nil, nil, "default"},
		{"http2", []string{"download"}, true, "f:4"},
		{"allow_downgrade", []string{"download"}, false, "default"},
		{"connect_timeout", []string{"download"}, "1h30m", "f:5"},
		{"backoff_base", []string{"download"}, "1h", "default"},
		{"per_host", []string{"download"}, int64(16), "default"},
		{"clock", []string{"plugin", "p", "grant"}, true, "f:9"},
	} {
		s := all.Find(c.key, c.table...)
		if s == nil {
			t.Errorf("no %s in %v", c.key, c.table)
			continue
		}
		if s.Value != c.value || s.Origin.String() != c.origin {
			t.Errorf("%s is %v from %s, want %v from %s", c.key, s.Value, s.Origin, c.value, c.origin)
		}
	}
	if all.Find("random", "plugin", "p", "grant") != nil {
		t.Error("a grant that was not given is shown")
	}
	workers := all.Find("workers")
	workers.Put(int64(9), Origin{Kind: FromEnvironment, Name: "W"})
	if text := all.Text(); !strings.Contains(text, "workers = 9 # $W\n") {
		t.Errorf("a value of the environment is not shown:\n%s", text)
	}
}

func TestSecretsAreHidden(t *testing.T) {
	const text = `
[plugin.p]
path = "/p"
[plugin.p.config]
password = "marked-1"
apiKey = "marked-2"
nested = { list = [{ client_secret = "marked-3", pin_token = 99123 }] }
url = "https://user:marked-4@h.example/x"
key = """
-----BEGIN PRIVATE KEY-----
marked-5"""
secret = "acme"
realm = "shown"
tokens_per_second = 5
use_token = true
[secret.acme]
command = ["/usr/bin/get", "--password=marked-6", "--token", "marked-7", "https://u:marked-8@h/", "-field=token", "shown-too"]
hosts = ["h"]
`
	f, err := Parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	shown := f.Settings(&File{}).Text()
	for _, bad := range []string{"marked", "99123"} {
		if strings.Contains(shown, bad) {
			t.Errorf("%s is shown:\n%s", bad, shown)
		}
	}
	for _, want := range []string{`realm = "shown"`, `secret = "acme"`, `use_token = true`, `"-field=token", "shown-too"`, `https://[hidden]@h.example/x`} {
		if !strings.Contains(shown, want) {
			t.Errorf("%s is not shown:\n%s", want, shown)
		}
	}
	if f.Plugin["p"].Config["password"] != "marked-1" || f.Secret["acme"].Command[1] != "--password=marked-6" {
		t.Error("hiding has changed the configuration")
	}
	_, err = Parse("f", []byte("[plugin.p]\npath = \"/p\"\n[plugin.p.grant]\nhttp = [\"https://user:marked@h.example/?x\"]"))
	if err == nil || strings.Contains(err.Error(), "marked") {
		t.Errorf("the error shows a password: %v", err)
	}
}

func TestTOMLValues(t *testing.T) {
	for _, v := range []any{"", "a\"b\\c\n\t\x00\x1b\u202e\u00e9\U0001F600", int64(-3), 1.0, 1e300, 0.5, -2.5e-7, true, []any{}, []any{"a", int64(1), []any{map[string]any{"a b": "c", "d": map[string]any{}}}}} {
		text := "v = " + tomlValue(v) + "\n"
		var got map[string]any
		if err := toml.Unmarshal([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
		} else if diff := cmp.Diff(v, got["v"]); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
	for n, want := range map[int64]string{1000: "1000", 1024: `"1KiB"`, 3 << 20: `"3MiB"`, 1 << 40: `"1024GiB"`, math.MaxInt64: "9223372036854775807"} {
		if got := tomlSize(n); got != want {
			t.Errorf("%d is %s", n, got)
		}
	}
}

// The example has every key of the table, and the table describes each.
func TestEveryKeyIsInTheExample(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("testdata", "sourcehost.toml"))
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, table := range Document(&File{}) {
		for _, k := range table.Keys {
			count++
			if !strings.Contains(string(data), "\n"+k.Name) {
				t.Errorf("%s of [%s] is not in the example", k.Name, table.Name)
			}
			if k.Type == "" || k.Default == "" || !strings.HasSuffix(k.Meaning, ".") {
				t.Errorf("%s of [%s]: %+v", k.Name, table.Name, k)
			}
		}
	}
	if count < 60 {
		t.Errorf("the table has %d keys", count)
	}
}
