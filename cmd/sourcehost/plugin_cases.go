package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/host/config"
	"github.com/sourcehost/sourcehost/internal/author/cases"
	"github.com/sourcehost/sourcehost/internal/builtin"
	"github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/internal/regular"
)

// testFlags are the flags of `plugin test`.
type testFlags struct {
	update, watch, verbose, debug bool
	output                        *format
}

func (a *app) pluginTestCommand() *cobra.Command {
	var f testFlags
	cmd := &cobra.Command{
		Use:   "test [FILE.wasm|DIR [CASES]]",
		Short: "Run a plugin on case files and compare what it does",
		Long: `Test calls the hooks of a plugin with the items of case files, answers what it asks
for as the files say, and compares what comes of it with what they expect. The plugin
runs as it does in a fetch; what it asks for is judged by what its manifest requests.
For each case it prints the time of each hook and the memory used, with their limits,
and every operation with its sizes and time, and where something differs, how. Where a
plugin broke off it prints its stack, with the names of functions when it was built with
--debug; such a case is not updated.

DIR is the folder of a plugin, which is built first; without arguments it is the current
folder, when that is one. CASES is a case file or a folder of them, otherwise "cases" beside the plugin, or beside the plugin.json of the folder
above, as for dist/NAME.wasm. docs/plugins.md describes the format.
The exit status is 1 when a case fails.`,
		Example: `  sourcehost plugin test .
  sourcehost plugin test --watch .
  sourcehost plugin test --update acme.wasm cases/new.json`,
		Args: func(_ *cobra.Command, args []string) error {
			if args = orHere(args); len(args) < 1 || len(args) > 2 {
				return fmt.Errorf("expected a .wasm file or a folder, and a case file or a folder of them; found %d arguments", len(args))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&f.update, "update", false, "write what happens into the case files, as what they expect")
	cmd.Flags().BoolVar(&f.watch, "watch", false, "build and run again whenever a file changes, until interrupted")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "also print the log of the plugin, and all operations of a case, not 20 only")
	debugFlag(cmd, &f.debug)
	f.output = outputFlag(cmd)
	jsonFlag(cmd, f.output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		args = orHere(args)
		if f.watch {
			return a.watch(cmd.Context(), args, f)
		}
		return a.testPlugin(cmd.Context(), args, f)
	}
	return cmd
}

// orHere are the arguments, or the current folder when there are none and it is that
// of a plugin.
func orHere(args []string) []string {
	if len(args) == 0 && isThere("plugin.json") {
		return []string{"."}
	}
	return args
}

// subject is a plugin under test, and where its cases are.
type subject struct {
	path, cases string
	wasm        []byte
}

// subject reads or builds the plugin that arguments name.
func (a *app) subject(ctx context.Context, args []string, debug bool) (subject, error) {
	s := subject{path: args[0], cases: casesOf(args[0])}
	if len(args) > 1 {
		s.cases = args[1]
	}
	if isDir(args[0]) {
		b, err := a.build(ctx, args[0], "", debug, a.stderr)
		if err != nil {
			return s, err
		}
		s.path, s.wasm = b.path, b.wasm
		return s, nil
	}
	if debug {
		return s, usagef("%s is built already: --debug is for the folder of a plugin", args[0])
	}
	wasm, err := regular.ReadFile(args[0], maxPluginFile)
	if err != nil {
		return s, &usageError{err: err}
	}
	s.wasm = wasm
	return s, nil
}

// casesOf is the folder with the cases of a plugin, a folder or a file: beside it, or,
// for a file in "dist", where builds go, beside the plugin.json above.
func casesOf(path string) string {
	dir := path
	if !isDir(path) {
		dir = filepath.Dir(path)
	}
	beside := filepath.Join(dir, "cases")
	above := filepath.Join(dir, "..")
	if isDir(path) || isDir(beside) || !isThere(filepath.Join(above, "plugin.json")) {
		return beside
	}
	return filepath.Join(above, "cases")
}

// testPlugin runs the cases once.
func (a *app) testPlugin(ctx context.Context, args []string, f testFlags) error {
	s, err := a.subject(ctx, args, f.debug)
	if err != nil {
		return err
	}
	all, err := cases.Load(s.cases)
	if err != nil {
		return &usageError{err: err}
	}
	bench, err := a.bench(s)
	if err != nil {
		return err
	}
	if _, err := checkPlugin(s.path, s.wasm); err != nil {
		return err
	}
	if err := bench.Check(all); err != nil {
		return &usageError{err: err}
	}
	report := newTestReport(a.stdout, bench.Limits, f)
	var failed error
	err = bench.Run(ctx, all, func(r *cases.Result) {
		report.add(r)
		if f.update && updatable(r) && failed == nil {
			failed = updateCase(r)
		}
	})
	if err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	return report.end(s)
}

// updateCase writes what happened into the case's file.
func updateCase(r *cases.Result) error {
	file, err := regular.ReadFile(r.Case.Path, cases.MaxBytes)
	if err != nil {
		return err
	}
	updated, err := cases.Update(file, r)
	if err != nil {
		return fmt.Errorf("%s: %w", r.Case.Path, err)
	}
	return replaceFile(r.Case.Path, updated)
}

// bench prepares the running of cases with the limits of the configuration.
func (a *app) bench(s subject) (*cases.Bench, error) {
	file, err := config.LoadFound(a.configPath, a.getenv, builtin.Names()...)
	if err != nil {
		return nil, &usageError{err: err}
	}
	return &cases.Bench{
		Name: s.path, Wasm: s.wasm, Limits: limits(file.Limits).Effective(), CacheDir: a.cacheDir(file.CacheDir), Prepared: preparedSchema,
		Sources: slices.Concat(builtinSources(), slices.Sorted(maps.Keys(file.Source))),
	}, nil
}

// builtinManifests are the manifests of the plugins that are part of the program.
func builtinManifests() []*plugin.Manifest {
	embedded, err := builtin.Plugins()
	if err != nil {
		return nil
	}
	var all []*plugin.Manifest
	for _, p := range embedded {
		if m, err := cases.Manifest(p.Wasm); err == nil {
			all = append(all, m)
		}
	}
	return all
}

func builtinSources() (names []string) {
	for _, m := range builtinManifests() {
		names = append(names, m.Sources...)
	}
	return names
}

// preparedSchema is what descriptions of a source must satisfy according to the
// built-in plugin that serves it.
func preparedSchema(source string) []byte {
	for _, m := range builtinManifests() {
		if slices.Contains(m.Sources, source) {
			return m.Prepared
		}
	}
	return nil
}

// indented writes lines beneath a case.
func indented(w io.Writer, format string, args ...any) {
	fmt.Fprintf(w, "      "+format+"\n", args...)
}
