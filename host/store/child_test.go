package store

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

var crashPoints = flag.Int("crashpoints", 50, "how often TestCrash kills a process")

const childEnv = "SOURCEHOST_STORE_TEST_CHILD"

// job is what a child process does: this test binary, started again.
type job struct {
	Dir       string
	Seed      uint64 // of the items' content
	Small     int    // how many small items
	Large     int    // how many that are large enough to be resumed
	Twice     bool   // two goroutines want each item
	Slow      time.Duration
	Log       string // a line is appended for each item that is produced
	Trees     bool   // entries that are folders, Small of them, instead of files
	From      string // copy the commits of this store, and Small files, instead
	Umask     int
	KillAt    int64 // kill the process at this operation of the disk; 0 never
	KillAfter bool  // after the operation, not before
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		var j job
		err := json.Unmarshal([]byte(text), &j)
		if err == nil {
			err = j.run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	hosttest.PlainEnvironment()
	os.Exit(m.Run())
}

// items are the contents that a job stores.
func (j job) items() [][]byte {
	var items [][]byte
	for i := range j.Large {
		items = append(items, content(j.Seed+uint64(100000+i), 2*resumeMin+i*123457))
	}
	for i := range j.Small {
		items = append(items, content(j.Seed+uint64(i), 1000+i*731%40000))
	}
	return items
}

func (j job) run() error {
	if j.Umask != 0 {
		syscall.Umask(j.Umask)
	}
	s, err := open(j.Dir, &killer{at: j.KillAt, after: j.KillAfter})
	if err != nil {
		return err
	}
	defer s.Close()
	f, err := s.Files(contentType)
	if err != nil {
		return err
	}
	if j.Trees {
		return j.runTrees(s)
	}
	if j.From != "" {
		return j.runCopies(s)
	}
	fmt.Println("ready") // what follows is what the parent wants to interrupt
	if err := f.Clean(context.Background()); err != nil {
		return err
	}
	return j.store(f)
}

// store stores all items with a few goroutines.
func (j job) store(f *Files) error {
	work := make(chan []byte)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var failed []error
	for range 6 {
		wg.Go(func() {
			for data := range work {
				if err := j.produce(f, data); err != nil && !errors.Is(err, ErrExists) {
					mu.Lock()
					failed = append(failed, err)
					mu.Unlock()
				}
			}
		})
	}
	for _, data := range j.items() {
		work <- data
		if j.Twice {
			work <- data
		}
	}
	close(work)
	wg.Wait()
	return errors.Join(failed...)
}

func (j job) produce(f *Files, data []byte) error {
	key := MD5.key(data) // quick to sum up under the race detector
	s, err := f.Stage(context.Background(), key)
	if err != nil {
		return err
	}
	defer s.Close()
	if j.Log != "" {
		if err := appendLine(j.Log, key.String()); err != nil {
			return err
		}
	}
	time.Sleep(j.Slow)
	if s.Offset() == 0 || s.Validator() != "v1" {
		if err := s.Reset(int64(len(data)), "v1"); err != nil {
			return err
		}
	}
	for rest := data[s.Offset():]; len(rest) > 0; {
		n := min(len(rest), 100_000)
		if _, err := s.Write(rest[:n]); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return s.Commit(context.Background())
}

func (a Algorithm) key(data []byte) Key {
	h := a.New()
	h.Write(data)
	k, err := ParseKey(Key{alg: a}.digest(h))
	if err != nil {
		panic(err)
	}
	return k
}

func appendLine(path, line string) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(line + "\n")
	return errors.Join(err, file.Close())
}

// killer is a disk that kills its own process at one of its operations.
type killer struct {
	kernel
	n     atomic.Int64
	at    int64
	after bool
}

func (k *killer) do(fn func() error) error {
	hit := k.n.Add(1) == k.at
	if hit && !k.after {
		k.die()
	}
	err := fn()
	if hit {
		k.die()
	}
	return err
}

func (k *killer) die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

func (k *killer) write(fd int, p []byte, off int64) error {
	return k.do(func() error { return k.kernel.write(fd, p, off) })
}
func (k *killer) syncFile(fd int) error { return k.do(func() error { return k.kernel.syncFile(fd) }) }
func (k *killer) syncFS(fd int) error   { return k.do(func() error { return k.kernel.syncFS(fd) }) }
func (k *killer) syncDir(fd int) error  { return k.do(func() error { return k.kernel.syncDir(fd) }) }
func (k *killer) rename(from *folder, staged string, to *folder, final string) error {
	return k.do(func() error { return k.kernel.rename(from, staged, to, final) })
}

// child is a running job.
type child struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

func start(t testing.TB, j job) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(j)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	// The race detector would wait a second before each exit.
	cmd.Env = append(os.Environ(), childEnv+"="+string(text), "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return &child{cmd: cmd, out: bufio.NewReader(out)}
}

// ready waits until the child is about to do its work.
func (c *child) ready(t testing.TB) {
	t.Helper()
	if line, err := c.out.ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
}

// wait returns the child's end: nil, or an *exec.ExitError.
func (c *child) wait() error {
	_, _ = io.Copy(io.Discard, c.out)
	return c.cmd.Wait()
}

func killed(err error) bool {
	var e *exec.ExitError
	if !errors.As(err, &e) {
		return false
	}
	status, ok := e.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}
