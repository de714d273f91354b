package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// stuck is a fetch from a server that stops in the middle of a file.
type stuck struct {
	cmd    *exec.Cmd
	out    bytes.Buffer
	err    bytes.Buffer
	dir    string
	key    string
	text   string // the manifest
	server *fileServer
}

const stuckBytes = 4 << 20

// hanging starts a fetch and returns when half of the file is on disk.
func hanging(t *testing.T, flags ...string) *stuck {
	t.Helper()
	needPlugins(t)
	s := &stuck{dir: t.TempDir()}
	data := bytes.Repeat([]byte("0123456789abcdef"), stuckBytes/16)
	if err := os.WriteFile(filepath.Join(s.dir, "large"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	files, listener := newFileServer(s.dir)
	t.Cleanup(func() {
		listener.CloseClientConnections()
		listener.Close()
	})
	s.server, s.key = files, contentKey("sha256", data)
	s.text = fmt.Sprintf(`{"sources":{"org.osbuild.curl":{"items":{%q:"%s/hang/large"}}}}`, s.key, listener.URL)
	s.cmd = sourcehost(t, s.dir, append([]string{"fetch", "--store", "store", "-"}, flags...)...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = strings.NewReader(s.text), &s.out, &s.err
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill() })
	for deadline := time.Now().Add(time.Minute); s.staged(t) < stuckBytes/2; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the first half did not arrive\n%s", &s.err)
		}
	}
	return s
}

// staged is the size of all that has no name in the store yet.
func (s *stuck) staged(t *testing.T) (bytes int64) {
	t.Helper()
	err := filepath.WalkDir(s.folder(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoreAbsent(err)
		}
		info, err := d.Info()
		if err == nil && d.Name() != s.key {
			bytes += info.Size()
		}
		return ignoreAbsent(err)
	})
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

func (s *stuck) folder() string { return filepath.Join(s.dir, "store/sources/org.osbuild.files") }

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
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
	case <-time.After(time.Minute):
		cmd.Process.Kill()
		t.Fatal("it did not stop")
	}
	return cmd.ProcessState.ExitCode()
}

// adversary: C5a, C5b
func TestSignalStopsInOrder(t *testing.T) {
	for _, c := range []struct {
		signal syscall.Signal
		status int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}} {
		t.Run(c.signal.String(), func(t *testing.T) {
			s := hanging(t)
			if err := s.cmd.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			if got := ends(t, s.cmd); got != c.status {
				t.Errorf("exit status %d, want %d\n%s", got, c.status, &s.out)
			}
			if !strings.Contains(s.out.String(), "org.osbuild.curl: 1 item: 0 fetched, 0 cached, 0 skipped, 0 failed, 1 not fetched yet") {
				t.Errorf("it did not report what was done:\n%s", &s.out)
			}
			if _, err := os.Lstat(filepath.Join(s.folder(), s.key)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("half a file got a name in the store: %v", err)
			}
			s.resume(t)
		})
	}
}

// Machines are told the same in their own form.
func TestSignalInJSON(t *testing.T) {
	s := hanging(t, "--output=json", "--progress=json")
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if got := ends(t, s.cmd); got != 130 {
		t.Errorf("exit status %d, want 130", got)
	}
	var got fetchResult
	if err := json.Unmarshal(s.out.Bytes(), &got); err != nil {
		t.Fatalf("%v\n%s", err, &s.out)
	}
	if got.Success || got.Stopped != "stopped by signal: interrupt" || got.Counts.Stopped != 1 || got.Counts.Failed != 0 {
		t.Errorf("the result is %s", &s.out)
	}
	lines := strings.Split(strings.TrimSpace(s.err.String()), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, `{"event":"end",`) || !strings.HasSuffix(last, `"error":{"kind":"canceled","message":"stopped by signal: interrupt"}}`) {
		t.Errorf("the last line on standard error is %s", last)
	}
}

// resume runs the fetch again and expects only the second half to be asked for.
func (s *stuck) resume(t *testing.T) {
	t.Helper()
	again := sourcehost(t, s.dir, "fetch", "--store", "store", "-")
	again.Stdin = strings.NewReader(s.text)
	if out, err := again.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	want := []string{fmt.Sprintf("bytes=%d-", stuckBytes/2)}
	if diff := cmp.Diff(want, s.server.ranges); diff != "" {
		t.Errorf("the requests for a range: %s", diff)
	}
}

// reading starts a check of standard input that does not end, and returns when
// the program reads it: from then on signals are caught.
func reading(t *testing.T, stderr *os.File) *exec.Cmd {
	t.Helper()
	needPlugins(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	cmd := sourcehost(t, t.TempDir(), "check", "-")
	cmd.Stdin = r
	if stderr != nil {
		cmd.Stderr = stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	r.Close()
	// A pipe holds less than this, so the write ends when the program reads.
	if _, err := w.Write(bytes.Repeat([]byte(" "), 1<<20)); err != nil {
		t.Fatal(err)
	}
	return cmd
}

func TestSignalWhileReadingStandardInput(t *testing.T) {
	cmd := reading(t, nil)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if got := ends(t, cmd); got != 130 {
		t.Errorf("exit status %d, want 130", got)
	}
}

// After the first signal the program wants to say something to a reader that
// does not read. The second signal must end it nevertheless.
func TestSecondSignalStopsAtOnce(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	fillPipe(t, w)
	cmd := reading(t, w)
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
		// Two signals that are pending at once may be taken in either order.
		for pending(cmd.Process.Pid, s) {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond) // from the handler to who waits for it
	}
	if got := ends(t, cmd); got != 143 {
		t.Errorf("exit status %d, want that of the second signal, 143", got)
	}
}

// fillPipe writes until nothing more fits.
func fillPipe(t *testing.T, w *os.File) {
	t.Helper()
	conn, err := w.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = conn.Control(func(fd uintptr) {
		for _, size := range []int{4096, 1} {
			for err = nil; err == nil; {
				_, err = unix.Write(int(fd), make([]byte, size))
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// pending tells whether no thread of a process has taken a signal yet.
func pending(pid int, s syscall.Signal) bool {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) // none when it has ended
	_, mask, _ := strings.Cut(string(status), "\nShdPnd:\t")
	mask, _, _ = strings.Cut(mask, "\n")
	bits, _ := strconv.ParseUint(mask, 16, 64)
	return bits>>(s-1)&1 != 0
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
