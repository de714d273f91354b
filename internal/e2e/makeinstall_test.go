package e2e

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMakeInstall installs the program and its completions for a package.
func TestMakeInstall(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	cmd := exec.Command(need(t, "make", "make"), "-C", "../..", "--old-file=build", "install", "PROGRAM="+built.program, "DESTDIR="+root, "PREFIX=/usr")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	program := filepath.Join(root, "usr/bin/sourcehost")
	if out, err := exec.Command(program, "version").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	script := ". " + root + "/usr/share/bash-completion/completions/sourcehost && complete -p sourcehost"
	if out, err := exec.Command(need(t, "bash", "bash"), "-c", script).CombinedOutput(); err != nil || !strings.Contains(string(out), "sourcehost") {
		t.Errorf("completion in bash: %v: %s", err, out)
	}
	for _, name := range []string{"zsh/site-functions/_sourcehost", "fish/vendor_completions.d/sourcehost.fish"} {
		if found, err := filepath.Glob(filepath.Join(root, "usr/share", name)); err != nil || len(found) != 1 {
			t.Errorf("%s: %v, %v", name, found, err)
		}
	}
}
