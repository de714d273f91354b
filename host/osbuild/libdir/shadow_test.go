package libdir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A shadow has all of the library folder, with our sources, and changes nothing
// of it.
func TestShadow(t *testing.T) {
	dir, binary := sample(t)
	before := snapshot(t, dir)
	shadow := filepath.Join(filepath.Dir(dir), "shadow")
	p := plans(dir, binary)["symlink"]
	for range 2 {
		if _, err := Shadow(p, shadow); err != nil {
			t.Fatal(err)
		}
		same(t, "the library folder", before, snapshot(t, dir))
		onlyModules(t, shadow)
	}
	for name, want := range map[string]string{
		"stages/org.osbuild.rpm": "stage", "runners/org.osbuild.fedora40": "runner", "sources/org.osbuild.other": "#!/usr/bin/python3\n",
		"sources/org.osbuild.curl": "\x7fELF", "outside": "\x7fELF",
	} {
		if data, err := os.ReadFile(filepath.Join(shadow, name)); err != nil || string(data) != want {
			t.Errorf("%s: %q, %v", name, data, err)
		}
	}
	// A build root sees the folder at another place, where a link out of it leads
	// nowhere.
	for _, name := range []string{"stages/org.osbuild.rpm", "sources/org.osbuild.other", "osbuild"} {
		if info, err := os.Lstat(filepath.Join(shadow, name)); err != nil || info.Mode()&fs.ModeSymlink != 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if target, err := os.Readlink(filepath.Join(shadow, "runners/org.osbuild.fedora40")); err != nil || target != "org.osbuild.linux" {
		t.Errorf("%s, %v", target, err)
	}
	if _, err := os.Lstat(filepath.Join(shadow, ".git")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("hidden files are in it: %v", err)
	}
	st, err := Inspect(shadow, modules(), 0)
	if err != nil || st.Shadow != dir || len(st.Problems) > 0 {
		t.Errorf("%+v, %v", st, err)
	}
	stage := filepath.Join(dir, "stages/org.osbuild.rpm")
	replace(t, stage, "new stage")
	if st, err = Inspect(shadow, modules(), 0); err != nil || len(st.Problems) != 1 || !strings.Contains(st.Problems[0], "1 files of "+dir) {
		t.Errorf("%+v, %v", st, err)
	}
	if _, err := Shadow(p, shadow); err != nil {
		t.Fatal(err)
	}
	before = snapshot(t, dir)
	if data, err := os.ReadFile(filepath.Join(shadow, "stages/org.osbuild.rpm")); err != nil || string(data) != "new stage" {
		t.Errorf("%q, %v", data, err)
	}
	if _, err := Install(Plan{Dir: shadow, Modules: modules(), Binary: binary}); err == nil || !strings.Contains(err.Error(), "is a shadow of") {
		t.Errorf("the shadow was installed into: %v", err)
	}
	if changes, err := Uninstall(shadow); err != nil || changes[0].Action != "removed" {
		t.Errorf("%v, %v", changes, err)
	}
	if _, err := os.Lstat(shadow); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the shadow is left: %v", err)
	}
	same(t, "the library folder", before, snapshot(t, dir))
}

// A shadow with some of our sources has the others of a library folder that we are
// installed in, however.
func TestShadowOfInstalled(t *testing.T) {
	for name := range plans("", "") {
		dir, binary := sample(t)
		if _, err := Install(plans(dir, binary)[name]); err != nil {
			t.Fatal(err)
		}
		shadow := filepath.Join(filepath.Dir(dir), "shadow")
		for range 2 {
			if _, err := Shadow(plans(dir, binary)["some"], shadow); err != nil {
				t.Fatal(err)
			}
		}
		if st, err := Inspect(shadow, modules(), 0); name != "launcher" && (err != nil || len(st.Problems) > 0) {
			t.Errorf("%s: %+v, %v", name, st, err)
		}
		if _, err := os.Stat(filepath.Join(shadow, "sources", "com.acme")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Uninstall(shadow); err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(shadow); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: the shadow is left: %v", name, err)
		}
	}
}

// What is not ours is neither replaced nor removed.
func TestShadowKeepsOthers(t *testing.T) {
	dir, binary := sample(t)
	p := plans(dir, binary)["symlink"]
	other := filepath.Join(filepath.Dir(dir), "other")
	for _, at := range []string{dir, filepath.Join(dir, "in"), filepath.Dir(dir), "/nowhere/x"} {
		if _, err := Shadow(p, at); err == nil {
			t.Errorf("a shadow was made at %s", at)
		}
	}
	if err := os.Mkdir(other, 0o755); err != nil {
		t.Fatal(err)
	}
	mine := filepath.Join(other, "mine")
	if err := os.WriteFile(mine, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Shadow(p, other); err == nil || !strings.Contains(err.Error(), "is not a shadow") {
		t.Errorf("%v", err)
	}
	if err := os.Remove(mine); err != nil {
		t.Fatal(err)
	}
	if _, err := Shadow(p, other); err != nil { // an empty folder will do
		t.Fatal(err)
	}
	if err := os.WriteFile(mine, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Shadow(p, other); err == nil || !strings.Contains(err.Error(), "mine") {
		t.Errorf("%v", err)
	}
	if changes, err := Uninstall(other); err != nil || changes[0].Action != "kept" {
		t.Errorf("%v, %v", changes, err)
	}
	if names, err := os.ReadDir(other); err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
}

// An uninstallation of a shadow that was interrupted can be repeated.
func TestInterruptedShadow(t *testing.T) {
	dir, binary := sample(t)
	shadow := filepath.Join(filepath.Dir(dir), "shadow")
	for n, stopped := 0, true; stopped; n++ {
		if _, err := Shadow(plans(dir, binary)["symlink"], shadow); err != nil {
			t.Fatal(err)
		}
		stopped = interrupt(n, func(step func() error) error {
			_, err := uninstall(shadow, step)
			return err
		})
		if _, err := os.Lstat(shadow); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if _, err := Uninstall(shadow); err != nil {
			t.Fatalf("step %d: %v", n, err)
		}
	}
	names, err := os.ReadDir(filepath.Dir(dir))
	if err != nil || len(names) != 2 {
		t.Errorf("beside the library folder and the program there are %v, %v", names, err)
	}
}
