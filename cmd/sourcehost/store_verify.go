package main

import (
	"context"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/progress"
	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host"
)

func (a *app) storeVerifyCommand() *cobra.Command {
	f, repair := &runFlags{}, ""
	cmd := &cobra.Command{
		Use:   "verify [--repair MANIFEST|-] [DIR]",
		Short: "Compare everything in an osbuild store with its key",
		Long: `Verify reads every entry of every content type in the osbuild store DIR, also those
that no manifest names, and compares it with its key: files with their checksum, images
with their id and the digests of their layers, ostree commits with all objects that they
consist of. It changes nothing. The exit status is 1 when something is corrupt.

With --repair, entries that are corrupt and that the manifest names are removed and
fetched again. Objects of an ostree repository that no commit needs are deleted when
they are corrupt. The exit status is 1 when something corrupt is left.

DIR is .osbuild by default, or what SOURCEHOST_STORE says.`,
		Example: `  sourcehost store verify /var/cache/osbuild/store
  sourcehost store verify --repair manifest.json
  sourcehost store verify --output json | jq .bad`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("expected one store, found %d arguments", len(args))
			}
			return nil
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveFilterDirs
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&repair, "repair", "", "fetch again what is corrupt and named by the `MANIFEST`, - for standard input")
	must(cmd.MarkFlagFilename("repair", "json"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		dir := a.getenv(envStore)
		if dir == "" {
			dir = defaultStore
		}
		if len(args) == 1 {
			dir = args[0]
		}
		return a.storeVerify(cmd, f, dir, repair)
	}
	return cmd
}

func (a *app) storeVerify(cmd *cobra.Command, f *runFlags, dir, repair string) error {
	if dir == "" {
		return usagef("the name of the store is empty")
	}
	if _, err := os.Stat(sourcesIn(dir)); err != nil {
		return usagef("%s is no osbuild store: %w", dir, err)
	}
	h, live, err := a.openHost(cmd, f)
	if err != nil {
		return err
	}
	defer h.Close()
	req := host.VerifyRequest{Store: sourcesIn(dir)}
	if repair != "" {
		if req.Repair, err = a.repairs(cmd.Context(), h, repair, f); err != nil {
			return err
		}
	}
	live.startOpen()
	result, err := h.Verify(cmd.Context(), req)
	stopped := error(nil)
	if cmd.Context().Err() != nil {
		stopped = context.Cause(cmd.Context())
	}
	live.stop(stopped)
	if result == nil {
		return err
	}
	return a.reportVerify(verified{dir, result, err, stopped}, *f.output, live.mode)
}

// repairs are requests for all sources of a manifest.
func (a *app) repairs(ctx context.Context, h *host.Host, path string, f *runFlags) ([]host.Request, error) {
	m, err := a.fetchManifest(ctx, h, path, fetchFlags{output: f.output})
	if err != nil {
		return nil, err
	}
	requests := []host.Request{} // not nil, also without sources: repairs were asked for
	for _, s := range m.Sources {
		requests = append(requests, fetchFlags{}.request(s))
	}
	return requests, nil
}

// verified is the outcome of store verify.
type verified struct {
	store   string
	result  *host.VerifyResult
	err     error // of the run as a whole
	stopped error
}

// outcome is what it means for the exit status, or nil.
func (v verified) outcome() error {
	switch left := v.result.Left(); {
	case v.stopped != nil:
		return v.stopped
	case v.err != nil:
		return v.err
	case left > 0:
		return fmt.Errorf("%s of the store %s corrupt or cannot be read", entries(left), isAre(left))
	}
	return nil
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// verifyDocument is the document of `store verify --output json`. Sizes are in bytes,
// times in seconds.
type verifyDocument struct {
	Success bool               `json:"success"`
	Store   string             `json:"store"`
	Stopped string             `json:"stopped,omitempty"`
	Seconds float64            `json:"seconds"`
	Error   *errorDocument     `json:"error,omitempty"`
	Types   []verifiedDocument `json:"content_types"`
	Bad     []badDocument      `json:"bad"`
	Unknown []string           `json:"unknown"`
}

type verifiedDocument struct {
	ContentType string `json:"content_type"`
	Entries     int    `json:"entries"`
	Bytes       int64  `json:"bytes"`
}

type badDocument struct {
	ContentType string         `json:"content_type"`
	Key         string         `json:"key,omitempty"`
	Path        string         `json:"path"`
	Repaired    bool           `json:"repaired"`
	Error       *errorDocument `json:"error"`
}

func (v verified) document() verifyDocument {
	doc := verifyDocument{
		Success: v.outcome() == nil, Store: v.store, Seconds: seconds(v.result.Duration), Error: newErrorDocument(v.err),
		Types: []verifiedDocument{}, Bad: []badDocument{}, Unknown: append([]string{}, v.result.Unknown...),
	}
	if v.stopped != nil {
		doc.Stopped = v.stopped.Error()
	}
	for _, t := range v.result.Types {
		doc.Types = append(doc.Types, verifiedDocument(t))
	}
	for _, b := range v.result.Bad {
		doc.Bad = append(doc.Bad, badDocument{ContentType: b.ContentType, Key: b.Key, Path: b.Path, Repaired: b.Repaired, Error: newErrorDocument(b.Err)})
	}
	return doc
}

// reportVerify writes the result and returns the error for the exit status.
func (a *app) reportVerify(v verified, output format, mode progress.Mode) error {
	err := v.outcome()
	if output == formatJSON {
		if failed := writeJSON(a.stdout, v.document()); failed != nil {
			return failed
		}
	} else {
		a.printVerified(v)
	}
	if err != nil && mode == progress.JSON {
		return &quietError{err: err}
	}
	return err
}

func (a *app) printVerified(v verified) {
	for _, path := range v.result.Unknown {
		fmt.Fprintf(a.stdout, "unknown: %s: it is no entry\n", text.Clean(path))
	}
	for _, b := range v.result.Bad {
		state := "bad"
		if b.Repaired {
			state = "repaired"
		}
		fmt.Fprintf(a.stdout, "%s: %s\n", state, text.Clean(explain(b.Err)))
	}
	for _, r := range v.result.Repairs {
		for _, it := range r.Items {
			a.printItem(it, false)
		}
	}
	bad := map[string]int{}
	for _, b := range v.result.Bad {
		bad[b.ContentType]++
	}
	for _, t := range v.result.Types {
		size := ""
		if t.Bytes > 0 {
			size = ", " + text.Bytes(t.Bytes)
		}
		fmt.Fprintf(a.stdout, "%s: %s, %d bad%s\n", text.Clean(t.ContentType), entries(t.Entries), bad[t.ContentType], size)
	}
	if len(v.result.Types) == 0 {
		fmt.Fprintln(a.stdout, "the store is empty")
	}
	fmt.Fprintf(a.stdout, "verified in %s\n", text.Seconds(v.result.Duration))
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}
