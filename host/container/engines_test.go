package container_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/container"
)

// TestChoice: which engine runs, and what is said when it is not there.
func TestChoice(t *testing.T) {
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 10))
	ran := ""
	engine := func(name string) container.Engine {
		return &liar{leave: func(container.Request) error { ran = name; return errors.New("stop") }}
	}
	storage := func(r *container.Request) { r.Image.Transport = container.ContainersStorage }
	registry := func(*container.Request) {}
	for _, test := range []struct {
		choice            string
		embedded, program bool
		change            func(*container.Request)
		ran, text         string
	}{
		{"", true, true, registry, "embedded", ""},
		{"", false, true, registry, "skopeo", ""},
		{"skopeo", true, true, registry, "skopeo", ""},
		{"embedded", true, true, storage, "skopeo", ""},
		{"", true, false, storage, "", "install the package skopeo"},
		{"skopeo", true, false, registry, "", "install the package skopeo"},
		{"embedded", false, true, registry, "", "containers_image_openpgp"},
		{"", false, false, registry, "", "containers_image_openpgp"},
		{"podman", true, true, registry, "", `"podman"`},
	} {
		ran = ""
		var embedded, program container.Engine
		if test.embedded {
			embedded = engine("embedded")
		}
		if test.program {
			program = engine("skopeo")
		}
		r := request(t, "registry.example/x", img)
		test.change(&r)
		_, err := container.New(container.Config{Engine: test.choice}, embedded, program).Copy(t.Context(), r)
		if ran != test.ran || err == nil || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%+v: ran %q: %v", test, ran, err)
		}
	}
}

// TestSkopeoArguments: what the program is given for an image in a storage.
func TestSkopeoArguments(t *testing.T) {
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 10))
	var args, env []string
	cfg := container.Config{PolicyFile: "/policy.json", RegistriesDir: "/registries.d", RegistriesConf: "/registries.conf",
		Environ: environ(map[string]string{"HTTPS_PROXY": "http://proxy", "SECRET": "x", "HOME": "/home", "PATH": "/bin"})}
	program := container.NewSkopeo(cfg, "/usr/bin/skopeo", func(_ context.Context, program string, a, e []string, dir string, _ func(string)) ([]byte, error) {
		args, env = a, e
		return nil, errors.New("stop")
	})
	r := request(t, "registry.example/x", img)
	r.Image.Transport, r.Image.StorageLocation, r.RemoveSignatures = container.ContainersStorage, "//storage/./", true
	if _, err := container.New(cfg, nil, program).Copy(t.Context(), r); err == nil {
		t.Error("no error")
	}
	want := []string{"--tmpdir", filepath.Join(r.Dest, ".scratch"), "--policy", "/policy.json", "--registries-conf", "/registries.conf", "--registries.d", "/registries.d",
		"copy", "--quiet", "--remove-signatures", "containers-storage:[overlay@/storage]registry.example/x@" + img.digest(), "dir:image"}
	if !slices.Equal(args, want) {
		t.Errorf("got  %q\nwant %q", args, want)
	}
	slices.Sort(env)
	if want := []string{"HOME=/home", "HTTPS_PROXY=http://proxy", "PATH=/bin"}; !slices.Equal(env, want) {
		t.Errorf("the environment is %q", env)
	}
}

// TestStorage copies an image out of a storage, whose layers are uncompressed.
func TestStorage(t *testing.T) {
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 100), gzipLayer(t, dockerLayer, "m", 100))
	dir, storage := t.TempDir(), t.TempDir()
	if strings.ContainsAny(storage, " :@[]") { // skopeo has no such path in a name
		under, err := os.MkdirTemp("/var/tmp", "TestStorage")
		if err != nil {
			t.Fatal(err)
		}
		storage = under
		t.Cleanup(func() { os.RemoveAll(under) })
	}
	t.Cleanup(func() { unix.Unmount(filepath.Join(storage, "overlay"), unix.MNT_DETACH) })
	img.write(t, dir)
	if err := trySkopeo(t, "--insecure-policy", "copy", "--quiet", "dir:"+dir, "containers-storage:[overlay@"+storage+"]registry.example/x:latest"); err != nil {
		text := fmt.Sprintf("skopeo cannot write to a storage here, which takes root: %v", err)
		if os.Getenv("CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	copier := newCopier(t, container.Skopeo, anything)
	// Local images are often named with their tag, which a storage takes.
	for format, name := range map[container.Format]string{container.Dir: "registry.example/x:latest", container.DockerArchive: "registry.example/x"} {
		r := request(t, name, img)
		r.Format, r.RemoveSignatures = format, true
		r.Image.Transport, r.Image.StorageLocation = container.ContainersStorage, storage
		if _, err := copier.Copy(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if format == container.Dir {
			for _, l := range img.layers {
				if _, ok := readDir(t, filepath.Join(r.Dest, "image"))[strings.TrimPrefix(l.diff, "sha256:")]; !ok {
					t.Errorf("the layer %s is missing", l.diff)
				}
			}
		}
		r = request(t, "registry.example/missing", img)
		r.Image.Transport, r.Image.StorageLocation = container.ContainersStorage, storage
		_, err := copier.Copy(t.Context(), r)
		wantError(t, r, err, container.KindNotFound, "registry.example/missing")
	}
}

// TestStorageLayers: layers that the image's config does not name are refused.
func TestStorageLayers(t *testing.T) {
	good := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 10))
	r := request(t, "registry.example/x", good)
	r.Image.Transport = container.ContainersStorage
	engine := &liar{leave: func(r container.Request) error {
		dir := filepath.Join(r.Dest, "image")
		must(t, os.Mkdir(dir, 0o700))
		good.write(t, dir) // compressed layers, so that their digests are others
		return nil
	}}
	_, err := container.New(container.Config{}, nil, engine).Copy(t.Context(), r)
	wantError(t, r, err, container.KindMismatch, "layers")
}
