package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// hanging starts a fetch from a server that stops in the middle, and returns
// when the download is under way.
func hanging(t *testing.T) (cmd *exec.Cmd, out *bytes.Buffer, dir string) {
	t.Helper()
	needPlugins(t)
	dir = t.TempDir()
	data := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	if err := os.WriteFile(filepath.Join(dir, "large"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	files, listener := newFileServer(dir)
	t.Cleanup(func() {
		listener.CloseClientConnections()
		listener.Close()
	})
	m := fmt.Sprintf(`{"sources":{"org.osbuild.curl":{"items":{%q:"%s/hang/large"}}}}`, contentKey("sha256", data), listener.URL)
	out = &bytes.Buffer{}
	cmd = sourcehost(t, dir, "fetch", "--store", "store", "-")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(m), out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	deadline := time.Now().Add(time.Minute)
	for !files.asked("/hang/large") {
		if time.Now().After(deadline) {
			t.Fatal("no request came")
		}
		time.Sleep(5 * time.Millisecond)
	}
	return cmd, out, dir
}

func (s *fileServer) asked(path string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.hit[path] > 0
}

// ends waits for the command and returns its exit status.
func ends(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
	case <-time.After(20 * time.Second):
		cmd.Process.Kill()
		t.Fatal("it did not stop")
	}
	return cmd.ProcessState.ExitCode()
}

func TestSignalStopsInOrder(t *testing.T) {
	for _, c := range []struct {
		signal syscall.Signal
		status int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}} {
		t.Run(c.signal.String(), func(t *testing.T) {
			cmd, out, dir := hanging(t)
			if err := cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			if got := ends(t, cmd); got != c.status {
				t.Errorf("exit status %d, want %d\n%s", got, c.status, out)
			}
			if !strings.Contains(out.String(), "org.osbuild.curl: 1 item: 0 fetched") {
				t.Errorf("it did not report what was done:\n%s", out)
			}
			entries, err := os.ReadDir(filepath.Join(dir, "store/sources/org.osbuild.files"))
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if !strings.HasPrefix(e.Name(), ".") {
					t.Errorf("%s got a name in the store", e.Name())
				}
			}
		})
	}
}

func TestSignalWhileReadingStandardInput(t *testing.T) {
	needPlugins(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	cmd := sourcehost(t, t.TempDir(), "check", "-")
	cmd.Stdin = r
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	// When the pipe takes no more, the program is reading, signals included.
	if _, err := w.Write(bytes.Repeat([]byte(" "), 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if got := ends(t, cmd); got != 130 {
		t.Errorf("exit status %d, want 130", got)
	}
}

// The second signal must not wait for anything: here the run never ends.
func TestSuperviseSecondSignal(t *testing.T) {
	signals := make(chan os.Signal, 2)
	ctx, cancel := context.WithCancelCause(context.Background())
	signals <- syscall.SIGTERM
	signals <- syscall.SIGINT
	if got := supervise(signals, cancel, make(chan int)); got != 130 {
		t.Errorf("status %d, want 130", got)
	}
	var stop *interrupted
	if !errors.As(context.Cause(ctx), &stop) || stop.signal != syscall.SIGTERM {
		t.Errorf("the first signal must be the cause, got %v", context.Cause(ctx))
	}
}

func TestSuperviseEndOfRun(t *testing.T) {
	_, cancel := context.WithCancelCause(context.Background())
	done := make(chan int, 1)
	done <- 7
	if got := supervise(make(chan os.Signal), cancel, done); got != 7 {
		t.Errorf("status %d, want that of the run", got)
	}
}

func TestCacheDir(t *testing.T) {
	home := t.TempDir()
	for _, c := range []struct {
		env        map[string]string
		configured string
		want       string
	}{
		{map[string]string{envCache: "/e", "HOME": home}, "/c", "/e"},
		{map[string]string{envCache: "", "HOME": home}, "/c", ""},
		{map[string]string{"HOME": home, "XDG_CACHE_HOME": "/x"}, "/c", "/c"},
		{map[string]string{"HOME": home, "XDG_CACHE_HOME": "/x"}, "", "/x/sourcehost"},
		{map[string]string{"HOME": home, "XDG_CACHE_HOME": "relative"}, "", home + "/.cache/sourcehost"},
		{map[string]string{"HOME": home}, "", home + "/.cache/sourcehost"},
	} {
		a := &app{env: func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }}
		if diff := cmp.Diff(c.want, a.cacheDir(c.configured)); diff != "" {
			t.Errorf("%v, configured %q: %s", c.env, c.configured, diff)
		}
	}
	a := &app{env: func(string) (string, bool) { return "", false }}
	if got := a.cacheDir(""); got != "" && got != systemCache {
		t.Errorf("without a home folder it is %q", got)
	}
}
