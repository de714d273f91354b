package libdir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var errStop = errors.New("stopped here")

const schema = `{"$schema": "http://json-schema.org/draft-04/schema#", "properties": {"items": {"pattern": "^\\d\"ü"}}, "definitions": {}}`

// modules are a source that osbuild has too, and one that it has not.
func modules() []Module {
	return []Module{
		{Name: "org.osbuild.curl", Summary: "Files \"with\" ü \\ and more", Description: []string{"One.", `"""Two"""`}, Schema: json.RawMessage(schema)},
		{Name: "com.acme", Schema: json.RawMessage(schema)},
	}
}

// sample makes a library folder as an operator may have it, and a program.
func sample(t *testing.T) (dir, binary string) {
	t.Helper()
	top := t.TempDir()
	dir, binary = filepath.Join(top, "lib"), filepath.Join(top, "program")
	for name, content := range map[string]string{
		"lib/sources/org.osbuild.curl": "#!/usr/bin/python3\n", "lib/sources/org.osbuild.curl.meta.json": `{"old": 1}`,
		"lib/sources/org.osbuild.other": "#!/usr/bin/python3\n", "lib/stages/org.osbuild.rpm": "stage",
		"lib/runners/org.osbuild.linux": "runner", "lib/.git/config": "hidden", "program": "\x7fELF",
	} {
		path := filepath.Join(top, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Chmod(filepath.Join(dir, "sources/org.osbuild.curl"), 0o750),
		os.Chmod(filepath.Join(dir, "sources/org.osbuild.curl.meta.json"), 0o600),
		os.Mkdir(filepath.Join(dir, "osbuild"), 0o755),
		os.Symlink("org.osbuild.linux", filepath.Join(dir, "runners/org.osbuild.fedora40")),
		os.Symlink("../program", filepath.Join(dir, "outside")),
		os.Symlink("org.osbuild.other", filepath.Join(dir, "sources/com.acme")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir, binary
}

// snapshot describes all that is in a folder: types, modes, times, contents.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		p, err := examine(path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		all[name] = fmt.Sprintf("%+v", *p)
		if !d.IsDir() {
			all[name] += info.ModTime().String()
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func same(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: %s", what, diff)
	}
}

// onlyModules checks what contract section 1 says of sources/: modules and their
// descriptions, and nothing else.
func onlyModules(t *testing.T, dir string) {
	t.Helper()
	names, err := os.ReadDir(filepath.Join(dir, "sources"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		module := strings.TrimSuffix(n.Name(), metaSuffix)
		if module != "org.osbuild.curl" && module != "org.osbuild.other" && module != "com.acme" {
			t.Errorf("%s lies in sources", n.Name())
		}
	}
}

func plans(dir, binary string) map[string]Plan {
	return map[string]Plan{
		"symlink":  {Dir: dir, Modules: modules(), Binary: binary},
		"hard":     {Dir: dir, Modules: modules(), Binary: binary, Link: Hard},
		"copy":     {Dir: dir, Modules: modules(), Binary: binary, Link: Copy},
		"launcher": {Dir: dir, Modules: modules(), Binary: binary, Osbuild: 104},
		"some":     {Dir: dir, Modules: modules()[:1], Binary: binary, Only: true},
	}
}

// After uninstall everything is as it was, whatever was installed, and however
// often.
func TestInstallAndBack(t *testing.T) {
	dir, binary := sample(t)
	before := snapshot(t, dir)
	for first, one := range plans(dir, binary) {
		for second, two := range plans(dir, binary) {
			for _, p := range []Plan{one, one, two} {
				if _, err := Install(p); err != nil {
					t.Fatal(err)
				}
				onlyModules(t, dir)
				st, err := Inspect(dir, modules(), 0)
				if err != nil || len(st.Problems) > 0 {
					t.Errorf("%s, %s: %v, %v", first, second, st, err)
				}
			}
			if _, err := Uninstall(dir); err != nil {
				t.Fatal(err)
			}
			same(t, first+", then "+second, before, snapshot(t, dir))
		}
	}
	if changes, err := Uninstall(dir); err != nil || len(changes) > 0 {
		t.Errorf("%v, %v", changes, err)
	}
}

// interrupt calls work so that it stops before its n-th change, and reports
// whether it did.
func interrupt(n int, work func(step func() error) error) bool {
	err := work(func() error {
		if n--; n < 0 {
			return errStop
		}
		return nil
	})
	return errors.Is(err, errStop)
}

// Stopped anywhere, an installation can be completed or taken back, and nothing
// is lost. Osbuild finds a module under each name all the time.
func TestInterruptedInstall(t *testing.T) {
	dir, binary := sample(t)
	before := snapshot(t, dir)
	for name, p := range plans(dir, binary) {
		for n, stopped := 0, true; stopped; n++ {
			for _, complete := range []bool{false, true} {
				p.step = nil
				stopped = interrupt(n, func(step func() error) error {
					p.step = step
					_, err := Install(p)
					return err
				})
				p.step = nil
				for _, module := range []string{"org.osbuild.curl", "com.acme"} {
					if _, err := os.Stat(filepath.Join(dir, "sources", module)); err != nil {
						t.Errorf("%s, step %d: %v", name, n, err)
					}
				}
				onlyModules(t, dir)
				if complete {
					if _, err := Install(p); err != nil {
						t.Fatalf("%s, step %d: %v", name, n, err)
					}
				}
				if _, err := Uninstall(dir); err != nil {
					t.Fatalf("%s, step %d: %v", name, n, err)
				}
				same(t, fmt.Sprint(name, ", step ", n), before, snapshot(t, dir))
			}
		}
	}
}

func TestInterruptedUninstall(t *testing.T) {
	dir, binary := sample(t)
	before := snapshot(t, dir)
	for name, p := range plans(dir, binary) {
		for n, stopped := 0, true; stopped; n++ {
			if _, err := Install(p); err != nil {
				t.Fatal(err)
			}
			stopped = interrupt(n, func(step func() error) error {
				_, err := uninstall(dir, step)
				return err
			})
			onlyModules(t, dir)
			if s, err := (&folder{dir: dir}).load(); err == nil && s != nil && s.Phase == uninstalling {
				if _, err := Install(p); err == nil || !strings.Contains(err.Error(), "interrupted") {
					t.Errorf("%s, step %d: an interrupted uninstallation was installed over: %v", name, n, err)
				}
				st, err := Inspect(dir, modules(), p.Osbuild)
				if err != nil || len(st.Problems) == 0 || !strings.Contains(st.Problems[0], "uninstall again") {
					t.Errorf("%s, step %d: %+v, %v", name, n, st, err)
				}
			}
			if _, err := Uninstall(dir); err != nil {
				t.Fatalf("%s, step %d: %v", name, n, err)
			}
			same(t, fmt.Sprint(name, ", step ", n), before, snapshot(t, dir))
		}
	}
}

func replace(t *testing.T, path, content string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// An upgrade of osbuild replaces our files. Install takes the new ones for the
// originals; uninstall leaves them alone.
func TestUpgradeOfOsbuild(t *testing.T) {
	dir, binary := sample(t)
	p := plans(dir, binary)["symlink"]
	for _, again := range []bool{true, false} {
		if _, err := Install(p); err != nil {
			t.Fatal(err)
		}
		replace(t, filepath.Join(dir, "sources/org.osbuild.curl"), "new version")
		st, err := Inspect(dir, modules(), 0)
		if err != nil || len(st.Problems) != 1 || !strings.Contains(st.Problems[0], "org.osbuild.curl was replaced") {
			t.Errorf("%+v, %v", st, err)
		}
		if again {
			if _, err := Install(p); err != nil {
				t.Fatal(err)
			}
			if st, err := Inspect(dir, modules(), 0); err != nil || len(st.Problems) > 0 {
				t.Errorf("%+v, %v", st, err)
			}
		}
		if _, err := Uninstall(dir); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(filepath.Join(dir, "sources/org.osbuild.curl"))
		if err != nil || string(data) != "new version" {
			t.Errorf("%q, %v", data, err)
		}
		if _, err := os.Lstat(filepath.Join(dir, ownName)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", ownName, err)
		}
	}
}

// Sources that are not served any more are given back; those that were not named
// stay.
func TestInstallOnlySome(t *testing.T) {
	dir, binary := sample(t)
	p := plans(dir, binary)["symlink"]
	if _, err := Install(p); err != nil {
		t.Fatal(err)
	}
	p.Modules, p.Only = modules()[:1], true
	if _, err := Install(p); err != nil {
		t.Fatal(err)
	}
	if target, _ := os.Readlink(filepath.Join(dir, "sources/com.acme")); target != binary {
		t.Errorf("com.acme leads to %q", target)
	}
	p.Only = false
	if _, err := Install(p); err != nil {
		t.Fatal(err)
	}
	if target, _ := os.Readlink(filepath.Join(dir, "sources/com.acme")); target != "org.osbuild.other" {
		t.Errorf("com.acme leads to %q", target)
	}
}

// What is wrong is refused before anything is changed.
func TestRefused(t *testing.T) {
	dir, binary := sample(t)
	before := snapshot(t, dir)
	plan := func(change func(*Plan)) Plan {
		p := plans(dir, binary)["symlink"]
		change(&p)
		return p
	}
	named := func(name string) func(*Plan) {
		return func(p *Plan) { p.Modules = []Module{{Name: name, Schema: json.RawMessage(schema)}} }
	}
	for name, p := range map[string]Plan{
		"no library folder": plan(func(p *Plan) { p.Dir = filepath.Dir(dir) }),
		"missing":           plan(func(p *Plan) { p.Dir = "/nowhere" }),
		"no program":        plan(func(p *Plan) { p.Binary = "/nowhere" }),
		"relative program":  plan(func(p *Plan) { p.Binary = "libdir_test.go" }),
		"kind of link":      plan(func(p *Plan) { p.Link = "soft" }),
		"no modules":        plan(func(p *Plan) { p.Modules = nil }),
		"outside":           plan(named("../x")),
		"hidden":            plan(named(".x")),
		"description":       plan(named("x.meta.json")),
		"empty":             plan(named("")),
		"schema":            plan(func(p *Plan) { p.Modules = []Module{{Name: "x", Schema: json.RawMessage(`[]`)}} }),
	} {
		if _, err := Install(p); err == nil {
			t.Errorf("%s: it was installed", name)
		}
		same(t, name, before, snapshot(t, dir))
	}
	if err := os.Mkdir(filepath.Join(dir, "sources/org.osbuild.curl.d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Install(plan(named("org.osbuild.curl.d"))); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("a folder was replaced: %v", err)
	}
}

// A journal that cannot be understood, or that is gone, is not guessed at.
func TestBrokenJournal(t *testing.T) {
	dir, binary := sample(t)
	p := plans(dir, binary)["symlink"]
	if _, err := Install(p); err != nil {
		t.Fatal(err)
	}
	journal := filepath.Join(dir, ownName, stateName)
	good, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"half": string(good[:len(good)/2]), "newer": strings.Replace(string(good), `"format": 1`, `"format": 2`, 1),
		"leads out": strings.ReplaceAll(string(good), "com.acme", "../x"),
	} {
		replace(t, journal, content)
		if _, err := Install(p); err == nil {
			t.Errorf("%s: it was installed", name)
		}
		if _, err := Uninstall(dir); err == nil {
			t.Errorf("%s: it was uninstalled", name)
		}
	}
	if err := os.Remove(journal); err != nil {
		t.Fatal(err)
	}
	if _, err := Install(p); err == nil || !strings.Contains(err.Error(), "no journal") {
		t.Errorf("without a journal: %v", err)
	}
	replace(t, filepath.Join(dir, ownName, savedName, "org.osbuild.curl"), "changed")
	if err := os.WriteFile(journal, good, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Uninstall(dir); err == nil || !strings.Contains(err.Error(), "is not what was in sources") {
		t.Errorf("with a changed original: %v", err)
	}
}

// Two at once: one is told so.
func TestLocked(t *testing.T) {
	dir, binary := sample(t)
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := Install(plans(dir, binary)["symlink"]); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("%v", err)
	}
}

// Status finds what osbuild would stumble over.
func TestStatusProblems(t *testing.T) {
	dir, binary := sample(t)
	p := plans(dir, binary)["symlink"]
	if _, err := Install(p); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, "sources", name) }
	for _, err := range []error{
		os.Remove(in("com.acme.meta.json")),
		os.WriteFile(in("plugin.wasm"), nil, 0o755),
		os.WriteFile(in("notes"), nil, 0o644),
		os.WriteFile(in("gone.meta.json"), nil, 0o644),
		os.Mkdir(in("folder"), 0o755),
		os.WriteFile(binary, []byte("new program"), 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	known := modules()
	known[0].Schema = json.RawMessage(`{}`)
	st, err := Inspect(dir, append(known, Module{Name: "org.osbuild.new"}), 0)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Join(st.Problems, "\n")
	for _, want := range []string{
		"com.acme.meta.json is missing", "sources/plugin.wasm is no module", "sources/notes is no module",
		"gone.meta.json describes a module", "sources/folder is a folder", "has changed since", "org.osbuild.curl: the plugin's schema has changed",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the problems do not say %q:\n%s", want, text)
		}
	}
	if len(st.Problems) != 7 || len(st.Missing) != 1 {
		t.Errorf("%d problems, missing %v:\n%s", len(st.Problems), st.Missing, text)
	}
	if st, err = Inspect(dir, known, 104); err != nil || !strings.Contains(strings.Join(st.Problems, "\n"), "osbuild 104 takes") {
		t.Errorf("%+v, %v", st, err)
	}
	if err := os.Remove(binary); err != nil {
		t.Fatal(err)
	}
	if st, err = Inspect(dir, known, 0); err != nil || !strings.Contains(strings.Join(st.Problems, "\n"), "the program is gone") {
		t.Errorf("%+v, %v", st, err)
	}
}
