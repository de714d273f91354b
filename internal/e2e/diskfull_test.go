package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
	"github.com/sourcehost/sourcehost/internal/sampleimage"
)

// TestDiskFullEverywhere fills the disk at every write of a small run: the store
// is given one page of space after the other, and one inode after the other, until
// the run succeeds. Each failure names a path of the store, leaves nothing that is
// not whole under a final name, and is made good by the next run with space.
//
// adversary: C3a
func TestDiskFullEverywhere(t *testing.T) {
	t.Parallel()
	image := newImage(t, "app", content("full", 6000))
	server := hosttest.Start(t, hosttest.Options{})
	curl, keys := items{}, []string{}
	for i, size := range []int{1, 5000, 9000} {
		path := fmt.Sprintf("/full/%d", i)
		data := content(path, size)
		server.Put(path, hosttest.File{Content: data, ETag: `"1"`})
		curl[key(data)] = server.URL(path)
		keys = append(keys, key(data))
	}
	for _, c := range []struct {
		name  string
		limit func(n int) string
	}{
		{"pages", func(n int) string { return fmt.Sprintf("nr_inodes=1000,size=%d", n*os.Getpagesize()) }},
		{"inodes", func(n int) string { return fmt.Sprintf("size=8m,nr_inodes=%d", n) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := imageSandbox(t)
			s.mount("8m")
			repository, _ := serveImages(t, nil, image)
			manifest := s.sources(map[string]items{"org.osbuild.curl": curl, "org.osbuild.skopeo": {image.ID(): described(repository, image)}})
			failures := 0
			for n := 1; ; n++ {
				if n > 60 {
					t.Fatal("it does not fit into 60 either")
				}
				s.empty()
				s.remount(0, c.limit(n))
				o := s.fetch(manifest, "--workers", "1")
				s.entries()
				s.wholeImages([]*sampleimage.Image{image})
				if o.code == 0 {
					break
				}
				failures++
				o.ends(1)
				if text := o.out + o.errOut; !strings.Contains(text, "no space left") || !strings.Contains(text, s.store) {
					t.Errorf("with %s the error does not say what is full:\n%s%s", c.limit(n), o.failures(), tail(o.errOut))
				}
				s.remount(0, "size=8m,nr_inodes=1000")
				s.fetch(manifest).ends(0)
				s.holds(keys...)
				s.hasImage(image)
				s.nothingStaged()
			}
			if failures < 8 {
				t.Errorf("only %d runs failed: the steps are too large", failures)
			}
		})
	}
}

// empty removes all that is in the store.
func (s *sandbox) empty() {
	s.t.Helper()
	all, err := os.ReadDir(s.store)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range all {
		if err := os.RemoveAll(filepath.Join(s.store, e.Name())); err != nil {
			s.t.Fatal(err)
		}
	}
}
