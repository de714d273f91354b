package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/builtin"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// versionInfo is the document of `version --output json`.
type versionInfo struct {
	Version  string          `json:"version"`
	Revision string          `json:"revision,omitempty"`
	Time     string          `json:"time,omitempty"`
	Modified bool            `json:"modified,omitempty"`
	Go       string          `json:"go"`
	ABI      int             `json:"abi"`
	Plugins  []versionPlugin `json:"plugins"`
}

type versionPlugin struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

func (a *app) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the versions of program, plugin contract and built-in plugins",
		Args:  cobra.NoArgs,
	}
	output := outputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		info, err := readVersion()
		if err != nil {
			return err
		}
		if *output == formatJSON {
			return writeJSON(a.stdout, info)
		}
		fmt.Fprintf(a.stdout, "sourcehost %s\n", info.Version)
		if info.Revision != "" {
			changed := ""
			if info.Modified {
				changed = ", with changes"
			}
			fmt.Fprintf(a.stdout, "revision   %s (%s%s)\n", info.Revision, info.Time, changed)
		}
		fmt.Fprintf(a.stdout, "go         %s\nplugin ABI %d\n", info.Go, info.ABI)
		for _, p := range info.Plugins {
			fmt.Fprintf(a.stdout, "plugin     %s %s\n", text.Clean(p.Name), text.Clean(p.Version))
		}
		if len(info.Plugins) == 0 {
			fmt.Fprintf(a.stdout, "plugin     none: %v\n", builtin.ErrNone)
		}
		return nil
	}
	return cmd
}

// readVersion collects what the build left in the binary. No plugin is run.
func readVersion() (versionInfo, error) {
	info := versionInfo{Version: "unknown", Go: runtime.Version(), ABI: abi.Version, Plugins: []versionPlugin{}}
	if b, ok := debug.ReadBuildInfo(); ok {
		if b.Main.Version != "" {
			info.Version = b.Main.Version
		}
		for _, s := range b.Settings {
			switch s.Key {
			case "vcs.revision":
				info.Revision = s.Value
			case "vcs.time":
				info.Time = s.Value
			case "vcs.modified":
				info.Modified = s.Value == "true"
			}
		}
	}
	embedded, err := builtin.Plugins()
	if err != nil { // a binary without plugins still has a version
		return info, nil
	}
	for _, p := range embedded {
		section, err := plugin.Section(p.Wasm, abi.ManifestSection)
		if err != nil {
			return info, fmt.Errorf("built-in plugin %s: %w", p.Name, err)
		}
		m, err := plugin.ParseManifest(section)
		if err != nil {
			return info, fmt.Errorf("built-in plugin %s: %w", p.Name, err)
		}
		info.Plugins = append(info.Plugins, versionPlugin{Name: m.Name, Version: m.Version})
	}
	return info, nil
}
