package container

import (
	"encoding/json"
	"fmt"
)

// The media types of manifest lists (Docker Image Manifest Version 2, Schema 2,
// and OCI image index).
const (
	typeDockerList = "application/vnd.docker.distribution.manifest.list.v2+json"
	typeOCIIndex   = "application/vnd.oci.image.index.v1+json"
)

// descriptor names a blob or manifest.
type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int64  `json:"size"`
}

// document is what the manifests of images and their lists have in common.
type document struct {
	MediaType string       `json:"mediaType"`
	Manifests []descriptor `json:"manifests"`
	Config    *descriptor  `json:"config"`
	Layers    []descriptor `json:"layers"`
}

func parseManifest(data []byte) (*document, error) {
	var m document
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, mismatch("the manifest cannot be read: %w", err)
	}
	return &m, nil
}

// isList says whether m lists the manifests of several images. The media type
// may be missing in an OCI index; it may not be another one.
func (m *document) isList() bool {
	switch m.MediaType {
	case typeDockerList, typeOCIIndex:
		return true
	case "":
		return m.Manifests != nil && m.Config == nil
	}
	return false
}

// lists says whether m names the manifest with a digest.
func (m *document) lists(digest string) bool {
	for _, d := range m.Manifests {
		if d.Digest == digest {
			return true
		}
	}
	return false
}

// blobs returns config and layers, each digest once.
func (m *document) blobs() ([]descriptor, error) {
	if m.Config == nil {
		return nil, mismatch("the manifest has no config (media type %q), so that the image has no id", m.MediaType)
	}
	var all []descriptor
	seen := map[string]bool{}
	for _, d := range append([]descriptor{*m.Config}, m.Layers...) {
		if !isDigest(d.Digest) {
			return nil, mismatch("the manifest names a blob by %q, which is not sha256:HEX", d.Digest)
		}
		if !seen[d.Digest] {
			seen[d.Digest] = true
			all = append(all, d)
		}
	}
	return all, nil
}

// notList is the error about an image in the place of a manifest list.
func notList(r *Request, m *document) error {
	what := "it has no manifests"
	if m.MediaType != "" {
		what = fmt.Sprintf("its media type is %q", m.MediaType)
	}
	return mismatch("%s is not a manifest list: %s", r.named(), what)
}
