package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/sourcehost/sourcehost/internal/regular"
)

// folder is where the cache of compiled plugins has the pulled ones. What was not
// used for long is removed by who keeps that cache, going by the time of the file.
const folder = "oci"

// Cached returns the plugin that a digest names: from the cache in dir, or from
// the registry, after which it is in the cache. What the cache has is verified each
// time it is used. An empty dir means that there is no cache.
func (c *Client) Cached(ctx context.Context, r Reference, dir string) ([]byte, error) {
	if r.Digest == "" {
		return nil, fmt.Errorf("%s is not pinned: name it by its digest, which `sourcehost plugin pull %s` prints", r, r)
	}
	if wasm := c.fromCache(r, dir); wasm != nil {
		return wasm, nil
	}
	p, err := c.Pull(ctx, r)
	if err != nil {
		return nil, err
	}
	// The plugin is there; without the cache it is fetched again the next time.
	_ = p.Keep(dir)
	return p.Wasm, nil
}

// fromCache returns what the cache has, or nil.
func (c *Client) fromCache(r Reference, dir string) []byte {
	if dir == "" {
		return nil
	}
	manifest := verified(dir, r.Digest, maxManifest)
	if manifest == nil {
		return nil
	}
	layer, err := c.layerOf(manifest)
	if err != nil {
		return nil
	}
	return verified(dir, layer.Digest, layer.Size)
}

// path is the file of a blob.
func path(dir string, d digest.Digest) string {
	return filepath.Join(dir, folder, d.Algorithm().String()+"-"+d.Encoded())
}

// verified reads a blob of the cache and removes one that is damaged.
func verified(dir string, d digest.Digest, most int64) []byte {
	at := path(dir, d)
	data, err := regular.ReadFile(at, most)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil || digest.FromBytes(data) != d {
		_ = os.Remove(at)
		return nil
	}
	now := time.Now()
	_ = os.Chtimes(at, now, now)
	return data
}

// keep writes a blob beside its name and renames it.
func keep(dir string, d digest.Digest, data []byte) error {
	if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Join(dir, folder), ".part-")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path(dir, d))
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// Keep puts a plugin that was pulled into the cache in dir, where Cached finds it.
// An empty dir means that there is no cache.
func (p Plugin) Keep(dir string) error {
	if dir == "" {
		return nil
	}
	return errors.Join(keep(dir, p.layer, p.Wasm), keep(dir, p.Reference.Digest, p.manifest))
}
