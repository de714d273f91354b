package download

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// fetch is the state of one call of Engine.Fetch.
type fetch struct {
	e        *Engine
	req      *Request
	t        Target
	sources  []*source
	current  int // index of the source that was tried last, -1 at first
	attempts int
	limit    int // of attempts
	// fresh: what the target has must not be completed.
	fresh bool
	// noCache: other bytes came than expected; caches on the way are asked to
	// look again.
	noCache bool
	// remix: completed bytes have turned out wrong once already.
	remix bool
	// missed are the hosts, with ports, whose last attempt made no connection.
	missed []string
	// media is the Content-Type of the last body, for hints.
	media string
	// resumed, final and size describe the response that succeeded.
	resumed bool
	final   string
	size    int64
}

// source is one URL of the request.
type source struct {
	raw      string
	url      *url.URL // without fragment; nil until the first attempt
	attempts int
	failures int            // in a row
	spent    map[string]int // attempts by cause, for faults with few tries
	ready    time.Time
	mirror   string // the base URL, when it is one of Request.Mirrors
	again    bool
	gone     bool
	once     bool // its host has failed other items: one failure to connect is enough
	last     *fault
}

// name is the source as the request spells it.
func (s *source) name() string {
	if s.mirror != "" {
		return s.mirror
	}
	return s.raw
}

func newFetch(e *Engine, req *Request, t Target) *fetch {
	f := &fetch{e: e, req: req, t: t, current: -1, limit: e.cfg.MaxAttempts}
	all := f.all()
	f.sources = make([]*source, 0, len(all))
	var late []*source // whose hosts, or which themselves, are set aside
	for i := range all {
		s := &all[i]
		aside := false
		if aside, s.once = e.health.look(s.raw); aside || req.Record.aside(s.mirror) {
			late = append(late, s)
			continue
		}
		f.sources = append(f.sources, s)
	}
	f.sources = append(f.sources, late...)
	return f
}

// next picks the source to try: the one at hand when only its resuming failed,
// else the first that is ready after it, in a circle. It waits when all that
// are left must be waited for. It returns nil when nothing is left to try.
func (f *fetch) next(ctx context.Context) (*source, *fault) {
	if ctx.Err() != nil {
		return nil, canceled(ctx)
	}
	if f.attempts >= f.limit {
		return nil, nil
	}
	if f.current >= 0 && f.sources[f.current].again {
		f.sources[f.current].again = false
		return f.sources[f.current], nil
	}
	var now time.Time
	if f.attempts > 0 {
		now = f.e.now()
	}
	best := f.pick(now)
	if best < 0 {
		return nil, nil
	}
	if d := f.sources[best].ready.Sub(now); d > 0 && !f.e.sleep(ctx, d) {
		return nil, canceled(ctx)
	}
	f.current = best
	return f.sources[best], nil
}

// pick returns the index of the first source after the one at hand that is
// ready, or of the one that will be first; -1 when there is none.
func (f *fetch) pick(now time.Time) int {
	best := -1
	for i := range f.sources {
		k := (f.current + 1 + i) % len(f.sources)
		s := f.sources[k]
		if s.gone {
			continue
		}
		if !s.ready.After(now) {
			return k
		}
		if best < 0 || s.ready.Before(f.sources[best].ready) {
			best = k
		}
	}
	return best
}

// reached notes, for all fetches, that u's host has answered.
func (f *fetch) reached(u *url.URL) {
	f.e.health.reached(u)
	f.connected(u)
}

// connected notes, for this fetch, that there was a connection to u's host.
func (f *fetch) connected(u *url.URL) {
	if len(f.missed) > 0 {
		host := hostPort(u)
		f.missed = slices.DeleteFunc(f.missed, func(h string) bool { return h == host })
	}
}

// connect notes how a failed attempt of s ended: with or without a connection.
func (f *fetch) connect(s *source, unreached bool) {
	if s.url == nil {
		return
	}
	f.connected(s.url) // no host is noted twice
	if unreached {
		f.missed = append(f.missed, hostPort(s.url))
	}
}

// note records a failed attempt and decides when s may be tried again.
func (f *fetch) note(s *source, flt *fault) {
	flt.err = shorten(flt.err, f.e.cfg.Redact)
	s.last = flt
	s.again = flt.again
	s.failures++
	f.strike(s, flt)
	f.fresh = f.fresh || flt.fresh
	if flt.kind == KindMismatch {
		f.noCache = true
	}
	f.connect(s, flt.unreached)
	once := flt.unreached && s.once && f.e.health.once(s.url)
	s.gone = flt.final || flt.fatal || once
	if once {
		flt.hint = "earlier items could not connect to this host either, so it was tried only once"
	}
	if flt.tries > 0 {
		if s.spent == nil {
			s.spent = make(map[string]int)
		}
		cause := string(flt.kind)
		s.spent[cause]++
		s.gone = s.gone || s.spent[cause] >= flt.tries
	}
	if !s.gone && !flt.again {
		s.ready = f.e.now().Add(max(f.backoff(s.failures), flt.wait))
	}
	f.e.cfg.Logger.Debug("download attempt failed", "item", f.req.Name, "url", CleanURL(s.raw),
		"attempt", f.attempts, "kind", string(flt.kind), "error", flt.err)
}

// backoff returns the pause after so many failures in a row: doubled each
// time, with up to half taken off at random so that workers that failed
// together do not come back together.
func (f *fetch) backoff(failures int) time.Duration {
	d := f.e.cfg.BackoffBase
	for i := 1; i < failures && d < f.e.cfg.BackoffMax; i++ {
		d *= 2
	}
	d = min(d, f.e.cfg.BackoffMax)
	return d - time.Duration(f.e.jitter()*float64(d)/2)
}

// count is called right before a request is made.
func (f *fetch) count(s *source) {
	f.attempts++
	s.attempts++
}

// prepare parses the source's URL and asks the policy for it, once.
func (f *fetch) prepare(s *source) *fault {
	if s.url != nil {
		return nil
	}
	u, err := url.Parse(QuotePath(s.raw))
	if err != nil {
		var inner *url.Error // its text repeats the URL, password included
		if errors.As(err, &inner) {
			err = inner.Err
		}
		flt := invalidFault("the URL is malformed: %s", withoutSecretsOf(s.raw, err))
		if strings.Contains(s.raw, "@") {
			flt.hint = "write special characters in a user name or password as %XX"
		}
		return flt
	}
	u.Scheme = strings.ToLower(u.Scheme)
	u.Fragment, u.RawFragment = "", ""
	switch {
	case u.Scheme == "file":
		if flt := checkFileURL(u); flt != nil {
			return flt
		}
	case u.Scheme != "http" && u.Scheme != "https":
		return invalidFault("the URL has the scheme %q: expected http, https or file", u.Scheme)
	case u.Hostname() == "":
		return invalidFault("the URL has no host")
	case !validPort(u.Port()):
		return invalidFault("the URL has the port %s: expected 1 to 65535", u.Port())
	}
	if flt := f.check(s, u); flt != nil {
		return flt
	}
	s.url = u
	return nil
}

// validPort reports whether port can be connected to; "" is that of the scheme. A
// dialer's error for one that cannot would be taken for one that passes.
func validPort(port string) bool {
	if port == "" {
		return true
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// withoutSecretsOf returns the text of a parse error, which may quote a part of
// the authority, and with it of a password, when the URL has any userinfo.
func withoutSecretsOf(raw string, err error) string {
	if strings.Contains(raw, "@") {
		return "it cannot be parsed (the reason is not shown, because it could contain a password)"
	}
	return err.Error()
}

// check asks the request's policy for a URL.
func (f *fetch) check(s *source, u *url.URL) *fault {
	if f.req.CheckURL == nil {
		return nil
	}
	if err := f.req.CheckURL(s.name(), u); err != nil {
		return deniedFault(err)
	}
	return nil
}

// attempt makes one request of s and brings the body to the target.
func (f *fetch) attempt(ctx context.Context, s *source) *fault {
	if flt := f.prepare(s); flt != nil {
		return flt
	}
	if s.url.Scheme == "file" {
		return f.file(ctx, s)
	}
	return f.http(ctx, s)
}

func (f *fetch) info(s *source) Info {
	return Info{URL: CleanURL(s.raw), Final: f.final, Bytes: f.size, Attempts: f.attempts, Resumed: f.resumed}
}

// failure makes the error of the whole fetch. Without flt it is the fault that
// was met last.
func (f *fetch) failure(flt *fault) *Error {
	e := &Error{Name: f.req.Name, Attempts: f.attempts}
	if f.current >= 0 {
		e.URL = CleanURL(f.sources[f.current].raw)
		if flt == nil {
			flt = f.sources[f.current].last
		}
	}
	if flt == nil {
		flt = invalidFault("no URL was given")
	}
	e.Kind, e.Err, e.Hint, e.Policy = flt.kind, flt.err, flt.hint, flt.policy
	if flt.fatal {
		return e
	}
	for i, s := range f.sources {
		if i != f.current && s.last != nil {
			e.Others = append(e.Others, URLError{URL: CleanURL(s.raw), Kind: s.last.kind, Attempts: s.attempts, Err: s.last.err})
		}
	}
	return e
}
