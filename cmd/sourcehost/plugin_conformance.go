package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host/conformance"
	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/author/cases"
	"github.com/sourcehost/sourcehost/internal/author/conform"
)

// conformanceDocument is the document of `plugin conformance --output json`.
type conformanceDocument struct {
	Plugin string           `json:"plugin"`
	Passed int              `json:"passed"`
	Failed int              `json:"failed"`
	Checks []conformanceRow `json:"checks"`
}

type conformanceRow struct {
	Hook   string `json:"hook,omitempty"`
	Check  string `json:"check"`
	Passed bool   `json:"passed"`
	Error  string `json:"error,omitempty"`
	Stack  string `json:"stack,omitempty"`
}

func (a *app) pluginConformanceCommand() *cobra.Command {
	var verbose, specified, debug bool
	cmd := &cobra.Command{
		Use:   "conformance [FILE.wasm|DIR [CASE]]",
		Short: "Check that a plugin keeps the contract, whatever it does",
		Long: `Conformance calls each hook of a plugin in all the ways that the contract allows:
with empty, full and large pages, strange descriptions, fields of later versions,
escapes of every kind, a host that denies, does not know or fails every operation, and
again and again. The plugin may fail items and pages, but must say so in order: it must
not trap, leave its limits, or write what is no output.

A plugin that needs options or a configuration gets them, and its items, from a CASE
file, by default the first in "cases" beside the plugin. DIR is the folder of a plugin,
which is built first, the current one without arguments. The exit status is 1 when a check fails.

With --guest the plugin is the guest of docs/conformance.md, by which SDKs and new
languages are tested, and its behaviour is compared with what is specified there.`,
		Example: `  sourcehost plugin conformance acme.wasm
  sourcehost plugin conformance . cases/one.json
  sourcehost plugin conformance --guest guest.wasm`,
		Args: func(_ *cobra.Command, args []string) error {
			if args = orHere(args); len(args) < 1 || len(args) > 2 {
				return fmt.Errorf("expected a .wasm file or a folder, and a case file at most; found %d arguments", len(args))
			}
			return nil
		},
	}
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "also print the checks that pass")
	cmd.Flags().BoolVar(&specified, "guest", false, "also check that it does what docs/conformance.md specifies")
	debugFlag(cmd, &debug)
	output := outputFlag(cmd)
	jsonFlag(cmd, output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		doc, err := a.conformance(cmd.Context(), orHere(args), specified, debug)
		if err != nil {
			return err
		}
		return a.reportConformance(doc, verbose, *output)
	}
	return cmd
}

func (a *app) conformance(ctx context.Context, args []string, specified, debug bool) (conformanceDocument, error) {
	doc := conformanceDocument{Checks: []conformanceRow{}}
	s, err := a.subject(ctx, args, debug)
	if err != nil {
		return doc, err
	}
	doc.Plugin = s.path
	bench, err := a.bench(s)
	if err != nil {
		return doc, err
	}
	kit := &conform.Kit{Name: s.path, Wasm: s.wasm, Limits: bench.Limits, CacheDir: bench.CacheDir}
	if kit.Sample, err = sample(s, len(args) > 1); err != nil {
		return doc, &usageError{err: err}
	}
	if _, err := checkPlugin(s.path, s.wasm); err != nil {
		return doc, err
	}
	results, err := kit.Run(ctx)
	if err != nil {
		return doc, err
	}
	for _, r := range results {
		doc.add(r.Hook, r.Name, r.Err)
	}
	if !specified {
		return doc, nil
	}
	outcomes, err := conformance.Run(ctx, guest.Config{Limits: kit.Limits, CacheDir: kit.CacheDir}, s.path, s.wasm)
	if err != nil {
		return doc, &usageError{err: err}
	}
	for _, r := range outcomes {
		doc.add(r.Hook, "specified: "+r.Name, r.Err)
	}
	return doc, nil
}

// add adds one check.
func (d *conformanceDocument) add(hook abi.Hook, name string, err error) {
	row := conformanceRow{Hook: string(hook), Check: name, Passed: err == nil}
	if err != nil {
		var broken *conform.BrokenError
		if row.Error = err.Error(); errors.As(err, &broken) {
			row.Stack = broken.Err.Stack
		}
		d.Failed++
	} else {
		d.Passed++
	}
	d.Checks = append(d.Checks, row)
}

// sample is the first case of the plugin; without one it is nil, unless it was
// asked for.
func sample(s subject, asked bool) (*cases.Case, error) {
	all, err := cases.Load(s.cases)
	if err != nil {
		if asked {
			return nil, err
		}
		return nil, nil // most plugins do without
	}
	return all[0], nil
}

func (a *app) reportConformance(doc conformanceDocument, verbose bool, output format) error {
	if output == formatJSON {
		if err := writeJSON(a.stdout, doc); err != nil {
			return err
		}
	} else {
		seen := map[string]bool{} // hooks whose stack was printed: one is enough
		for _, r := range doc.Checks {
			a.printVerdict(r, verbose)
			if r.Stack != "" && !seen[r.Hook] {
				printStack(a.stdout, r.Stack)
				seen[r.Hook] = true
			}
		}
		fmt.Fprintf(a.stdout, "%d passed, %d failed\n", doc.Passed, doc.Failed)
	}
	if doc.Failed > 0 {
		return &quietError{errors.New("the plugin does not keep the contract")}
	}
	return nil
}

func (a *app) printVerdict(r conformanceRow, verbose bool) {
	if r.Passed && !verbose {
		return
	}
	what := r.Check
	if r.Hook != "" {
		what = r.Hook + ": " + what
	}
	if r.Passed {
		fmt.Fprintf(a.stdout, "ok    %s\n", text.Clean(what))
		return
	}
	fmt.Fprintf(a.stdout, "FAIL  %s\n", text.Clean(what))
	indented(a.stdout, "%s", text.Clean(r.Error))
}
