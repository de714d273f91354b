package container_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerConfig   = "application/vnd.docker.container.image.v1+json"
	dockerLayer    = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	ociManifest    = "application/vnd.oci.image.manifest.v1+json"
	ociConfig      = "application/vnd.oci.image.config.v1+json"
	ociLayer       = "application/vnd.oci.image.layer.v1.tar+gzip"
	ociZstd        = "application/vnd.oci.image.layer.v1.tar+zstd"
	ociIndex       = "application/vnd.oci.image.index.v1+json"
)

type object = map[string]any

// layer is a layer of a test image.
type layer struct {
	media string
	blob  []byte
	diff  string // digest of the uncompressed content
}

// testImage is an image in memory.
type testImage struct {
	media    string
	manifest []byte
	config   []byte
	layers   []layer
	members  []testImage // of a list
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func hexOf(data []byte) string { return strings.TrimPrefix(digestOf(data), "sha256:") }

func (i testImage) digest() string { return digestOf(i.manifest) }
func (i testImage) id() string     { return digestOf(i.config) }

// tarOf is a layer's content: one file of size bytes that cannot be compressed.
func tarOf(t testing.TB, name string, size int) []byte {
	t.Helper()
	seed := sha256.Sum256([]byte(name))
	data := make([]byte, size)
	rand.NewChaCha8(seed).Read(data)
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	must(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(size), Format: tar.FormatUSTAR}))
	_, err := w.Write(data)
	must(t, err)
	must(t, w.Close())
	return buf.Bytes()
}

func gzipLayer(t testing.TB, media, name string, size int) layer {
	t.Helper()
	content := tarOf(t, name, size)
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, err := w.Write(content)
	must(t, err)
	must(t, w.Close())
	return layer{media, buf.Bytes(), digestOf(content)}
}

func zstdLayer(t testing.TB, name string, size int) layer {
	t.Helper()
	content := tarOf(t, name, size)
	w, err := zstd.NewWriter(nil)
	must(t, err)
	return layer{ociZstd, w.EncodeAll(content, nil), digestOf(content)}
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	must(t, err)
	return data
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func descriptorOf(media string, data []byte) object {
	return object{"mediaType": media, "digest": digestOf(data), "size": len(data)}
}

// newImage makes an image; name makes its config unlike any other.
func newImage(t testing.TB, media, name, arch string, layers ...layer) testImage {
	t.Helper()
	configMedia := ociConfig
	if media == dockerManifest {
		configMedia = dockerConfig
	}
	var diffs []string
	var history, descriptors []object
	for _, l := range layers {
		diffs = append(diffs, l.diff)
		history = append(history, object{"created": "2024-01-01T00:00:00Z", "created_by": name})
		descriptors = append(descriptors, descriptorOf(l.media, l.blob))
	}
	config := marshal(t, object{
		"architecture": arch, "os": "linux", "created": "2024-01-01T00:00:00Z",
		"config": object{"Labels": object{"name": name}}, "history": history,
		"rootfs": object{"type": "layers", "diff_ids": diffs},
	})
	manifest := marshal(t, object{
		"schemaVersion": 2, "mediaType": media, "config": descriptorOf(configMedia, config), "layers": descriptors,
	})
	return testImage{media: media, manifest: manifest, config: config, layers: layers}
}

// newList makes a list of images, whose architectures are amd64 and arm64.
// Without a name of its media type in the list with named=false.
func newList(t testing.TB, media string, named bool, members ...testImage) testImage {
	t.Helper()
	arch := []string{"amd64", "arm64"}
	var manifests []object
	for i, m := range members {
		d := descriptorOf(m.media, m.manifest)
		d["platform"] = object{"architecture": arch[i], "os": "linux"}
		manifests = append(manifests, d)
	}
	list := object{"schemaVersion": 2, "manifests": manifests}
	if named {
		list["mediaType"] = media
	}
	return testImage{media: media, manifest: marshal(t, list), members: members}
}

// write lays the image out as a dir: folder.
func (i testImage) write(t testing.TB, dir string) {
	t.Helper()
	put := func(name string, data []byte) { must(t, os.WriteFile(filepath.Join(dir, name), data, 0o644)) }
	put("version", []byte("Directory Transport Version: 1.1\n"))
	put("manifest.json", i.manifest)
	for _, m := range append([]testImage{i}, i.members...) {
		if m.config == nil {
			continue
		}
		put(hexOf(m.config), m.config)
		for _, l := range m.layers {
			put(hexOf(l.blob), l.blob)
		}
	}
	for _, m := range i.members {
		put(hexOf(m.manifest)+".manifest.json", m.manifest)
	}
}

// push pushes the image with the real skopeo, as it is.
func (i testImage) push(t testing.TB, to string, args ...string) {
	t.Helper()
	dir := t.TempDir()
	i.write(t, dir)
	args = append([]string{"--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests"}, args...)
	skopeoRun(t, append(args, "dir:"+dir, "docker://"+to)...)
}

// readDir is the content of a folder, by name.
func readDir(t testing.TB, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	files := map[string]string{}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		files[e.Name()] = hexOf(data) + fmt.Sprint(" ", len(data))
	}
	return files
}
