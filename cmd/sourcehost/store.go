package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/progress"
	"github.com/sourcehost/sourcehost/host"
)

// storeCommand groups what is done with a store, one file per command.
func (a *app) storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "store",
		Short: "Copy and verify what is in a store",
		RunE:  group,
	}
	cmd.AddCommand(a.storeCopyCommand(), a.storeVerifyCommand())
	return cmd
}

// sourcesIn is where a store of osbuild keeps what its sources fetched.
func sourcesIn(store string) string { return filepath.Join(store, "sources") }

// runFlags are the flags of commands that work on many items.
type runFlags struct {
	workers  workerCount
	progress string
	output   *format
}

func (f *runFlags) add(cmd *cobra.Command) {
	cmd.Flags().Var(&f.workers, "workers", "work on `N` items at once (default 32)")
	cmd.Flags().StringVar(&f.progress, "progress", "auto", "what to show meanwhile, a `KIND`: auto, bar, plain, json (see 'sourcehost help progress-json') or none")
	f.output = outputFlag(cmd)
	completeWords(cmd, "progress", "auto", "bar", "plain", "json", "none")
}

// openHost makes a host whose events go to a relay.
func (a *app) openHost(cmd *cobra.Command, f *runFlags) (*host.Host, *relay, error) {
	mode, err := progress.ParseMode(f.progress)
	if err != nil {
		return nil, nil, &usageError{err: err}
	}
	cfg, err := a.hostConfig()
	if err != nil {
		return nil, nil, err
	}
	if cmd.Flags().Changed("workers") {
		cfg.Workers = int(f.workers)
	}
	live := &relay{app: a, mode: mode.Resolve(a.stderr, a.getenv("TERM"))}
	cfg.Notify, cfg.Logger = live.event, a.logger(live, live.mode)
	h, err := host.New(cfg)
	return h, live, err
}
