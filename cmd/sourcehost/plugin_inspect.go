package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/builtin"
	"github.com/sourcehost/sourcehost/internal/nearest"
	"github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/internal/regular"
)

// inspectDocument is the document of `plugin inspect --output json`.
type inspectDocument struct {
	Path     string          `json:"path"`
	Bytes    int             `json:"bytes"`
	SHA256   string          `json:"sha256"`
	Imports  []string        `json:"imports"`
	Exports  []string        `json:"exports"`
	Manifest json.RawMessage `json:"manifest"`
}

func (a *app) pluginInspectCommand() *cobra.Command {
	var f registryFlags
	cmd := &cobra.Command{
		Use:   "inspect FILE|oci://REF|builtin:NAME",
		Short: "Check a plugin and show all about it, without running it",
		Long: `Inspect checks a plugin as the host does when it loads it, and shows what the
plugin says about itself: the sources it serves, its hooks, the config that it takes,
and the capabilities that it requests, each with the reason; and what it imports and
exports. Nothing of the plugin is run. The exit status is 2 when the host would refuse it.

A plugin in a registry is oci://REGISTRY/REPOSITORY:TAG, or @DIGEST in place of
:TAG; one that is part of this program is builtin:NAME.`,
		Example: `  sourcehost plugin inspect acme.wasm
  sourcehost plugin inspect --json acme.wasm | jq .manifest.capabilities
  sourcehost plugin inspect builtin:curl
  sourcehost plugin inspect oci://registry.example/plugins/acme:1.0`,
		Args:              onePlugin,
		ValidArgsFunction: completePlugins,
	}
	output := outputFlag(cmd)
	jsonFlag(cmd, output)
	f.add(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		wasm, err := a.pluginBytes(cmd.Context(), args[0], f)
		if err != nil {
			return err
		}
		return a.inspect(args[0], wasm, *output)
	}
	return cmd
}

// onePlugin is the check for commands that take one plugin.
func onePlugin(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("expected one plugin: a .wasm file, oci://REF or builtin:NAME; found %d arguments", len(args))
	}
	return nil
}

// builtinPrefix names a plugin that is part of the program.
const builtinPrefix = "builtin:"

func completePlugins(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var names []string
	for _, n := range builtin.Names() {
		names = append(names, builtinPrefix+n)
	}
	return names, cobra.ShellCompDirectiveDefault
}

// pluginBytes reads a plugin as commands name it.
func (a *app) pluginBytes(ctx context.Context, name string, f registryFlags) ([]byte, error) {
	if n, ok := strings.CutPrefix(name, builtinPrefix); ok {
		return builtinWasm(n)
	}
	if isReference(name) {
		p, err := a.pullPlugin(ctx, name, f)
		return p.Wasm, err
	}
	return readPlugin(name)
}

// What is read of files that others have made, in bytes. A plugin may be larger than
// the configuration allows and yet be looked at.
const (
	maxPluginFile = 256 << 20
	maxText       = 16 << 20 // a manifest, the configuration
)

// readPlugin reads a plugin's file.
func readPlugin(path string) ([]byte, error) {
	if isDir(path) {
		return nil, usagef("%s is a folder: build it with `sourcehost plugin build %[1]s` and name the file that this writes", path)
	}
	wasm, err := regular.ReadFile(path, maxPluginFile)
	if err != nil {
		if slices.Contains(builtin.Names(), path) {
			return nil, usagef("there is no file %s; the plugin that is part of the program is %s%[1]s", path, builtinPrefix)
		}
		return nil, &usageError{err: err}
	}
	return wasm, nil
}

func builtinWasm(name string) ([]byte, error) {
	embedded, err := builtin.Plugins()
	if err != nil {
		return nil, err
	}
	for _, p := range embedded {
		if p.Name == name {
			return p.Wasm, nil
		}
	}
	if near := nearest.Name(name, builtin.Names()); near != "" {
		return nil, usagef("there is no built-in plugin %q; did you mean %s%s?", name, builtinPrefix, near)
	}
	return nil, usagef("there is no built-in plugin %q; there are %s", name, strings.Join(builtin.Names(), ", "))
}

// inspect prints all about a plugin.
func (a *app) inspect(name string, wasm []byte, output format) error {
	p, err := checkPlugin(name, wasm)
	if err != nil {
		return err
	}
	imports, exports := p.Interface()
	if output == formatJSON {
		section, err := plugin.Section(wasm, abi.ManifestSection)
		if err != nil {
			return &usageError{err: err}
		}
		return writeJSON(a.stdout, inspectDocument{Path: name, Bytes: len(wasm), SHA256: p.Hash(), Imports: imports, Exports: exports, Manifest: section})
	}
	printManifest(a.stdout, p.Manifest(), p.Hash(), len(wasm))
	printWrapped(a.stdout, "imports", imports)
	printWrapped(a.stdout, "exports", exports)
	return nil
}

// printWrapped prints a list over lines of bounded length.
func printWrapped(w io.Writer, name string, words []string) {
	const width = 100
	line := ""
	flush := func() {
		if line != "" {
			fmt.Fprintf(w, "%-12s %s\n", name, line)
			name, line = "", ""
		}
	}
	for i, word := range words {
		if i < len(words)-1 {
			word += ","
		}
		word = text.Clean(word)
		if line != "" && len(line)+1+len(word) > width {
			flush()
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	flush()
}

func printManifest(w io.Writer, m *plugin.Manifest, hash string, size int) {
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-12s %s\n", name, text.Clean(value))
		}
	}
	var hooks, formats []string
	for _, h := range m.Hooks {
		hooks = append(hooks, string(h))
	}
	for _, f := range m.Formats {
		formats = append(formats, f.Name)
	}
	row("plugin", m.Name+" "+m.Version)
	row("summary", m.Summary)
	for _, line := range m.Description {
		row("", line)
	}
	row("plugin ABI", fmt.Sprint(m.ABI))
	row("sources", strings.Join(m.Sources, ", "))
	row("items also", strings.Join(m.ItemsAlias, ", "))
	row("hooks", strings.Join(hooks, ", "))
	row("produces", m.Produces)
	row("content type", m.ContentType)
	row("formats", strings.Join(formats, ", "))
	row("instances", fmt.Sprint(m.Instances()))
	row("schemas", schemas(m))
	row("size", fmt.Sprintf("%d bytes", size))
	row("sha256", hash)
	for _, line := range settingLines(m.Config) {
		row("config", line)
	}
	for _, c := range m.Capabilities {
		row("requests", fmt.Sprintf("%s: %s", strings.TrimSpace(c.Name+" "+strings.Join(c.Values, ", ")), c.Reason))
	}
}

// schemas says what the plugin has a JSON Schema of; --json shows them.
func schemas(m *plugin.Manifest) string {
	var has []string
	for _, s := range []struct {
		what   string
		schema json.RawMessage
	}{{"source", m.Schema}, {"prepared", m.Prepared}, {"config", m.Config}} {
		if len(s.schema) > 0 {
			has = append(has, s.what)
		}
	}
	return strings.Join(has, ", ")
}
