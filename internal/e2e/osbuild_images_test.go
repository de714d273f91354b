package e2e

import (
	"os"
	"testing"
	"time"
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

// Osbuild leaves while a registry sends nothing.
func TestOsbuildStopsWhileCopyingImages(t *testing.T) {
	t.Parallel()
	image := newImage(t, "stalled", content("stalled", 100_000))
	h := newStalling()
	repository, _ := serveImages(t, h.wrap, image)
	h.on.Store(true)
	s := imageSandbox(t)
	call := s.download(items{image.ID(): described(repository, image)})
	call["unread"] = true
	go func() { // the client sleeps until a blob was asked for, at least
		select {
		case <-h.asked:
		case <-time.After(patience):
			t.Error("no blob was asked for")
		}
	}()
	s.osbuild(191, "org.osbuild.skopeo", call, object{"sleep": 3})
	h.on.Store(false)
	delete(call, "unread")
	s.osbuild(191, "org.osbuild.skopeo", call).succeeded(0)
	s.nothingStaged()
	s.hasImage(image)
}
