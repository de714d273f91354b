package osbuild

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// GuardName is the name (argv[0]) under which the program is the guard of a
// service: it must call Guard then.
const GuardName = "sourcehost-guard"

// The marks that a service sends its guard: a request has begun, and has ended.
// In between comes what the Go runtime says when it crashes.
const (
	markBegin = 1
	markEnd   = 2
)

// guard is a second process that answers osbuild when this one dies in the middle
// of a request: by a fault that cannot be caught, or because memory ran out. It
// is started when the first item has to be fetched, so that osbuild need not wait
// for it when everything is there.
type guard struct {
	program string
	conn    *conn

	mu      sync.Mutex
	pipe    *os.File
	process *exec.Cmd
	started bool
}

// stopTime is how long the end of the guard is waited for.
const stopTime = 200 * time.Millisecond

// begin starts the guard if need be. A service works without one, so that errors
// are only returned to be logged.
func (g *guard) begin() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.started {
		g.started = true
		if err := g.start(); err != nil {
			return fmt.Errorf("no guard could be started, which would answer if this process died: %w", err)
		}
	}
	g.mark(markBegin)
	return nil
}

// end says that the request is about to be answered.
func (g *guard) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mark(markEnd)
}

func (g *guard) mark(m byte) {
	if g.pipe != nil {
		_, _ = g.pipe.Write([]byte{m}) // a guard that has died is of no use
	}
}

func (g *guard) start() error {
	sock, err := unix.FcntlInt(uintptr(g.conn.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	socket := os.NewFile(uintptr(sock), "socket")
	defer socket.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command(g.program)
	cmd.Args = []string{GuardName}
	cmd.Env = []string{}
	cmd.ExtraFiles = []*os.File{socket, r}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // not for the terminal's signals
	if err := cmd.Start(); err != nil {
		w.Close()
		return err
	}
	g.pipe, g.process = w, cmd
	return debug.SetCrashOutput(w, debug.CrashOptions{})
}

// stop ends the guard. It is waited for, because nobody else may do so where osbuild
// runs in a container: it would stay as a zombie.
func (g *guard) stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pipe == nil {
		return
	}
	g.mark(markEnd)
	_ = debug.SetCrashOutput(nil, debug.CrashOptions{}) // which has the pipe open, too
	g.pipe.Close()
	g.pipe = nil
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = g.process.Wait()
	}()
	select {
	case <-ended:
	case <-time.After(stopTime):
	}
}

// Guard is the guard's whole life. It ends with the process that has started it.
func Guard() {
	const socket, pipe = 3, 4
	text, armed := listen(os.NewFile(pipe, "pipe"))
	if !armed {
		return
	}
	c := &conn{fd: socket, wmem: usualWmem}
	// When osbuild is gone too there is nobody to tell.
	_ = c.send(encodeException("InternalError", crashText(text), cut(text, failureBudget/2)))
}

// listen reads until the service is gone, and returns what it said last and
// whether it has left a request unanswered.
func listen(r io.Reader) (text string, armed bool) {
	var said []byte
	buf := make([]byte, 4096)
	for {
		n, err := r.Read(buf)
		said = append(said, buf[:n]...)
		if i := bytes.LastIndexAny(said, string([]byte{markBegin, markEnd})); i >= 0 {
			armed = said[i] == markBegin
			said = said[i+1:]
		}
		said = said[:min(len(said), 1<<20)]
		if err != nil {
			return string(said), armed
		}
	}
}

func crashText(text string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if first == "" {
		return "sourcehost was killed before it could answer; perhaps memory ran out"
	}
	return "sourcehost has a fault, please report it: " + cut(first, 1000)
}
