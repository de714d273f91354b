package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestKilledWithScratch kills a run while a program works in a folder for temporary
// files. The next run that starts a program removes the folder; a run that starts none
// does not look. The sandbox checks that nothing is left at the end.
//
// adversary: C1g
func TestKilledWithScratch(t *testing.T) {
	t.Parallel()
	s := imageSandbox(t)
	mark, program := filepath.Join(s.dir, "mark"), filepath.Join(s.dir, "program")
	script := func(text string) {
		s.write(program, []byte("#!/bin/sh\n"+text))
		if err := os.Chmod(program, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.configure(fmt.Sprintf("root = %q\n[program.skopeo]\npath = %q\n", s.dir, program))
	here := []byte("the config of an image\n")
	m := s.sources(map[string]items{"org.osbuild.containers-storage": {key(here): map[string]any{}}})
	script("mkdir a; echo secret > a/b; touch " + mark + "; exec sleep 600\n")
	p := s.fetching(m)
	for i := 0; ; i++ {
		if _, err := os.Stat(mark); err == nil {
			break
		}
		if i == 3000 {
			p.signal(syscall.SIGKILL)
			t.Fatalf("the program was not started: %+v", p.wait())
		}
		time.Sleep(10 * time.Millisecond)
	}
	p.signal(syscall.SIGKILL)
	p.wait().ends(-1)
	left := func() int {
		names, err := filepath.Glob(filepath.Join(s.dir, "tmp", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	if left() != 1 {
		t.Fatalf("%d folders are left, and the test is about one", left())
	}
	file := content("file", 10)
	s.fetch(s.manifest(items{key(file): "file:" + s.write("file", file)})).ends(0)
	if left() != 1 {
		t.Error("a run that starts no program has looked for leftovers")
	}
	script("echo the config of an image\n")
	s.fetch(m).ends(0).counts(0, 1, 0)
	if left() != 0 {
		t.Error("the folder of the run that was killed is still there")
	}
}
