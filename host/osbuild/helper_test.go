package osbuild

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host"
)

// fake is a backend that answers as a test wants.
type fake struct {
	run    func(ctx context.Context, req host.Request) (*host.Result, error)
	copied func(ctx context.Context, req CopyRequest) (*host.Result, error)
	closed bool
}

func (f *fake) Run(ctx context.Context, req host.Request) (*host.Result, error) {
	return f.run(ctx, req)
}

func (f *fake) Copy(ctx context.Context, req CopyRequest) (*host.Result, error) {
	return f.copied(ctx, req)
}

func (f *fake) Close() error { f.closed = true; return nil }

// cached says of every item that it is in the store.
func cached(_ context.Context, req host.Request) (*host.Result, error) {
	res := &host.Result{Source: req.Source}
	for _, it := range req.Items {
		res.Items = append(res.Items, host.ItemResult{Key: it.Key, State: host.Cached})
	}
	return res, nil
}

// peer is osbuild's end of a service that runs in this process.
type peer struct {
	*conn
	t     testing.TB
	ended chan error
}

// start serves with this backend; an error stands for one that cannot be made.
func start(t testing.TB, v Version, b Backend, openErr error) *peer {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	lines := NewLines(null)
	s := &Service{Source: "org.test", Version: v, Lines: lines, Open: func(func(host.Event), *slog.Logger) (Backend, error) {
		return b, openErr
	}}
	p := &peer{conn: &conn{fd: fds[0], wmem: wmemMax()}, t: t, ended: make(chan error, 1)}
	go func() {
		err := s.Serve(fds[1])
		unix.Close(fds[1])
		lines.Close(time.Second)
		null.Close()
		p.ended <- err
	}()
	t.Cleanup(p.close)
	return p
}

// close ends the connection and waits for the service.
func (p *peer) close() {
	if p.fd < 0 {
		return
	}
	unix.Close(p.fd)
	p.fd = -1
	select {
	case err := <-p.ended:
		if err != nil {
			p.t.Errorf("the service ended with %v", err)
		}
	case <-time.After(time.Minute):
		p.t.Error("the service did not end")
	}
}

// answer is any message of the service.
type answer struct {
	Type string
	Data struct {
		Reply                  json.RawMessage
		Name, Value, Backtrace string
	}
}

func (p *peer) read() answer {
	p.t.Helper()
	pk, err := p.receive()
	if err != nil {
		p.t.Fatal(err)
	}
	defer pk.close()
	var a answer
	if err := json.Unmarshal(pk.data, &a); err != nil {
		p.t.Fatalf("%v: %.200s", err, pk.data)
	}
	return a
}

func (p *peer) ask(packet string, fds ...int) answer {
	p.t.Helper()
	p.raise(len(packet))
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if err := p.sendmsg([]byte(packet), oob); err != nil {
		p.t.Fatal(err)
	}
	return p.read()
}

// memory returns a descriptor of a file with this content.
func memory(t testing.TB, content string) int {
	t.Helper()
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if _, err := unix.Write(fd, []byte(content)); err != nil {
		t.Fatal(err)
	}
	return fd // it stands at the end, which must not matter
}

// openDescriptors lists the file descriptors of this process.
func openDescriptors(t testing.TB) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
