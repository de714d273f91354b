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

// killEach kills the processes of plugins whenever a hook has said "looping" once more,
// until stop is called, which returns how many were killed.
func killEach(log *lockedBuffer) (stop func() int) {
	done, stopped := make(chan struct{}), make(chan int)
	go func() {
		killed := map[int]bool{}
		for said := 0; ; {
			select {
			case <-done:
				stopped <- len(killed)
				return
			case <-time.After(time.Millisecond):
			}
			if n := strings.Count(log.String(), "msg=looping"); n > said {
				said = n
				for _, pid := range pluginProcesses() {
					_ = unix.Kill(pid, unix.SIGKILL)
					killed[pid] = true
				}
			}
		}
	}()
	return func() int { close(done); return <-stopped }
}

// The items that a plugin held whose process is killed fail with an error that
// names it; others do not, and no process is left.
//
// adversary: A14c
func TestKilledWorker(t *testing.T) {
	srv := serve(t)
	items := srv.many(3)
	loop := scripted(t, preparer("loop"), `{"prepare":{"log":"looping","loop":true}}`)
	loop.Builtin = false
	m := source()
	m.Name, m.Sources = "good", []string{"org.example.good"}
	var log lockedBuffer
	h := newHost(t, func(c *host.Config) {
		logTo(&log)(c)
		c.Prepare = map[string][]string{testSource: {"loop"}}
	}, scripted(t, source(), "{}"), loop, scripted(t, m, "{}"))
	stop := killEach(&log)
	within(t, patience, func() {
		res := run(t, h, t.TempDir(), items)
		for _, it := range res.Items {
			wantError(t, it, "plugin", "loop", "prepare", "its process is gone: it was ended by the signal SIGKILL")
		}
	})
	// A prepare hook that has asked for nothing is called twice.
	if n := stop(); n != 2 {
		t.Errorf("%d processes were killed, want 2:\n%s", n, log.String())
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
