package main

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/progress"
	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/manifest"
)

// fetchFlags are the flags of fetch.
type fetchFlags struct {
	store    string
	workers  workerCount
	progress string
	output   *format
	sources  []string
	dryRun   bool
	verify   bool
	engine   string
	format   string
	trial    trialFlags
}

func (a *app) fetchCommand() *cobra.Command { return a.fetchCommandWith(&fetchFlags{}) }

func (a *app) fetchCommandWith(f *fetchFlags) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fetch MANIFEST|-",
		Short: "Fetch all sources of a manifest into an osbuild store",
		Long: `Fetch reads a manifest, checks it as the command check does, and fetches what
its sources name into an osbuild store, as DIR/sources/<content type>/<key>.
Nothing gets its name there before its content was verified against its key. What
is in the store already is not fetched again. Large partial downloads are kept,
also when fetch is interrupted, and resumed the next time.`,
		Example: `  sourcehost fetch manifest.json
  sourcehost fetch --store /var/cache/osbuild/store --workers 64 manifest.json
  sourcehost fetch --source org.osbuild.curl --dry-run manifest.json
  sourcehost fetch --source org.osbuild.skopeo --container-format docker-archive manifest.json
  sourcehost fetch --plugin acme.wasm --grant download=https://mirror.example/ --dry-run manifest.json
  sourcehost fetch --progress json --output json - < manifest.json > result.json`,
		Args: oneManifest,
	}
	a.settingFlags(cmd, f)
	cmd.Flags().StringVar(&f.progress, "progress", "auto", "what to show meanwhile, a `KIND`: auto, bar, plain, json (see 'sourcehost help progress-json') or none")
	cmd.Flags().StringArrayVar(&f.sources, "source", nil, "fetch only the source `NAME`; may be repeated")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "fetch nothing, list what would be fetched and what is in the store")
	cmd.Flags().BoolVar(&f.verify, "verify", false, "read what is in the store already and fetch it again when it does not match its key")
	f.trial.add(a, cmd)
	f.output = outputFlag(cmd)
	completeWords(cmd, "progress", "auto", "bar", "plain", "json", "none")
	must(cmd.RegisterFlagCompletionFunc("source", a.completeSources))
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.fetch(cmd, *f, args[0]) }
	return cmd
}

// settingFlags adds the flags that win over the environment and the configuration
// file.
func (a *app) settingFlags(cmd *cobra.Command, f *fetchFlags) {
	cmd.Flags().StringVar(&f.store, "store", "", "osbuild store, a `DIR` (default .osbuild, as osbuild's own)")
	cmd.Flags().Var(&f.workers, "workers", "fetch `N` items at once (default 16 from near servers, up to 128 from far ones)")
	cmd.Flags().StringVar(&f.engine, "container-engine", "", "who copies container images, an `ENGINE`: embedded (default) or skopeo, the program")
	cmd.Flags().StringVar(&f.format, "container-format", "", "how to store container images, a `FORMAT`: dir (default) or docker-archive, as osbuild before version 83 reads them")
	completeWords(cmd, "container-engine", container.Embedded, container.Skopeo)
	completeWords(cmd, "container-format", string(container.Dir), string(container.DockerArchive))
	must(cmd.MarkFlagDirname("store"))
}

// fetch runs the command: it configures, reads, checks, fetches and reports.
func (a *app) fetch(cmd *cobra.Command, f fetchFlags, path string) error {
	mode, err := progress.ParseMode(f.progress)
	if err != nil {
		return &usageError{err: err}
	}
	mode = mode.Resolve(a.stderr, a.getenv("TERM"))
	cfg, err := a.fetchConfig(cmd, &f)
	if err != nil {
		return err
	}
	live := &relay{app: a, mode: mode}
	cfg.Notify, cfg.Logger = live.event, a.logger(live, mode)
	h, err := a.newHost(cfg)
	if err != nil {
		return err
	}
	defer h.Close()
	m, err := a.fetchManifest(cmd.Context(), h, path, f)
	if err != nil {
		return err
	}
	f.trial.warnIdle(cfg, m)
	live.start(m, f.dryRun)
	sum := fetchAll(cmd.Context(), h, m, f, live.sourceFailed)
	live.stop(sum.stopped)
	return a.report(sum, *f.output, mode)
}

// fetchConfig is the configuration with fetch's own flags applied. It also
// completes the flags from the environment.
func (a *app) fetchConfig(cmd *cobra.Command, f *fetchFlags) (host.Config, error) {
	cfg, err := a.hostConfig()
	if err != nil {
		return cfg, err
	}
	if cmd.Flags().Changed("workers") {
		cfg.Workers = int(f.workers)
	}
	if err := f.containers(&cfg); err != nil {
		return cfg, err
	}
	if err := f.trial.apply(cmd.Context(), a, &cfg); err != nil {
		return cfg, err
	}
	switch {
	case cmd.Flags().Changed("store") && f.store == "":
		return cfg, usagef("--store is empty: name a folder, or leave the flag out for %s", defaultStore)
	case f.store == "":
		f.store = a.getenv(envStore)
	}
	if f.store == "" {
		f.store = defaultStore
	}
	return cfg, nil
}

// containers applies the flags about container images.
func (f *fetchFlags) containers(cfg *host.Config) error {
	switch f.engine {
	case "":
	case container.Embedded, container.Skopeo:
		cfg.Container.Engine = f.engine
	default:
		return usagef("--container-engine is %q: use %s or %s", f.engine, container.Embedded, container.Skopeo)
	}
	switch container.Format(f.format) {
	case "":
	case container.Dir, container.DockerArchive:
		cfg.ImageFormat = f.format
	default:
		return usagef("--container-format is %q: use %s or %s", f.format, container.Dir, container.DockerArchive)
	}
	return nil
}

// fetchManifest reads and checks the part of the manifest that is to be
// fetched.
func (a *app) fetchManifest(ctx context.Context, h *host.Host, path string, f fetchFlags) (*manifest.Manifest, error) {
	m, err := a.readManifest(ctx, h, path)
	if err == nil {
		m, err = only(m, f.sources)
	}
	if err == nil {
		for _, s := range m.Sources {
			h.Preload(f.request(s))
		}
		err = h.Check(m).Err()
	}
	var problems manifest.Problems
	if errors.As(err, &problems) && *f.output == formatJSON {
		if failed := writeJSON(a.stdout, checkDocument{Problems: problems}); failed != nil {
			return nil, failed
		}
	}
	return m, err
}

// fetchAll fetches one source after the other, all of them even when one fails,
// until ctx is done. It tells broken of each that fails as a whole.
func fetchAll(ctx context.Context, h *host.Host, m *manifest.Manifest, f fetchFlags, broken func(sourceSummary)) summary {
	sum := summary{store: f.store, dryRun: f.dryRun}
	start := time.Now()
	for _, s := range m.Sources {
		if ctx.Err() != nil {
			break
		}
		src := sourceSummary{name: s.Name, items: len(s.Items)}
		src.result, src.err = h.Run(ctx, f.request(s))
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

// request asks for all of a source, which fetchManifest has checked.
func (f fetchFlags) request(s manifest.Source) host.Request {
	items := make([]host.Item, len(s.Items))
	for i, it := range s.Items {
		items[i] = host.Item{Key: it.Key, Desc: it.Desc}
	}
	return host.Request{
		Source: s.Name, Items: items, Options: s.Options, Checked: true,
		Store: filepath.Join(f.store, "sources"), Verify: f.verify, DryRun: f.dryRun,
	}
}
