package main

import (
	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/osbuild"
	"github.com/sourcehost/sourcehost/host/osbuild/libdir"
)

// defaultLibdir is where packages of osbuild have their modules.
const defaultLibdir = "/usr/lib/osbuild"

// osbuildCommand groups what puts this program in place of osbuild's sources.
func (a *app) osbuildCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "osbuild",
		Short: "Install this program in place of osbuild's sources",
		Long: `Osbuild starts one program for each source of a manifest: the file of that name
in the folder sources/ of its library folder ("libdir"). Under such a name this
program is that source, with the configuration and the plugins that its commands
have. See docs/osbuild.md.`,
		RunE: group,
	}
	cmd.AddCommand(a.osbuildInstallCommand(), a.osbuildUninstallCommand(), a.osbuildStatusCommand())
	return cmd
}

// libdirFlag adds --libdir to a command.
func libdirFlag(cmd *cobra.Command) *string {
	dir := cmd.Flags().String("libdir", defaultLibdir, "osbuild's library folder, a `DIR`")
	must(cmd.MarkFlagDirname("libdir"))
	return dir
}

// versionFlag adds --osbuild-version to a command. The function that it returns
// gives the version for a library folder.
func versionFlag(cmd *cobra.Command) func(dir string) (osbuild.Version, error) {
	flag := cmd.Flags().String("osbuild-version", "", "the `VERSION` of osbuild, instead of that of the Python package that belongs to the library folder")
	return func(dir string) (osbuild.Version, error) {
		if !cmd.Flags().Changed("osbuild-version") {
			return libdir.VersionFor(dir), nil
		}
		v, err := osbuild.ParseVersion(*flag)
		if err != nil {
			return 0, usagef("--osbuild-version is %q: %w", *flag, err)
		}
		return v, nil
	}
}

// modules are the sources that this program serves with its configuration.
func (a *app) modules() ([]libdir.Module, error) {
	cfg, err := a.hostConfig()
	if err != nil {
		return nil, err
	}
	h, err := host.New(cfg)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	var all []libdir.Module
	for _, s := range h.Sources() {
		p := s.Plugin
		all = append(all, libdir.Module{Name: s.Name, Summary: p.Summary, Description: p.Description, Schema: p.Schema})
	}
	return all, nil
}
