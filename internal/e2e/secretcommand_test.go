package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fromProgram has the chain's secret come from a program, by a drop-in file that
// replaces what the configuration says. The program notes each of its runs.
func (c *chain) fromProgram(script string) (runs string) {
	c.t.Helper()
	runs = filepath.Join(c.dir, "runs")
	program := c.write("bin/vault", []byte("#!/bin/sh\necho $$ >> '"+runs+"'\n"+script))
	if err := os.Chmod(program, 0o755); err != nil {
		c.t.Fatal(err)
	}
	c.write("sourcehost.d/10-vault.toml", fmt.Appendf(nil, "[secret.vault]\ncommand = [%q, \"read\"]\n", program))
	return runs
}

// TestSecretFromProgram: a program that prints a secret is run once for all
// items, with next to nothing in its environment.
func TestSecretFromProgram(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.wire(c.pin, granted, c.origin.Addr(), c.mirror.Addr())
	runs := c.fromProgram(`test -z "$SOURCEHOST_CONFIG$SOURCEHOST_CACHE" || exit 1
echo "looked up" >&2
echo '` + vault + `'
`)
	o := c.fetch(c.manifest, "--log-level", "debug").ends(0)
	o.counts(len(c.keys), 0, 0)
	o.hides(vault)
	if data, err := os.ReadFile(runs); err != nil || strings.Count(string(data), "\n") != 1 {
		t.Errorf("the program ran so often: %q, %v", data, err)
	}
	// What is in the store already needs no secret.
	c.fetch(c.manifest).ends(0).counts(0, len(c.keys), 0)
	if data, _ := os.ReadFile(runs); strings.Count(string(data), "\n") != 1 {
		t.Errorf("the program ran for nothing: %q", data)
	}
}

// TestSecretProgramFails: the item's error says what the program said.
func TestSecretProgramFails(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.wire(c.pin, granted, c.origin.Addr(), c.mirror.Addr())
	c.fromProgram("echo '" + vault + "'\necho 'permission denied: log in first' >&2\nexit 7\n")
	o := c.fetch(c.manifest).ends(1)
	o.counts(0, 0, len(c.keys))
	o.failed(c.keys[0], "denied", `secret "vault"`, "exit status 7", "permission denied: log in first")
	o.hides(vault)
}

// TestSecretProgramHangs: an interrupted run does not wait for it, and does not
// leave it or its children behind.
//
// adversary: C5a
func TestSecretProgramHangs(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.wire(c.pin, granted, c.origin.Addr(), c.mirror.Addr())
	runs := c.fromProgram("sleep 600 &\necho $! >> '" + filepath.Join(c.dir, "runs") + "'\nwait\n")
	p := c.fetching(c.manifest)
	var pids []string
	eventually(t, "the program runs", func() bool {
		data, _ := os.ReadFile(runs)
		pids = strings.Fields(string(data))
		return len(pids) == 2
	})
	p.signal(syscall.SIGINT)
	p.wait().ends(130)
	for _, pid := range pids {
		if state, err := os.ReadFile("/proc/" + pid + "/stat"); err == nil && !strings.Contains(string(state), ") Z ") {
			t.Errorf("process %s is left: %s", pid, state)
		}
	}
}
