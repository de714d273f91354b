package e2e

import (
	"bytes"
	"encoding/base64"
	"path/filepath"
	"testing"

	"github.com/ulikunitz/xz"
	"golang.org/x/sys/unix"
)

// packed returns a manifest with one item that is so many zeros, compressed.
func packed(t *testing.T, s *sandbox, size int) (manifest, k string) {
	t.Helper()
	var b bytes.Buffer
	w, err := xz.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, size)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	item := map[string]string{"encoding": "lzma+base64", "data": base64.StdEncoding.EncodeToString(b.Bytes())}
	return s.sources(map[string]items{"org.osbuild.inline": {key(data): item}}), key(data)
}

// TestInlineBomb: a few hundred bytes that become 1 MiB are refused at the cap, and
// nothing of them is kept.
//
// adversary: C10
func TestInlineBomb(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	s.configure("[limits]\nput = \"256KiB\"\n")
	m, k := packed(t, s, 1<<20)
	s.fetch(m).ends(1).failed(k, "failed", "more than 262144 bytes", "put = SIZE")
	s.holds()
	s.nothingStaged()
	m, k = packed(t, s, 100<<10)
	s.fetch(m).ends(0)
	s.holds(k)
}

// TestStoreElsewhere: the store is on another file system than the folder for
// temporary files, in which there is no space at all.
//
// adversary: C3d
func TestStoreElsewhere(t *testing.T) {
	t.Parallel()
	s := imageSandbox(t)
	s.mount("32m")
	if err := unix.Mount("tmpfs", filepath.Join(s.dir, "tmp"), "tmpfs", unix.MS_RDONLY, "size=4k"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(filepath.Join(s.dir, "tmp"), unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	_, files, keys := someFiles(t, 4)
	image := newImage(t, "app", content("elsewhere", 300_000))
	repository, _ := serveImages(t, nil, image)
	r := newOstreeRepo(t, filepath.Join(t.TempDir(), "repo"))
	commit := r.commit("elsewhere")
	m := s.sources(map[string]items{
		"org.osbuild.curl": files, "org.osbuild.skopeo": {image.ID(): described(repository, image)},
		"org.osbuild.ostree": {commit: map[string]any{"remote": map[string]string{"url": "file://" + r.dir}}},
	})
	for _, engine := range engines {
		s.empty()
		s.fetch(m, "--container-engine", engine).ends(0).counts(len(keys)+2, 0, 0)
		s.holds(keys...)
		s.hasImage(image)
	}
	s.fetch(m, "--container-format", "docker-archive").ends(0)
}
