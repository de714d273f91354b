//go:build containers_image_openpgp

package container

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sync/atomic"
)

// progress adds up the bytes of one copy.
type progress struct {
	tell  func(done, total int64)
	total int64
	done  atomic.Int64
	// loaded is what came over the network; done counts shared blobs too.
	loaded atomic.Int64
}

func newProgress(tell func(done, total int64), sizes []int64) *progress {
	p := &progress{tell: tell}
	for _, n := range sizes {
		if n < 0 {
			p.total = -1
			break
		}
		p.total += n
	}
	return p
}

func (p *progress) add(n int64) {
	done := p.done.Add(n)
	if p.tell != nil {
		p.tell(done, p.total)
	}
}

// reader counts what is read through it.
func (p *progress) reader(r io.Reader) io.Reader { return &countingReader{r, p} }

type countingReader struct {
	r io.Reader
	p *progress
}

func (c *countingReader) Read(buf []byte) (int, error) {
	n, err := c.r.Read(buf)
	if n > 0 {
		c.p.loaded.Add(int64(n))
		c.p.add(int64(n))
	}
	return n, err
}

// get returns whether the blob had to be loaded, which is what load does. The
// blob is at path afterwards, and its digest is right.
func (b *blobs) get(ctx context.Context, digest string, load func(w io.Writer) error) (loaded bool, err error) {
	release, err := b.claim(ctx, []string{digest})
	if err != nil {
		return false, err
	}
	defer release()
	if b.has(digest) {
		return false, nil
	}
	if err := os.MkdirAll(b.dir, 0o700); err != nil {
		return false, diskError(err)
	}
	f, err := os.CreateTemp(b.dir, ".loading-*")
	if err != nil {
		return false, diskError(err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	h := sha256.New()
	if err := load(io.MultiWriter(f, h)); err != nil {
		return false, err
	}
	if got := "sha256:" + hex.EncodeToString(h.Sum(nil)); got != digest {
		return false, &Error{Kind: KindMismatch, tries: mismatchTries,
			Err: fmt.Errorf("a blob came as %s, and the manifest names %s", got, digest)}
	}
	if err := f.Chmod(fileMode); err != nil {
		return false, diskError(err)
	}
	info, err := f.Stat()
	if err != nil {
		return false, diskError(err)
	}
	if err := os.Rename(f.Name(), b.path(digest)); err != nil {
		return false, diskError(err)
	}
	b.wrote(digest, info)
	return true, nil
}
