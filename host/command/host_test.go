package command

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

const hostEnv = "SOURCEHOST_COMMAND_TEST_HOST"

// TestMain makes this test binary, started again, a host that runs a program, or one
// that has a scratch folder.
func TestMain(m *testing.M) {
	if dir := os.Getenv(hostEnv); dir != "" {
		_, err := Run(context.Background(), Spec{Program: "/bin/sh", Args: []string{"-c", "echo $$ > tmp; mv tmp pid; exec sleep 60"}, Dir: dir})
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if parent := os.Getenv(scratchVariable); parent != "" {
		holdScratch(parent)
	}
	hosttest.PlainEnvironment()
	os.Exit(m.Run())
}

// TestDiesWithHost kills the host: the program does not outlive it.
func TestDiesWithHost(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	spec := Spec{Dir: t.TempDir()}
	host := exec.Command(exe)
	host.Env = append(os.Environ(), hostEnv+"="+spec.Dir)
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	waitFile(t, spec, "pid")
	_ = host.Process.Kill()
	_ = host.Wait()
	ids := pids(t, spec, "pid")
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if st, ok := readStatus(fmt.Sprint(ids[0])); !ok || st.state == 'Z' || st.state == 'X' {
			return
		}
	}
	wantDead(t, ids...)
}
