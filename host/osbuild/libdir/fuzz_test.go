package libdir

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzJournal has any journal uninstalled. Nothing outside of the library folder
// and nothing but modules in it may be touched.
func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"format":1,"phase":"installed","modules":["a"],"files":[{"name":"a","module":"a","original":null,"ours":{"type":"file"}}]}`))
	f.Add([]byte(`{"format":1,"phase":"uninstalling","files":[{"name":"../../canary","module":"../../canary"}]}`))
	f.Add([]byte(`{"format":1,"shadow":"/x","made":["../canary","stages"]}`))
	f.Add([]byte(`{"format":1,"shadow":"/x","made":["/etc"],"files":[{"name":"a.meta.json","module":"a"}]}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, journal []byte) {
		top := t.TempDir()
		dir := filepath.Join(top, "lib")
		for _, name := range []string{"canary", "lib/sources/org.osbuild.curl", "lib/stages/mine", "lib/sourcehost/state.json"} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(top, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(top, name), journal, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		s, loadErr := (&folder{dir: dir}).load()
		_, _ = Uninstall(dir) // may fail
		if _, err := os.Lstat(filepath.Join(top, "canary")); err != nil {
			t.Errorf("a file outside was touched: %v", err)
		}
		if loadErr != nil || s.Shadow == "" {
			if _, err := os.Lstat(filepath.Join(dir, "stages/mine")); err != nil {
				t.Errorf("a stage was touched: %v", err)
			}
		}
	})
}
