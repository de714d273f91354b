package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
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
