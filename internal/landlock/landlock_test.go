package landlock

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/internal/thread"
)

// TestRules: what is allowed works, what is refused does not, and other threads are as
// they were.
func TestRules(t *testing.T) {
	version, err := Version()
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	dir, other := t.TempDir(), t.TempDir()
	file := filepath.Join(other, "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	read := func(path string) error { _, err := os.ReadFile(path); return err }
	got := make(chan []error)
	go thread.Own(func() {
		rules, err := New(unix.LandlockRulesetAttr{Handled_access_fs: FileRights(version)})
		if err != nil {
			got <- []error{err}
			return
		}
		defer rules.Close()
		got <- []error{
			errors.Join(rules.Allow(dir, FileRights(version)), rules.Allow(file, FileRights(version))), // of which a file has not all
			errors.Join(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), rules.Restrict()),
			os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600), read(file),
			os.WriteFile(filepath.Join(other, "more"), nil, 0o600), read("/etc/passwd"),
		}
	})
	errs := <-got
	if len(errs) < 6 || errors.Join(errs[:4]...) != nil {
		t.Fatalf("what is allowed: %v", errs)
	}
	for i, err := range errs[4:] {
		if !errors.Is(err, unix.EACCES) {
			t.Errorf("refusal %d: %v", i, err)
		}
	}
	if err := read("/etc/passwd"); err != nil {
		t.Errorf("this thread is confined: %v", err)
	}
}
