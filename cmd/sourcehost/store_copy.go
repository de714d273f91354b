package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/progress"
	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/manifest"
)

// copyFlags are the flags of store copy.
type copyFlags struct {
	runFlags
	manifest string
	sources  []string
}

func (a *app) storeCopyCommand() *cobra.Command {
	f := &copyFlags{}
	cmd := &cobra.Command{
		Use:   "copy --manifest MANIFEST|- SRC DST",
		Short: "Copy what a manifest names from one osbuild store to another",
		Long: `Copy takes what the sources of a manifest name from the osbuild store SRC and puts
it into the osbuild store DST, without any download. Files become hard links where
file system, owner and mode allow it, or share their blocks, else copies. Each is read
and verified against its key before it gets its name in DST. What DST has already is
not copied. An item that SRC does not have fails, and the others are copied.

With --output json the result has the form of that of fetch; items that were copied
are called fetched there.`,
		Example: `  sourcehost store copy --manifest manifest.json .osbuild /mnt/export/store
  sourcehost store copy --manifest - --source org.osbuild.curl SRC DST < manifest.json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("manifest") {
				return errors.New("no manifest is given: name one with --manifest")
			}
			if len(args) != 2 {
				return fmt.Errorf("expected two stores, SRC and DST, found %s", text.Count(len(args), "argument"))
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.manifest, "manifest", "", "the `MANIFEST` that names what to copy, or - for standard input (required)")
	cmd.Flags().StringArrayVar(&f.sources, "source", nil, "copy only the source `NAME`; may be repeated")
	must(cmd.RegisterFlagCompletionFunc("source", a.completeSources))
	must(cmd.MarkFlagFilename("manifest", "json"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.storeCopy(cmd, f, args[0], args[1]) }
	return cmd
}

func (a *app) storeCopy(cmd *cobra.Command, f *copyFlags, from, to string) error {
	if from == "" || to == "" {
		return usagef("the name of a store is empty")
	}
	h, live, err := a.openHost(cmd, &f.runFlags)
	if err != nil {
		return err
	}
	defer h.Close()
	m, err := a.fetchManifest(cmd.Context(), h, f.manifest, fetchFlags{sources: f.sources, output: f.output})
	if err != nil {
		return err
	}
	live.start(m, false)
	sum := copyAll(cmd.Context(), h, m, from, to, live.sourceFailed)
	live.stop(sum.stopped)
	return a.reportCopy(sum, *f.output, live.mode)
}

// copyAll copies one source after the other, all of them even when one fails, until
// ctx is done. It tells broken of each that fails as a whole.
func copyAll(ctx context.Context, h *host.Host, m *manifest.Manifest, from, to string, broken func(sourceSummary)) summary {
	sum := summary{store: to}
	start := time.Now()
	for _, s := range m.Sources {
		if ctx.Err() != nil {
			break
		}
		src := sourceSummary{name: s.Name, items: len(s.Items)}
		req := fetchFlags{store: to}.request(s)
		src.result, src.err = h.Copy(ctx, host.CopyRequest{
			Source: req.Source, Items: req.Items, Options: req.Options, From: sourcesIn(from), To: req.Store,
		})
		if src.err != nil && src.result == nil {
			src.stopped = ctx.Err() != nil
			broken(src)
		}
		sum.sources = append(sum.sources, src)
	}
	sum.duration = time.Since(start)
	if ctx.Err() != nil {
		sum.stopped = context.Cause(ctx)
	}
	return sum
}

// reportCopy writes the result and returns the error for the exit status.
func (a *app) reportCopy(s summary, output format, mode progress.Mode) error {
	err := s.err()
	if output == formatJSON {
		if failed := writeJSON(a.stdout, fetchDocument(s)); failed != nil {
			return failed
		}
	} else {
		a.printCopies(s)
	}
	if err != nil && mode == progress.JSON {
		return &quietError{err: err} // standard error is for machines: its lines have told all of it
	}
	return err
}

func (a *app) printCopies(s summary) {
	for _, src := range s.sources {
		if src.result == nil {
			continue
		}
		for _, it := range src.result.Items {
			a.printItem(it, false)
		}
	}
	for _, src := range s.sources {
		c := src.counts()
		last := ""
		if c.stopped > 0 {
			last = fmt.Sprintf(", %d not copied yet", c.stopped)
		}
		fmt.Fprintf(a.stdout, "%s: %s: %d copied, %d there already, %d skipped, %d failed%s\n",
			text.Clean(src.name), text.Count(src.items, "item"), c.Fetched, c.Cached, c.Skipped, c.Failed, last)
	}
	if len(s.sources) == 0 && s.stopped == nil {
		fmt.Fprintln(a.stdout, "the manifest has no sources: nothing to copy")
		return
	}
	fmt.Fprintf(a.stdout, "%s copied or linked in %s\n", text.Bytes(s.counts().Bytes), text.Seconds(s.duration))
}
