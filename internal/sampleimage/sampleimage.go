// Package sampleimage makes small container images in memory and serves them as a
// registry does, for demonstrations and tests that are to need no other program.
package sampleimage

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
)

// The media types of Docker's image manifest, version 2, schema 2.
const (
	TypeManifest = "application/vnd.docker.distribution.manifest.v2+json"
	TypeList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	typeConfig   = "application/vnd.docker.container.image.v1+json"
	typeLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
)

// Image is an image, or a list of images when it has no config.
type Image struct {
	// Type is the media type of Manifest.
	Type     string
	Manifest []byte
	Config   []byte
	// Layers are compressed tar archives.
	Layers [][]byte
}

// Digest is the digest of some content as registries write it.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Digest is that of the manifest.
func (i *Image) Digest() string { return Digest(i.Manifest) }

// ID is the image's id, the digest of its config.
func (i *Image) ID() string { return Digest(i.Config) }

type object = map[string]any

// New makes an image with one layer for each content, in which that is the file
// NAME/N.
func New(name string, contents ...[]byte) (*Image, error) {
	i := &Image{Type: TypeManifest}
	var diffs []string
	var layers []object
	for n, content := range contents {
		layer, diff, err := layerOf(name+"/"+string(rune('0'+n%10)), content)
		if err != nil {
			return nil, err
		}
		i.Layers, diffs = append(i.Layers, layer), append(diffs, diff)
		layers = append(layers, descriptor(typeLayer, layer))
	}
	var err error
	i.Config, err = json.Marshal(object{
		"architecture": "amd64", "os": "linux", "config": object{"Labels": object{"name": name}},
		"rootfs": object{"type": "layers", "diff_ids": diffs},
	})
	if err != nil {
		return nil, err
	}
	i.Manifest, err = json.Marshal(object{
		"schemaVersion": 2, "mediaType": TypeManifest, "config": descriptor(typeConfig, i.Config), "layers": layers,
	})
	return i, err
}

// List makes a list of images.
func List(images ...*Image) (*Image, error) {
	var members []object
	for n, i := range images {
		d := descriptor(i.Type, i.Manifest)
		d["platform"] = object{"os": "linux", "architecture": []string{"amd64", "arm64", "s390x", "ppc64le"}[n%4]}
		members = append(members, d)
	}
	manifest, err := json.Marshal(object{"schemaVersion": 2, "mediaType": TypeList, "manifests": members})
	return &Image{Type: TypeList, Manifest: manifest}, err
}

func descriptor(media string, data []byte) object {
	return object{"mediaType": media, "size": len(data), "digest": Digest(data)}
}

// layerOf returns a compressed archive of one file, and the digest of the archive.
func layerOf(name string, content []byte) (layer []byte, diff string, err error) {
	var plain, packed bytes.Buffer
	w := tar.NewWriter(&plain)
	if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
		return nil, "", err
	}
	if _, err := w.Write(content); err != nil {
		return nil, "", err
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(plain.Bytes()); err != nil {
		return nil, "", err
	}
	if err := z.Close(); err != nil {
		return nil, "", err
	}
	return packed.Bytes(), Digest(plain.Bytes()), nil
}

// WriteDir writes the image in the format "dir:" of containers-transports(5), from
// which skopeo can push it. A list cannot be written so.
func (i *Image) WriteDir(dir string) error {
	files := map[string][]byte{"version": []byte("Directory Transport Version: 1.1\n"), "manifest.json": i.Manifest}
	for _, blob := range append([][]byte{i.Config}, i.Layers...) {
		files[strings.TrimPrefix(Digest(blob), "sha256:")] = blob
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
