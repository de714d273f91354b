package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/artifact"
	"github.com/sourcehost/sourcehost/host/config"
	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/internal/regular"
)

// pullFlags are the flags of pull.
type pullFlags struct {
	registryFlags
	out, pin, name string
	output         *format
}

func (a *app) pluginPullCommand() *cobra.Command {
	var f pullFlags
	cmd := &cobra.Command{
		Use:   "pull oci://REGISTRY/REPOSITORY:TAG",
		Short: "Fetch a plugin from an OCI registry and pin it",
		Long: `Pull fetches a plugin, verifies it against its digests, checks it as the host does
when it loads it, and prints what it is, and the lines of the configuration that name
it by its digest. It is kept in the cache, so that the configured plugin needs no
network until it is changed.

With --pin these lines are written to a file of the configuration: to a new one, which
it says, or in place of the path and the sha256 that the plugin's table there has. What
else is in the file stays, so that grants are never changed by it.`,
		Example: `  sourcehost plugin pull oci://registry.example/plugins/acme:1.0
  sourcehost plugin pull --pin /etc/sourcehost/sourcehost.d/acme.toml oci://registry.example/plugins/acme:1.1
  sourcehost plugin pull -o acme.wasm oci://registry.example/plugins/acme:1.0`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("expected one oci://REGISTRY/REPOSITORY:TAG, found %d arguments", len(args))
			}
			return nil
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	cmd.Flags().StringVarP(&f.out, "out", "o", "", "also write the plugin to `OUT`")
	cmd.Flags().StringVar(&f.pin, "pin", "", "write the reference by digest to `FILE`, a TOML file of the configuration")
	cmd.Flags().StringVar(&f.name, "name", "", "the plugin's `NAME` in the configuration (default: the one that it gives itself)")
	must(cmd.MarkFlagFilename("pin", "toml"))
	f.add(cmd)
	f.output = outputFlag(cmd)
	jsonFlag(cmd, f.output)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.pull(cmd.Context(), args[0], f) }
	return cmd
}

// checkPlugin checks a plugin as the host does when it loads it, and its schemas.
func checkPlugin(name string, wasm []byte) (*guest.Plugin, error) {
	p, err := guest.NewRuntime(guest.Config{}).Load(guest.Source{Name: name, Wasm: wasm})
	if err != nil {
		return nil, &usageError{err: err}
	}
	if wrong := host.CheckSchemas(p.Manifest()); len(wrong) > 0 {
		return nil, usagef("plugin %s: its manifest: %s", name, wrong[0])
	}
	return p, nil
}

func (a *app) pull(ctx context.Context, name string, f pullFlags) error {
	var file pinFile
	if f.pin != "" {
		var err error
		if file, err = a.pinFile(f.pin); err != nil {
			return err
		}
	}
	pulled, err := a.pullPlugin(ctx, name, f.registryFlags)
	if errors.Is(err, context.Canceled) {
		return context.Cause(ctx)
	}
	if err != nil {
		return err
	}
	p, err := checkPlugin(name, pulled.Wasm)
	if err != nil {
		return err
	}
	if f.name == "" {
		f.name = p.Manifest().Name
	}
	if err := a.keepPulled(pulled, f); err != nil {
		return err
	}
	pin := pinLines{name: f.name, reference: pulled.Reference.String(), sha256: p.Hash()}
	if f.pin != "" {
		if err := pin.write(f.pin); err != nil {
			return fmt.Errorf("cannot pin the plugin: %w", err)
		}
	}
	if *f.output == formatJSON {
		return writeJSON(a.stdout, pushDocument{Reference: pin.reference, Digest: string(pulled.Reference.Digest), SHA256: p.Hash(), Bytes: len(pulled.Wasm)})
	}
	printManifest(a.stdout, p.Manifest(), p.Hash(), len(pulled.Wasm))
	a.printPin(a.stdout, pin, file)
	return nil
}

// keepPulled puts the plugin where it is asked for, and into the cache.
func (a *app) keepPulled(pulled artifact.Plugin, f pullFlags) error {
	if f.out != "" {
		if err := replaceFile(f.out, pulled.Wasm); err != nil {
			return fmt.Errorf("cannot write the plugin: %w", err)
		}
	}
	file, err := config.LoadFound(a.configPath, a.getenv)
	if err != nil {
		return &usageError{err: err}
	}
	return pulled.Keep(a.cacheDir(file.CacheDir))
}

func (a *app) printPin(w io.Writer, pin pinLines, file pinFile) {
	switch {
	case file.path != "":
		fmt.Fprintf(w, "\npinned in %s: [%s]\n", text.Clean(file.String()), text.Clean(pin.table()))
	default:
		fmt.Fprintf(w, "\nname it in the configuration so:\n\n%s", pin.toml())
	}
	fmt.Fprintf(w, "digest       %s\n", pin.reference)
}

// readIfThere reads a file; one that is not there is empty.
func readIfThere(path string) ([]byte, error) {
	data, err := regular.ReadFile(path, maxText)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}
