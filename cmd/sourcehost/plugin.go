package main

import (
	"github.com/spf13/cobra"
)

// pluginCommand groups what is for authors of plugins, one file per command.
func (a *app) pluginCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin",
		Short: "Pack and inspect plugins",
		RunE:  group,
	}
	cmd.AddCommand(a.pluginPackCommand(), a.pluginInspectCommand())
	return cmd
}
