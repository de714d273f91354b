package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/internal/sampleimage"
)

// TestImageCrash kills copies of images, in both engines and formats, at random
// points. After each, an image that has its name in the store is whole; a run at
// the end completes and leaves nothing behind.
//
// adversary: C1c
func TestImageCrash(t *testing.T) {
	t.Parallel()
	need(t, "skopeo", "skopeo")
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed=%d", *seed)
	random := rand.New(rand.NewPCG(*seed, 99))
	s := imageSandbox(t)
	shared := content("crash-shared", 200_000)
	var images []*sampleimage.Image
	total := 0
	for n := range 6 {
		images = append(images, newImage(t, "app", shared, content(fmt.Sprint("crash", n), 20_000+n*60_000)))
		total += 80_000 + n*60_000
	}
	sent := &trigger{}
	repository, _ := serveImages(t, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(&counting{w, sent}, r) })
	}, images...)
	manifest := s.images(repository, images...)
	points := max(6, *crashPoints/2)
	hits := 0
	t.Cleanup(sent.release)
	for runs := 0; hits < points && !t.Failed(); runs++ {
		if runs%2 == 0 { // there may be all already, or half: then nothing need be loaded
			if err := os.RemoveAll(s.store); err != nil {
				t.Fatal(err)
			}
		}
		engine, format := engines[random.IntN(2)], container.Dir
		if random.IntN(3) == 0 {
			format = container.DockerArchive
		}
		killed := s.killedCopy(sent, manifest, 1+random.IntN(total/2), runs%2 == 0, time.Duration(random.Int64N(int64(20*time.Millisecond))),
			"--container-engine", engine, "--container-format", string(format), "--workers", fmt.Sprint(1+random.IntN(4)))
		s.wholeImages(images)
		if killed {
			hits++
		} else if runs%2 == 0 {
			t.Error("a run has ended without all that it needs")
		}
		if !killed || hits%10 == 9 { // all may be there: begin anew
			s.fetch(manifest, "--container-format", string(format)).ends(0)
			if err := os.RemoveAll(s.store); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, format := range []string{"dir", "docker-archive"} {
		s.fetch(manifest, "--container-format", format).ends(0)
	}
	s.wholeImages(images)
	s.nothingStaged()
	t.Logf("%d kills", hits)
}

// killedCopy runs a fetch, kills it when the registry has sent so many bytes and
// the delay is over, and reports whether that was before its end, as it is when the rest
// is held back.
func (s *sandbox) killedCopy(sent *trigger, manifest string, after int, held bool, delay time.Duration, flags ...string) bool {
	s.t.Helper()
	var p *process
	started := make(chan struct{})
	sent.arm(after, held, func() {
		<-started
		time.Sleep(delay)
		p.signal(syscall.SIGKILL)
	})
	p = s.fetching(manifest, flags...)
	close(started)
	<-p.done
	p.waited = true
	sent.release()
	return p.cmd.ProcessState.ExitCode() == -1
}

// wholeImages verifies each image that has a name in the store, in each format.
func (s *sandbox) wholeImages(images []*sampleimage.Image) {
	s.t.Helper()
	for _, i := range images {
		for part, format := range map[string]container.Format{container.ImageFolder: container.Dir, container.ArchiveFile: container.DockerArchive} {
			if _, err := os.Lstat(s.entry(i, part)); err != nil {
				continue
			}
			if err := container.Verify(s.t.Context(), s.entry(i), format, i.ID()); err != nil {
				s.t.Errorf("WRONG IMAGE: %v", err)
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(s.store, "sources", "org.osbuild.containers"))
	if err != nil && !os.IsNotExist(err) {
		s.t.Error(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "sha256:") && e.Name() != ".sourcehost" {
			s.t.Errorf("the store has %s", e.Name())
		}
	}
}
