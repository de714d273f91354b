package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
	"github.com/sourcehost/sourcehost/internal/builtin"
)

var (
	crashPoints = flag.Int("crashpoints", 50, "how often TestCrash kills the program")
	seed        = flag.Uint64("seed", 0, "seed of TestCrash; 0 means a new one")
)

// built is what TestMain makes for all tests: the program, and a folder with
// the compiled plugins, since compiling them takes most of a short run.
var built struct{ dir, program, cache string }

func TestMain(m *testing.M) {
	hosttest.PlainEnvironment()
	// The configurations of nginx and others and the commands of the documents
	// have no quotes around the names of folders.
	if strings.ContainsAny(os.TempDir(), " \t\n'\"\\$&|:;,#*?[]{}") {
		os.Setenv("TMPDIR", "/tmp")
	}
	// The tests wait for processes and timers most of the time: more of them at
	// once than there are processors take less time. A flag still wins.
	flag.Set("test.parallel", "6")
	flag.Parse()
	os.Exit(withProgram(m.Run))
}

// withProgram builds the program and calls run.
func withProgram(run func() int) int {
	fail := func(format string, args ...any) int {
		fmt.Fprintf(os.Stderr, "e2e: "+format+"\n", args...)
		return 1
	}
	if _, err := builtin.Plugins(); err != nil {
		return fail("%v; these tests need `make plugins` first", err)
	}
	dir, err := os.MkdirTemp("", "sourcehost-e2e-")
	if err != nil {
		return fail("%v", err)
	}
	defer os.RemoveAll(dir)
	built.dir, built.program, built.cache = dir, filepath.Join(dir, "sourcehost"), filepath.Join(dir, "cache")
	build := exec.Command("go", "build", "-tags", "containers_image_openpgp", "-o", built.program, "../../cmd/sourcehost")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fail("cannot build the program: %v\n%s", err, out)
	}
	if out, err := warm(dir); err != nil {
		return fail("the first fetch failed: %v\n%s", err, out)
	}
	return run()
}

// warm fetches one file, so that the plugins are compiled before tests run side
// by side.
func warm(dir string) ([]byte, error) {
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("warm"), 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command(built.program, "fetch", "--store", filepath.Join(dir, "store"), "-")
	config := filepath.Join(dir, "empty.toml")
	if err := os.WriteFile(config, nil, 0o644); err != nil {
		return nil, err
	}
	cmd.Env = []string{"SOURCEHOST_CACHE=" + built.cache, "SOURCEHOST_CONFIG=" + config, "HOME=" + dir}
	k := key([]byte("warm"))
	cmd.Stdin = strings.NewReader(fmt.Sprintf(`{"sources":{"org.osbuild.curl":{"items":{%q:"file:%s"}},
		"org.osbuild.librepo":{"items":{"%s":{"path":"empty","mirror":"m"}},"options":{"mirrors":{"m":{"type":"baseurl","url":"file:%s"}}}}}}`,
		k, file, key(nil), dir))
	if err := os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644); err != nil {
		return nil, err
	}
	return cmd.CombinedOutput()
}

// need finds a program of a Debian package. Without it the test is skipped, but
// fails in CI, where everything must be tested.
func need(tb testing.TB, program, debianPackage string) string {
	tb.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		path := filepath.Join(dir, program)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	text := fmt.Sprintf("%s is missing: install the Debian package %s", program, debianPackage)
	if os.Getenv("CI") != "" {
		tb.Fatal(text)
	}
	tb.Skip(text)
	return ""
}

// lines splits text for errors and searches.
func lines(text string) []string { return strings.Split(strings.TrimRight(text, "\n"), "\n") }
