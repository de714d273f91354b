package download

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Call is a small request, of whatever method, whose response is kept in memory.
type Call struct {
	// Request says whom to ask and how: URLs has one entry, http or https. What
	// concerns files and mirrors is not used.
	Request
	// Method is GET when it is empty.
	Method string
	// Body is sent to the origin of the URL only. Nil sends none.
	Body []byte
	// MaxBytes is the largest body of a response. Zero means none at all.
	MaxBytes int64
	// Timeout bounds the call with all its attempts. Zero means no bound but that
	// of the context.
	Timeout time.Duration
}

// Response is what a server answered, whatever its status.
type Response struct {
	Status int
	// URL is where the response came from in the end, cleaned.
	URL      string
	Header   http.Header
	Body     []byte
	Attempts int
	Took     time.Duration
	// Local tells whether the server that has answered is on this machine. Behind a
	// proxy only the URL can tell.
	Local bool
}

// ErrTooLarge is the cause of the error for a response with a body larger than
// Call.MaxBytes.
var ErrTooLarge = errors.New("the response is too large")

// callTimeout is the cause with which a call ends at its time.
type callTimeout time.Duration

func (d callTimeout) Error() string {
	return fmt.Sprintf("the request took longer than %v", time.Duration(d).Round(time.Millisecond))
}

// Timeout makes it one in the eyes of classify.
func (d callTimeout) Timeout() bool { return true }

// Temporary completes the interface net.Error.
func (d callTimeout) Temporary() bool { return false }

// Call makes a request and returns the last response. Redirects are followed under
// the rules for downloads. A GET or HEAD that failed in a way that can pass is
// repeated with growing pauses while there is time. Any error is an *Error.
func (e *Engine) Call(ctx context.Context, call *Call) (*Response, error) {
	start := time.Now()
	if call.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, call.Timeout, callTimeout(call.Timeout))
		defer cancel()
	}
	f := newFetch(e, &call.Request, nil)
	if len(f.sources) != 1 {
		return nil, f.failure(invalidFault("a call needs one URL, not %d", len(f.sources)))
	}
	f.current = 0
	resp, flt := f.calling(ctx, call)
	if flt != nil {
		return nil, f.failure(flt)
	}
	resp.Attempts, resp.Took = f.attempts, time.Since(start)
	return resp, nil
}

// calling makes attempts until one has brought a response that stands.
func (f *fetch) calling(ctx context.Context, call *Call) (*Response, *fault) {
	s := f.sources[0]
	var last *Response
	for {
		resp, flt := f.callOnce(ctx, s, call)
		if flt == nil {
			return resp, nil
		}
		if resp != nil {
			last = resp
		}
		if ctx.Err() != nil && last == nil {
			return nil, ended(ctx, flt)
		}
		f.note(s, flt)
		if s.gone || !call.repeatable() || f.attempts >= f.limit || !f.pause(ctx, s) {
			break
		}
	}
	if last != nil {
		return last, nil // an answer, of whatever status, says more than a fault
	}
	return nil, s.last
}

// pause waits until s may be tried again. It reports whether there is the time.
func (f *fetch) pause(ctx context.Context, s *source) bool {
	d := s.ready.Sub(f.e.now())
	if end, limited := ctx.Deadline(); limited && time.Until(end) <= d {
		return false
	}
	return ctx.Err() == nil && f.e.sleep(ctx, d)
}

// ended is the fault of a call whose context is done.
func ended(ctx context.Context, flt *fault) *fault {
	var late callTimeout
	if errors.As(context.Cause(ctx), &late) {
		if flt.kind != KindTimeout {
			return &fault{kind: KindTimeout, err: late}
		}
		return flt
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &fault{kind: KindTimeout, err: context.Cause(ctx)}
	}
	return canceled(ctx)
}

// callOnce makes one attempt. A response that should be asked for again comes
// together with a fault.
func (f *fetch) callOnce(ctx context.Context, s *source, call *Call) (*Response, *fault) {
	if flt := f.prepare(s); flt != nil {
		return nil, flt
	}
	if s.url.Scheme == "file" {
		return nil, invalidFault("the URL has the scheme file: expected http or https")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	once := *call // a redirect can change the method
	c := &chain{f: f, s: s, ctx: ctx, cancel: cancel, url: s.url, call: &once}
	c.rule, c.remote = f.req.rules(s.name())
	resp, flt := c.answer()
	if flt != nil && c.hops > 0 {
		flt.err = fmt.Errorf("redirected to %s: %w", CleanURL(c.url.String()), flt.err)
	}
	return resp, flt
}

// answer requests hop after hop until there is a response, and reads it.
func (c *chain) answer() (*Response, *fault) {
	for {
		resp, flt := c.roundTrip()
		if flt != nil {
			return nil, flt
		}
		if !isRedirect(resp) {
			return c.read(resp)
		}
		c.drain(resp)
		becomesGet := c.call.becomesGet(resp.StatusCode)
		if becomesGet {
			c.seen = nil // the same URL, asked for by another method, is no loop
		}
		from := c.url
		if flt := c.redirect(resp); flt != nil {
			return nil, flt
		}
		switch {
		case becomesGet:
			c.call.Method, c.call.Body = "", nil
		case c.call.Body != nil && !sameOrigin(from, c.url):
			return nil, deniedFault(errors.New("the body of a request is not sent on to another server"))
		}
	}
}

// read takes the body of a response.
func (c *chain) read(resp *http.Response) (*Response, *fault) {
	defer resp.Body.Close()
	limit := c.call.MaxBytes
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case int64(len(body)) > limit:
		return nil, &fault{kind: KindInvalid, final: true, err: fmt.Errorf("%w: more than %d bytes", ErrTooLarge, limit)}
	case err != nil && c.ctx.Err() != nil:
		return nil, netFault(context.Cause(c.ctx), c.url)
	case err != nil:
		return nil, &fault{kind: KindNetwork, err: fmt.Errorf("the body broke after %d bytes: %w", len(body), err)}
	}
	r := &Response{Status: resp.StatusCode, URL: CleanURL(c.url.String()), Header: resp.Header, Body: body, Local: c.onThisMachine()}
	if resp.StatusCode < 400 {
		return r, nil
	}
	if flt := c.refused(resp); !flt.final {
		return r, flt
	}
	return r, nil
}

// repeatable reports whether a request may be sent twice.
func (call *Call) repeatable() bool {
	return call.Method == "" || call.Method == http.MethodGet || call.Method == http.MethodHead
}

// becomesGet reports whether a redirect with this status turns the request into a
// GET without a body (RFC 9110, 15.4).
func (call *Call) becomesGet(status int) bool {
	switch status {
	case http.StatusMovedPermanently, http.StatusFound:
		return call.Method == http.MethodPost
	case http.StatusSeeOther:
		return !call.repeatable()
	}
	return false
}

// complete makes a request that of the call. A nil call is a download.
func (call *Call) complete(req *http.Request) {
	if call == nil {
		return
	}
	if call.Method != "" {
		req.Method = call.Method
	}
	if body := call.Body; body != nil {
		req.ContentLength = int64(len(body))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		req.Body, _ = req.GetBody()
	}
}
