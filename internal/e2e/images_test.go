package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/hosttest"
	"github.com/sourcehost/sourcehost/internal/sampleimage"
)

// TestImageFormats: each format is stored as the real skopeo stores it, one does
// not stand for the other, and both lie side by side.
func TestImageFormats(t *testing.T) {
	t.Parallel()
	skopeo := need(t, "skopeo", "skopeo")
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	image := newImage(t, "formats", []byte("one"), content("formats", 70_000))
	push(t, image, registry+"/team/app:v1")
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			s := imageSandbox(t)
			m := s.images(registry+"/team/app", image)
			s.fetch(m, "--container-engine", engine).ends(0).counts(1, 0, 0)
			s.hasImage(image)
			s.fetch(m, "--container-engine", engine).ends(0).counts(0, 1, 0)
			archive := []string{"--container-engine", engine, "--container-format", "docker-archive"}
			s.fetch(m, archive...).ends(0).counts(1, 0, 0)
			s.fetch(m, archive...).ends(0).counts(0, 1, 0)
			s.hasImage(image)
			// skopeo cuts paths at colons.
			plain := filepath.Join(t.TempDir(), "archive.tar")
			if err := os.Link(s.entry(image, "container-image.tar"), plain); err != nil {
				t.Fatal(err)
			}
			config := runProgram(t, skopeo, "inspect", "--raw", "--config", "docker-archive:"+plain)
			if got := sampleimage.Digest(config); got != image.ID() {
				t.Errorf("skopeo finds the image %s in the archive, want %s", got, image.ID())
			}
			s.nothingStaged()
			s.modes()
		})
	}
}

// modes checks the modes of all that is stored.
func (s *sandbox) modes() {
	s.t.Helper()
	out := runProgram(s.t, "find", filepath.Join(s.store, "sources"), "-not", "-path", "*/.sourcehost*", "(",
		"-type", "d", "-not", "-perm", "0755", "-o", "-type", "f", "-not", "-perm", "0644", ")")
	if len(out) > 0 {
		s.t.Errorf("wrong modes: %s", out)
	}
}

// TestImageIndex: a list is stored as it is, and what is none is refused.
func TestImageIndex(t *testing.T) {
	t.Parallel()
	image := newImage(t, "index", []byte("one"))
	list, err := sampleimage.List(image)
	if err != nil {
		t.Fatal(err)
	}
	repository, _ := serveImages(t, nil, image, list)
	for _, engine := range engines {
		s := imageSandbox(t)
		m := s.sources(map[string]items{"org.osbuild.skopeo-index": {list.Digest(): described(repository, list)}})
		s.fetch(m, "--container-engine", engine).ends(0).counts(1, 0, 0)
		s.fetch(m, "--container-engine", engine).ends(0).counts(0, 1, 0)
		s.holds(list.Digest())
		s.nothingStaged()
		desc := described(repository, list)
		m = s.sources(map[string]items{"org.osbuild.skopeo-index": {image.Digest(): desc}})
		s.fetch(m, "--container-engine", engine).ends(1).failed(image.Digest(), "mismatch", "not a manifest list", repository)
		s.holds(list.Digest())
		s.nothingStaged()
	}
}

// TestImageOtherID: another image than the key names is not stored.
//
// adversary: A12c
func TestImageOtherID(t *testing.T) {
	t.Parallel()
	image, other := newImage(t, "one", []byte("one")), newImage(t, "two", []byte("two"))
	repository, _ := serveImages(t, nil, image, other)
	for _, engine := range engines {
		for _, format := range []string{"dir", "docker-archive"} {
			s := imageSandbox(t)
			m := s.sources(map[string]items{"org.osbuild.skopeo": {image.ID(): described(repository, other)}})
			s.fetch(m, "--container-engine", engine, "--container-format", format).ends(1).
				failed(image.ID(), "mismatch", repository+"@"+other.Digest(), other.ID(), image.ID())
			if _, err := os.Lstat(s.entry(image)); !os.IsNotExist(err) {
				t.Errorf("%s, %s: something was stored: %v", engine, format, err)
			}
			s.nothingStaged()
		}
	}
}

// TestImagePolicy: without a policy the error says what to do.
func TestImagePolicy(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/etc/containers/policy.json"); err == nil {
		t.Log("this machine has a policy of its own: only the refusal is tested")
	}
	image := newImage(t, "policy", []byte("one"))
	repository, _ := serveImages(t, nil, image)
	for _, engine := range engines {
		s := imageSandbox(t)
		s.policy(`{"default": [{"type": "reject"}]}`)
		s.fetch(s.images(repository, image), "--container-engine", engine).ends(1).
			failed(image.ID(), "denied", "rejected by policy", "signature policy")
		if _, err := os.Lstat(s.entry(image)); !os.IsNotExist(err) {
			t.Errorf("something was stored: %v", err)
		}
	}
}

// TestImageAuth: credentials come from REGISTRY_AUTH_FILE and are never shown.
func TestImageAuth(t *testing.T) {
	t.Parallel()
	const password = "pa55-word-of-the-registry"
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{User: "user", Password: password})
	image := newImage(t, "auth", []byte("one"))
	push(t, image, registry+"/team/app:v1", "--dest-creds", "user:"+password)
	for _, engine := range engines {
		s := imageSandbox(t)
		m := s.images(registry+"/team/app", image)
		s.fetch(m, "--container-engine", engine).ends(1).failed(image.ID(), "denied", "REGISTRY_AUTH_FILE")
		authenticate := func(secret string) {
			auth := base64.StdEncoding.EncodeToString([]byte("user:" + secret))
			s.env = append(s.env, "REGISTRY_AUTH_FILE="+s.write("auth.json", fmt.Appendf(nil, `{"auths": {%q: {"auth": %q}}}`, registry, auth)))
		}
		authenticate("wrong-pa55-word")
		o := s.fetch(m, "--container-engine", engine).ends(1)
		o.failed(image.ID(), "denied", registry)
		o.hides("wrong-pa55-word", base64.StdEncoding.EncodeToString([]byte("user:wrong-pa55-word")))
		authenticate(password)
		s.fetch(m, "--container-engine", engine, "--log-level", "debug").ends(0).hides(password)
		s.hasImage(image)
	}
}

// TestImagesShareBlobs: a blob of two images is loaded once.
func TestImagesShareBlobs(t *testing.T) {
	t.Parallel()
	shared := content("shared", 300_000)
	one, two := newImage(t, "app", shared, []byte("one")), newImage(t, "app", shared, []byte("two"))
	for _, engine := range engines {
		repository, registry := serveImages(t, nil, one, two)
		s := imageSandbox(t)
		s.fetch(s.images(repository, one, two), "--container-engine", engine).ends(0).counts(2, 0, 0)
		s.hasImage(one)
		s.hasImage(two)
		if n := registry.Count("/v2/team/app/blobs/" + sampleimage.Digest(one.Layers[0])); n != 1 {
			t.Errorf("%s: the shared layer was loaded %d times", engine, n)
		}
		s.nothingStaged()
	}
}

// stalling answers requests for blobs and then sends nothing, while on.
type stalling struct {
	on    atomic.Bool
	asked chan struct{}
	next  http.Handler
}

func newStalling() *stalling { return &stalling{asked: make(chan struct{}, 100)} }

func (h *stalling) wrap(next http.Handler) http.Handler { h.next = next; return h }

func (h *stalling) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !h.on.Load() || !strings.Contains(r.URL.Path, "/blobs/") {
		h.next.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Length", "1000000")
	w.Write(make([]byte, 1000))
	w.(http.Flusher).Flush()
	h.asked <- struct{}{}
	<-r.Context().Done()
}

// await returns when a blob was asked for.
func (h *stalling) await(t *testing.T, p *process) {
	t.Helper()
	select {
	case <-h.asked:
	case <-time.After(patience):
		p.signal(syscall.SIGKILL)
		<-p.done
		t.Fatalf("no blob was asked for\n%s\n%s", p.out.String(), p.errOut.String())
	}
}

// TestImageInterrupted stops in mid-copy: promptly, with
// nothing left, and the next run completes.
//
// adversary: C5a
func TestImageInterrupted(t *testing.T) {
	t.Parallel()
	image := newImage(t, "interrupted", content("interrupted", 100_000))
	for _, engine := range engines {
		h := newStalling()
		repository, _ := serveImages(t, h.wrap, image)
		s := imageSandbox(t)
		m := s.images(repository, image)
		h.on.Store(true)
		p := s.fetching(m, "--container-engine", engine)
		h.await(t, p)
		start := time.Now()
		p.signal(syscall.SIGINT)
		p.wait().ends(130)
		promptly(t, start)
		s.nothingStaged()
		h.on.Store(false)
		s.fetch(m, "--container-engine", engine).ends(0)
		s.hasImage(image)
	}
}

// TestImageKilled kills in mid-copy: the next run removes what is left.
//
// adversary: C1c
func TestImageKilled(t *testing.T) {
	t.Parallel()
	image := newImage(t, "killed", content("killed", 100_000))
	for _, engine := range engines {
		h := newStalling()
		repository, _ := serveImages(t, h.wrap, image)
		s := imageSandbox(t)
		m := s.images(repository, image)
		h.on.Store(true)
		p := s.fetching(m, "--container-engine", engine)
		h.await(t, p)
		p.signal(syscall.SIGKILL)
		<-p.done
		p.waited = true
		h.on.Store(false)
		// Its children die with it, but a moment later.
		for deadline := time.Now().Add(patience); syscall.Kill(-p.cmd.Process.Pid, 0) == nil && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
		s.fetch(m, "--container-engine", engine).ends(0).counts(1, 0, 0)
		s.hasImage(image)
		s.nothingStaged()
	}
}

// TestImageTwoProcesses: of two runs that want the same image one loads it.
//
// adversary: C4
func TestImageTwoProcesses(t *testing.T) {
	t.Parallel()
	image := newImage(t, "two processes", content("two processes", 500_000))
	for _, engine := range engines {
		repository, registry := serveImages(t, nil, image)
		s := imageSandbox(t)
		m := s.images(repository, image)
		runs := []*process{s.fetching(m, "--container-engine", engine), s.fetching(m, "--container-engine", engine)}
		for _, p := range runs {
			p.wait().ends(0)
		}
		s.hasImage(image)
		s.nothingStaged()
		if n := registry.Count("/v2/team/app/blobs/" + sampleimage.Digest(image.Layers[0])); n != 1 {
			t.Errorf("%s: the layer was loaded %d times", engine, n)
		}
	}
}

// TestImageVerify: a corrupt image is found, and repaired.
//
// adversary: C8c
func TestImageVerify(t *testing.T) {
	t.Parallel()
	image := newImage(t, "verify", content("verify", 10_000))
	repository, _ := serveImages(t, nil, image)
	blob := strings.TrimPrefix(sampleimage.Digest(image.Layers[0]), "sha256:")
	for name, damage := range map[string]func(path string) error{
		"flipped":   func(path string) error { return os.WriteFile(path+"/"+blob, content("other", 10), 0o644) },
		"missing":   func(path string) error { return os.Remove(path + "/" + blob) },
		"manifest":  func(path string) error { return os.WriteFile(path+"/manifest.json", []byte("{}"), 0o644) },
		"more":      func(path string) error { return os.WriteFile(path+"/more", nil, 0o644) },
		"a file":    func(path string) error { return os.WriteFile(filepath.Dir(emptied(path))+"/image", []byte("x"), 0o644) },
		"empty":     func(path string) error { return os.Mkdir(emptied(path), 0o755) },
		"is a link": func(path string) error { return os.Symlink("/etc", emptied(path)) },
	} {
		s := imageSandbox(t)
		m := s.images(repository, image)
		s.fetch(m).ends(0)
		s.fetch(m, "--verify").ends(0).counts(0, 1, 0)
		if err := damage(s.entry(image, "image")); err != nil {
			t.Fatal(err)
		}
		o := s.fetch(m, "--verify").ends(0).counts(1, 0, 0)
		contains(t, o.errOut, "corrupt", image.ID())
		if t.Failed() {
			t.Fatalf("%s is not repaired", name)
		}
		s.hasImage(image)
		s.nothingStaged()
	}
}

// emptied removes a folder and returns its path.
func emptied(path string) string {
	os.RemoveAll(path)
	return path
}

// TestImageDisk: a store that is full, or cannot be written.
//
// adversary: C3a
func TestImageDisk(t *testing.T) {
	t.Parallel()
	image := newImage(t, "disk", content("disk", 12<<20))
	small := newImage(t, "small", []byte("small"))
	repository, _ := serveImages(t, nil, image, small)
	for _, engine := range engines {
		s := imageSandbox(t)
		s.mount("8m")
		s.fetch(s.images(repository, small), "--container-engine", engine).ends(0)
		m := s.images(repository, image, small)
		s.fetch(m, "--container-engine", engine).ends(1).counts(0, 1, 1).failed(image.ID(), "disk", "no space left")
		if _, err := os.Lstat(s.entry(image)); !os.IsNotExist(err) {
			t.Errorf("half an image: %v", err)
		}
		s.remount(unix.MS_RDONLY, "")
		s.fetch(m, "--container-engine", engine).ends(1).counts(0, 1, 1).failed(image.ID(), "disk", "read-only file system", s.store)
		s.remount(0, "size=64m")
		s.fetch(m, "--container-engine", engine).ends(0)
		s.hasImage(image)
	}
}

// TestContainersStorage: an image in a storage is checked, and nothing is stored;
// and org.osbuild.skopeo copies it from there.
func TestContainersStorage(t *testing.T) {
	t.Parallel()
	skopeo := need(t, "skopeo", "skopeo")
	if os.Geteuid() != 0 {
		t.Skip("only root has a storage without further set-up")
	}
	s := imageSandbox(t)
	image, absent := newImage(t, "storage", []byte("one")), newImage(t, "absent", []byte("two"))
	dir, graph, run := t.TempDir(), filepath.Join(s.dir, "graph"), filepath.Join(s.dir, "run")
	if err := image.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	runProgram(t, skopeo, "--insecure-policy", "copy", "--quiet", "dir:"+dir, "containers-storage:[vfs@"+graph+"+"+run+"]localhost/team/app:v1")
	s.write("root/etc/containers/storage.conf", fmt.Appendf(nil, "# a comment\n[storage]\ndriver = \"vfs\" # slow\n graphroot=%q\nrunroot = %q\n[storage.options]\ndriver = \"no\"\n", graph, run))
	s.configure(fmt.Sprintf("root = %q\n", filepath.Join(s.dir, "root")))
	m := s.sources(map[string]items{"org.osbuild.containers-storage": {image.ID(): map[string]any{}}})
	s.fetch(m).ends(0).counts(0, 1, 0)
	if _, err := os.Lstat(filepath.Join(s.store, "sources")); !os.IsNotExist(err) {
		t.Errorf("something was stored: %v", err)
	}
	m = s.sources(map[string]items{"org.osbuild.containers-storage": {absent.ID(): map[string]any{}}})
	reference := "containers-storage:[vfs@" + graph + "+" + run + "]@"
	s.fetch(m).ends(1).failed(absent.ID(), "not found", "there is no image "+reference+strings.TrimPrefix(absent.ID(), "sha256:"), "pull or build")

	r := s.osbuild(191, "org.osbuild.containers-storage", s.download(items{image.ID(): object{}}), s.download(items{absent.ID(): object{}}))
	r.succeeded(0)
	if it := r.Answers[0].Message.Data.Reply.Results[0]; !it.Metadata.Cached {
		t.Errorf("an image that stays where it is was fetched: %+v", it)
	}
	r.failed(1, 191, "there is no image "+reference)
	if log := strings.Join(r.Lines, "\n"); strings.Contains(log, "Downloaded") {
		t.Errorf("nothing was downloaded:\n%s", log)
	}
}
