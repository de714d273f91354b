package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/internal/author/toolchain"
	"github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/internal/regular"
)

// built is a plugin that was compiled and packed.
type built struct {
	path     string
	wasm     []byte
	manifest *plugin.Manifest
}

func (a *app) pluginBuildCommand() *cobra.Command {
	var out string
	var debug bool
	cmd := &cobra.Command{
		Use:   "build [DIR]",
		Short: "Compile a plugin with its language's own toolchain and pack it",
		Long: `Build compiles the plugin in DIR, or in the current folder, with the toolchain of
its language, puts DIR/plugin.json into it, checks it as the host does when it loads
it, and writes it to DIR/dist/NAME.wasm. The commands that it runs are printed. When
a toolchain is missing it says what to install.

With --debug the functions keep their names, which the stack of a plugin that broke off
shows; the file is larger, and is DIR/dist/NAME.debug.wasm.

It knows a folder by its files: *.go (Go), src/lib.rs (Rust), assembly/index.ts
(AssemblyScript), plugin.c (C). For any other toolchain there is 'plugin pack'.`,
		Example: `  sourcehost plugin build
  sourcehost plugin build -o /tmp/acme.wasm ./acme`,
		Args:              optionalDir,
		ValidArgsFunction: completeDirs,
	}
	cmd.Flags().StringVarP(&out, "out", "o", "", "write the plugin to `OUT` (default DIR/dist/NAME.wasm)")
	debugFlag(cmd, &debug)
	output := outputFlag(cmd)
	jsonFlag(cmd, output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		b, err := a.build(cmd.Context(), dirOf(args), out, debug, a.stderr)
		if err != nil {
			return err
		}
		return a.inspect(b.path, b.wasm, *output)
	}
	return cmd
}

func debugFlag(cmd *cobra.Command, debug *bool) {
	cmd.Flags().BoolVar(debug, "debug", false, "keep the names of functions, for the stack of a plugin that breaks off")
}

// optionalDir is the check for commands that take a folder or none.
func optionalDir(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return fmt.Errorf("expected one folder at most, found %d arguments", len(args))
	}
	return nil
}

func completeDirs(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

func dirOf(args []string) string {
	if len(args) == 0 {
		return "."
	}
	return args[0]
}

// build compiles and packs the plugin in dir. What the toolchain is told goes to
// log. An empty out means the usual place.
func (a *app) build(ctx context.Context, dir, out string, debug bool, log io.Writer) (*built, error) {
	lang, err := toolchain.Detect(dir)
	if err != nil {
		return nil, &usageError{err: err}
	}
	manifestPath := filepath.Join(dir, "plugin.json")
	doc, m, err := readManifestFile(manifestPath)
	if err != nil {
		return nil, err
	}
	wasm, err := lang.Compile(ctx, dir, toolchain.Options{Debug: debug}, log)
	var missing *toolchain.MissingError
	if errors.As(err, &missing) {
		return nil, &usageError{err: err}
	}
	if err != nil {
		return nil, err
	}
	packed, _, err := a.packBytes(m.Name+".wasm", wasm, manifestPath, doc)
	if err != nil {
		return nil, &usageError{err: err}
	}
	if out == "" {
		name := m.Name + ".wasm"
		if debug {
			name = m.Name + ".debug.wasm" // not what is shared
		}
		out = filepath.Join(dir, "dist", name)
		if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
			return nil, err
		}
	}
	if err := replaceFile(out, packed); err != nil {
		return nil, fmt.Errorf("cannot write the plugin: %w", err)
	}
	fmt.Fprintf(log, "wrote %s\n", text.Clean(out))
	return &built{path: out, wasm: packed, manifest: m}, nil
}

// readManifestFile reads the plugin manifest of a folder.
func readManifestFile(path string) ([]byte, *plugin.Manifest, error) {
	doc, err := regular.ReadFile(path, maxText)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, usagef("%s is missing: it names the plugin, its hooks and what it requests; `sourcehost plugin new` writes one", path)
	}
	if err != nil {
		return nil, nil, &usageError{err: err}
	}
	m, err := parseManifest(path, doc)
	if err != nil {
		return nil, nil, &usageError{err: err}
	}
	return doc, m, nil
}
