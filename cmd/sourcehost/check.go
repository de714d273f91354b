package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host/manifest"
)

// checkDocument is the document of `check --output json`, and of fetch when the
// manifest is wrong.
type checkDocument struct {
	Valid    bool              `json:"valid"`
	Sources  []checkedSource   `json:"sources,omitempty"`
	Problems manifest.Problems `json:"problems,omitempty"`
}

type checkedSource struct {
	Source string `json:"source"`
	Items  int    `json:"items"`
}

func (a *app) checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check MANIFEST|-",
		Short: "Check the sources of a manifest, offline",
		Long: `Check reads a manifest and checks its sources against the schemas of their
plugins. It needs no network and runs no plugin. All problems are listed, each
with its source, its place as a JSON pointer, and what is wrong. The exit status
is 2 when there are any.

A manifest is one of osbuild's, of format version 2 or 1, or an object that has
one as its "manifest", or just {"sources": {...}}.`,
		Example: `  sourcehost check manifest.json
  sourcehost check --output json - < manifest.json | jq .problems`,
		Args: oneManifest,
	}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		cfg, err := a.hostConfig()
		if err != nil {
			return err
		}
		h, err := a.newHost(cfg)
		if err != nil {
			return err
		}
		defer h.Close()
		m, err := a.readManifest(cmd.Context(), h, args[0])
		if err == nil {
			err = h.Check(m).Err()
		}
		return a.showCheck(*output, m, err)
	}
	return cmd
}

// showCheck writes what was found. A manifest with problems gives an error that
// only sets the exit status, since they are the result.
func (a *app) showCheck(output format, m *manifest.Manifest, err error) error {
	var problems manifest.Problems
	if err != nil && !errors.As(err, &problems) {
		return err
	}
	if output == formatJSON {
		doc := checkDocument{Valid: err == nil, Problems: problems}
		if err == nil {
			doc.Sources = checkedSources(m)
		}
		if failed := writeJSON(a.stdout, doc); failed != nil {
			return failed
		}
	} else {
		a.printCheck(m, problems)
	}
	if err != nil {
		return &quietError{err: err}
	}
	return nil
}

func (a *app) printCheck(m *manifest.Manifest, problems manifest.Problems) {
	if len(problems) > 0 {
		printProblems(a.stdout, problems)
		return
	}
	for _, s := range checkedSources(m) {
		fmt.Fprintf(a.stdout, "%s: %s, valid\n", text.Clean(s.Source), text.Count(s.Items, "item"))
	}
	if len(m.Sources) == 0 {
		fmt.Fprintln(a.stdout, "the manifest has no sources")
	}
}

// printProblems writes one line per problem: its source, its place, what it is.
func printProblems(w io.Writer, problems manifest.Problems) {
	for _, p := range problems {
		source := p.Shown().Source
		if source == "" {
			source = "manifest"
		}
		fmt.Fprintf(w, "%s: %s\n", text.Clean(source), text.Clean(p.String()))
	}
	fmt.Fprintf(w, "%s found\n", text.Count(len(problems), "problem"))
}

func checkedSources(m *manifest.Manifest) []checkedSource {
	var sources []checkedSource
	for _, s := range m.Sources {
		sources = append(sources, checkedSource{Source: s.Name, Items: len(s.Items)})
	}
	return sources
}
