package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestExample(t *testing.T) {
	got, err := Load("testdata/sourcehost.toml", "curl")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	want := &File{
		Path: "testdata/sourcehost.toml", Files: []string{"testdata/sourcehost.toml"}, Workers: 32, CacheDir: "/var/cache/sourcehost", Root: "/",
		Download: Download{
			UserAgent: "osbuild (Linux.x86_64; https://osbuild.org/) sourcehost", MaxAttempts: 10,
			ConnectTimeout: 30 * time.Second, TLSTimeout: 20 * time.Second, HeaderTimeout: 45 * time.Second, HTTP2: true, StallTimeout: 30 * time.Second, StallBytesPerSecond: 1000, PerHost: 8,
			MaxRedirects: 10, AllowLinkLocal: true, BackoffBase: 200 * time.Millisecond, BackoffMax: 30 * time.Second, RetryAfterMax: 2 * time.Minute,
		},
		Limits: Limits{
			PageItems: 256, LoadTimeout: 2 * time.Minute, HookTimeout: time.Minute, MemoryBytes: 256 << 20, OutputBytes: 64 << 20, ResultBytes: 16 << 20,
			RequestBytes: 1 << 20, LogLines: 1000, LogLineBytes: 4096, PutBytes: 256 << 20, ProgramTimeout: 2 * time.Hour, Calls: 100_000, ModuleBytes: 32 << 20, FunctionBytes: 256 << 10, TableEntries: 1 << 20,
		},
		Container: Container{
			Engine: "skopeo", Format: "docker-archive", Policy: "accept-anything", PolicyFile: "/etc/containers/policy.json", AuthFile: filepath.Join(dir, "auth.json"),
			RegistriesConf: "/etc/containers/registries.conf", RegistriesDir: "/etc/containers/registries.d", CertsDir: "/etc/containers/certs.d",
			MaxAttempts: 3, Skopeo: "/usr/local/bin/skopeo",
		},
		Source: map[string]Source{
			"org.osbuild.curl": {Prepare: []string{"acme-auth"}},
			"org.example.rpms": {Plugin: "curl"},
		},
		Program: map[string]Program{"acme-helper": {Path: "/usr/libexec/acme-helper", SetUserID: true, Writable: []string{"/var/cache/acme"}}},
		Plugin: map[string]Plugin{"curl": {Config: map[string]any{}}, "acme-auth": {
			Path:   filepath.Join(dir, "plugins/acme-auth.wasm"),
			SHA256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
			Grant: Grant{
				Download: []string{"https://cdn.acme.example/"}, HTTP: []string{"https://login.acme.example/"},
				Read: []string{"/etc/acme/"}, Stat: []string{"/etc/acme/", "/run/secrets"}, TLS: []string{"/etc/acme/client.pem"},
				Env: []string{"ACME_REALM"}, Secrets: []string{"acme-token", "org.osbuild.mtls"}, Exec: []string{"acme-helper", "/usr/bin/ostree"},
				Image: []string{"docker://registry.acme.example/team/", "containers-storage:"}, Clock: true, Random: true,
			},
			Config: map[string]any{
				"realm": "builds", "retries": int64(3), "regions": []any{"eu", "us"}, "since": "2026-01-31",
				"mirrors": map[string]any{"eu": "https://eu.acme.example/", "us": "https://us.acme.example/"},
			},
		}},
		Secret: map[string]Secret{
			"acme-token":  {File: filepath.Join(dir, "acme.token"), Hosts: []string{"cdn.acme.example", "*.mirror.acme.example:443"}},
			"vault-token": {Command: []string{"/usr/bin/vault", "kv", "get", "-field=token", "secret/acme"}, Hosts: []string{"vault.acme.example:8200"}},
			"other-token": {Env: "OTHER_TOKEN", Hosts: []string{"192.0.2.7"}},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(File{}, "Places")); diff != "" {
		t.Error(diff)
	}
	text, err := got.Plugin["acme-auth"].ConfigJSON()
	const wantJSON = `{"mirrors":{"eu":"https://eu.acme.example/","us":"https://us.acme.example/"},"realm":"builds","regions":["eu","us"],"retries":3,"since":"2026-01-31"}`
	if err != nil || string(text) != wantJSON {
		t.Errorf("the plugin gets %s, %v", text, err)
	}
}

// TestExampleShowsEveryKey renames each key of the example in turn: the reader
// must miss it by its line.
func TestExampleShowsEveryKey(t *testing.T) {
	data, err := os.ReadFile("testdata/sourcehost.toml")
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(string(data), "\n")
	tried, section := 0, ""
	for i, row := range rows {
		key, _, ok := strings.Cut(row, "=")
		key = strings.TrimSpace(key)
		if strings.HasPrefix(row, "[") {
			section = row
		}
		if !ok || strings.HasPrefix(key, "#") || section == "[plugin.acme-auth.config]" { // which is free
			continue
		}
		tried++
		changed := strings.Replace(row, key, "z"+key, 1)
		text := strings.Join(append(append(append([]string{}, rows[:i]...), changed), rows[i+1:]...), "\n")
		_, err := Parse("f", []byte(text), "curl")
		want := "did you mean \"" + key + "\"?"
		if err == nil || !strings.Contains(err.Error(), "f:"+itoa(i+1)+":1: unknown key \"z"+key+"\"") || !strings.Contains(err.Error(), want) {
			t.Errorf("line %d, %q: %v", i+1, changed, err)
		}
	}
	if tried < 40 {
		t.Errorf("%d keys were tried", tried)
	}
}

func itoa(n int) string { return describe(int64(n))[len("the integer "):] }

func TestMistakes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"workers = 1025", `f:1:1: workers: expected at least 1 and at most 1024, found 1025`},
		{"[download]\nper_host = 1000000001", `f:2:1: per_host: expected at least 1 and at most 1000000000, found 1000000001`},
		{"[limits]\nmemory = \"5GiB\"", `f:2:1: memory: expected at most "4GiB", found the string "5GiB"`},
		{"[limits]\nresult = 1073741825", `f:2:1: result: expected at most "1GiB", found the integer 1073741825`},
		{"[limits]\nput = \"8000000000GiB\"", `f:2:1: put: expected at most "1024GiB", found the string "8000000000GiB"`},
		{"[limits]\nhook_timeout = \"25h\"", `f:2:1: hook_timeout: expected at most "24h", found "25h"`},
		{"[limits]\nprogram_timeout = \"169h\"", `f:2:1: program_timeout: expected at most "168h", found "169h"`},
		{"workers = 0", `f:1:1: workers: expected at least 1 and at most 1024, found 0`},
		{"\n\nworkers = \"8\"", `f:3:1: workers: expected an integer, found the string "8"`},
		{"workers = 1.5", `f:1:1: workers: expected an integer, found the number 1.5`},
		{"wrokers = 8", `f:1:1: unknown key "wrokers"; did you mean "workers"?`},
		{"zzzzz = 8", `f:1:1: unknown key "zzzzz"; known are: cache_dir, container, download, limits, plugin, program, root, secret, source, workers`},
		{"workers = 8\nworkers = 9", `f:2:1: not valid TOML: `},
		{"[download\n", `f:1:10: not valid TOML: `},
		{"download = 3", `f:1:1: download: expected a table, found the integer 3`},
		{"[[download]]\nper_host=1", `f:1:3: download: expected a table, found an array`},
		{"[download]\nconnect_timeout = 30", `f:2:1: connect_timeout: expected a duration as a string with its unit, for example "30s" or "1m30s", found the integer 30`},
		{"[download]\nconnect_timeout = \"30\"", `f:2:1: connect_timeout: expected a duration as a string with its unit, for example "30s" or "1m30s", found the string "30"`},
		{"[download]\nconnect_timeout = \"0s\"", `f:2:1: connect_timeout: expected more than zero, found "0s"; leave the key out for the default`},
		{"[download]\nallow_downgrade = 1", `f:2:1: allow_downgrade: expected true or false, found the integer 1`},
		{"[download]\nuser_agent = \"\"", `f:2:1: user_agent is empty; leave it out instead`},
		{"[download]\nretries = 3", `f:2:1: unknown key "retries" in [download]; known are: allow_downgrade, allow_link_local, backoff_base, backoff_max, connect_timeout, header_timeout, http2, max_attempts, max_redirects, per_host, retry_after_max, stall_bytes_per_second, stall_timeout, tls_timeout, user_agent`},
		{"[limits]\nmemory = \"256 apples\"", `f:2:1: memory: expected a size in bytes, as an integer or a string such as "256MiB", found the string "256 apples"`},
		{"[limits]\nmemory = 0", `f:2:1: memory: expected at least 1 byte, found 0; leave the key out for the default`},
		{"limits.memory = -1", `f:1:8: memory: expected at least 1 byte, found -1; leave the key out for the default`},
		{"limits = { calls = 1,\n memmory = 2 }", `f:2:2: unknown key "memmory" in [limits]; did you mean "memory"?`},
		{"[source.\"org.osbuild.curl\"]\nprepare = \"a\"", `f:2:1: prepare: expected an array of strings, found the string "a"`},
		{"[source.\"org.osbuild.curl\"]\nprepare = [1, \"\"]", "f:2:12: prepare: entry 1: expected a string, found the integer 1\nf:2:15: prepare: entry 2 is empty or contains a NUL character"},
		{"[source.s]\nprepare = [\"acme\"]", `f:2:12: prepare: there is no plugin "acme": no table [plugin.acme]; known are: none`},
		{"[plugin.acme-auth]\npath=\"x\"\n[source.s]\nprepare = [\"acme-aut\"]", `f:4:12: prepare: there is no plugin "acme-aut"; did you mean "acme-auth"?`},
		{"[source.\"a/b\"]", `f:1:9: source: the name "a/b" is not made of letters, digits and . _ - only`},
		{"[plugin.a]\nsha256 = \"abc\"", "f:1:9: plugin \"a\" has no path; give the .wasm file as path = \"...\"\nf:2:1: sha256: expected 64 hexadecimal digits, found \"abc\" (3 characters)"},
		{"[plugin.a]\npath = \"x\"\nsha256 = \"" + strings.Repeat("g", 64) + "\"", `f:3:1: sha256: expected 64 hexadecimal digits, found "` + strings.Repeat("g", 64) + `" (64 characters)`},
		{"[plugin.a]\npath = \"x\"\n[plugin.a.grant]\nread = [\"etc/x\", \"/a/../b\", \"/a/\", \"/a\"]", "f:4:9: read: expected an absolute path without . and .. in it, found \"etc/x\"\nf:4:18: read: expected an absolute path without . and .. in it, found \"/a/../b\""},
		{"[plugin.a]\npath = \"x\"\n[plugin.a.grant]\nsecrets = [\"t\"]", `f:4:12: secrets: there is no secret "t": no table [secret.t]; known are: none`},
		{"[plugin.a]\npath = \"x\"\n[plugin.a.grant]\nnetwork = true", `f:4:1: unknown key "network" in [plugin.a.grant]; known are: clock, download, env, exec, http, image, random, read, secrets, stat, tls`},
		{"[plugin.a]\npath = \"x\"\n[plugin.a.config]\nx = [nan]", `f:3:11: [plugin.a.config] cannot be handed to the plugin: x: entry 1: JSON has no number NaN`},
		{"[secret.t]\nhosts = [\"h\"]", `f:1:9: secret "t" has neither file nor env nor command; give one to get it from`},
		{"[secret.t]\nhosts = [\"h\"]\nfile = \"f\"\nenv = \"E\"", `f:4:1: secret "t" has both file and env; keep one`},
		{"[secret.t]\nfile = \"f\"", `f:1:9: secret "t" has no hosts; list the servers that it may be sent to, for example hosts = ["cdn.example"]`},
		{"[secret.t]\nfile = \"f\"\nhosts = []", `f:3:1: secret "t" has no hosts; list the servers that it may be sent to, for example hosts = ["cdn.example"]`},
		{"[secret.t]\nfile = \"f\"\nhosts = \"h\"", `f:3:1: hosts: expected an array of strings, found the string "h"`},
		{"[secret.t]\nfile = \"f\"\nhosts = [\"ok\", \"https://h/\", \"*\"]", "f:3:16: secret \"t\": host \"https://h/\" is a URL or a path; write the host alone, for example registry.example or registry.example:5000, with http:// before it if it may be sent unencrypted\nf:3:30: secret \"t\": host \"*\" would send the secret anywhere; name the hosts"},
		{"[secret.t]\nfile = \"f\\u0000\"\nhosts = [\"h\"]", `f:2:1: file contains a NUL character`},
		{"\"wör\" = 1; # \u00e9", `f:1:10: not valid TOML: `},
		{"limits = { \"ö\" = 1, callz = 2 }", "f:1:12: unknown key \"ö\" in [limits]; known are: calls, function, hook_timeout, load_timeout, log_line, log_lines, memory, module, output, page_items, program_timeout, put, request, result, table_entries\nf:1:21: unknown key \"callz\" in [limits]; did you mean \"calls\"?"},
		{"[container]\nengine = \"skopoe\"", `f:2:1: engine: expected "embedded" or "skopeo", found "skopoe"; did you mean "skopeo"?`},
		{"[container]\npolicy = \"anything\"", `f:2:1: policy: expected "accept-anything", found "anything"`},
		{"[container]\nskopeo = \"skopeo\"", `f:2:1: skopeo: expected the absolute path of a program, found "skopeo"`},
		{"[program.x]", `f:1:10: program "x" has no path; give its absolute path as path = "..."`},
		{"[program.x]\npath = \"bin/x\"", `f:2:1: path: expected the absolute path of a program, found "bin/x"`},
		{"[plugin.a]\npath = \"x\"\n[plugin.a.grant]\nhttp = [\"*\", \"https://h\", \"https:/h/\"]\ndownload = [\"ftp://h/\"]", "f:4:27: http: expected \"*\", or a URL prefix such as \"https://example.org/\" or \"file:///srv/\", found \"https:/h/\"\nf:5:13: download: expected \"*\", or a URL prefix such as \"https://example.org/\" or \"file:///srv/\", found \"ftp://h/\""},
		{"[plugin.a]\npath = \"x\"\n[plugin.a.grant]\nimage = [\"containers-storage:\", \"docker://q.io/a\", \"q.io/a\"]", `f:4:52: image: expected "*", "containers-storage:", or a registry such as "docker://quay.io/" or "docker://quay.io/team/app", found "q.io/a"`},
		{"[plugin.a]\npath = \"x\"\n[plugin.a.grant]\nenv = [\"A-B\"]\nexec = [\"bin/x\", \"x\", \"/bin/x\"]", "f:4:8: env: expected the name of an environment variable, found \"A-B\"\nf:5:9: exec: expected the plain name of a program or its absolute path, found \"bin/x\""},
		{"[secret.t]\ncommand = []\nhosts = [\"h\"]", `f:2:1: command is empty; give a program and its arguments`},
		{"[secret.t]\ncommand = [\"vault\", \"x\"]\nhosts = [\"h\"]", `f:2:12: command: expected the absolute path of a program, found "vault"`},
		{"[secret.t]\ncommand = \"/bin/vault\"\nhosts = [\"h\"]", `f:2:1: command: expected an array of strings, found the string "/bin/vault"`},
		{"[secret.t]\nenv = \"A\"\ncommand = [\"/x\"]\nfile = \"f\"\nhosts = [\"h\"]", `f:2:1: secret "t" has both file and env and command; keep one`},
		{"workers = 0\n[secret.t]\nhosts = [\"h\"]\n[download]\nx = 1", "f:1:1: workers: expected at least 1 and at most 1024, found 0\nf:2:9: secret \"t\" has neither file nor env nor command; give one to get it from\nf:5:1: unknown key \"x\" in [download]; known are: allow_downgrade, allow_link_local, backoff_base, backoff_max, connect_timeout, header_timeout, http2, max_attempts, max_redirects, per_host, retry_after_max, stall_bytes_per_second, stall_timeout, tls_timeout, user_agent"},
	} {
		_, err := Parse("f", []byte(c.text))
		var m Mistakes
		if !errors.As(err, &m) {
			t.Errorf("%q: %v is not Mistakes", c.text, err)
			continue
		}
		if got := err.Error(); got != c.want && !(strings.HasSuffix(c.want, "TOML: ") && strings.HasPrefix(got, c.want) && len(got) > len(c.want)) {
			t.Errorf("%q\n got  %s\n want %s", c.text, got, c.want)
		}
	}
}

// A built-in plugin has what it requests, and may have a configuration.
func TestBuiltinPlugins(t *testing.T) {
	f, err := Parse("f", []byte("[plugin.curl.config]\na = 1"), "curl")
	if err != nil || f.Plugin["curl"].Config["a"] != int64(1) {
		t.Errorf("got %+v, %v", f, err)
	}
	_, err = Parse("f", []byte("[plugin.curl]\npath = \"x\"\n[plugin.curl.grant]\n"), "curl")
	const rest = `: the plugin "curl" is part of the program and has what it requests: only its config can be set; give a plugin of your own another name`
	if want := "f:2:1: path" + rest + "\nf:3:14: grant" + rest; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	_, err = Parse("f", []byte("[plugin.crul.config]"), "curl")
	if want := `f:1:9: plugin "crul" has no path; give the .wasm file as path = "...", or did you mean the plugin "curl", which is part of the program?`; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestReferencesToBuiltinPlugins(t *testing.T) {
	const text = "[source.s]\nprepare = [\"curl\"]\nplugin = \"crul\""
	_, err := Parse("f", []byte(text), "curl", "inline")
	if want := `f:3:1: plugin: there is no plugin "crul"; did you mean "curl"?`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if _, err := Parse("f", []byte("[source.s]\nplugin = \"curl\"")); err != nil {
		t.Errorf("without knowing the built-in plugins: %v", err)
	}
}

func TestSizes(t *testing.T) {
	for in, want := range map[string]int64{"1": 1, "1B": 1, "2KiB": 2048, "2k": 2048, "2KB": 2000, "3 MiB": 3 << 20, "3MB": 3e6, "1G": 1 << 30, "1GiB": 1 << 30, "1gb": 1e9} {
		if got, ok := parseSize(in); !ok || got != want {
			t.Errorf("%q is %d, %v; want %d", in, got, ok, want)
		}
	}
	for _, in := range []any{"", "MiB", "1.5MiB", "-1", "1TiBB", "1 M iB", "9999999999GiB", "0x10", true, 1.5} {
		if got, ok := parseSize(in); ok {
			t.Errorf("%v is %d", in, got)
		}
	}
}

func TestConfigJSON(t *testing.T) {
	const text = `
[plugin.a]
path = "x"
[plugin.a.config]
when  = 2026-01-31T12:00:00Z
local = 2026-01-31T12:00:00
day   = 2026-01-31
hour  = 12:30:00
list  = [{ b = 1, a = 2.5 }, []]
angle = "<&>"
none  = {}
[[plugin.a.config.tables]]
n = 1
[[plugin.a.config.tables]]
n = 2
`
	const want = `{"angle":"\u003c\u0026\u003e","day":"2026-01-31","hour":"12:30:00","list":[{"a":2.5,"b":1},[]],"local":"2026-01-31T12:00:00","none":{},"tables":[{"n":1},{"n":2}],"when":"2026-01-31T12:00:00Z"}`
	for range 5 {
		f, err := Parse("f", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := f.Plugin["a"].ConfigJSON(); err != nil || string(got) != want {
			t.Errorf("got  %s, %v\nwant %s", got, err, want)
		}
	}
	if got, err := (Plugin{}).ConfigJSON(); got != nil || err != nil {
		t.Errorf("without a section: %s, %v", got, err)
	}
}

func TestFind(t *testing.T) {
	env := func(string) string { return "/env.toml" }
	none := func(string) string { return "" }
	for _, c := range []struct {
		flag     string
		getenv   func(string) string
		path     string
		required bool
	}{{"/flag.toml", env, "/flag.toml", true}, {"", env, "/env.toml", true}, {"", none, DefaultPath, false}} {
		if path, required := Find(c.flag, c.getenv); path != c.path || required != c.required {
			t.Errorf("flag %q: %q, %v", c.flag, path, required)
		}
	}
	t.Setenv(EnvPath, "/from/environment")
	if path, _ := Find("", nil); path != "/from/environment" {
		t.Errorf("got %q", path)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "none.toml")
	if _, err := Load(missing); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), missing) {
		t.Errorf("a missing file: %v", err)
	}
	want := "the configuration file " + missing + ", which --config names, does not exist"
	if _, err := LoadFound(missing, nil); !errors.Is(err, fs.ErrNotExist) || err.Error() != want {
		t.Errorf("a missing file that a flag names: %v", err)
	}
	want = "the configuration file " + missing + ", which $SOURCEHOST_CONFIG names, does not exist"
	if _, err := LoadFound("", func(string) string { return missing }); !errors.Is(err, fs.ErrNotExist) || err.Error() != want {
		t.Errorf("a missing file that a variable names: %v", err)
	}
	if _, err := Load(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
	big := filepath.Join(dir, "big.toml")
	if err := os.WriteFile(big, make([]byte, maxBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(big); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a large file: %v", err)
	}
	if _, err := os.Stat(DefaultPath); errors.Is(err, fs.ErrNotExist) {
		f, err := LoadFound("", func(string) string { return "" })
		if diff := cmp.Diff(&File{Places: Places{}}, f); err != nil || diff != "" {
			t.Errorf("no file at all: %v %s", err, diff)
		}
	}
}

// FuzzParse checks that no text makes the reader panic, that each mistake is on a
// line that the text has, and that what is shown of a configuration is one.
func FuzzParse(f *testing.F) {
	data, err := os.ReadFile("testdata/sourcehost.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("a.b.c = { d = [ {e=1}, [[]] ] }\n[x]\n[[y]]\n\"\\u0000\" = 1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("f", data)
		if err == nil {
			for name, p := range file.Plugin {
				if _, err := p.ConfigJSON(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
			shown := file.Settings(&File{}).Text()
			if _, err := Parse("f", []byte(shown)); err != nil {
				t.Fatalf("what is shown cannot be read: %v\n%s", err, shown)
			}
			return
		}
		m, ok := err.(Mistakes)
		if !ok || len(m) == 0 {
			t.Fatalf("%#v", err)
		}
		for _, x := range m {
			if x.Line < 1 || x.Column < 1 || x.Line > strings.Count(string(data), "\n")+1 || x.Message == "" {
				t.Fatalf("%+v", x)
			}
		}
	})
}

// A file of some megabytes can have any number of keys, in each other and in a line.
func TestManyKeys(t *testing.T) {
	const n = 100_000
	deep := "keys and arrays are nested more than 64 levels deep"
	for name, c := range map[string]struct{ text, want string }{
		"dotted key":    {"workers = 1\n" + strings.Repeat("plugin.", n) + "x = 1", "a.toml:2:442: " + deep},
		"table":         {"[" + strings.Repeat("plugin.", n) + "x]\ny = 1", "a.toml:1:443: " + deep},
		"arrays":        {"x = " + strings.Repeat("[", 9_000) + strings.Repeat("]", 9_000), "a.toml:1:1: " + deep},
		"inline tables": {"x = " + strings.Repeat("{y = ", 9_000) + "1" + strings.Repeat("}", 9_000), "a.toml:1:316: " + deep},
		"one line":      {"[plugin.p]\npath = \"p\"\nconfig = {a = [" + strings.Repeat(`{"é" = 1}, `, n) + "]}\nnonsense = 1", "a.toml:4:1: "},
	} {
		t.Run(name, func(t *testing.T) {
			done := make(chan error, 1)
			go func() {
				_, err := Parse("a.toml", []byte(c.text))
				done <- err
			}()
			select {
			case err := <-done:
				if err == nil || !strings.HasPrefix(err.Error(), c.want) {
					t.Errorf("the error is %.300v, want %s", err, c.want)
				}
			case <-time.After(30 * time.Second):
				t.Fatal("it takes too long")
			}
		})
	}
}

// The places of nodes are those that counting from the beginning of the line gives.
func TestPlacesInALine(t *testing.T) {
	text := "\"é\" = {\"ü\" = [1, {\"ö\" = 2}], x = \"ä\"}\n[\"ß\".\"é\"]\n\"ö\" = 1\n"
	for key, want := range map[string]string{
		"é": "f:1:1", "é\x00ü": "f:1:8", "é\x00ü\x000": "f:1:15", "é\x00ü\x001\x00ö": "f:1:19", "é\x00x": "f:1:30",
		"ß": "f:2:2", "ß\x00é": "f:2:6", "ß\x00é\x00ö": "f:3:1",
	} {
		if got := placesOf("f", []byte(text))[key].String(); got != want {
			t.Errorf("%q is at %s, want %s", key, got, want)
		}
	}
}
