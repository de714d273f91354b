package main

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// With --watch a case that is changed runs again, until the program is interrupted.
func TestWatch(t *testing.T) {
	needPlugins(t)
	dir := t.TempDir()
	wasm, err := builtinWasm("curl")
	if err != nil {
		t.Fatal(err)
	}
	item := `{"key": "sha256:` + strings.Repeat("0", 64) + `", "desc": "https://a.example/x"}`
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "cases"), 0o755); err != nil {
		t.Fatal(err)
	}
	write("curl.wasm", string(wasm))
	write("cases/one.json", `{"items": [`+item+`], "expect": {}}`)
	cmd := sourcehost(t, dir, "plugin", "test", "--watch", "curl.wasm")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errOut, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	giveUp := time.AfterFunc(5*time.Minute, func() { cmd.Process.Kill() })
	defer giveUp.Stop()
	const unreadable = "cases/one.json"
	steps := []struct{ want, next string }{
		{"1 passed, 0 failed", `{"items": [` + item + `], "expect": {"calls": []}}`},
		{"0 passed, 1 failed", `{"items": [`},
		// A file that cannot be read is said on standard error, and is waited for.
		{unreadable, `{"items": [` + item + `], "expect": {}, "summary": "mended"}`},
		{"1 passed, 0 failed", ""},
	}
	lines, complaints := bufio.NewScanner(out), bufio.NewScanner(errOut)
	for _, s := range steps {
		if s.want == unreadable {
			for complaints.Scan() && !strings.Contains(complaints.Text(), unreadable) {
			}
			if !strings.Contains(complaints.Text(), unreadable) {
				t.Fatalf("nothing is said of %s: %v", unreadable, complaints.Err())
			}
		} else {
			for lines.Scan() && lines.Text() != s.want {
			}
			if lines.Text() != s.want {
				t.Fatalf("%q is not printed: %v", s.want, lines.Err())
			}
		}
		if s.next != "" {
			write("cases/one.json", s.next)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Errorf("interrupted, the program ends with %v", err)
	}
}
