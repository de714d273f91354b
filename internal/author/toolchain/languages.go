package toolchain

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// compileGo needs nothing but the stock toolchain.
func compileGo(t *tools, _, out string) ([]command, error) {
	path, err := t.find("go", "`apt-get install golang-go`, or from https://go.dev/dl")
	if err != nil {
		return nil, err
	}
	return []command{{
		path: path,
		args: slices.Concat([]string{"build", "-trimpath", "-buildvcs=false"}, t.unless("-ldflags=-s -w", "-ldflags=-w"), []string{"-buildmode=c-shared", "-o", out, "."}),
		// The user's own flags are for programs of this machine; a workspace may not
		// have the plugin's module.
		env: []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off"},
	}}, nil
}

// rustTargets are the targets that a plugin can be compiled for, the one with the
// smallest result first. The others are the names that WASI preview 1 has had.
func rustTargets() []string {
	return []string{"wasm32-unknown-unknown", "wasm32-wasip1", "wasm32-wasi"}
}

// compileRust calls the compiler itself: a plugin without crates needs no cargo,
// and so no network. Of several compilers in the PATH it takes the first that has
// the standard library for WebAssembly.
func compileRust(t *tools, _, out string) ([]command, error) {
	const install = "`apt-get install rustc libstd-rust-dev-wasm32`"
	if _, err := t.find("rustc", install); err != nil {
		return nil, err
	}
	path, target := t.rustWithTarget()
	if target == "" {
		return nil, &MissingError{
			Program: "the standard library of Rust for WebAssembly (" + strings.Join(rustTargets(), ", ") + ")",
			Install: install + " or `rustup target add wasm32-unknown-unknown`",
		}
	}
	return []command{{path: path, args: slices.Concat([]string{
		"--edition=2021", "--crate-type=cdylib", "--crate-name=plugin", "--target=" + target, "-Copt-level=s", "-Clto",
	}, t.unless("-Cstrip=symbols", "-Cstrip=debuginfo"), []string{"-Cpanic=abort", "-o", out, filepath.Join("src", "lib.rs")})}}, nil
}

// rustWithTarget returns a compiler and the target that it can compile to, or
// nothing.
func (t *tools) rustWithTarget() (rustc, target string) {
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		rustc := filepath.Join(dir, "rustc")
		for _, target := range rustTargets() {
			if filepath.IsAbs(rustc) && t.hasRustTarget(rustc, target) {
				return rustc, target
			}
		}
	}
	return "", ""
}

// hasRustTarget reports whether the standard library of a target is installed.
func (t *tools) hasRustTarget(rustc, target string) bool {
	dir, err := exec.CommandContext(t.ctx, rustc, "--print", "target-libdir", "--target", target).Output()
	if err != nil {
		return false
	}
	found, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "libcore-*.rlib"))
	return len(found) > 0
}

// compileC needs clang and lld only: the header does without a C library. A plugin
// that calls one is built by its author's own commands, and packed.
func compileC(t *tools, _, out string) ([]command, error) {
	const install = "`apt-get install clang lld`"
	path, err := t.find("clang", install)
	if err != nil {
		return nil, err
	}
	if _, err := t.find("wasm-ld", install); err != nil {
		return nil, err
	}
	return []command{{path: path, args: slices.Concat([]string{
		"--target=wasm32", "-std=c11", "-Os", "-mbulk-memory", "-flto", "-Wall", "-Wextra", "-nostdlib", "-Wl,--no-entry",
	}, t.unless("-Wl,--strip-all", "-Wl,--strip-debug"), []string{"-o", out, "plugin.c"})}}, nil
}

// compileAssemblyScript uses the compiler that the plugin's package names.
func compileAssemblyScript(t *tools, dir, out string) ([]command, error) {
	if _, err := t.find("node", "`apt-get install nodejs npm`"); err != nil {
		return nil, err
	}
	asc := filepath.Join(dir, "node_modules", ".bin", "asc")
	if _, err := os.Stat(asc); err != nil {
		return nil, &MissingError{Program: "AssemblyScript's compiler", Install: "`npm install` in the folder of the plugin, and npm itself with `apt-get install npm`"}
	}
	return []command{{path: asc, args: slices.Concat([]string{
		// -Oz would choose a joining of strings that takes quadratic memory.
		"assembly/index.ts", "-O2", "--noAssert", "--runtime", "minimal", "--use", "abort=assembly/sourcehost/abort",
		"--exportStart", "_initialize",
	}, t.unless("", "--debug"), []string{"--outFile", out})}}, nil
}
