package container

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// blobs is a folder of verified blobs, each named by its digest in hex.
type blobs struct {
	dir string

	mu   sync.Mutex
	busy map[string]chan struct{} // digests that somebody is loading
	sums map[string]os.FileInfo   // files whose digest was taken as they were written, by digest
}

func newBlobs(dir string) *blobs {
	return &blobs{dir: dir, busy: map[string]chan struct{}{}, sums: map[string]os.FileInfo{}}
}

func (b *blobs) path(digest string) string {
	return filepath.Join(b.dir, strings.TrimPrefix(digest, "sha256:"))
}

// has says whether a blob is there.
func (b *blobs) has(digest string) bool {
	_, err := os.Lstat(b.path(digest))
	return err == nil
}

// wrote remembers that this process has written the file of a blob, and found its
// digest to be right.
func (b *blobs) wrote(digest string, info os.FileInfo) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sums[digest] = info
}

// isOwn reports whether a file is a name of one that this process has written as
// the blob of that digest, and that has not been written to since. Reading it
// again would tell nothing.
func (b *blobs) isOwn(digest string, info os.FileInfo) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.sums[digest]
	return known != nil && os.SameFile(known, info) && known.Size() == info.Size() && known.ModTime().Equal(info.ModTime())
}

// claim makes the caller the one who loads all of the missing digests, and
// waits while somebody else loads one of them. It takes all or none, so that
// two callers never wait for each other. release must be called.
func (b *blobs) claim(ctx context.Context, digests []string) (release func(), err error) {
	for {
		wait, release := b.tryClaim(digests)
		if wait == nil {
			return release, nil
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (b *blobs) tryClaim(digests []string) (wait chan struct{}, release func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var mine []string
	for _, d := range digests {
		if b.has(d) {
			continue
		}
		if wait := b.busy[d]; wait != nil {
			return wait, nil
		}
		mine = append(mine, d)
	}
	done := make(chan struct{})
	for _, d := range mine {
		b.busy[d] = done
	}
	return nil, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, d := range mine {
			delete(b.busy, d)
		}
		close(done)
	}
}

// link puts a blob into a folder under its name here.
func (b *blobs) link(digest, dir string) error {
	to := filepath.Join(dir, filepath.Base(b.path(digest)))
	return linkOrCopy(b.path(digest), to)
}

// take adds a blob that is in a file of another folder, unless it is here.
func (b *blobs) take(digest, dir string) error {
	if b.has(digest) {
		return nil
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return err
	}
	return linkOrCopy(filepath.Join(dir, filepath.Base(b.path(digest))), b.path(digest))
}

// linkOrCopy gives a file a second name, or copies it where the file system
// cannot do that.
func linkOrCopy(from, to string) error {
	if os.Link(from, to) == nil {
		return nil
	}
	src, err := os.Open(from)
	if err != nil {
		return diskError(err)
	}
	defer src.Close()
	dst, err := os.CreateTemp(filepath.Dir(to), ".copying-*")
	if err != nil {
		return diskError(err)
	}
	defer os.Remove(dst.Name())
	defer dst.Close()
	if _, err := io.Copy(dst, src); err != nil {
		return diskError(err)
	}
	if err := dst.Chmod(fileMode); err != nil {
		return diskError(err)
	}
	if err := os.Rename(dst.Name(), to); err != nil {
		return diskError(err)
	}
	return nil
}
