package download

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// body copies what a response carries to the target.
type body struct {
	f        *fetch
	ctx      context.Context
	transfer *transfer
	done     int64 // bytes of the item that are there
	end      int64 // where this body ends; 0: at total
	total    int64 // size of the item; -1: unknown
	told     time.Time
}

// copy reads in to its end. The counter of the transfer moves with every read,
// and ctx is looked at in between, so that nothing runs on after it is done. The
// target gets full buffers: over TLS a read brings 16 KiB at most.
func (b *body) copy(in io.Reader) *fault {
	limit := b.total
	if b.end > 0 {
		limit = b.end
	}
	buf := b.f.e.buffer(limit - b.done)
	defer b.f.e.giveBack(buf)
	b.progress(false)
	fill := 0
	for {
		n, err := in.Read((*buf)[fill:])
		if b.ctx.Err() != nil {
			err = context.Cause(b.ctx)
		}
		if limit >= 0 && b.done+int64(n) > limit {
			return &fault{kind: KindNetwork, fresh: true,
				err: fmt.Errorf("more than the %d bytes that the server announced came", limit)}
		}
		b.done += int64(n)
		b.transfer.received.Add(int64(n))
		fill += n
		if fill > 0 && (err != nil || fill == len(*buf)) {
			if flt := b.write((*buf)[:fill]); flt != nil {
				return flt
			}
			fill = 0
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return b.broken(err)
		}
		b.progress(false)
	}
	if b.done < b.total {
		return b.broken(io.ErrUnexpectedEOF)
	}
	b.progress(true)
	return nil
}

func (b *body) write(p []byte) *fault {
	b.transfer.writing.Store(true)
	n, err := b.f.t.Write(p)
	b.transfer.writing.Store(false)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return diskFault(err)
	}
	return nil
}

// broken says how far the body came.
func (b *body) broken(err error) *fault {
	came := fmt.Sprintf("%d bytes", b.done)
	if b.total >= 0 {
		came = fmt.Sprintf("%d of %d bytes", b.done, b.total)
	}
	if errors.Is(err, errStalled) {
		cfg := &b.f.e.cfg
		return &fault{kind: KindTimeout, err: fmt.Errorf("%w after %s: less than %d bytes/s for %v",
			err, came, cfg.StallBytesPerSecond, cfg.StallTimeout)}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &fault{kind: KindNetwork, err: fmt.Errorf("the body ended early, after %s: %w", came, err)}
	}
	return &fault{kind: KindNetwork, err: fmt.Errorf("the body broke after %s: %w", came, err)}
}

// progress tells the caller, not more often than configured but at the end.
func (b *body) progress(always bool) {
	if b.f.req.Progress == nil {
		return
	}
	now := time.Now()
	if !always && now.Sub(b.told) < b.f.e.cfg.ProgressInterval {
		return
	}
	b.told = now
	b.f.req.Progress(b.done, b.total)
}

// verify asks the target whether the bytes are right. When they are not and
// some came from an earlier attempt, the same URL gets another chance from
// zero, once: the mixture may be to blame.
func (f *fetch) verify(resumed bool) *fault {
	err := f.t.Verify()
	if err == nil {
		return nil
	}
	if !isMismatch(err) {
		return diskFault(err)
	}
	flt := &fault{kind: KindMismatch, err: err, fresh: true, tries: mismatchTries,
		hint: "the server's copy differs from what the manifest expects, or something on the way changed it"}
	if strings.HasPrefix(f.media, "text/html") {
		flt.hint = "the server sent a web page: perhaps a login page or an error page, of the server or of a proxy on the way"
	}
	if resumed && !f.remix {
		f.remix = true
		flt.again, flt.tries = true, 0
	}
	return flt
}
