package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/progress"
	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/internal/nearest"
)

const rootLong = `sourcehost fetches everything that the sources of an osbuild manifest name and
puts it, verified, into an osbuild store. What is particular to each source is
in a WebAssembly plugin; the usual ones are part of this program.

Results go to standard output, progress and the log to standard error.

Exit status:
  0        all items are in the store; nothing wrong was found
  1        some items failed (each is named, with its cause)
  2        the command line, the configuration or the manifest is wrong
  130, 143 interrupted by SIGINT, SIGTERM: the first stops in order and keeps
           partial downloads, the second stops at once

Environment (flags win over it, and it wins over the configuration file):
  SOURCEHOST_CONFIG   configuration file, instead of /etc/sourcehost/sourcehost.toml
  SOURCEHOST_STORE    osbuild store, instead of .osbuild
  SOURCEHOST_WORKERS  how many items are fetched at once
  SOURCEHOST_CACHE    folder for compiled plugins; empty for none
  https_proxy, http_proxy, no_proxy, OSBUILD_SOURCES_...  as osbuild's own sources`

const rootExample = `  sourcehost fetch manifest.json
  jq .manifest compose.json | sourcehost fetch --store /var/lib/osbuild/store -
  sourcehost check manifest.json
  sourcehost sources -v`

// rootCommand wires all commands.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "sourcehost",
		Short:         "Fetch the sources of osbuild manifests",
		Long:          rootLong,
		Example:       rootExample,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          group,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if _, err := parseLevel(a.logLevel); err != nil {
				return err
			}
			a.started = true
			return nil
		},
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().StringVar(&a.configPath, "config", "", "configuration `FILE` (default /etc/sourcehost/sourcehost.toml, if it is there)")
	root.PersistentFlags().StringVar(&a.logLevel, "log-level", "warn", "what to log, a `LEVEL`: debug, info, warn or error")
	root.SetFlagErrorFunc(suggestFlag)
	root.AddCommand(a.fetchCommand(), a.checkCommand(), a.sourcesCommand(), a.configCommand(), a.storeCommand(), a.pluginCommand(), a.osbuildCommand(),
		a.versionCommand(), a.completionCommand(), progressTopic())
	must(root.MarkPersistentFlagFilename("config", "toml"))
	completeWords(root, "log-level", "debug", "info", "warn", "error")
	return root
}

// progressTopic is a page of help, not a command.
func progressTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "progress-json",
		Short: "What fetch --progress json writes",
		Long:  "With --progress json, fetch writes lines for machines to standard error.\n" + progress.Schema,
	}
}

// group is the action of a command that only has subcommands.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return &usageError{err: errors.New("no command is given"), help: cmd.CommandPath()}
	}
	cmd.SuggestionsMinimumDistance = 2
	message := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		message += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return &usageError{err: errors.New(message), help: cmd.CommandPath()}
}

// suggestFlag adds the nearest known flag to the error for an unknown one.
func suggestFlag(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || len(unknown.GetSpecifiedName()) < 2 {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near := nearest.Name(unknown.GetSpecifiedName(), names); near != "" {
		return fmt.Errorf("%w; did you mean --%s?", err, near)
	}
	return err
}

func parseLevel(name string) (slog.Level, error) {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	level, ok := levels[name]
	if !ok {
		return 0, fmt.Errorf("unknown log level %q: use debug, info, warn or error", name)
	}
	return level, nil
}

// logger writes to w: as JSON lines of the event "log" beside JSON progress,
// else as text. The time is left out of the text, since who keeps logs adds it.
func (a *app) logger(w io.Writer, mode progress.Mode) *slog.Logger {
	level, err := parseLevel(a.logLevel)
	if err != nil {
		level = slog.LevelWarn // was checked before the command started
	}
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
		if len(groups) == 0 && attr.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return attr
	}}
	if mode == progress.JSON {
		return slog.New(slog.NewJSONHandler(filter{w, text.JSON}, opts)).With("event", "log")
	}
	return slog.New(slog.NewTextHandler(filter{w, cleanLine}, opts))
}

// filter passes what is written through fn, one whole line at a time.
type filter struct {
	w  io.Writer
	fn func([]byte) []byte
}

func (f filter) Write(line []byte) (int, error) {
	if _, err := f.w.Write(f.fn(line)); err != nil {
		return 0, err
	}
	return len(line), nil
}

func cleanLine(line []byte) []byte { return []byte(text.CleanLines(string(line))) }
