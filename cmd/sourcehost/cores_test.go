package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestNoCoreFiles: a program that holds secrets leaves no core file, whatever limit
// it is started with.
func TestNoCoreFiles(t *testing.T) {
	s := hanging(t)
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(limits)) {
		if f := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && f[4] != "0" && f[4] != "1" {
			t.Errorf("a core file may have %s bytes", f[4])
		}
	}
	s.cmd.Process.Kill()
	s.cmd.Wait()
}
