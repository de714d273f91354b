package container_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/container"
)

// liar is an engine that leaves whatever a test wants it to.
type liar struct {
	leave func(r container.Request) error
	calls int
}

func (*liar) Name() string { return container.Embedded }

func (l *liar) Copy(_ context.Context, r container.Request) (container.Info, error) {
	l.calls++
	return container.Info{Bytes: 1}, l.leave(r)
}

func copyWith(t *testing.T, leave func(r container.Request) error, change func(*container.Request)) (container.Request, error) {
	t.Helper()
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 10))
	r := request(t, "registry.example/x", img)
	if change != nil {
		change(&r)
	}
	_, err := container.New(container.Config{BackoffBase: 1}, &liar{leave: leave}, nil).Copy(t.Context(), r)
	return r, err
}

// TestVerifyDir: what an engine leaves is checked, whatever it says of it.
//
// adversary: A12c
func TestVerifyDir(t *testing.T) {
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 10))
	other := newImage(t, dockerManifest, "y", "amd64", gzipLayer(t, dockerLayer, "l", 10))
	layer := hexOf(img.layers[0].blob)
	tests := map[string]struct {
		spoil func(dir string) error
		kind  container.Kind
		text  string
	}{
		"good": {func(string) error { return nil }, "", ""},
		"signature": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "signature-1"), nil, 0o600)
		}, "", ""},
		"blob changed": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, layer), []byte("x"), 0o600)
		}, container.KindMismatch, "sha256:" + layer},
		"blob missing": {func(dir string) error { return os.Remove(filepath.Join(dir, layer)) }, container.KindDisk, layer},
		"blob is a link": {func(dir string) error {
			os.Rename(filepath.Join(dir, layer), dir+".blob")
			return os.Symlink(dir+".blob", filepath.Join(dir, layer))
		}, container.KindMismatch, "not a regular file"},
		"config changed": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, hexOf(img.config)), other.config, 0o600)
		}, container.KindMismatch, other.id()},
		"manifest changed": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "manifest.json"), append(img.manifest, ' '), 0o600)
		}, container.KindMismatch, digestOf(append(img.manifest, ' '))},
		"another image": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "manifest.json"), other.manifest, 0o600)
		}, container.KindMismatch, other.digest()},
		"something more": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "extra"), nil, 0o600)
		}, container.KindMismatch, "extra"},
		"not JSON": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "manifest.json"), []byte("{"), 0o600)
		}, container.KindMismatch, "manifest"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := copyWith(t, func(r container.Request) error {
				dir := filepath.Join(r.Dest, "image")
				if err := os.Mkdir(dir, 0o700); err != nil {
					return err
				}
				img.write(t, dir)
				return test.spoil(dir)
			}, nil)
			if test.kind != "" {
				wantError(t, r, err, test.kind, test.text)
				return
			}
			must(t, err)
			wantModes(t, r.Dest)
		})
	}
}

// wantModes: modes leak into what is built, so that no umask may decide them.
func wantModes(t *testing.T, dest string) {
	t.Helper()
	must(t, filepath.Walk(dest, func(path string, info os.FileInfo, err error) error {
		if path == dest {
			return err
		}
		want := os.FileMode(0o644)
		if info.IsDir() {
			want = 0o755
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has the mode %o", path, info.Mode().Perm())
		}
		return err
	}))
}

// TestVerifyIndex: only the list that was asked for is taken, and only a list.
func TestVerifyIndex(t *testing.T) {
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 10))
	list := newList(t, ociIndex, false, img)
	leave := func(data []byte) func(r container.Request) error {
		return func(r container.Request) error {
			must(t, os.Mkdir(filepath.Join(r.Dest, "image"), 0o700))
			return os.WriteFile(filepath.Join(r.Dest, "image", "manifest.json"), data, 0o600)
		}
	}
	want := func(id string) func(*container.Request) {
		return func(r *container.Request) { r.IndexOnly, r.ID = true, id }
	}
	_, err := copyWith(t, leave(list.manifest), want(list.digest()))
	must(t, err)
	r, err := copyWith(t, leave(img.manifest), want(list.digest()))
	wantError(t, r, err, container.KindMismatch, img.digest(), list.digest())
	r, err = copyWith(t, leave(img.manifest), want(img.digest()))
	wantError(t, r, err, container.KindMismatch, "is not a manifest list")
}

// TestVerifyArchive looks into archives.
func TestVerifyArchive(t *testing.T) {
	content := tarOf(t, "l", 10)
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 10))
	other := newImage(t, dockerManifest, "y", "amd64", gzipLayer(t, dockerLayer, "l", 10))
	config, layer := hexOf(img.config)+".json", hexOf(content)+".tar"
	manifest := func(config string, layers ...string) string {
		return string(marshal(t, []object{{"Config": config, "Layers": layers}}))
	}
	good := [][2]string{{layer, string(content)}, {config, string(img.config)}, {"manifest.json", manifest(config, layer)}}
	tests := map[string]struct {
		entries [][2]string
		text    string
	}{
		"good":           {good, ""},
		"layer changed":  {[][2]string{{layer, "x"}, good[1], good[2]}, digestOf(content)},
		"config changed": {[][2]string{good[0], {config, string(other.config)}, good[2]}, other.id()},
		"layer missing":  {[][2]string{good[1], good[2]}, layer},
		"layer left out": {[][2]string{good[1], {"manifest.json", manifest(config)}}, "0 layers"},
		"twice":          {append(good[:3:3], good[0]), "twice"},
		"something more": {append(good[:3:3], [2]string{"extra", ""}), "extra"},
		"no manifest":    {good[:2], "manifest.json"},
		"empty":          {nil, "manifest.json"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var buf bytes.Buffer
			w := tar.NewWriter(&buf)
			for _, e := range test.entries {
				must(t, w.WriteHeader(&tar.Header{Name: e[0], Size: int64(len(e[1])), Mode: 0o644}))
				_, err := w.Write([]byte(e[1]))
				must(t, err)
			}
			must(t, w.Close())
			r, err := copyWith(t, func(r container.Request) error {
				return os.WriteFile(filepath.Join(r.Dest, "container-image.tar"), buf.Bytes(), 0o600)
			}, func(r *container.Request) { r.Format, r.ID = container.DockerArchive, img.id() })
			if test.text == "" {
				must(t, err)
				return
			}
			wantError(t, r, err, container.KindMismatch, test.text)
		})
	}
}

// TestRefusedRequests never reach an engine.
func TestRefusedRequests(t *testing.T) {
	for name, change := range map[string]func(*container.Request){
		"id":         func(r *container.Request) { r.ID = "sha256:abc" },
		"no id":      func(r *container.Request) { r.ID = "" },
		"digest":     func(r *container.Request) { r.Image.Digest = strings.ToUpper(r.Image.Digest) },
		"option":     func(r *container.Request) { r.Image.Name = "--insecure-policy" },
		"credential": func(r *container.Request) { r.Image.Name = "user:pass@registry.example/x" },
		"tag":        func(r *container.Request) { r.Image.Name = "registry.example/x:latest" },
		"two tags": func(r *container.Request) {
			r.Image.Transport, r.Image.Name = container.ContainersStorage, "registry.example/x:a:b"
		},
		"no tag": func(r *container.Request) {
			r.Image.Transport, r.Image.Name = container.ContainersStorage, "registry.example/x:"
		},
		"space":     func(r *container.Request) { r.Image.Name = "registry.example/x y" },
		"transport": func(r *container.Request) { r.Image.Transport = "dir" },
		"format":    func(r *container.Request) { r.Format = "oci" },
		"location":  func(r *container.Request) { r.Image.StorageLocation = "/x" },
		"bracket": func(r *container.Request) {
			r.Image.Transport, r.Image.StorageLocation = container.ContainersStorage, "/x]docker://y"
		},
	} {
		r, err := copyWith(t, func(container.Request) error { return errors.New("it was called") }, change)
		e := wantError(t, r, err, container.KindInvalid)
		if strings.Contains(e.Error(), "it was called") {
			t.Errorf("%s: %v", name, e)
		}
	}
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 10))
	r := request(t, "registry.example/x", img)
	kept := filepath.Join(r.Dest, "kept")
	must(t, os.WriteFile(kept, nil, 0o600))
	_, err := container.New(container.Config{}, &liar{}, nil).Copy(t.Context(), r)
	if e, ok := errors.AsType[*container.Error](err); !ok || !strings.Contains(e.Error(), "not empty") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
}

// TestNoSecrets: what registries and libraries say of addresses is cleaned.
func TestNoSecrets(t *testing.T) {
	r, err := copyWith(t, func(container.Request) error {
		return errors.New(`Get "https://user:pa55@cdn.example/blob?X-Amz-Signature=51gn": connection reset by peer`)
	}, nil)
	e := wantError(t, r, err, container.KindNetwork, "https://cdn.example/blob?...", "5 attempts")
	if strings.Contains(e.Error(), "pa55") || strings.Contains(e.Error(), "51gn") {
		t.Errorf("a secret is in %q", e)
	}
}
