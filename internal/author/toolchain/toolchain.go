// Package toolchain compiles the source of a plugin to WebAssembly with the
// toolchain of its language, and says what to install when that is missing.
package toolchain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Language is how plugins of one language are recognized and compiled.
type Language struct {
	// Name is the language's name on the command line.
	Name string
	// marks are files, or patterns, in the folder of such a plugin.
	marks []string
	// compile returns the commands that compile the plugin in dir to out.
	compile func(t *tools, dir, out string) ([]command, error)
}

// command is one program with its arguments, run in the plugin's folder.
type command struct {
	path string
	args []string
	env  []string // in addition to the environment
}

// Languages returns all languages, in the order in which they are looked for.
func Languages() []Language {
	return []Language{
		{Name: "go", marks: []string{"*.go"}, compile: compileGo},
		{Name: "rust", marks: []string{"src/lib.rs"}, compile: compileRust},
		{Name: "assemblyscript", marks: []string{"assembly/index.ts"}, compile: compileAssemblyScript},
		{Name: "c", marks: []string{"plugin.c"}, compile: compileC},
	}
}

// Names returns the names of the languages.
func Names() []string {
	var names []string
	for _, l := range Languages() {
		names = append(names, l.Name)
	}
	return names
}

// Detect finds out which language the plugin in dir is written in.
func Detect(dir string) (Language, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return Language{}, err
	}
	if !info.IsDir() {
		return Language{}, fmt.Errorf("%s is not a folder", dir)
	}
	var found []Language
	var looked []string
	for _, l := range Languages() {
		for _, mark := range l.marks {
			looked = append(looked, fmt.Sprintf("%s (%s)", mark, l.Name))
			// The pattern is one of ours; what may be special is the folder's name.
			if matches, _ := fsGlob(dir, mark); matches {
				found = append(found, l)
				break
			}
		}
	}
	switch len(found) {
	case 0:
		return Language{}, fmt.Errorf("%s has no source of a plugin: expected one of %s; a plugin of another toolchain is packed with `sourcehost plugin pack`", dir, strings.Join(looked, ", "))
	case 1:
		return found[0], nil
	}
	return Language{}, fmt.Errorf("%s has source in both %s and %s: keep one", dir, found[0].Name, found[1].Name)
}

// fsGlob reports whether a file beneath dir matches the pattern.
func fsGlob(dir, pattern string) (bool, error) {
	if !strings.ContainsRune(pattern, '*') {
		info, err := os.Stat(filepath.Join(dir, pattern))
		return err == nil && info.Mode().IsRegular(), nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if ok, _ := filepath.Match(pattern, e.Name()); ok && e.Type().IsRegular() {
			return true, nil
		}
	}
	return false, nil
}

// MissingError says which program is not there and how to install it.
type MissingError struct {
	Program string
	// Install says how, with commands in backquotes.
	Install string
}

// Error is one line.
func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is missing: install it with %s", e.Program, e.Install)
}

// CompileError is a toolchain that failed.
type CompileError struct {
	Command string
	// Output is what it wrote, as it stands.
	Output string
	Err    error
}

// Error is the command and what it wrote.
func (e *CompileError) Error() string {
	return fmt.Sprintf("%s: %v\n%s", e.Command, e.Err, strings.TrimRight(e.Output, "\n"))
}

// Unwrap returns why the program ended.
func (e *CompileError) Unwrap() error { return e.Err }

// Options say how to compile.
type Options struct {
	// Debug keeps the names of functions, which the stack of a trap then shows.
	Debug bool
}

// Compile compiles the plugin in dir and returns the module, without a plugin
// manifest. Each command is written to log, as a user could type it.
func (l Language) Compile(ctx context.Context, dir string, o Options, log io.Writer) ([]byte, error) {
	tmp, err := os.MkdirTemp("", "sourcehost-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(tmp)
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	out := filepath.Join(tmp, "plugin.wasm")
	commands, err := l.compile(&tools{ctx: ctx, debug: o.Debug}, dir, out)
	if err != nil {
		return nil, err
	}
	for _, c := range commands {
		fmt.Fprintln(log, "+ "+strings.ReplaceAll(c.String(), out, "plugin.wasm"))
		if err := c.run(ctx, dir, log); err != nil {
			return nil, err
		}
	}
	wasm, err := os.ReadFile(out)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s has ended without an error and without a module", commands[len(commands)-1].path)
	}
	return wasm, err
}

func (c command) String() string {
	program := filepath.Base(c.path)
	if filepath.Base(filepath.Dir(c.path)) == ".bin" { // of npm, in no PATH
		program = "npx " + program
	}
	words := append(append([]string{}, c.env...), program)
	for _, arg := range c.args {
		if strings.ContainsAny(arg, " \t\"$&;()*?") && !strings.Contains(arg, "'") {
			arg = "'" + arg + "'"
		}
		words = append(words, arg)
	}
	return strings.Join(words, " ")
}

// run runs the command; what it writes when it succeeds, warnings, goes to log.
func (c command) run(ctx context.Context, dir string, log io.Writer) error {
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &out
	cmd.Env = append(os.Environ(), c.env...)
	err := cmd.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		return &CompileError{Command: c.String(), Output: out.String(), Err: err}
	}
	_, err = out.WriteTo(log)
	return err
}

// tools finds programs.
type tools struct {
	ctx   context.Context
	debug bool
}

// unless returns the one word, or the other when names are to be kept; none for
// an empty one.
func (t *tools) unless(release, debug string) []string {
	word := release
	if t.debug {
		word = debug
	}
	if word == "" {
		return nil
	}
	return []string{word}
}

// find returns the path of a program.
func (t *tools) find(program, install string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", &MissingError{Program: program, Install: install}
	}
	return filepath.Abs(path)
}
