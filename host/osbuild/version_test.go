package osbuild

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestVersionFromPath(t *testing.T) {
	pkg := func(init string) string {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, "osbuild"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "osbuild", "__init__.py"), []byte(init), 0o644); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	usual := pkg("\"\"\"OSBuild Module\"\"\"\n\nfrom .pipeline import Manifest\n\n__version__ = \"185\"\n\n__all__ = [\"Manifest\"]\n")
	for path, want := range map[string]Version{
		"":    0,
		usual: 185,
		"/nowhere:" + usual + ":" + pkg(`__version__ = "56"`): 185,
		"::" + pkg("__version__ = '82'"):                      82,
		pkg("__version__='104.dev1'"):                         104,
		pkg(`__version__: str = "191"`):                       191,
		pkg(`__version__ = get()`):                            0,
		pkg(`# __version__ = "12"`):                           0,
		pkg(`__version__ = "next"`):                           0,
		pkg(`__version__ = "-3"`):                             0,
		pkg(`__version__ = "99999999999999999999"`):           0,
		pkg(strings.Repeat("x\n", 1<<20)):                     0,
	} {
		if got := VersionFromPath(path); got != want {
			t.Errorf("%q: %v, want %v", path, got, want)
		}
	}
}

func TestVersionDecides(t *testing.T) {
	for v, want := range map[Version][3]bool{ // ReadsMeta, structured, archives
		37: {false, false, true}, 82: {false, false, true}, 83: {false, false, false}, 112: {false, false, false},
		113: {true, false, false}, 185: {true, false, false}, 186: {true, true, false}, 0: {true, true, false}, 500: {true, true, false},
	} {
		if got := [3]bool{v.ReadsMeta(), v.structured(), v.imageFormat() != ""}; got != want {
			t.Errorf("%v: %v, want %v", v, got, want)
		}
	}
}
