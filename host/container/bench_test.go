package container_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/hosttest"
)

// BenchmarkEightImages copies eight images of 20 MB: with each engine, four at
// once and shared blobs, and with skopeo as it was run without this package, one
// copy and one look at the image's id after the other.
func BenchmarkEightImages(b *testing.B) {
	registry := hosttest.StartRegistry(b, hosttest.RegistryOptions{})
	var images []testImage
	for i := range 8 {
		name := fmt.Sprint("image", i)
		img := newImage(b, dockerManifest, name, "amd64", gzipLayer(b, dockerLayer, name, 20<<20))
		img.push(b, registry+"/"+name+":latest", "--dest-tls-verify=false")
		images = append(images, img)
	}
	b.Run("program", func(b *testing.B) {
		for b.Loop() {
			for i, img := range images {
				dir := filepath.Join(b.TempDir(), "image")
				skopeoRun(b, "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", fmt.Sprintf("docker://%s/image%d@%s", registry, i, img.digest()), "dir:"+dir)
				if config := skopeoRun(b, "inspect", "--raw", "--config", "dir:"+dir); digestOf(config) != img.id() {
					b.Fatal("another image came")
				}
			}
		}
	})
	for _, engine := range []string{container.Skopeo, container.Embedded} {
		b.Run(engine, func(b *testing.B) {
			if _, err := container.NewEmbedded(container.Config{}); err != nil && engine == container.Embedded {
				b.Skip(err)
			}
			for b.Loop() {
				copyAll(b, engine, registry, images)
			}
		})
	}
}

// copyAll copies images 0, 1, ... of the registry, four at once.
func copyAll(b *testing.B, engine, registry string, images []testImage) {
	cfg := anything
	cfg.BlobDir = filepath.Join(b.TempDir(), "blobs")
	copier := newCopier(b, engine, cfg)
	slots := make(chan struct{}, 4)
	var wg sync.WaitGroup
	for i, img := range images {
		r := request(b, fmt.Sprintf("%s/image%d", registry, i), img)
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if _, err := copier.Copy(b.Context(), r); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	os.RemoveAll(cfg.BlobDir)
}
