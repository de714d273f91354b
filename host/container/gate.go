package container

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// gate is a folder in the place of registries.d(5) that stops skopeo for a
// moment. skopeo empties the folder of a dir: destination and then reads
// registries.d, before it asks the registry for anything; blobs that it finds
// in the folder later it does not load. One of the files here is a pipe: when
// skopeo opens it, the blobs that are known are put into the folder.
type gate struct {
	dir    string
	cancel context.CancelFunc
	ended  chan struct{}
}

// gateEvery is how often the pipe is tried.
const gateEvery = time.Millisecond

// newGate makes the folder dir with what is in like, and the pipe. open is
// called while skopeo waits; when it fails, skopeo loads the blobs.
func newGate(dir, like string, open func() error) (*gate, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(like)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".yaml") {
			continue
		}
		file, err := filepath.Abs(filepath.Join(like, e.Name()))
		if err != nil {
			return nil, err
		}
		if err := os.Symlink(file, filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	pipe := filepath.Join(dir, "zz-sourcehost-gate.yaml")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	g := &gate{dir: dir, cancel: cancel, ended: make(chan struct{})}
	go g.serve(ctx, pipe, open)
	return g, nil
}

// serve lets every reader of the pipe read an empty file.
func (g *gate) serve(ctx context.Context, pipe string, open func() error) {
	defer close(g.ended)
	for ctx.Err() == nil {
		fd, err := unix.Open(pipe, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err == nil {
			_ = open()
			unix.Close(fd)
		}
		select {
		case <-ctx.Done():
		case <-time.After(gateEvery):
		}
	}
}

// close ends the gate. Nobody may wait at it any more.
func (g *gate) close() {
	g.cancel()
	<-g.ended
}
