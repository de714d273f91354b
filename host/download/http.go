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
	proxy  *url.URL // that the hop goes through; nil without
	hops   int
	seen   []string
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
	rt, proxy, flt := f.roundTripper(c.url, c.left)
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
		return nil, classify(err, c.url, proxy)
	}
	if resp.StatusCode == http.StatusProxyAuthRequired {
		c.drain(resp)
		return nil, proxyStatusFault(proxy, resp.StatusCode)
	}
	return resp, nil
}

// request makes the request of the hop at hand. Everything that identifies the
// client goes to the origin of the source only.
func (c *chain) request() (*http.Request, *fault) {
	f := c.f
	h := make(http.Header, 8)
	user := c.url.User
	if !c.left {
		for name, values := range f.req.Header {
			h[http.CanonicalHeaderKey(name)] = values
		}
		for _, sealed := range f.req.Sealed {
			value, err := sealed.Fill(c.url)
			if err != nil {
				return nil, deniedFault(fmt.Errorf("the header %s cannot be filled in: %w", sealed.Name, err))
			}
			h.Set(sealed.Name, value)
		}
		if user == nil {
			user = c.s.url.User
		}
	}
	if h["User-Agent"] == nil {
		h["User-Agent"] = []string{f.e.cfg.UserAgent}
	}
	// Bodies are stored as they come: nothing may pack them on the way.
	h["Accept-Encoding"] = []string{"identity"}
	if f.noCache {
		h["Cache-Control"] = []string{"no-cache"}
	}
	if c.part.offset > 0 {
		h["Range"] = []string{"bytes=" + strconv.FormatInt(c.part.offset, 10) + "-"}
		h["If-Range"] = []string{c.part.ifRng}
	}
	u := *c.url
	u.User = nil
	req := (&http.Request{Method: http.MethodGet, URL: &u, Header: h, Host: h.Get("Host"),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1}).WithContext(c.ctx)
	delete(h, "Host")
	if user != nil && h["Authorization"] == nil {
		password, _ := user.Password()
		req.SetBasicAuth(user.Username(), password)
	}
	return req, nil
}

// redirect moves the chain on to where resp points.
func (c *chain) redirect(resp *http.Response) *fault {
	cfg := &c.f.e.cfg
	// What a server calls itself it knows how to spell: "+" stays as it is.
	location, err := url.Parse(quoteURL(resp.Header.Get("Location"), false))
	if err != nil {
		return invalidFault("the server redirects to a malformed URL")
	}
	from := c.url
	to := from.ResolveReference(location)
	to.Fragment, to.RawFragment = "", ""
	// A relative reference inherits the userinfo; the rule for it is request's.
	if location.Host == "" {
		to.User = nil
	}
	clean := CleanURL(to.String())
	switch {
	case to.Scheme != "http" && to.Scheme != "https" || to.Host == "":
		return deniedFault(fmt.Errorf("the server redirects to %s: only http and https are followed", clean))
	case from.Scheme == "https" && to.Scheme == "http" && !cfg.AllowDowngrade:
		flt := deniedFault(fmt.Errorf("the server redirects from https to %s, which is not encrypted", clean))
		flt.hint = "use a mirror that serves https throughout, or allow the downgrade"
		return flt
	case c.hops >= cfg.MaxRedirects:
		return &fault{kind: KindNetwork, final: true, err: fmt.Errorf("more than %d redirects, the last one to %s", cfg.MaxRedirects, clean)}
	}
	c.seen = append(c.seen, from.String())
	for _, seen := range c.seen {
		if seen == to.String() {
			return &fault{kind: KindNetwork, final: true, err: fmt.Errorf("the redirects go round in a loop: %s came twice", clean)}
		}
	}
	if flt := c.f.check(to); flt != nil {
		flt.err = fmt.Errorf("the redirect to %s is not allowed: %w", clean, flt.err)
		return flt
	}
	if !sameOrigin(from, to) {
		c.left = true
		c.moved = c.moved || resp.StatusCode != http.StatusMovedPermanently && resp.StatusCode != http.StatusPermanentRedirect
	}
	c.hops++
	c.url = to
	return nil
}

// receive brings the body of resp to the target, or says what its status means.
func (c *chain) receive(resp *http.Response) *fault {
	f := c.f
	b := &body{f: f, ctx: c.ctx, transfer: &transfer{cancel: c.cancel}, total: resp.ContentLength}
	resumed := false
	switch {
	case resp.StatusCode == http.StatusOK || resp.StatusCode == http.StatusNonAuthoritativeInfo:
		if err := f.t.Reset(resp.ContentLength, validatorOf(resp.Header, resp.ContentLength)); err != nil {
			resp.Body.Close()
			return diskFault(err)
		}
		f.fresh = false
	case resp.StatusCode == http.StatusPartialContent && c.part.offset > 0:
		end, total, ok := c.part.continues(resp)
		if !ok {
			resp.Body.Close()
			return restart(fmt.Errorf("the server sent another range than was asked for: %q", resp.Header.Get("Content-Range")))
		}
		b.done, b.end, b.total, resumed = c.part.offset, end+1, total, true
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable && c.part.offset > 0:
		c.drain(resp)
		if !c.part.complete(resp) {
			return restart(errStatus(resp.StatusCode))
		}
		return c.finish(c.part.offset, true)
	default:
		c.drain(resp)
		flt := statusFault(resp, &f.e.cfg, f.e.now())
		if c.url.Scheme == "http" {
			flt.err = viaProxy(c.proxy, flt.err) // whose answer it may be
		}
		return flt
	}
	f.e.watch.add(b.transfer)
	flt := b.copy(resp.Body)
	f.e.watch.remove(b.transfer)
	resp.Body.Close()
	if flt != nil {
		return flt
	}
	return c.finish(b.done, resumed)
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

func isRedirect(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location") != ""
	}
	return false
}

// sameOrigin compares scheme, host and port, with the default ports filled in.
func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && hostPort(a) == hostPort(b)
}
