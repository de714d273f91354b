package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// completionCommand prints the script that makes a shell complete our commands.
func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a completion script for a shell",
		Example: `  source <(sourcehost completion bash)
  sourcehost completion zsh > "${fpath[1]}/_sourcehost"
  sourcehost completion fish > ~/.config/fish/completions/sourcehost.fish`,
		ValidArgs: []string{"bash", "zsh", "fish"},
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("expected the name of one shell: bash, zsh or fish")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch args[0] {
			case "bash":
				return cmd.Root().GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return cmd.Root().GenZshCompletion(a.stdout)
			case "fish":
				return cmd.Root().GenFishCompletion(a.stdout, true)
			}
			return usagef("unknown shell %q: use bash, zsh or fish", args[0])
		},
	}
}

// completeWords completes a flag's value from a fixed list.
func completeWords(cmd *cobra.Command, flag string, words ...string) {
	must(cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)))
}

// completeSources completes the names of sources: those of the manifest when
// one is on the command line already, else all that are known.
func (a *app) completeSources(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	const none = cobra.ShellCompDirectiveNoFileComp
	cfg, err := a.hostConfig()
	if err != nil {
		return nil, none
	}
	h, err := a.newHost(cfg)
	if err != nil {
		return nil, none
	}
	defer h.Close()
	var names []string
	if len(args) == 1 && args[0] != "-" {
		if m, err := a.readManifest(cmd.Context(), h, args[0]); err == nil {
			for _, s := range m.Sources {
				names = append(names, s.Name)
			}
			return names, none
		}
	}
	for _, s := range h.Sources() {
		names = append(names, s.Name)
	}
	return names, none
}

// must panics when the flag that is to be completed does not exist, which is a
// mistake in this package that any test finds.
func must(err error) {
	if err != nil {
		panic(err)
	}
}
