package container_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/hosttest"
)

// testImages are images of each sort, by the name of their repository.
func testImages(t *testing.T) map[string]testImage {
	t.Helper()
	one := gzipLayer(t, dockerLayer, "one", 3000)
	return map[string]testImage{
		"docker-one":  newImage(t, dockerManifest, "docker-one", "amd64", one),
		"docker-many": newImage(t, dockerManifest, "docker-many", "amd64", one, gzipLayer(t, dockerLayer, "two", 70000), one, gzipLayer(t, dockerLayer, "three", 10)),
		"oci-gzip":    newImage(t, ociManifest, "oci-gzip", "amd64", gzipLayer(t, ociLayer, "one", 3000), gzipLayer(t, ociLayer, "two", 100)),
		"oci-zstd":    newImage(t, ociManifest, "oci-zstd", "amd64", zstdLayer(t, "one", 3000), gzipLayer(t, ociLayer, "two", 100)),
	}
}

// TestDir compares with what the real skopeo makes.
func TestDir(t *testing.T) {
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	for name, img := range testImages(t) {
		img.push(t, registry+"/"+name+":latest", "--dest-tls-verify=false")
		want := t.TempDir()
		skopeoRun(t, "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "docker://"+registry+"/"+name+"@"+img.digest(), "dir:"+want)
		eachEngine(t, func(t *testing.T, engine string) {
			for _, shared := range []string{"", t.TempDir()} {
				cfg := anything
				cfg.BlobDir = shared
				r := request(t, registry+"/"+name, img)
				var done, total atomic.Int64
				r.Progress = func(d, n int64) { done.Store(d); total.Store(n) }
				info, err := newCopier(t, engine, cfg).Copy(t.Context(), r)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if diff := cmp.Diff(readDir(t, want), readDir(t, filepath.Join(r.Dest, "image"))); diff != "" {
					t.Errorf("%s differs from skopeo's:\n%s", name, diff)
				}
				if len(readDirNames(t, r.Dest)) != 1 {
					t.Errorf("%s: beside the image there is %v", name, readDirNames(t, r.Dest))
				}
				if info.Bytes == 0 || info.Attempts != 1 {
					t.Errorf("%s: %+v", name, info)
				}
				if (shared != "" || engine == container.Embedded) && (done.Load() == 0 || done.Load() != total.Load()) {
					t.Errorf("%s: progress ended with %d of %d", name, done.Load(), total.Load())
				}
			}
		})
	}
}

func readDirNames(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestArchive loads the archives with the real skopeo.
func TestArchive(t *testing.T) {
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	for name, img := range testImages(t) {
		img.push(t, registry+"/"+name+":latest", "--dest-tls-verify=false")
		if name == "oci-zstd" {
			continue // see TestArchiveZstd
		}
		wantFile := filepath.Join(t.TempDir(), "image.tar")
		skopeoRun(t, "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false", "--remove-signatures", "docker://"+registry+"/"+name+"@"+img.digest(), "docker-archive:"+wantFile)
		want, err := os.ReadFile(wantFile)
		must(t, err)
		eachEngine(t, func(t *testing.T, engine string) {
			for _, shared := range []string{"", t.TempDir()} {
				cfg := anything
				cfg.BlobDir = shared
				r := request(t, registry+"/"+name, img)
				r.Format, r.RemoveSignatures = container.DockerArchive, true
				if _, err := newCopier(t, engine, cfg).Copy(t.Context(), r); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				got, err := os.ReadFile(filepath.Join(r.Dest, "container-image.tar"))
				must(t, err)
				if !bytes.Equal(got, want) {
					t.Errorf("%s differs from skopeo's archive", name)
				}
				wantLoads(t, got, img)
			}
		})
	}
}

// wantLoads loads an archive with the real skopeo.
func wantLoads(t *testing.T, archive []byte, img testImage) {
	t.Helper()
	plain := filepath.Join(t.TempDir(), "plain.tar") // skopeo takes no colon in a path
	must(t, os.WriteFile(plain, archive, 0o600))
	config := skopeoRun(t, "inspect", "--config", "--raw", "docker-archive:"+plain)
	if digestOf(config) != img.id() {
		t.Errorf("skopeo reads the id %s, expected %s", digestOf(config), img.id())
	}
}

// TestArchiveZstd: skopeo 1.9 cannot put an image with zstd layers into an
// archive, whoever asks it to. An engine either does so rightly, or fails.
func TestArchiveZstd(t *testing.T) {
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	img := testImages(t)["oci-zstd"]
	img.push(t, registry+"/oci-zstd:latest", "--dest-tls-verify=false")
	eachEngine(t, func(t *testing.T, engine string) {
		r := request(t, registry+"/oci-zstd", img)
		r.Format, r.RemoveSignatures = container.DockerArchive, true
		_, err := newCopier(t, engine, anything).Copy(t.Context(), r)
		if err != nil && strings.Contains(err.Error(), "zstd compression is not supported") {
			wantError(t, r, err, container.KindInvalid, "hint")
			return
		}
		must(t, err)
		got, err := os.ReadFile(filepath.Join(r.Dest, "container-image.tar"))
		must(t, err)
		wantLoads(t, got, img)
	})
}

// TestIndex copies lists, with and without a media type, and takes an image of
// this machine out of a list.
func TestIndex(t *testing.T) {
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	all := testImages(t)
	oci := []testImage{all["oci-gzip"], newImage(t, ociManifest, "arm", "arm64", all["oci-gzip"].layers...)}
	lists := map[string]testImage{
		"oci":     newList(t, ociIndex, true, oci...),
		"unnamed": newList(t, ociIndex, false, oci...),
		"docker":  newList(t, dockerList, true, all["docker-one"], newImage(t, dockerManifest, "arm", "arm64", all["docker-one"].layers...)),
	}
	for name, list := range lists {
		repository := registry + "/" + name
		list.push(t, repository+":latest", "--dest-tls-verify=false")
		eachEngine(t, func(t *testing.T, engine string) {
			copier := newCopier(t, engine, anything)
			r := request(t, repository, list)
			if _, err := copier.Copy(t.Context(), r); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := os.ReadFile(filepath.Join(r.Dest, "index"))
			must(t, err)
			if !bytes.Equal(got, list.manifest) || len(readDirNames(t, r.Dest)) != 1 {
				t.Errorf("%s: another list came: %s", name, got)
			}
			single := request(t, repository, list.members[0])
			single.IndexOnly, single.ID = true, list.members[0].digest()
			_, err = copier.Copy(t.Context(), single)
			wantError(t, single, err, container.KindMismatch, "is not a manifest list")

			needAMD64(t)
			byList := request(t, repository, list.members[0])
			byList.Image.Digest = list.digest()
			if _, err := copier.Copy(t.Context(), byList); err != nil {
				t.Errorf("%s: the image of this machine by the digest of the list: %v", name, err)
			}
		})
	}
}

// TestShared copies images with a common layer at once: it is loaded once.
func TestShared(t *testing.T) {
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	base := gzipLayer(t, dockerLayer, "base", 200000)
	var images []testImage
	for _, name := range []string{"a", "b", "c", "d"} {
		img := newImage(t, dockerManifest, name, "amd64", base, gzipLayer(t, dockerLayer, name, 5000))
		img.push(t, registry+"/"+name+":latest", "--dest-tls-verify=false")
		images = append(images, img)
	}
	eachEngine(t, func(t *testing.T, engine string) {
		front := newFront(t, registry, nil)
		cfg := anything
		cfg.BlobDir = filepath.Join(t.TempDir(), "blobs")
		copier := newCopier(t, engine, cfg)
		var wg sync.WaitGroup
		var loaded atomic.Int64
		for i, img := range images {
			r := request(t, front.addr+"/"+string(rune('a'+i)), img)
			if i == 3 {
				r.Format, r.RemoveSignatures = container.DockerArchive, true
			}
			wg.Go(func() {
				info, err := copier.Copy(t.Context(), r)
				if err != nil {
					t.Error(err)
				}
				loaded.Add(info.Bytes)
			})
		}
		wg.Wait()
		if n := front.blobs(digestOf(base.blob)); n != 1 {
			t.Errorf("the shared layer was asked for %d times", n)
		}
		if n := loaded.Load(); n > 300000 {
			t.Errorf("%d bytes are said to be loaded, with a shared layer of 200000", n)
		}
	})
}
