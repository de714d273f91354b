package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/hosttest"
	"github.com/sourcehost/sourcehost/internal/builtin"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata/scripts")

// compiled is the folder for compiled plugins that all tests share, since
// compiling them for each test would take most of the time.
var compiled string

func TestMain(m *testing.M) {
	host.WorkerMain()
	testscript.Main(shared{m}, map[string]func(){"sourcehost": main})
}

// shared surrounds the tests with what they share.
type shared struct{ m *testing.M }

func (s shared) Run() int {
	hosttest.PlainEnvironment()
	dir, err := os.MkdirTemp("", "sourcehost-cli-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	compiled = dir
	return s.m.Run()
}

// needPlugins fails a test that cannot work without the built-in plugins.
func needPlugins(t *testing.T) {
	t.Helper()
	if _, err := builtin.Plugins(); err != nil {
		t.Fatalf("%v; these tests need `make plugins` first", err)
	}
}

func TestScripts(t *testing.T) {
	needPlugins(t)
	warm(t)
	dir := filepath.Join("..", "..", "testdata", "scripts")
	manifests, err := filepath.Abs(filepath.Join("..", "..", "testdata", "manifests"))
	if err != nil {
		t.Fatal(err)
	}
	if found, err := filepath.Glob(filepath.Join(dir, "*.txtar")); err != nil || len(found) == 0 {
		t.Fatalf("no scripts in %s: %v", dir, err)
	}
	testscript.Run(t, scripts(t, dir, map[string]string{"MANIFESTS": manifests}))
}

// scripts are the parameters of a folder of scripts that have some variables.
func scripts(t *testing.T, dir string, env map[string]string) testscript.Params {
	t.Helper()
	return testscript.Params{
		Dir:                 dir,
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("SOURCEHOST_CACHE", compiled)
			// For scripts that compile plugins, which must not need a network.
			e.Setenv("GOCACHE", goCache())
			e.Setenv("GOPROXY", "off")
			for name, value := range env {
				e.Setenv(name, value)
			}
			// Whatever the machine has in /etc must not matter.
			e.Setenv("SOURCEHOST_CONFIG", filepath.Join(e.WorkDir, ".sourcehost.toml"))
			return os.WriteFile(filepath.Join(e.WorkDir, ".sourcehost.toml"), fastRetries, 0o644)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"serve": cmdServe, "requests": cmdRequests, "key": cmdKey, "subst": cmdSubst, "mask": cmdMask, "mode": cmdMode,
			"terminal": cmdTerminal, "status": cmdStatus, "builtinwasm": cmdBuiltinWasm,
		},
	}
}

// goCache is the cache of the Go toolchain that runs this test.
func goCache() string {
	out, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// fastRetries is a configuration in which failures do not take long, and in which
// compiling may, as it does with the race detector on a busy machine.
var fastRetries = []byte("[download]\nbackoff_base = \"1ms\"\nbackoff_max = \"2ms\"\n[limits]\nload_timeout = \"10m\"\n")

// warm compiles the plugins once, before scripts run side by side.
func warm(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "content"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := fmt.Sprintf(`{"sources":{"org.osbuild.curl":{"items":{%q:"file:%s/content"}}}}`, contentKey("sha256", []byte("x")), dir)
	cmd := sourcehost(t, dir, "fetch", "-")
	cmd.Stdin = stringReader(m)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the first fetch failed: %v\n%s", err, out)
	}
}

// sourcehost prepares a run of the program, which is this test binary under
// another name.
func sourcehost(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	config := filepath.Join(t.TempDir(), "sourcehost.toml")
	if err := os.WriteFile(config, fastRetries, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), "sourcehost", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "SOURCEHOST_CACHE="+compiled, "SOURCEHOST_CONFIG="+config, "SOURCEHOST_WORKERS=", "SOURCEHOST_STORE=")
	return cmd
}
