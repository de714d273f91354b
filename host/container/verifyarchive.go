package container

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"
)

// maxArchiveEntries is how many entries an archive may have; an image has at
// most a few hundred layers of four entries each.
const maxArchiveEntries = 10000

// archiveItem is an element of manifest.json in the format DockerArchive
// (Docker Image Specification v1.2).
type archiveItem struct {
	Config string
	Layers []string
}

// archiveContent is what is known of an archive after reading it once.
type archiveContent struct {
	digests map[string]string // of each regular file
	texts   map[string][]byte // the content of small JSON files
	links   map[string]string // symbolic links
}

// verifyArchive checks config and layers inside the archive. Its own manifest
// is made by the engine and proves nothing; the config names every layer by
// the digest of its uncompressed content.
func verifyArchive(ctx context.Context, r *Request) error {
	f, err := os.Open(r.archive())
	if err != nil {
		return diskError(err)
	}
	defer f.Close()
	content, err := readArchive(ctx, f)
	if err != nil {
		return err
	}
	var items []archiveItem
	if err := json.Unmarshal(content.texts[manifestFile], &items); err != nil || len(items) != 1 {
		return mismatch("%s: the archive has no manifest.json of one image", r.named())
	}
	item := items[0]
	if got := content.digests[item.Config]; got != r.ID {
		return wrongID(r, got)
	}
	if err := content.verifyLayers(r, item); err != nil {
		return err
	}
	return content.onlyKnown(item)
}

// verifyLayers compares the layers with what the config names.
func (c *archiveContent) verifyLayers(r *Request, item archiveItem) error {
	named, err := diffIDs(r, c.texts[item.Config])
	if err != nil {
		return err
	}
	if len(named) != len(item.Layers) {
		return mismatch("%s: the archive has %d layers, and the image's config names %d", r.named(), len(item.Layers), len(named))
	}
	for i, layer := range item.Layers {
		if got := c.digests[layer]; got != named[i] {
			return &Error{Kind: KindMismatch, tries: mismatchTries,
				Err: fmt.Errorf("%s: layer %s came as %s, and the image's config names %s", r.named(), layer, got, named[i])}
		}
	}
	return nil
}

// readArchive reads an archive once.
func readArchive(ctx context.Context, f io.Reader) (*archiveContent, error) {
	c := &archiveContent{digests: map[string]string{}, texts: map[string][]byte{}, links: map[string]string{}}
	tr := tar.NewReader(ctxReader{ctx, f})
	for n := 0; ; n++ {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return c, nil
		}
		if err != nil {
			return nil, mismatch("the archive cannot be read: %w", err)
		}
		if n > maxArchiveEntries {
			return nil, mismatch("the archive has more than %d entries", maxArchiveEntries)
		}
		if err := c.add(ctx, h, tr); err != nil {
			return nil, err
		}
	}
}

// add takes one entry up.
func (c *archiveContent) add(ctx context.Context, h *tar.Header, r io.Reader) error {
	if c.digests[h.Name] != "" || c.links[h.Name] != "" {
		return mismatch("the archive has %q twice", h.Name)
	}
	switch h.Typeflag {
	case tar.TypeDir:
		return nil
	case tar.TypeSymlink:
		c.links[h.Name] = h.Linkname
		return nil
	case tar.TypeReg:
	default:
		return mismatch("%q in the archive is neither a file nor a link", h.Name)
	}
	if strings.HasSuffix(h.Name, ".json") && h.Size <= maxManifest {
		data, err := io.ReadAll(r)
		if err != nil {
			return mismatch("the archive cannot be read: %w", err)
		}
		c.texts[h.Name], r = data, bytes.NewReader(data)
	}
	digest, err := digestOfReader(ctx, r)
	if err != nil {
		return err
	}
	c.digests[h.Name] = digest
	return nil
}

// onlyKnown refuses what belongs to no image: beside config and layers there
// are the files of the format's first version, which name each layer again.
func (c *archiveContent) onlyKnown(item archiveItem) error {
	known := map[string]bool{manifestFile: true, "repositories": true, item.Config: true}
	for _, layer := range item.Layers {
		known[layer] = true
	}
	for name := range c.digests {
		base := path.Base(name)
		legacy := isHex(path.Dir(name)) && (base == "VERSION" || base == "json")
		if !known[name] && !legacy {
			return mismatch("the archive has %q, which is no part of the image", name)
		}
	}
	for name, to := range c.links {
		if !isHex(path.Dir(name)) || path.Base(name) != "layer.tar" || !known[path.Join(path.Dir(name), to)] {
			return mismatch("the archive has a link %q to %q, which is no part of the image", name, to)
		}
	}
	return nil
}
