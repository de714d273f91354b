package e2e

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/sampleimage"
)

// onPort80 is a command in front of another, which then runs in a network of its own
// where port 80 serves a folder.
func (s *sandbox) onPort80(folder string) []string {
	s.t.Helper()
	script, err := filepath.Abs("testdata/port80.py")
	if err != nil {
		s.t.Fatal(err)
	}
	unshare := need(s.t, "unshare", "util-linux")
	if out, err := exec.Command(unshare, "--net", "true").CombinedOutput(); err != nil {
		s.t.Skipf("only root can make a network: %v: %s", err, out)
	}
	return []string{unshare, "--net", need(s.t, "python3", "python3"), script, folder}
}

// offer puts an image into a folder as a registry would serve it.
func offer(t *testing.T, folder, name string, i *sampleimage.Image) {
	t.Helper()
	files := map[string][]byte{"manifests/" + i.Digest(): i.Manifest}
	for _, blob := range append([][]byte{i.Config}, i.Layers...) {
		files["blobs/"+sampleimage.Digest(blob)] = blob
	}
	for path, data := range files {
		path = filepath.Join(folder, "v2", name, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPort80: servers without a port in their name, a registry among them whose
// files lie in a folder, and which lists an index that names no media type.
func TestPort80(t *testing.T) {
	t.Parallel()
	image := newImage(t, "hello", []byte("hello"))
	list, err := sampleimage.List(image)
	if err != nil {
		t.Fatal(err)
	}
	untyped := &sampleimage.Image{Manifest: bytes.Replace(list.Manifest, []byte(`"mediaType":"`+sampleimage.TypeList+`",`), nil, 1)}
	if bytes.Equal(untyped.Manifest, list.Manifest) {
		t.Fatal("the list still names its media type")
	}
	file := content("port 80", 5000)
	sum := fmt.Sprintf("%x", sha256.Sum256(file))
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := imageSandbox(t)
			folder := filepath.Join(s.dir, "www")
			for _, i := range []*sampleimage.Image{image, list, untyped} {
				offer(t, folder, "osbuild/hello", i)
			}
			s.write(filepath.Join(folder, "data", "a file"), file)
			s.write(filepath.Join(folder, "mirrors"), []byte("# mirrors\nhttp://localhost/nothing/\nhttp://localhost/data/\n"))
			at := "localhost/osbuild/hello"
			sources := map[string]items{
				"org.osbuild.skopeo":       {image.ID(): described(at, image)},
				"org.osbuild.skopeo-index": {list.Digest(): described(at, list), untyped.Digest(): described(at, untyped)},
				"org.osbuild.curl":         {key(file): "http://localhost/data/a file"},
			}
			argv := append(s.onPort80(folder), built.program, "fetch", "--store", s.store, "--output", "json", "--progress", "none", "--container-engine", engine)
			s.start(append(argv, s.sources(sources))...).wait().ends(0).counts(4, 0, 0)
			s.hasImage(image)
			s.holds(key(file), list.Digest(), untyped.Digest())
			s.start(append(argv, s.sources(sources))...).wait().ends(0).counts(0, 4, 0)

			// The same file through librepo, into another store.
			librepo := fmt.Sprintf(`{"version": "2", "sources": {"org.osbuild.librepo": {
				"items": {"sha256:%s": {"path": "a file", "mirror": "m"}},
				"options": {"mirrors": {"m": {"url": "http://localhost/mirrors", "type": "mirrorlist"}}}}}}`, sum)
			other := newSandbox(t)
			argv = append(other.onPort80(folder), built.program, "fetch", "--store", other.store, "--output", "json", "--progress", "none")
			o := other.start(append(argv, other.write("librepo.json", []byte(librepo)))...).wait().ends(0).counts(1, 0, 0)
			if url := o.items[key(file)].URL; !strings.HasPrefix(url, "http://localhost/data/") {
				t.Errorf("the file came from %s", url)
			}
			other.holds(key(file))
		})
	}
}
