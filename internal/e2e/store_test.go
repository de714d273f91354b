package e2e

import (
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/internal/sampleimage"
)

// putImage puts a container image into a store, in both forms, and returns its id.
func (s *sandbox) putImage(name string) string {
	s.t.Helper()
	i, err := sampleimage.New(name, content(name, 30_000), content(name+"2", 500))
	if err != nil {
		s.t.Fatal(err)
	}
	dir := s.entry(i, "image")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := i.WriteDir(dir); err != nil {
		s.t.Fatal(err)
	}
	archive := filepath.Join(s.t.TempDir(), "archive") // a path without colons
	runProgram(s.t, need(s.t, "skopeo", "skopeo"), "--insecure-policy", "copy", "--quiet", "dir:"+dir, "docker-archive:"+archive)
	if err := os.Rename(archive, s.entry(i, "container-image.tar")); err != nil {
		s.t.Fatal(err)
	}
	return i.ID()
}

// mixed makes a store of everything, and the manifest that names it. The sources of
// files and commits can be fetched from again.
func mixed(t *testing.T) (s *sandbox, manifest, file, image, commit string) {
	s = newSandbox(t)
	r := newOstreeRepo(t, filepath.Join(t.TempDir(), "repo"))
	commit = r.commit("mixed")
	data := content("inline", 40_000)
	file, image = key(data), s.putImage("image")
	manifest = s.sources(map[string]items{
		"org.osbuild.inline": {file: map[string]string{"encoding": "base64", "data": base64.StdEncoding.EncodeToString(data)}},
		"org.osbuild.ostree": {commit: map[string]any{"remote": map[string]string{"url": "file://" + r.dir}}},
		"org.osbuild.skopeo": {image: map[string]any{"image": map[string]string{"name": "localhost:1/none", "digest": key(nil)}}},
	})
	s.fetch(manifest).ends(0).counts(2, 1, 0)
	return s, manifest, file, image, commit
}

func (s *sandbox) copying(manifest, to string) *process {
	s.t.Helper()
	return s.start(built.program, "store", "copy", "--manifest", manifest, "--output", "json", "--progress", "plain", s.store, to)
}

// verifying runs store verify.
func (s *sandbox) verifying(dir string, flags ...string) *outcome {
	s.t.Helper()
	return s.start(append([]string{built.program, "store", "verify", "--output", "json", "--progress", "plain", dir}, flags...)...).wait()
}

// TestStoreCopy copies a store of everything, twice, and has it verified.
func TestStoreCopy(t *testing.T) {
	t.Parallel()
	s, manifest, file, image, commit := mixed(t)
	to := filepath.Join(s.dir, "copy")
	s.copying(manifest, to).wait().ends(0).counts(3, 0, 0)
	s.copying(manifest, to).wait().ends(0).counts(0, 3, 0)
	for _, name := range []string{
		"org.osbuild.files/" + file, "org.osbuild.containers/" + image + "/container-image.tar", "org.osbuild.containers/" + image + "/image/manifest.json",
		"org.osbuild.ostree/repo/objects/" + commit[:2] + "/" + commit[2:] + ".commit",
	} {
		from, err := os.Stat(filepath.Join(s.store, "sources", name))
		if err != nil {
			t.Fatal(err)
		}
		copied, err := os.Stat(filepath.Join(to, "sources", name))
		if err != nil {
			t.Error(err)
		} else if copied.Mode() != 0o644 || !os.SameFile(from, copied) && from.Mode() == 0o644 {
			t.Errorf("%s is no link: %v", name, copied.Mode())
		}
	}
	s.verifying(to).ends(0)
	s.store = to
	s.soundRepo(commit)
	s.fetch(manifest).ends(0).counts(0, 3, 0)
	s.nothingStagedBut(".lock")
}

// nothingStagedBut is nothingStaged with a name that is ostree's own.
func (s *sandbox) nothingStagedBut(name string) {
	s.t.Helper()
	for found := range s.staged() {
		if found != name {
			s.t.Errorf("left in the staging folder: %s", found)
		}
	}
}

// damage changes one byte of a file, whoever else has it.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestStoreVerify damages an entry of each kind: all are found, by verify and by copy,
// and repaired as far as that is possible.
//
// adversary: C8a
func TestStoreVerify(t *testing.T) {
	t.Parallel()
	s, manifest, file, image, commit := mixed(t)
	sources := filepath.Join(s.store, "sources")
	objects, _ := filepath.Glob(filepath.Join(s.repo(), "objects", "*", "*.dirmeta"))
	damage(t, filepath.Join(s.files(), file))
	damage(t, objects[0])
	damage(t, filepath.Join(sources, "org.osbuild.containers", image, "container-image.tar"))
	loose := hex.EncodeToString(content("loose", 32))
	s.write(filepath.Join(s.repo(), "objects", loose[:2], loose[2:]+".filez"), []byte("not an object at all"))

	o := s.verifying(s.store).ends(1)
	contains(t, o.out, file, objects[0], "container-image.tar", loose[2:]+".filez", `"success": false`)
	if strings.Contains(o.out, "image/") {
		t.Errorf("the sound form of the image is among what is corrupt: %s", o.out)
	}
	to := filepath.Join(s.dir, "copy")
	c := s.copying(manifest, to).wait().ends(1).counts(0, 0, 3)
	c.failed(file, "mismatch", "corrupt entry", file)
	c.failed(commit, "mismatch", objects[0])
	c.failed(image, "mismatch", "container-image.tar")
	s.verifying(to).ends(0)

	o = s.verifying(s.store, "--repair", manifest).ends(1) // the image's registry is gone
	if n := strings.Count(o.out, `"repaired": true`); n != 3 {
		t.Errorf("%d entries were repaired, want 3: %s", n, o.out)
	}
	s.soundRepo(commit)
	if err := os.RemoveAll(filepath.Join(sources, "org.osbuild.containers", image)); err != nil {
		t.Fatal(err)
	}
	s.verifying(s.store).ends(0)
	s.nothingStagedBut(".lock")
}

// TestStoreStopped interrupts a copy and a verification of a large store.
//
// adversary: C5b
func TestStoreStopped(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	// A hole of which nobody sees the end: whether it is what its key says matters to none.
	large := key([]byte("large"))
	if err := os.Truncate(s.write(filepath.Join(s.files(), large), nil), 8<<40); err != nil {
		t.Fatal(err)
	}
	manifest := s.manifest(items{large: "http://127.0.0.1:1/large"})
	to := filepath.Join(s.dir, "copy")
	for name, start := range map[string]func() *process{
		"copy":   func() *process { return s.copying(manifest, to) },
		"verify": func() *process { return s.start(built.program, "store", "verify", "--progress", "none", s.store) },
	} {
		p := start()
		eventually(t, "the file is read", func() bool { return p.open(large) > 0 })
		begun := time.Now()
		p.signal(syscall.SIGTERM)
		o := p.wait()
		promptly(t, begun)
		if o.code != 143 {
			t.Errorf("%s: exit status %d\n%s", name, o.code, o.errOut)
		}
	}
	if _, err := os.Stat(filepath.Join(to, "sources", "org.osbuild.files", large)); err == nil {
		t.Error("a file that was not verified has its name")
	}
	left, _ := filepath.Glob(filepath.Join(to, "sources", "*", ".sourcehost", "*"))
	if len(left) > 0 {
		t.Errorf("left in the staging folder: %v", left)
	}
}
