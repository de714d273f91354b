package main

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// The scripts in testdata/scripts/registry have two real registries: $REGISTRY,
// over plain http, and $LOCKED, which wants the user and password of auth.json.
func TestRegistryScripts(t *testing.T) {
	needPlugins(t)
	open := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	locked := hosttest.StartRegistry(t, hosttest.RegistryOptions{User: "anna", Password: "marked-secret"})
	auth := filepath.Join(t.TempDir(), "auth.json")
	doc, err := json.Marshal(map[string]any{"auths": map[string]any{
		locked: map[string]string{"auth": base64.StdEncoding.EncodeToString([]byte("anna:marked-secret"))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(auth, doc, 0o600); err != nil {
		t.Fatal(err)
	}
	params := scripts(t, filepath.Join("..", "..", "testdata", "scripts", "registry"), map[string]string{
		"REGISTRY": open, "LOCKED": locked, "AUTH": auth,
	})
	params.Cmds["damage"] = cmdDamage
	testscript.Run(t, params)
}

// damage DIR changes a byte in each file of a folder.
func cmdDamage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: damage DIR")
	}
	entries, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(entries) == 0 {
		ts.Fatalf("%s is empty", args[0])
	}
	for _, e := range entries {
		path := filepath.Join(ts.MkAbs(args[0]), e.Name())
		data, err := os.ReadFile(path)
		ts.Check(err)
		data[len(data)/2] ^= 1
		ts.Check(os.WriteFile(path, data, 0o600))
	}
}

func TestPin(t *testing.T) {
	p := pinLines{name: "acme", reference: "oci://r.example/acme@sha256:" + strings.Repeat("1", 64), sha256: strings.Repeat("2", 64)}
	lines := "[plugin.acme]\npath   = \"" + p.reference + "\"\nsha256 = \"" + p.sha256 + "\"\n"
	for name, c := range map[string]struct{ before, after, fails string }{
		"no file":       {"", lines, ""},
		"another table": {"workers = 3\n\n[plugin.x]\npath = \"x.wasm\"", "workers = 3\n\n[plugin.x]\npath = \"x.wasm\"\n\n" + lines, ""},
		"grants stay": {
			"# mine\n[plugin.acme]\npath = \"old.wasm\"\n  sha256=\"00\"\n[plugin.acme.grant]\nenv = [\"A\"]\n",
			"# mine\n" + lines + "[plugin.acme.grant]\nenv = [\"A\"]\n", "",
		},
		"quoted":          {"[ plugin.\"acme\" ]\npath = 'old.wasm'\n", "[ plugin.\"acme\" ]\n" + strings.SplitN(lines, "\n", 2)[1], ""},
		"dotted keys":     {"plugin.acme.path = \"old.wasm\"\n", "", "pin it by hand"},
		"not TOML":        {"[plugin\n", "", "not valid TOML"},
		"path of another": {"[plugin.acme.config]\npath = \"kept\"\n", "[plugin.acme.config]\npath = \"kept\"\n\n" + lines, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := p.edit(c.before)
			if c.fails != "" {
				if err == nil || !strings.Contains(err.Error(), c.fails) {
					t.Fatalf("got %q, %v, want an error with %q", got, err, c.fails)
				}
				return
			}
			if err != nil || got != c.after {
				t.Errorf("got %v\n%s\nwant\n%s", err, got, c.after)
			}
		})
	}
	p.name = "a.b"
	if got, err := p.edit(""); err != nil || !strings.Contains(got, `[plugin."a.b"]`) {
		t.Errorf("a name with a dot: %v\n%s", err, got)
	}
}
