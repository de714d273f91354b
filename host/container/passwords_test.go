package container

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestPasswords reads the files that the engines read.
func TestPasswords(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const one = `{"auths":{"r.example":{"auth":"dXNlcjpwYXNzOndvcmQ="}}}` // user:pass:word
	named := write("named.json", one)
	write("config/containers/auth.json", `{"auths":{"r.example":{"identitytoken":"a-token"},"s.example":{"auth":"%%%"}},"credHelpers":{"x":"y"}}`)
	write("home/.docker/config.json", one)
	broken := write("broken.json", "{")
	environ := map[string]string{"XDG_CONFIG_HOME": dir + "/config", "HOME": dir + "/home"}
	for name, c := range map[string]struct {
		file, variable string
		want           []string
	}{
		"configured":   {named, broken, []string{"pass:word", "dXNlcjpwYXNzOndvcmQ="}},
		"variable":     {"", named, []string{"pass:word"}},
		"usual places": {"", "", []string{"a-token", "pass:word"}},
		"broken":       {broken, "", nil},
		"not there":    {filepath.Join(dir, "none"), "", nil},
	} {
		cfg := Config{AuthFile: c.file, Environ: func(n string) (string, bool) {
			if n == "REGISTRY_AUTH_FILE" {
				return c.variable, c.variable != ""
			}
			v, ok := environ[n]
			return v, ok
		}}
		got := cfg.Passwords()
		for _, want := range c.want {
			if !slices.Contains(got, want) {
				t.Errorf("%s: got %q, want %q in it", name, got, want)
			}
		}
		if c.want == nil && len(got) > 0 {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// TestRedactedBeforeCut: a secret at the place where an error is cut is hidden whole.
func TestRedactedBeforeCut(t *testing.T) {
	const secret = "pass-word-of-the-registry"
	r := &Request{redact: func(s string) string { return strings.ReplaceAll(s, secret, "[secret]") }}
	for pad := range maxText {
		said := errors.New(strings.Repeat("x", pad) + secret + strings.Repeat("y", maxText))
		if text := classify(context.Background(), said, r).Err.Error(); strings.Contains(text, "pass") || strings.Contains(text, "registry") {
			t.Fatalf("after %d characters: %s", pad, text)
		}
	}
}
