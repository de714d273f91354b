package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const repository = "../.."

// The demo is the first thing that a new user sees.
func TestDemo(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("go", "run", "./internal/demo", "-bin", built.program)
	cmd.Dir = repository
	cmd.Env = append(os.Environ(), "SOURCEHOST_CACHE="+built.cache)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"42 fetched", "42 cached", "All as it should be"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the demo does not say %q:\n%s", want, out)
		}
	}
}

// readmeBlocks returns the indented and fenced blocks of README.md that contain
// all of the given parts.
func readmeBlocks(t *testing.T, parts ...string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, block := range splitBlocks(string(text)) {
		all := true
		for _, p := range parts {
			all = all && strings.Contains(block, p)
		}
		if all {
			found = append(found, block)
		}
	}
	if len(found) == 0 {
		t.Fatalf("README.md has no block with %q", parts)
	}
	return found
}

// splitBlocks cuts Markdown into its code blocks, without fences and
// indentation.
func splitBlocks(text string) []string {
	var blocks []string
	var block strings.Builder
	end := func() {
		if s := strings.Trim(block.String(), "\n"); s != "" {
			blocks = append(blocks, s+"\n")
		}
		block.Reset()
	}
	fenced := false
	for line := range strings.Lines(text) {
		indented, isIndented := strings.CutPrefix(line, "    ")
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
			end()
		case fenced:
			block.WriteString(line)
		case isIndented:
			block.WriteString(indented)
		case line == "\n":
			block.WriteString(line)
		default:
			end()
		}
	}
	end()
	return blocks
}

// The plugin in README.md is the example in the tree, to the letter.
func TestReadmePlugin(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile(filepath.Join(repository, "plugins/examples/header/main.go"))
	if err != nil {
		t.Fatal(err)
	}
	shown := readmeBlocks(t, "package main")[0]
	if !strings.HasSuffix(string(source), shown) {
		t.Errorf("README.md shows another plugin than plugins/examples/header/main.go:\n%s", shown)
	}
}

// The commands of README.md do what they say, in a folder of their own.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(repository)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{
		"bin/sourcehost": built.program, "plugins": filepath.Join(root, "plugins"), "go.mod": filepath.Join(root, "go.mod"),
		"go.sum": filepath.Join(root, "go.sum"), "sdk": filepath.Join(root, "sdk"), "internal": filepath.Join(root, "internal"),
	} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	script := func(where, text string) string {
		t.Helper()
		text = strings.ReplaceAll(text, "/tmp/", dir+"/tmp-")
		cmd := exec.Command("bash", "-euo", "pipefail", "-c", text)
		cmd.Dir = where
		cmd.Env = append(os.Environ(), "SOURCEHOST_CACHE="+built.cache, "GOWORK=off")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s\n%s", err, text, out)
		}
		return string(out)
	}
	first := strings.Replace(readmeBlocks(t, "make build", "first.json")[0], "make build\n", "", 1)
	out := script(dir, first)
	for _, want := range []string{"1 fetched", "sha256:"} {
		if !strings.Contains(out, want) {
			t.Errorf("the first manifest: no %q in\n%s", want, out)
		}
	}
	// go build does not follow links to folders of packages, so it runs in the
	// repository; the rest runs beside.
	build, rest, found := strings.Cut(readmeBlocks(t, "plugin pack")[0], "\n")
	if !found {
		t.Fatal("the block that packs the plugin has one line only")
	}
	script(root, build)
	if out := script(dir, rest); !strings.Contains(out, "acme-header") {
		t.Errorf("plugin inspect does not show the plugin:\n%s", out)
	}
	// The configuration is accepted, and grants what the plugin requests.
	config := strings.ReplaceAll(readmeBlocks(t, "[plugin.acme-header]")[0], "/tmp/", dir+"/tmp-")
	if err := os.WriteFile(filepath.Join(dir, "sourcehost.toml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	out = script(dir, "bin/sourcehost --config sourcehost.toml sources -v")
	if !strings.Contains(out, "acme-header") || strings.Contains(out, "denied") {
		t.Errorf("sources -v:\n%s", out)
	}
}
