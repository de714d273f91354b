package main

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/internal/author/scaffold"
	"github.com/sourcehost/sourcehost/internal/builtin"
)

func (a *app) pluginNewCommand() *cobra.Command {
	var o scaffold.Options
	cmd := &cobra.Command{
		Use:   "new [DIR/]NAME",
		Short: "Write the folder of a new plugin, which builds and passes its test",
		Long: `New writes a folder with the source of a plugin, its plugin manifest, a case file
that tests it, a copy of the SDK and a README with the next three commands. It
needs no network, and neither does building the plugin in Go, Rust or C. The name is
that of the folder, which may be there, empty; "." is the current one.

The hook says what the plugin does: "prepare" changes how items of other sources
are fetched (mirrors, tokens, headers), "filter" skips or refuses items, "source"
serves a source of its own.`,
		Example: `  sourcehost plugin new acme-mirror
  sourcehost plugin new --lang rust --hook filter policy
  cd acme-mirror && sourcehost plugin test .`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("expected the name of one plugin, found %d arguments", len(args))
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVar(&o.Language, "lang", "go", "write it in `LANGUAGE`: go, rust, c or assemblyscript")
	cmd.Flags().StringVar(&o.Hook, "hook", "prepare", "what it is to do, a `HOOK`: prepare, filter or source")
	completeWords(cmd, "lang", scaffold.Languages()...)
	completeWords(cmd, "hook", scaffold.Hooks()...)
	cmd.RunE = func(_ *cobra.Command, args []string) error { return a.newPlugin(args[0], o) }
	return cmd
}

// newPlugin writes the folder dir.
func (a *app) newPlugin(dir string, o scaffold.Options) error {
	path, err := filepath.Abs(dir) // so that "." has a name
	if err != nil {
		return &usageError{err: err}
	}
	o.Name = filepath.Base(path)
	if slices.Contains(builtin.Names(), o.Name) {
		return usagef("a plugin named %q is part of this program: give yours another name", o.Name)
	}
	if err := scaffold.Write(dir, o); err != nil {
		return &usageError{err: err}
	}
	fmt.Fprintf(a.stdout, "wrote %s; next:\n", text.Clean(dir))
	if dir != "." {
		fmt.Fprintf(a.stdout, "  cd %s\n", text.Clean(dir))
	}
	if o.Language == "assemblyscript" {
		fmt.Fprintln(a.stdout, "  npm install")
	}
	fmt.Fprintln(a.stdout, "  sourcehost plugin test .")
	return nil
}
