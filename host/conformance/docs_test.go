package conformance

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// TestCommandsOfTheDocument builds the example with each command of
// docs/languages.md, in a folder that has the plugin and the SDK's file.
func TestCommandsOfTheDocument(t *testing.T) {
	t.Parallel()
	document, err := os.ReadFile(root + "docs/languages.md")
	if err != nil {
		t.Fatal(err)
	}
	var commands []string
	for line := range strings.Lines(string(document)) {
		if command, ok := strings.CutPrefix(line, "    "); ok && strings.Contains(command, "plugin.wasm") {
			commands = append(commands, command)
		}
	}
	files := map[string]string{
		"clang": "plugins/examples/header/c/header.c", "rustc": "plugins/examples/header/rust/header.rs", "npx": "plugins/examples/header/assemblyscript/header.ts",
	}
	order := []string{"c", "c-libc", "rust", "assemblyscript"}
	if len(commands) != len(order) {
		t.Fatalf("the document has the commands %q, want one for each of %q", commands, order)
	}
	for i, language := range order {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			built(t, language, "header", headerManifest) // skips where there is no toolchain
			program, _, _ := strings.Cut(commands[i], " ")
			wasm := buildBeside(t, root+files[program], commands[i])
			p, err := guest.NewRuntime(config).Load(guest.Source{Name: language, Wasm: wasm})
			if err != nil {
				t.Fatal(err)
			}
			c := testCase{hook: abi.Prepare, items: []item{{`"https://rpms.acme.example/a"`, answers(
				`{"urls":["https://mirror.acme.example/rpms/a","https://rpms.acme.example/a"],"headers":[{"name":"Authorization","secret":"acme-token","prefix":"Bearer "}]}`)}}}
			if err := c.run(context.Background(), p); err != nil {
				t.Error(err)
			}
		})
	}
}

var sdkPath = regexp.MustCompile(`(\.\./)+sdk/[a-z]+/`)

// buildBeside copies a plugin and the SDKs to a folder, where it runs the command.
func buildBeside(t *testing.T, source, command string) []byte {
	t.Helper()
	dir := t.TempDir()
	copyTo := func(from, name string) {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		beside := ""
		if strings.HasSuffix(name, ".ts") {
			beside = "./"
		}
		if err := os.WriteFile(filepath.Join(dir, name), sdkPath.ReplaceAll(data, []byte(beside)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	copyTo(source, "plugin"+filepath.Ext(source))
	for _, file := range []string{"c/sourcehost.h", "rust/sourcehost.rs", "assemblyscript/sourcehost.ts"} {
		copyTo(root+"sdk/"+file, filepath.Base(file))
	}
	modules, err := filepath.Abs(root + "sdk/assemblyscript/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "-c", command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH=/usr/bin:"+os.Getenv("PATH"), "npm_config_offline=true")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	wasm, err := os.ReadFile(filepath.Join(dir, "plugin.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(root + headerManifest)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := plugin.AppendSection(wasm, abi.ManifestSection, bytes.TrimSpace(manifest))
	if err != nil {
		t.Fatal(err)
	}
	return packed
}
