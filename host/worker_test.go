package host_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host"
)

func TestIsolationIsReported(t *testing.T) {
	foreign := scripted(t, preparer("foreign"), "{}")
	foreign.Builtin = false
	for _, p := range newHost(t, nil, scripted(t, source(), "{}"), foreign).Plugins() {
		if p.Builtin != (len(p.Isolation) == 0) {
			t.Errorf("%s, built in: %v: %+v", p.Name, p.Builtin, p.Isolation)
		}
		for _, i := range p.Isolation {
			if i.Name == "" || !i.Applied && i.Detail == "" {
				t.Errorf("%+v says neither what nor why", i)
			}
		}
	}
}

// pluginProcesses are the processes of plugins that this one has started.
func pluginProcesses() (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		line, _ := os.ReadFile(file)
		stat, err := os.ReadFile(filepath.Join(filepath.Dir(file), "stat"))
		if err != nil || !strings.HasPrefix(string(line), "sourcehost-plugin-worker") {
			continue
		}
		if f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:])); f[1] == strconv.Itoa(os.Getpid()) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// The items that a plugin held whose process is killed fail with an error that
// names it; others do not, and no process is left.
//
// adversary: A14c
func TestKilledWorker(t *testing.T) {
	srv := serve(t)
	items := srv.many(3)
	loop := scripted(t, preparer("loop"), `{"prepare":{"loop":true}}`)
	loop.Builtin = false
	m := source()
	m.Name, m.Sources = "good", []string{"org.example.good"}
	h := newHost(t, func(c *host.Config) { c.Prepare = map[string][]string{testSource: {"loop"}} },
		scripted(t, source(), "{}"), loop, scripted(t, m, "{}"))
	done, stopped := make(chan struct{}), make(chan int)
	go func() {
		killed := map[int]bool{}
		for {
			select {
			case <-done:
				stopped <- len(killed)
				return
			case <-time.After(50 * time.Millisecond):
			}
			for _, pid := range pluginProcesses() {
				_ = unix.Kill(pid, unix.SIGKILL)
				killed[pid] = true
			}
		}
	}()
	within(t, 60*time.Second, func() {
		res := run(t, h, t.TempDir(), items)
		for _, it := range res.Items {
			wantError(t, it, "plugin", "loop", "prepare", "its process is gone: it was ended by the signal SIGKILL")
		}
	})
	close(done)
	// A prepare hook that has asked for nothing is called twice.
	if n := <-stopped; n < 2 {
		t.Errorf("%d processes were killed, want at least 2", n)
	}
	res, err := h.Run(t.Context(), host.Request{Source: "org.example.good", Items: items, Store: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, res, host.Fetched, host.Fetched, host.Fetched)
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if left := pluginProcesses(); len(left) > 0 {
		t.Error(fmt.Errorf("the processes %v are left", left))
	}
}
