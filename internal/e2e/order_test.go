package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOrderOfSyncs traces the system calls of the real program while it fetches
// files and an image, and proves from them that power may fail at any moment: what
// was not synced may be lost, and so nothing may get its name in the store before
// its content was synced, and nothing may be reported before its name was.
//
// adversary: C2
func TestOrderOfSyncs(t *testing.T) {
	t.Parallel()
	strace := need(t, "strace", "strace")
	s := imageSandbox(t)
	_, all, keys := someFiles(t, 5)
	image := newImage(t, "app", content("traced", 100_000), content("traced too", 300))
	repository, _ := serveImages(t, nil, image)
	manifest := s.sources(map[string]items{
		"org.osbuild.curl":   all,
		"org.osbuild.skopeo": {image.ID(): described(repository, image)},
	})
	for _, format := range []string{"dir", "docker-archive"} {
		if err := os.RemoveAll(s.store); err != nil {
			t.Fatal(err)
		}
		trace := filepath.Join(s.dir, "trace-"+format)
		p := s.start(strace, "-f", "-y", "-qq", "-s", "30", "-e", "signal=none", "-e", "trace="+strings.Join(traced, ","), "-o", trace,
			built.program, "fetch", "--store", s.store, "--output", "json", "--container-format", format, manifest)
		o := p.wait()
		if strings.Contains(o.errOut, "ptrace") && o.code != 0 && os.Getenv("CI") == "" {
			t.Skipf("processes may not be traced here: %s", tail(o.errOut))
		}
		o.ends(0).counts(len(keys)+1, 0, 0)
		s.holds(keys...)
		text, err := os.ReadFile(trace)
		if err != nil {
			t.Fatal(err)
		}
		j := newJournal(s.store)
		j.read(t, string(text))
		entries := append([]string{s.entry(image)}, keys...)
		for i, k := range keys {
			entries[i+1] = filepath.Join(s.files(), k)
		}
		j.check(t, entries)
	}
}

// TestJournal tries the proof on traces of programs that get the order wrong.
//
// adversary: C2
func TestJournal(t *testing.T) {
	t.Parallel()
	const (
		folder = "1 mkdirat(AT_FDCWD</>, \"/s\", 0755) = 0\n1 mkdir(\"/s/t\", 0755) = 0\n1 fsync(7</>) = 0\n1 fsync(8</s>) = 0\n"
		write  = "1 write(5</s/t/.x/p>, \"abc\"..., 3) = 3\n"
		sync   = "2 fsync(5</s/t/.x/p>) = 0\n"
		name   = "1 renameat2(4</s/t/.x>, \"p\", 3</s/t>, \"e\", RENAME_NOREPLACE) = 0\n"
		link   = "1 linkat(4</s/t/.x>, \"p\", 3</s/t>, \"e\", 0) = 0\n"
		named  = "1 fsync(3</s/t>) = 0\n"
		told   = "1 write(1</out>, \"{\"..., 3) = 3\n"
	)
	for _, c := range []struct{ name, trace, want string }{
		{"right", folder + write + sync + name + named + told, ""},
		{"right, by a link", folder + write + sync + link + named + told, ""},
		{"right, all at once", folder + write + "1 syncfs(3</s/t>) = 0\n" + name + named + told, ""},
		{"never synced", folder + write + name + named + told, "was not synced when /s/t/e was named"},
		{"synced after the name", folder + write + name + sync + named + told, "was not synced when /s/t/e was named"},
		{"written after the sync", folder + write + sync + write + name + named + told, "was not synced when /s/t/e was named"},
		{"written during the sync", folder + write + "2 fsync(5</s/t/.x/p> <unfinished ...>\n" + write + "2 <... fsync resumed>) = 0\n" + name + named + told, "was not synced when /s/t/e was named"},
		{"the sync failed", folder + write + "2 fsync(5</s/t/.x/p>) = -1 EIO (Input/output error)\n" + name + named + told, "was not synced when /s/t/e was named"},
		{"the sync has not ended", folder + write + "2 fsync(5</s/t/.x/p> <unfinished ...>\n" + name + "2 <... fsync resumed>) = 0\n" + named + told, "was not synced when /s/t/e was named"},
		{"name not synced", folder + write + sync + name + told, "the folder /s/t was not synced"},
		{"name synced before", folder + write + sync + named + name + told, "the folder /s/t was not synced"},
		{"name synced after the report", folder + write + sync + name + told + named, "the folder /s/t was not synced"},
		{"name not synced, and the folder is", folder + write + sync + name + "1 fsync(3</s>) = 0\n" + told, "the folder /s/t was not synced"},
		{"folder of the store not synced", strings.Replace(folder, "1 fsync(8</s>) = 0\n", "", 1) + write + sync + name + named + told, "the folder /s was not synced"},
		{"written under its name", folder + write + sync + name + named + "1 pwrite64(5</s/t/e>, \"x\", 1, 0) = 1\n" + told, "was written under its final name"},
		{"not named", folder + write + sync + named + told, "/s/t/e never got its name"},
		{"part of a folder", folder + "1 write(5</s/t/.x/p/layer>, \"abc\"..., 3) = 3\n" + name + named + told, "/s/t/.x/p/layer was not synced"},
		{"folder in a folder", folder + "1 mkdirat(9</s/t/.x/p>, \"sub\", 0755) = 0\n" + name + named + told, "the folder /s/t/.x/p was not synced"},
	} {
		j := newJournal("/s")
		j.read(t, c.trace)
		problems := j.problems([]string{"/s/t/e"})
		if c.want == "" && len(problems) > 0 || c.want != "" && !strings.Contains(strings.Join(problems, "\n"), c.want) {
			t.Errorf("%s: found %q, want %q", c.name, problems, c.want)
		}
	}
}
