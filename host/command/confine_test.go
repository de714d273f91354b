package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/hosttest"
	"github.com/sourcehost/sourcehost/internal/landlock"
)

// A program gains no privileges where that is asked for, and this process is as before.
//
// adversary: A10i
func TestNoNewPrivileges(t *testing.T) {
	for _, none := range []bool{true, false} {
		result, err := Run(t.Context(), Spec{Program: "/bin/sh", Args: []string{"-c", "grep NoNewPrivs /proc/self/status"}, NoNewPrivileges: none})
		if want := map[bool]string{true: "1", false: "0"}[none]; err != nil || strings.TrimSpace(strings.TrimPrefix(string(result.Stdout), "NoNewPrivs:")) != want {
			t.Errorf("%v: %q, %v", none, result.Stdout, err)
		}
	}
	tasks, err := filepath.Glob("/proc/self/task/*/status")
	if err != nil || len(tasks) == 0 {
		t.Fatal(err)
	}
	for _, task := range tasks {
		if status, err := os.ReadFile(task); err == nil && !strings.Contains(string(status), "NoNewPrivs:\t0") {
			t.Errorf("%s: the thread of this process has given up new privileges", task)
		}
	}
}

// A program has no descriptors but the three, whatever this process was started with.
//
// adversary: A10j
func TestDescriptorsAreNotInherited(t *testing.T) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], 0); err != nil {
		t.Fatal(err)
	}
	high := 57
	if err := unix.Dup2(ends[0], high); err != nil {
		t.Fatal(err)
	}
	defer func() { unix.Close(ends[0]); unix.Close(ends[1]); unix.Close(high) }()
	result, err := Run(t.Context(), Spec{Program: "/bin/sh", Args: []string{"-c", fmt.Sprintf("cd /proc/$$/fd; for fd in %d %d %d; do test -e $fd && echo $fd; done; true", ends[0], ends[1], high)}})
	if err != nil || len(result.Stdout) > 0 {
		t.Errorf("the program has the descriptors %q: %v", result.Stdout, err)
	}
	for _, fd := range []int{ends[0], ends[1], high} {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
			t.Errorf("the descriptor %d of this process was closed: %v", fd, err)
		}
	}
}

// A program writes where it may, and so do its children; this process is not confined.
//
// adversary: A10k
func TestWritesAreConfined(t *testing.T) {
	needLandlocked(t)
	dir, allowed, other := t.TempDir(), t.TempDir(), t.TempDir()
	file := filepath.Join(other, "allowed-file")
	kept := filepath.Join(other, "kept")
	for _, path := range []string{file, kept} {
		if err := os.WriteFile(path, []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"ALLOWED=" + allowed, "OTHER=" + other}
	try := func(script string, writable ...string) error {
		_, err := Run(t.Context(), Spec{Program: "/bin/sh", Args: []string{"-c", script}, Dir: dir, Env: env, Writable: append([]string{}, writable...)})
		return err
	}
	for _, script := range []string{
		`echo x > file && mkdir d && mv file d/ && rm -r d`, `echo x > "$ALLOWED/file"`, `mv "$ALLOWED/file" .`, `echo x > /dev/null`,
		`echo x >> "$OTHER/allowed-file"`, `cat "$OTHER/kept" /etc/passwd > copy`, `(sh -c 'echo x > deep')`,
	} {
		if err := try(script, allowed, file); err != nil {
			t.Errorf("%s: %v", script, err)
		}
	}
	for _, script := range []string{
		`echo x > "$OTHER/file"`, `echo x >> "$OTHER/kept"`, `rm "$OTHER/kept"`, `mv "$OTHER/kept" "$ALLOWED"`, `mkdir "$OTHER/d"`, `ln -s x "$OTHER/l"`,
		`(sh -c 'rm "$OTHER/kept"')`, `mv "$ALLOWED" "$OTHER"`, `mkfifo "$OTHER/f"`, `ln "$OTHER/kept" here`,
	} {
		if err := try(script, allowed, file); err == nil {
			t.Errorf("%s: succeeds", script)
		}
	}
	t.Run("truncate", func(t *testing.T) { // by the path, and not by writing
		hosttest.NeedProgram(t, "perl", "perl-base")
		if version, err := landlock.Version(); err != nil || version < 3 {
			t.Skip("the kernel cannot refuse this before Linux 6.2")
		}
		for name, may := range map[string]bool{"allowed-file": true, "kept": false} {
			err := try(`perl -e 'exit !truncate $ENV{OTHER} . "/`+name+`", 0'`, allowed, file)
			if (err == nil) != may {
				t.Errorf("truncating %s: %v", name, err)
			}
		}
	})
	if data, err := os.ReadFile(kept); string(data) != "kept" || err != nil {
		t.Errorf("the file has %q, %v", data, err)
	}
	if err := os.WriteFile(filepath.Join(other, "mine"), nil, 0o600); err != nil {
		t.Errorf("this process is confined: %v", err)
	}
	if err := try("true", filepath.Join(other, "missing")); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("a path that is not there: %v", err)
	}
	if _, err := Run(t.Context(), Spec{Program: "/bin/true", Writable: []string{}}); err == nil {
		t.Error("everything is beneath the folder /")
	}
}

// needLandlocked skips a test where the kernel cannot confine.
func needLandlocked(t *testing.T) {
	t.Helper()
	version, err := landlock.Version()
	if err == nil && version >= needLandlock {
		return
	}
	const text = "the kernel has no Landlock of version 2 (Linux 5.19)"
	if os.Getenv("CI") != "" {
		t.Fatal(text)
	}
	t.Skip(text)
}
