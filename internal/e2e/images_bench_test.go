package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
	"github.com/sourcehost/sourcehost/internal/sampleimage"
)

// BenchmarkImages fetches images from a registry, in turn with the program at four
// workers and with skopeo as it was run without it: one copy and one look at the
// image's id after the other. It reports medians, and the median of the ratios; the
// first round, which compiles the plugin, does not count.
func BenchmarkImages(b *testing.B) {
	b.Run("eight=20MB", func(b *testing.B) { benchImages(b, 8, 20<<20) })
	b.Run("one=200MB", func(b *testing.B) { benchImages(b, 1, 200<<20) })
}

func benchImages(b *testing.B, count, size int) {
	skopeo := need(b, "skopeo", "skopeo")
	registry := hosttest.StartRegistry(b, hosttest.RegistryOptions{})
	dir := b.TempDir()
	var names []string
	var images []*sampleimage.Image
	for n := range count {
		image, err := sampleimage.New(fmt.Sprint("app", n), content(fmt.Sprint("bench", n), size))
		must(b, err)
		layout := filepath.Join(dir, fmt.Sprint("push", n))
		name := fmt.Sprintf("%s/team/app%d", registry, n)
		must(b, os.Mkdir(layout, 0o755))
		must(b, image.WriteDir(layout))
		must(b, exec.Command(skopeo, "--insecure-policy", "copy", "-q", "--dest-tls-verify=false", "dir:"+layout, "docker://"+name+":v1").Run())
		names, images = append(names, name), append(images, image)
	}
	home := filepath.Join(dir, "home")
	must(b, os.MkdirAll(home+"/.config/containers", 0o755))
	must(b, os.WriteFile(home+"/.config/containers/policy.json", []byte(acceptAnything), 0o644))
	manifest := filepath.Join(dir, "manifest.json")
	must(b, os.WriteFile(manifest, imagesManifest(b, names, images), 0o644))
	ours := func(n int) time.Duration {
		syncDisk(b)
		start := time.Now()
		cmd := exec.Command(built.program, "fetch", "--store", filepath.Join(dir, fmt.Sprint("store", n)), "--workers", "4", "--progress", "none", manifest)
		cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "SOURCEHOST_CACHE=" + built.cache}
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
		return time.Since(start)
	}
	theirs := func(n int) time.Duration {
		syncDisk(b)
		start := time.Now()
		for i, image := range images {
			to := "dir:" + filepath.Join(dir, fmt.Sprint("skopeo", n, "-", i))
			must(b, exec.Command(skopeo, "--insecure-policy", "copy", "-q", "--src-tls-verify=false", "docker://"+names[i]+"@"+image.Digest(), to).Run())
			config, err := exec.Command(skopeo, "inspect", "--raw", "--config", to).Output()
			must(b, err)
			if sampleimage.Digest(config) != image.ID() {
				b.Fatal("another image came")
			}
		}
		return time.Since(start)
	}
	ours(0)
	theirs(0)
	var mine, other, ratios []float64
	for n := 1; b.Loop(); n++ {
		o, t := ours(n), theirs(n)
		mine, other = append(mine, o.Seconds()), append(other, t.Seconds())
		ratios = append(ratios, o.Seconds()/t.Seconds())
	}
	b.ReportMetric(middle(mine), "sourcehost-s")
	b.ReportMetric(middle(other), "skopeo-s")
	b.ReportMetric(middle(ratios), "ratio")
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// syncDisk keeps the writing back of one contender from slowing the next.
func syncDisk(tb testing.TB) {
	tb.Helper()
	must(tb, exec.Command("sync").Run())
}

func imagesManifest(tb testing.TB, names []string, images []*sampleimage.Image) []byte {
	tb.Helper()
	var list []string
	for i, image := range images {
		list = append(list, fmt.Sprintf(`%q: {"image": {"name": %q, "digest": %q, "tls-verify": false}}`, image.ID(), names[i], image.Digest()))
	}
	return []byte(`{"version": "2", "sources": {"org.osbuild.skopeo": {"items": {` + strings.Join(list, ",") + `}}}}`)
}
