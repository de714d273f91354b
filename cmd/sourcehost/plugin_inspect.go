package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// inspectDocument is the document of `plugin inspect --output json`.
type inspectDocument struct {
	Path     string          `json:"path"`
	Bytes    int             `json:"bytes"`
	SHA256   string          `json:"sha256"`
	Manifest json.RawMessage `json:"manifest"`
}

func (a *app) pluginInspectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "inspect FILE.wasm",
		Short: "Check a plugin and show its manifest, without running it",
		Long: `Inspect checks a plugin as the host does when it loads it, and shows what the
plugin says about itself: the sources it serves, its hooks, the config that it
takes, and the capabilities that it requests, each with the reason. Nothing of the plugin is run. The exit
status is 2 when the host would refuse it.`,
		Example: `  sourcehost plugin inspect acme.wasm
  sourcehost plugin inspect --output json acme.wasm | jq .manifest.capabilities`,
		Args: oneFile,
	}
	output := outputFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		wasm, err := os.ReadFile(args[0])
		if err != nil {
			return &usageError{err: err}
		}
		p, err := guest.NewRuntime(guest.Config{}).Load(guest.Source{Name: args[0], Wasm: wasm})
		if err != nil {
			return &usageError{err: err}
		}
		if *output == formatJSON {
			section, err := plugin.Section(wasm, abi.ManifestSection)
			if err != nil {
				return &usageError{err: err}
			}
			return writeJSON(a.stdout, inspectDocument{Path: args[0], Bytes: len(wasm), SHA256: p.Hash(), Manifest: section})
		}
		printManifest(a.stdout, p.Manifest(), p.Hash(), len(wasm))
		return nil
	}
	return cmd
}

func printManifest(w io.Writer, m *plugin.Manifest, hash string, size int) {
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-12s %s\n", name, text.Clean(value))
		}
	}
	var hooks []string
	for _, h := range m.Hooks {
		hooks = append(hooks, string(h))
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
	row("instances", fmt.Sprint(m.Instances()))
	row("size", fmt.Sprintf("%d bytes", size))
	row("sha256", hash)
	for _, line := range settingLines(m.Config) {
		row("config", line)
	}
	for _, c := range m.Capabilities {
		row("requests", fmt.Sprintf("%s: %s", strings.TrimSpace(c.Name+" "+strings.Join(c.Values, ", ")), c.Reason))
	}
}
