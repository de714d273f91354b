//go:build containers_image_openpgp

package container

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestOwnBlobs: only a file whose digest was taken as it was written, and that is
// as it was then, need not be read again.
func TestOwnBlobs(t *testing.T) {
	const content = "a layer"
	digest, other := digestOf([]byte(content)), digestOf([]byte("another"))
	dir, image := t.TempDir(), t.TempDir()
	b := newBlobs(dir)
	load := func(w io.Writer) error {
		_, err := io.WriteString(w, content)
		return err
	}
	if loaded, err := b.get(t.Context(), digest, load); err != nil || !loaded {
		t.Fatal(loaded, err)
	}
	if err := b.link(digest, image); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(image, filepath.Base(b.path(digest)))
	check := func(what string, b *blobs, digest string, want bool) {
		t.Helper()
		info, err := os.Lstat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.isOwn(digest, info); got != want {
			t.Errorf("%s: %v, expected %v", what, got, want)
		}
	}
	check("as it was written", b, digest, true)
	check("under another digest", b, other, false)
	check("left by a run before", newBlobs(dir), digest, false)

	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("more"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	check("written to", b, digest, false)

	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	check("another file", b, digest, false)
}
