package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host/osbuild"
	"github.com/sourcehost/sourcehost/host/osbuild/libdir"
)

func (a *app) osbuildStatusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell what is installed in place of osbuild's sources, and what is wrong",
		Long: `Status looks at a library folder and changes nothing. The exit status is 1 when
something is wrong: an installation that was interrupted, files that are missing,
changed, or out of date, and files that osbuild would take for modules.`,
		Example: `  sourcehost osbuild status
  sourcehost osbuild status --output json | jq .problems`,
		Args: cobra.NoArgs,
	}
	dir := libdirFlag(cmd)
	version := versionFlag(cmd)
	output := outputFlag(cmd)
	cmd.RunE = func(*cobra.Command, []string) error {
		v, err := version(*dir)
		if err != nil {
			return err
		}
		known, err := a.modules()
		if err != nil {
			return err
		}
		st, err := libdir.Inspect(*dir, known, v)
		if err != nil {
			return err
		}
		if *output == formatJSON {
			err = writeJSON(a.stdout, st)
		} else {
			a.printStatus(st)
		}
		if err == nil && len(st.Problems) > 0 {
			return &quietError{err: errors.New("something is wrong")}
		}
		return err
	}
	return cmd
}

func (a *app) printStatus(st *libdir.Status) {
	fmt.Fprintf(a.stdout, "libdir     %s, %s\n", text.Clean(st.Libdir), st.Phase)
	if st.Shadow != "" {
		fmt.Fprintf(a.stdout, "shadow of  %s\n", text.Clean(st.Shadow))
	}
	fmt.Fprintf(a.stdout, "osbuild    %s", osbuild.Version(st.Osbuild))
	if st.Phase != "not installed" && st.InstalledFor != st.Osbuild {
		fmt.Fprintf(a.stdout, ", installed for %s", osbuild.Version(st.InstalledFor))
	}
	fmt.Fprintln(a.stdout)
	if st.Binary != "" {
		fmt.Fprintf(a.stdout, "program    %s (%s)\n", text.Clean(st.Binary), st.Link)
	}
	for _, m := range st.Modules {
		verdict := "ok"
		if len(m.Problems) > 0 {
			verdict = "wrong"
		}
		fmt.Fprintf(a.stdout, "source     %s: %s\n", text.Clean(m.Name), verdict)
	}
	if len(st.Missing) > 0 && len(st.Modules) > 0 {
		fmt.Fprintf(a.stdout, "beside     %s: served, but not installed\n", text.Clean(strings.Join(st.Missing, ", ")))
	}
	for _, p := range st.Problems {
		fmt.Fprintf(a.stdout, "problem: %s\n", text.Clean(p))
	}
}
