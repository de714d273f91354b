package download

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The body of a response that is not wanted is read up to drainBytes and for
// at most drainTime, so that its connection can be used again.
const (
	drainBytes = 32 << 10
	drainTime  = time.Second
)

// chain is one attempt: a request and the redirects that follow it.
type chain struct {
	f      *fetch
	s      *source
	ctx    context.Context
	cancel context.CancelCauseFunc
	part   partial
	url    *url.URL // of the hop at hand
	rule   *AddrRule
	remote *AddrRule // takes rule's place after a redirect by another machine
	call   *Call     // nil for a download
	proxy  *url.URL  // that the hop goes through; nil without
	hops   int
	seen   []string
	// sealed are the values that were filled in, which only the origin may get.
	sealed []string
	// left: a redirect has led to another origin. Credentials stay behind
	// from then on, also when a later redirect leads back.
	left bool
	// moved: a temporary redirect led elsewhere, and may lead to a third place
	// next time.
	moved bool
}

// http makes one attempt over the network.
func (f *fetch) http(ctx context.Context, s *source) *fault {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c := &chain{f: f, s: s, ctx: ctx, cancel: cancel, url: s.url}
	c.rule, c.remote = f.req.rules(s.name())
	if !f.fresh {
		c.part = partialOf(f.t)
	}
	flt := c.run()
	if flt != nil && c.hops > 0 {
		flt.err = fmt.Errorf("redirected to %s: %w", CleanURL(c.url.String()), flt.err)
		if flt.final && c.moved && !flt.policy {
			flt.final, flt.tries = false, redirectedTries
		}
	}
	return flt
}

// run requests hop after hop until there is a body, and receives it.
func (c *chain) run() *fault {
	for {
		resp, flt := c.roundTrip()
		if flt != nil {
			return flt
		}
		if !isRedirect(resp) {
			return c.receive(resp)
		}
		c.drain(resp)
		if flt := c.redirect(resp); flt != nil {
			return flt
		}
	}
}

// roundTrip requests the hop at hand.
func (c *chain) roundTrip() (*http.Response, *fault) {
	f := c.f
	rt, proxy, flt := f.roundTripper(c.url, c.left, c.rule)
	c.proxy = proxy
	if flt != nil {
		return nil, flt
	}
	req, flt := c.request()
	if flt != nil {
		return nil, flt
	}
	if c.hops == 0 {
		f.count(c.s)
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		if c.ctx.Err() != nil {
			err = context.Cause(c.ctx)
		}
		flt := classify(err, c.url, proxy)
		flt.unreached = flt.unreached && c.hops == 0 // else it is another host
		return nil, flt
	}
	f.reached(c.url)
	if resp.StatusCode == http.StatusProxyAuthRequired {
		c.drain(resp)
		return nil, proxyStatusFault(proxy, resp.StatusCode)
	}
	return resp, nil
}

// request makes the request of the hop at hand.
func (c *chain) request() (*http.Request, *fault) {
	h := make(http.Header, 8)
	user, to := c.url.User, c.url
	if !c.left {
		flt := c.identify(h)
		if flt != nil {
			return nil, flt
		}
		if to, flt = c.withQuery(to); flt != nil {
			return nil, flt
		}
		if user == nil {
			user = c.s.url.User
		}
	}
	if h["User-Agent"] == nil {
		h["User-Agent"] = []string{c.f.e.cfg.UserAgent}
	}
	// Bodies are stored as they come: nothing may pack them on the way.
	h["Accept-Encoding"] = []string{"identity"}
	if c.f.noCache {
		h["Cache-Control"] = []string{"no-cache"}
	}
	if c.part.offset > 0 {
		h["Range"] = []string{"bytes=" + strconv.FormatInt(c.part.offset, 10) + "-"}
		h["If-Range"] = []string{c.part.ifRng}
	}
	// A Host field takes the place of the URL's host; net/http leaves the
	// field itself out, and the URL's userinfo too.
	req := (&http.Request{Method: http.MethodGet, URL: to, Header: h, Host: h.Get("Host"),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(c.ctx)
	if user != nil && h["Authorization"] == nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	c.call.complete(req)
	return req, nil
}

// identify sets the fields that are for the origin of the source only: any of
// them may say who the client is.
func (c *chain) identify(h http.Header) *fault {
	for name, values := range c.f.req.Header {
		h[http.CanonicalHeaderKey(name)] = values
	}
	for _, sealed := range c.f.req.Sealed {
		value, err := c.fill(sealed)
		if err != nil {
			return deniedFault(fmt.Errorf("the header %s cannot be filled in: %w", sealed.Name, err))
		}
		h.Set(sealed.Name, value)
		c.sealed = append(c.sealed, value)
	}
	return nil
}

// fill gets a value that may take its time to come: a program may have to be run
// for it. It does not wait longer than the transfer is wanted.
func (c *chain) fill(sealed SealedHeader) (string, error) {
	type filled struct {
		value string
		err   error
	}
	done := make(chan filled, 1)
	url := *c.url
	go func() {
		value, err := sealed.Fill(&url)
		done <- filled{value, err}
	}()
	select {
	case got := <-done:
		return got.value, got.err
	case <-c.ctx.Done():
		return "", context.Cause(c.ctx)
	}
}

// validator is what the file can be resumed by; a secret that the server repeats in
// it must not get onto the disk.
func (c *chain) validator(resp *http.Response) string {
	v := validatorOf(resp.Header, resp.ContentLength)
	if c.f.e.cfg.Redact(v) != v {
		return ""
	}
	return v
}

// receive brings the body of resp to the target, or says what its status means.
func (c *chain) receive(resp *http.Response) *fault {
	b := &body{f: c.f, ctx: c.ctx, transfer: &transfer{cancel: c.cancel}, total: resp.ContentLength}
	resuming := c.part.offset > 0
	switch code := resp.StatusCode; {
	case code == http.StatusOK || code == http.StatusNonAuthoritativeInfo:
		if err := c.f.t.Reset(resp.ContentLength, c.validator(resp)); err != nil {
			resp.Body.Close()
			return diskFault(err)
		}
		c.f.fresh, resuming = false, false
	case code == http.StatusPartialContent && resuming:
		end, total, ok := c.part.continues(resp)
		if !ok {
			resp.Body.Close()
			return restart(fmt.Errorf("the server sent another range than was asked for: %q", resp.Header.Get("Content-Range")))
		}
		b.done, b.end, b.total = c.part.offset, end+1, total
	case code == http.StatusRequestedRangeNotSatisfiable && resuming:
		c.drain(resp)
		if !c.part.complete(resp) {
			return restart(errStatus(code))
		}
		return c.finish(c.part.offset, true)
	default:
		c.drain(resp)
		return c.refused(resp)
	}
	if flt := c.copy(b, resp); flt != nil {
		return flt
	}
	return c.finish(b.done, resuming)
}

// copy brings the body to the target, under the eyes of the watchdog.
func (c *chain) copy(b *body, resp *http.Response) *fault {
	defer resp.Body.Close()
	c.f.media = resp.Header.Get("Content-Type")
	c.f.e.watch.add(b.transfer)
	defer c.f.e.watch.remove(b.transfer)
	return b.copy(resp.Body)
}

// refused says what a response without a file means.
func (c *chain) refused(resp *http.Response) *fault {
	flt := statusFault(resp, &c.f.e.cfg, c.f.e.now())
	if c.url.Scheme == "http" {
		flt.err = viaProxy(c.proxy, flt.err) // whose answer it may be
	}
	return flt
}

// finish has the bytes verified, and records where they came from.
func (c *chain) finish(size int64, resumed bool) *fault {
	if flt := c.f.verify(resumed); flt != nil {
		return flt
	}
	c.f.size, c.f.resumed, c.f.final = size, resumed, ""
	if c.hops > 0 {
		c.f.final = CleanURL(c.url.String())
	}
	return nil
}

// restart is for a resume that did not work out: the same URL again from zero.
func restart(err error) *fault {
	return &fault{kind: KindNetwork, err: err, fresh: true, again: true}
}

// drain reads a short body away and closes it.
func (c *chain) drain(resp *http.Response) {
	defer resp.Body.Close()
	if resp.ContentLength > drainBytes || resp.ContentLength == 0 {
		return
	}
	timer := time.AfterFunc(drainTime, func() { resp.Body.Close() })
	defer timer.Stop()
	io.CopyN(io.Discard, resp.Body, drainBytes)
}
