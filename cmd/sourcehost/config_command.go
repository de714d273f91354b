package main

import (
	"github.com/spf13/cobra"
)

// configCommand groups what is about the configuration.
func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check and show the configuration",
		RunE:  group,
	}
	cmd.AddCommand(a.configCheckCommand(), a.configShowCommand())
	return cmd
}
