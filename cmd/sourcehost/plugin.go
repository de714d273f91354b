package main

import (
	"github.com/spf13/cobra"
)

// pluginCommand groups what is for authors of plugins, one file per command.
func (a *app) pluginCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plugin",
		Short: "Write, build, test and share plugins",
		RunE:  group,
	}
	cmd.AddCommand(a.pluginNewCommand(), a.pluginBuildCommand(), a.pluginTestCommand(), a.pluginConformanceCommand(),
		a.pluginPackCommand(), a.pluginInspectCommand(), a.pluginPushCommand(), a.pluginPullCommand())
	return cmd
}
