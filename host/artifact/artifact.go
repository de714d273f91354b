package artifact

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/registry/remote"
)

// The media types of the CNCF's layout. The old one of the layer is accepted, too.
const (
	ConfigType   = "application/vnd.wasm.config.v0+json"
	LayerType    = "application/wasm"
	oldLayerType = "application/vnd.wasm.content.layer.v1+wasm"
)

// maxManifest is the largest manifest of an artifact that is read.
const maxManifest = 1 << 20

// config is the configuration of a WebAssembly artifact.
type config struct {
	Created      time.Time       `json:"created"`
	Author       string          `json:"author,omitempty"`
	Architecture string          `json:"architecture"`
	OS           string          `json:"os"`
	LayerDigests []digest.Digest `json:"layerDigests"`
}

// About is what an artifact says about the plugin in it, for people who look
// at a registry.
type About struct {
	// Title is a file name.
	Title                string
	Version, Description string
	// Created is the time of the artifact. The zero value stands for 1970, so that
	// the same plugin has the same digest each time.
	Created time.Time
}

// pack makes the configuration and the manifest of an artifact.
func pack(wasm []byte, about About) (conf, manifest []byte, err error) {
	if about.Created.IsZero() {
		about.Created = time.Unix(0, 0)
	}
	layer := content.NewDescriptorFromBytes(LayerType, wasm)
	layer.Annotations = annotations(map[string]string{ocispec.AnnotationTitle: about.Title})
	conf, err = json.Marshal(config{
		Created: about.Created.UTC(), Architecture: "wasm", OS: "wasip1", LayerDigests: []digest.Digest{layer.Digest},
	})
	if err != nil {
		return nil, nil, err
	}
	manifest, err = json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest,
		Config:    content.NewDescriptorFromBytes(ConfigType, conf),
		Layers:    []ocispec.Descriptor{layer},
		Annotations: annotations(map[string]string{
			ocispec.AnnotationCreated: about.Created.UTC().Format(time.RFC3339), ocispec.AnnotationTitle: about.Title,
			ocispec.AnnotationVersion: about.Version, ocispec.AnnotationDescription: about.Description,
		}),
	})
	return conf, manifest, err
}

// annotations leaves out what is empty.
func annotations(all map[string]string) map[string]string {
	for name, value := range all {
		if value == "" {
			delete(all, name)
		}
	}
	return all
}

// Push stores a plugin under the reference's tag, and returns the reference by
// digest.
func (c *Client) Push(ctx context.Context, r Reference, wasm []byte, about About) (Reference, error) {
	if r.Tag == "" || r.Digest != "" {
		return Reference{}, fmt.Errorf("cannot push to %s: a plugin is pushed under a tag, and its digest is known only then", r)
	}
	conf, manifest, err := pack(wasm, about)
	if err != nil {
		return Reference{}, err
	}
	repo, done, err := c.repository(ctx, r)
	defer done()
	if err != nil {
		return Reference{}, err
	}
	for _, blob := range []struct {
		kind string
		data []byte
	}{{LayerType, wasm}, {ConfigType, conf}} {
		if err := pushBlob(ctx, repo, content.NewDescriptorFromBytes(blob.kind, blob.data), blob.data); err != nil {
			return Reference{}, explain(r, "pushing", err)
		}
	}
	desc := content.NewDescriptorFromBytes(ocispec.MediaTypeImageManifest, manifest)
	if err := repo.Manifests().PushReference(ctx, desc, bytes.NewReader(manifest), r.Tag); err != nil {
		return Reference{}, explain(r, "pushing", err)
	}
	return r.Pinned(desc.Digest), nil
}

func pushBlob(ctx context.Context, repo *remote.Repository, desc ocispec.Descriptor, data []byte) error {
	there, err := repo.Blobs().Exists(ctx, desc)
	if err != nil || there {
		return err
	}
	return repo.Blobs().Push(ctx, desc, bytes.NewReader(data))
}

// Pull fetches a plugin and verifies it: the manifest against the reference's
// digest, if it has one, and the module against the manifest.
func (c *Client) Pull(ctx context.Context, r Reference) (Plugin, error) {
	limited, cancel := c.limited(ctx)
	defer cancel()
	p, err := c.pull(limited, r)
	var late pullTimeout
	if err != nil && errors.As(context.Cause(limited), &late) {
		return Plugin{}, explain(r, "pulling", late)
	}
	return p, err
}

func (c *Client) pull(ctx context.Context, r Reference) (Plugin, error) {
	repo, done, err := c.repository(ctx, r)
	defer done()
	if err != nil {
		return Plugin{}, err
	}
	manifest, sum, err := fetchManifest(ctx, repo, r)
	if err != nil {
		return Plugin{}, explain(r, "pulling", err)
	}
	layer, err := c.layerOf(manifest)
	if err != nil {
		return Plugin{}, explain(r, "pulling", err)
	}
	wasm, err := content.FetchAll(ctx, repo.Blobs(), layer)
	if err != nil {
		return Plugin{}, explain(r, "pulling", err)
	}
	return Plugin{Wasm: wasm, Reference: r.Pinned(sum), manifest: manifest, layer: layer.Digest}, nil
}

func fetchManifest(ctx context.Context, repo *remote.Repository, r Reference) ([]byte, digest.Digest, error) {
	desc, body, err := repo.Manifests().FetchReference(ctx, r.name())
	if err != nil {
		return nil, "", err
	}
	defer body.Close()
	if desc.Size > maxManifest {
		return nil, "", fmt.Errorf("the manifest has %d bytes, but may have %d", desc.Size, maxManifest)
	}
	data, err := content.ReadAll(body, desc)
	if err != nil {
		return nil, "", err
	}
	sum := digest.FromBytes(data)
	if r.Digest != "" && sum != r.Digest {
		return nil, "", fmt.Errorf("the registry sent a manifest with the digest %s", sum)
	}
	return data, sum, nil
}

// layerOf finds the module of an artifact, of the size that it may have.
func (c *Client) layerOf(manifest []byte) (ocispec.Descriptor, error) {
	var m ocispec.Manifest
	if err := json.Unmarshal(manifest, &m); err != nil {
		return ocispec.Descriptor{}, fmt.Errorf("the manifest is not JSON: %w", err)
	}
	if m.MediaType == ocispec.MediaTypeImageIndex {
		return ocispec.Descriptor{}, errors.New("it is an index of several images, not a plugin")
	}
	if len(m.Layers) != 1 || m.Layers[0].MediaType != LayerType && m.Layers[0].MediaType != oldLayerType {
		return ocispec.Descriptor{}, fmt.Errorf("it is not a plugin: expected one layer of the type %s, found %s", LayerType, layerTypes(m))
	}
	layer, most := m.Layers[0], c.MaxBytes
	if most <= 0 {
		most = DefaultMaxBytes
	}
	if layer.Digest.Validate() != nil || layer.Digest.Algorithm() != digest.SHA256 {
		return layer, fmt.Errorf("the layer's digest %q is not a sha256 digest", shorten(string(layer.Digest)))
	}
	if layer.Size < 0 || layer.Size > most {
		return layer, fmt.Errorf("the plugin has %d bytes, but may have %d", layer.Size, most)
	}
	return layer, nil
}

func layerTypes(m ocispec.Manifest) string {
	if len(m.Layers) == 0 {
		return "none"
	}
	types := ""
	for i, l := range m.Layers {
		if i == 3 {
			return types + ", ..."
		}
		if i > 0 {
			types += ", "
		}
		types += fmt.Sprintf("%q", shorten(l.MediaType))
	}
	return types
}
