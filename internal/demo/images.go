package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/sourcehost/sourcehost/internal/sampleimage"
)

// images are what the demo's registry offers.
type images struct {
	registry *sampleimage.Registry
	addr     string
	http     *http.Server
	app      *sampleimage.Image
	list     *sampleimage.Image
}

// repository is where the images are in the registry.
const repository = "demo/app"

// serveImages starts a registry with a small image, and a list that names it.
func serveImages() (*images, error) {
	app, err := sampleimage.New("app", []byte("the program\n"), []byte(strings.Repeat("its data\n", 100_000)))
	if err != nil {
		return nil, err
	}
	list, err := sampleimage.List(app)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	i := &images{registry: sampleimage.NewRegistry(), addr: l.Addr().String(), app: app, list: list}
	i.registry.Add(repository, app)
	i.registry.Add(repository, list)
	i.http = &http.Server{Handler: i.registry}
	go i.http.Serve(l)
	return i, nil
}

// sources are the sources of a manifest that names the images.
func (i *images) sources() map[string]any {
	image := map[string]any{"name": i.addr + "/" + repository, "digest": i.app.Digest(), "tls-verify": false}
	list := map[string]any{"name": i.addr + "/" + repository, "tls-verify": false}
	return map[string]any{
		"org.osbuild.skopeo":       map[string]any{"items": map[string]any{i.app.ID(): map[string]any{"image": image}}},
		"org.osbuild.skopeo-index": map[string]any{"items": map[string]any{i.list.Digest(): map[string]any{"image": list}}},
	}
}

// verify looks at the stored image with nothing but a JSON reader and a hash.
func (i *images) verify(store string) error {
	dir := filepath.Join(store, "sources/org.osbuild.containers", i.app.ID(), "image")
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return err
	}
	type blob struct{ Digest string }
	var manifest struct {
		Config blob
		Layers []blob
	}
	if err := json.Unmarshal(raw, &manifest); err != nil {
		return err
	}
	if manifest.Config.Digest != i.app.ID() {
		return fmt.Errorf("the image in the store is %s, expected %s", manifest.Config.Digest, i.app.ID())
	}
	for _, b := range append(manifest.Layers, manifest.Config) {
		data, err := os.ReadFile(filepath.Join(dir, strings.TrimPrefix(b.Digest, "sha256:")))
		if err != nil {
			return err
		}
		if got := sampleimage.Digest(data); got != b.Digest {
			return fmt.Errorf("a blob of the image is %s, expected %s", got, b.Digest)
		}
	}
	list, err := os.ReadFile(filepath.Join(store, "sources/org.osbuild.files", i.list.Digest()))
	if err == nil && sampleimage.Digest(list) != i.list.Digest() {
		err = errors.New("the list of images in the store has another digest")
	}
	fmt.Printf("  image %.32s... of %d layers, and the list that names it\n", i.app.ID(), len(manifest.Layers))
	return err
}
