package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/artifact"
	"github.com/sourcehost/sourcehost/host/config"
)

// registryFlags are the flags of commands that talk to a registry.
type registryFlags struct{ plainHTTP bool }

func (f *registryFlags) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.plainHTTP, "plain-http", false, "speak http, without TLS, with the registry; one on this machine's loopback interface needs no flag")
}

// isReference reports whether a plugin is named by where it is in a registry.
func isReference(name string) bool { return artifact.Is(name) }

func (a *app) registry(f registryFlags) *artifact.Client {
	return &artifact.Client{PlainHTTP: f.plainHTTP, Environ: a.env, UserAgent: "sourcehost"}
}

// pullPlugin fetches a plugin from a registry.
func (a *app) pullPlugin(ctx context.Context, name string, f registryFlags) (artifact.Plugin, error) {
	ref, err := artifact.Parse(name)
	if err != nil {
		return artifact.Plugin{}, &usageError{err: err}
	}
	return a.registry(f).Pull(ctx, ref)
}

// pinnedPlugins reads the plugins that the configuration names by their digest in a
// registry, from the cache when they are there.
func (a *app) pinnedPlugins(cfg *host.Config) error {
	var mistakes config.Mistakes
	for i := range cfg.Plugins {
		p := &cfg.Plugins[i]
		if p.Builtin || !isReference(p.Path) {
			continue
		}
		ref, err := artifact.Parse(p.Path)
		client := a.registry(registryFlags{})
		client.MaxBytes = cfg.Limits.ModuleBytes
		if err == nil {
			p.Wasm, err = client.Cached(a.ctx, ref, cfg.CacheDir)
		}
		at, _ := a.file.Places.Nearest("plugin", p.Name, "path")
		switch {
		case err != nil && ref.Digest == "":
			mistakes = append(mistakes, config.Mistake{Place: at, Message: fmt.Sprintf("plugin %q: %v", p.Name, err)})
		case err != nil:
			return fmt.Errorf("%s: plugin %q: %w", at, p.Name, err)
		}
	}
	if len(mistakes) > 0 {
		return &usageError{err: mistakes.Sorted(a.file.Files)}
	}
	return nil
}

// sourceDate is the time that $SOURCE_DATE_EPOCH says, for artifacts that are to be
// the same each time; the zero time when it is not set.
func (a *app) sourceDate() (time.Time, error) {
	value := a.getenv("SOURCE_DATE_EPOCH")
	if value == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return time.Time{}, usagef("SOURCE_DATE_EPOCH is %q: expected a number of seconds", value)
	}
	return time.Unix(seconds, 0), nil
}

func (a *app) pluginPushCommand() *cobra.Command {
	var f registryFlags
	cmd := &cobra.Command{
		Use:   "push FILE.wasm oci://REGISTRY/REPOSITORY:TAG",
		Short: "Store a plugin in an OCI registry",
		Long: `Push checks a plugin as the host does when it loads it, and stores it in a registry
in the layout that the CNCF has given WebAssembly modules. It prints the reference by
digest, which is what a configuration should name. The same plugin has the same
digest each time; $SOURCE_DATE_EPOCH sets the time that it carries, 1970 otherwise.

Credentials are taken from $REGISTRY_AUTH_FILE, or from where 'podman login' and
'docker login' write them, certificates from /etc/containers/certs.d.`,
		Example: `  sourcehost plugin push dist/acme.wasm oci://registry.example/plugins/acme:1.0
  sourcehost plugin push dist/acme.wasm oci://localhost:5000/acme:test`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("expected a .wasm file and oci://REGISTRY/REPOSITORY:TAG, found %d arguments", len(args))
			}
			return nil
		},
	}
	f.add(cmd)
	output := outputFlag(cmd)
	jsonFlag(cmd, output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return a.push(cmd.Context(), args[0], args[1], f, *output)
	}
	return cmd
}

// pushDocument is the document of `plugin push --output json`.
type pushDocument struct {
	Reference string `json:"reference"`
	Digest    string `json:"digest"`
	SHA256    string `json:"sha256"`
	Bytes     int    `json:"bytes"`
}

func (a *app) push(ctx context.Context, path, to string, f registryFlags, output format) error {
	ref, err := artifact.Parse(to)
	if err != nil {
		return &usageError{err: err}
	}
	wasm, err := readPlugin(path)
	if err != nil {
		return err
	}
	p, err := checkPlugin(path, wasm)
	if err != nil {
		return err
	}
	created, err := a.sourceDate()
	if err != nil {
		return err
	}
	m := p.Manifest()
	pinned, err := a.registry(f).Push(ctx, ref, wasm, artifact.About{
		Title: m.Name + ".wasm", Version: m.Version, Description: m.Summary, Created: created,
	})
	switch {
	case errors.Is(err, context.Canceled):
		return context.Cause(ctx)
	case err != nil:
		return err
	case output == formatJSON:
		return writeJSON(a.stdout, pushDocument{Reference: pinned.String(), Digest: string(pinned.Digest), SHA256: p.Hash(), Bytes: len(wasm)})
	}
	fmt.Fprintln(a.stdout, pinned)
	return nil
}
