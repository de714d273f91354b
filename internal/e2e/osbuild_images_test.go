package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Images are stored as the version of osbuild reads them, and both formats lie
// side by side.
func TestOsbuildImages(t *testing.T) {
	t.Parallel()
	image := newImage(t, "osbuild", content("osbuild", 50_000))
	other := newImage(t, "another", []byte("x"))
	repository, _ := serveImages(t, nil, image)
	s := imageSandbox(t)
	good := s.download(items{image.ID(): described(repository, image)})
	missing := s.download(items{other.ID(): described(repository, other)})
	wrong := s.download(items{other.ID(): described(repository, image)})
	for _, v := range []int{56, 82, 104, 191} {
		r := s.osbuild(v, "org.osbuild.skopeo", s.download(items{}), good, good, missing, missing, wrong, wrong)
		r.succeeded(0, 1, 2)
		for _, i := range []int{3, 4} {
			r.failed(i, v, repository)
		}
		for _, i := range []int{5, 6} {
			r.failed(i, v, repository, image.ID(), other.ID())
		}
		_, err := os.Stat(s.entry(image, "container-image.tar"))
		if err != nil {
			t.Errorf("v%d: %v", v, err)
		}
		_, err = os.Stat(s.entry(image, "image"))
		if (err == nil) != (v > 82) {
			t.Errorf("v%d: the format of today is there: %v", v, err == nil)
		}
	}
	s.hasImage(image)
}

// Osbuild leaves while a registry sends nothing. Programs that were started end
// too.
//
// adversary: C6
func TestOsbuildStopsWhileCopyingImages(t *testing.T) {
	t.Parallel()
	need(t, "skopeo", "skopeo")
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			image := newImage(t, "stalled", content("stalled", 100_000))
			h := newStalling()
			repository, _ := serveImages(t, h.wrap, image)
			h.on.Store(true)
			s := imageSandbox(t)
			s.configure(quick + fmt.Sprintf("[container]\nengine = %q\n", engine))
			call := s.download(items{image.ID(): described(repository, image)})
			asked := filepath.Join(s.dir, "asked")
			call["until"] = asked
			go func() {
				<-h.asked
				os.WriteFile(asked, nil, 0o644) // the client waits for it, and says so
			}()
			s.osbuild(191, "org.osbuild.skopeo", call)
			if left := s.processes(); len(left) > 0 {
				t.Errorf("these processes are left: %q", left)
			}
			h.on.Store(false)
			delete(call, "until")
			s.osbuild(191, "org.osbuild.skopeo", call).succeeded(0)
			s.nothingStaged()
			s.hasImage(image)
		})
	}
}

// processes lists the command lines of all that runs with the sandbox's
// environment.
func (s *sandbox) processes() (found []string) {
	s.t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil || len(all) == 0 {
		s.t.Fatalf("no processes: %v", err)
	}
	for _, path := range all {
		// A process may have ended meanwhile, or belong to somebody else.
		if env, err := os.ReadFile(path); err == nil && bytes.Contains(env, []byte(s.dir+"/")) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}
