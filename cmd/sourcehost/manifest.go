package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/manifest"
)

// oneManifest is the check for commands that take MANIFEST or "-".
func oneManifest(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("no manifest is given: name a file, or - for standard input")
	case 1:
		return nil
	}
	return fmt.Errorf("expected one manifest, found %d arguments: %s", len(args), strings.Join(args, " "))
}

// readManifest reads the file, or standard input for "-". Problems with its
// content are manifest.Problems or usage errors.
func (a *app) readManifest(ctx context.Context, h *host.Host, path string) (*manifest.Manifest, error) {
	in := a.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usagef("cannot read the manifest: %w", err)
		}
		defer f.Close()
		in = f
	}
	m, err := readUntilDone(ctx, in, manifest.Options{Aliases: h.Aliases})
	var problems manifest.Problems
	var stop *interrupted
	if err == nil || errors.As(err, &problems) || errors.As(err, &stop) {
		return m, err
	}
	if path == "-" {
		path = "standard input"
	}
	return nil, usagef("cannot read the manifest from %s: %w", path, err)
}

// readUntilDone lets a signal end the wait for input that does not come: a read
// from a terminal or a pipe cannot be interrupted otherwise.
func readUntilDone(ctx context.Context, in io.Reader, opts manifest.Options) (*manifest.Manifest, error) {
	type outcome struct {
		m   *manifest.Manifest
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		m, err := manifest.Read(in, opts)
		done <- outcome{m, err}
	}()
	select {
	case o := <-done:
		return o.m, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// only keeps the sources that are named, all of them when none is.
func only(m *manifest.Manifest, names []string) (*manifest.Manifest, error) {
	if len(names) == 0 {
		return m, nil
	}
	kept := &manifest.Manifest{Version: m.Version}
	wanted, have := map[string]bool{}, []string{}
	for _, n := range names {
		wanted[n] = true
	}
	for _, s := range m.Sources {
		have = append(have, manifest.WithoutUserinfo(s.Name))
		if wanted[s.Name] {
			kept.Sources = append(kept.Sources, s)
			delete(wanted, s.Name)
		}
	}
	for _, n := range names {
		if wanted[n] {
			return nil, usagef("--source %s: the manifest has no such source; it has: %s", n, strings.Join(have, ", "))
		}
	}
	return kept, nil
}
