package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/internal/regular"
)

func (a *app) pluginPackCommand() *cobra.Command {
	var manifestPath, out string
	cmd := &cobra.Command{
		Use:   "pack FILE.wasm --manifest plugin.json",
		Short: "Put the plugin manifest into a plugin's wasm file",
		Long: `Pack writes the plugin manifest into a custom section of the wasm file, in place
of one that is there, and then checks the plugin as the host does when it loads
it. A plugin that the host would refuse is not written.`,
		Example: `  GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o acme.wasm .
  sourcehost plugin pack acme.wasm --manifest plugin.json -o dist/acme.wasm`,
		Args: oneFile,
	}
	cmd.Flags().StringVar(&manifestPath, "manifest", "", "plugin manifest, a JSON `FILE` (required)")
	cmd.Flags().StringVarP(&out, "out", "o", "", "write the plugin to `OUT` (default: in place of FILE.wasm)")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if manifestPath == "" {
			return usagef("no plugin manifest is given: name it with --manifest plugin.json")
		}
		if out == "" {
			out = args[0]
		}
		packed, m, err := a.pack(args[0], manifestPath)
		if err != nil {
			return &usageError{err: err}
		}
		if err := replaceFile(out, packed); err != nil {
			return fmt.Errorf("cannot write the plugin: %w", err)
		}
		fmt.Fprintf(a.stdout, "%s: %s %s, %d bytes\n", text.Clean(out), text.Clean(m.Name), text.Clean(m.Version), len(packed))
		return nil
	}
	return cmd
}

// oneFile is the check for commands that take one file.
func oneFile(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("expected the path of one .wasm file, found %d arguments", len(args))
	}
	return nil
}

// pack returns the wasm file with the manifest inside, after it has passed the
// host's checks.
func (a *app) pack(wasmPath, manifestPath string) ([]byte, *plugin.Manifest, error) {
	wasm, err := regular.ReadFile(wasmPath, maxPluginFile)
	if err != nil {
		return nil, nil, err
	}
	doc, err := regular.ReadFile(manifestPath, maxText)
	if err != nil {
		return nil, nil, err
	}
	return a.packBytes(wasmPath, wasm, manifestPath, doc)
}

// parseManifest reads a plugin manifest's file; what is wrong is reported with its
// line and column.
func parseManifest(path string, doc []byte) (*plugin.Manifest, error) {
	m, err := plugin.ParseManifest(doc)
	if err != nil {
		return nil, plugin.Locate(path, doc, err)
	}
	var errs []error
	for _, p := range host.CheckSchemas(m) {
		errs = append(errs, &plugin.Problem{Field: p.Field, Element: -1, Pointer: p.Pointer, Message: p.Message})
	}
	if len(errs) > 0 {
		return nil, plugin.Locate(path, doc, errors.Join(errs...))
	}
	return m, nil
}

// packBytes is pack with the files' contents; the paths are for errors.
func (a *app) packBytes(wasmPath string, wasm []byte, manifestPath string, doc []byte) ([]byte, *plugin.Manifest, error) {
	m, err := parseManifest(manifestPath, doc)
	if err != nil {
		return nil, nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, doc); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", manifestPath, err)
	}
	packed, err := plugin.AppendSection(wasm, abi.ManifestSection, compact.Bytes())
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", wasmPath, err)
	}
	p, err := guest.NewRuntime(guest.Config{}).Load(guest.Source{Name: wasmPath, Wasm: packed})
	if err != nil {
		return nil, nil, fmt.Errorf("the host would refuse this plugin: %w", err)
	}
	for _, hook := range undeclared(p) {
		fmt.Fprintf(a.stderr, "warning: the module has the hook %s, which %s does not declare: it is never called\n", hook, text.Clean(manifestPath))
	}
	return packed, m, nil
}

// undeclared are the hooks that a module exports and its manifest does not declare.
// A module with all of them has Go's SDK, which exports them whether it has them or
// not.
func undeclared(p *guest.Plugin) []abi.Hook {
	_, exports := p.Interface()
	var extra []abi.Hook
	all := true
	for _, hook := range abi.Hooks {
		exported := slices.Contains(exports, string(hook))
		all = all && exported
		if exported && !p.Manifest().Has(hook) {
			extra = append(extra, hook)
		}
	}
	if all {
		return nil
	}
	return extra
}

// replaceFile writes a file beside path and renames it, so that path is never
// half written.
func replaceFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".sourcehost-pack-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if _, err := f.Write(data); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
