package container

import (
	"io"
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
