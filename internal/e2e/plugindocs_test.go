package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// The commands of docs/plugins.md do what they say, in order, with a registry of
// their own.
func TestPluginDocs(t *testing.T) {
	t.Parallel()
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	text, err := os.ReadFile(filepath.Join(repository, "docs/plugins.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	script := "set -euo pipefail\n"
	var fragments []string
	for _, block := range splitBlocks(string(text)) {
		if strings.HasPrefix(block, "path = ") {
			fragments = append(fragments, block)
			continue
		}
		script += strings.NewReplacer("/tmp/", dir+"/", "localhost:5000", registry).Replace(block)
	}
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(built.program, filepath.Join(bin, "sourcehost")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SOURCEHOST_CACHE="+filepath.Join(dir, "cache"), "SOURCEHOST_CONFIG=", "PATH="+bin+":"+os.Getenv("PATH"), "GOPROXY=off", "HOME="+dir, "GOCACHE="+goCache(t))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	for want, times := range map[string]int{
		"1 fetched": 3, "1 passed, 0 failed": 3, "2 passed, 0 failed": 1, "prepared by acme-mirror": 1, "pinned in": 1, `"name": "curl"`: 1,
	} {
		if got := strings.Count(string(out), want); got < times {
			t.Errorf("%q is printed %d times, want %d:\n%s", want, got, times, out)
		}
	}
	// What is not a command is a line of a configuration that is accepted.
	if len(fragments) != 1 {
		t.Errorf("expected one fragment, found %q", fragments)
	}
	conf, err := os.ReadFile(filepath.Join(dir, "acme.toml"))
	if err != nil || !strings.Contains(string(conf), `path   = "oci://`+registry+"/plugins/acme-mirror@sha256:") {
		t.Errorf("the plugin is not pinned: %v\n%s", err, conf)
	}
	for _, store := range []string{"store", "installed", "pinned"} {
		if found, _ := filepath.Glob(filepath.Join(dir, store, "sources/org.osbuild.files/sha256:*")); len(found) != 1 {
			t.Errorf("%s has %q", store, found)
		}
	}
}

// goCache is the cache of the Go toolchain that runs this test.
func goCache(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
