package host

import (
	"context"

	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/store"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// entries are what a source's items become in the store: each method as
// store.Files describes it.
type entries interface {
	Present(keys []store.Key) ([]bool, error)
	Verify(ctx context.Context, key store.Key) error
	Remove(ctx context.Context, key store.Key) error
	Clean(ctx context.Context) error
}

// parseKey reads a key as it must be for what the plugin produces.
func parseKey(m *plugin.Manifest, key string) (store.Key, error) {
	if m.Produces == plugin.ProducesCommit {
		return store.ParseCommit(key)
	}
	k, err := store.ParseKey(key)
	if err == nil && m.Produces == plugin.ProducesImage && k.Algorithm() != store.SHA256 {
		return k, &store.KeyError{Key: key, Reason: "an image is named by the sha256 digest of its config"}
	}
	return k, err
}

// chooseFormat finds out how images are to be stored: as the request says, else
// as the configuration does, else in the plugin's first format.
func (r *run) chooseFormat() error {
	m := r.plugin.manifest
	if m.Produces != plugin.ProducesImage {
		return nil
	}
	for _, name := range []string{r.req.Format, r.host.cfg.ImageFormat, m.Formats[0].Name} {
		if name == "" {
			continue
		}
		part, known := m.Part(name)
		if !known {
			return usagef("the plugin %q cannot store images in the format %q; it knows: %s", r.plugin.Name, shorten(name, 60), formatNames(m))
		}
		r.format, r.part = name, part
		return nil
	}
	return nil
}

func formatNames(m *plugin.Manifest) string {
	names := ""
	for i, f := range m.Formats {
		if i > 0 {
			names += ", "
		}
		names += f.Name
	}
	return names
}

// openStore opens the content folder. A dry run must not make one.
func (r *run) openStore(ctx context.Context) error {
	if r.req.Store == "" {
		return usagef("the request names no store")
	}
	if r.plugin.manifest.Produces == plugin.ProducesNone {
		return nil
	}
	var err error
	if r.req.DryRun {
		r.store, err = store.OpenExisting(r.req.Store)
	} else {
		r.store, err = store.Open(r.req.Store)
	}
	if err == nil {
		err = r.openEntries()
	}
	if err != nil {
		return r.runError(abi.ErrDisk, err)
	}
	if r.req.DryRun {
		return nil
	}
	if err := r.entries.Clean(ctx); err != nil {
		r.host.log.Warn("leftovers of earlier runs could not be removed", "store", r.req.Store, "error", err.Error())
	}
	return nil
}

// openEntries opens the entries of the kind that the plugin produces.
func (r *run) openEntries() (err error) {
	m := r.plugin.manifest
	if r.trees, err = r.store.Trees(m.ContentType); err != nil {
		return err
	}
	switch m.Produces {
	case plugin.ProducesImage:
		r.entries = imageEntries{r.trees, r.part}
	case plugin.ProducesCommit:
		if r.commits, err = r.store.Commits(m.ContentType); err == nil {
			r.entries = r.commits
		}
	default:
		if r.files, err = r.store.Files(m.ContentType); err == nil {
			r.entries = fileEntries{r.files, r.trees}
		}
	}
	return err
}

// fileEntries are files, beside which scratch folders may lie.
type fileEntries struct {
	*store.Files
	trees *store.Trees
}

func (e fileEntries) Clean(ctx context.Context) error { return e.trees.Clean(ctx) }

// imageEntries are images in one format.
type imageEntries struct {
	trees *store.Trees
	part  string
}

func (e imageEntries) Present(keys []store.Key) ([]bool, error) { return e.trees.Present(keys, e.part) }

func (e imageEntries) Clean(ctx context.Context) error { return e.trees.Clean(ctx) }

func (e imageEntries) Verify(ctx context.Context, key store.Key) error {
	return e.trees.Verify(ctx, key, e.part, e.check(key))
}

func (e imageEntries) Remove(ctx context.Context, key store.Key) error {
	return e.trees.Remove(ctx, key, e.part, e.check(key))
}

func (e imageEntries) check(key store.Key) store.Check {
	format := container.Dir
	if e.part == plugin.PartArchive {
		format = container.DockerArchive
	}
	return func(ctx context.Context, dir string) error {
		return container.Verify(ctx, dir, format, key.String())
	}
}
