package download

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"
)

// fault is how one attempt failed, and what that means for the next.
type fault struct {
	kind Kind
	err  error
	hint string
	// final: it cannot pass on this URL.
	final bool
	// policy: the operator's rules refused. Not even another redirect helps.
	policy bool
	// unreached: there was no connection, so that other items of the same host
	// will hardly fare better.
	unreached bool
	// fatal: it ends the fetch, whatever URLs are left.
	fatal bool
	// tries, unless 0, is how many attempts of one URL may end like this.
	tries int
	// wait is the pause that the server asked for.
	wait time.Duration
	// fresh: the bytes that are there are useless; start from zero.
	fresh bool
	// again: the same URL at once, since only the resuming failed.
	again bool
}

// The numbers of attempts that one URL gets for faults that seldom pass.
const (
	// mismatchTries: a redirecting mirror may send the second one elsewhere.
	mismatchTries = 2
	// redirectedTries is for faults that are final, but met on a server that a
	// temporary redirect led to: the next one may lead to another server.
	redirectedTries = 3
	// unknownHostTries: resolvers of containers that just started deny names
	// for a moment.
	unknownHostTries = 3
)

func canceled(ctx context.Context) *fault {
	err := fmt.Errorf("stopped: %w", ctx.Err())
	if cause := context.Cause(ctx); cause != ctx.Err() {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return &fault{kind: KindCanceled, err: err, fatal: true}
}

func diskFault(err error) *fault {
	return &fault{kind: KindDisk, err: err, fatal: true}
}

func deniedFault(err error) *fault {
	return &fault{kind: KindDenied, err: err, final: true, policy: true}
}

func invalidFault(format string, args ...any) *fault {
	return &fault{kind: KindInvalid, err: fmt.Errorf(format, args...), final: true}
}

// errStatus is a response whose status is not that of a file.
type errStatus int

func (s errStatus) Error() string {
	text := http.StatusText(int(s))
	if text == "" {
		return fmt.Sprintf("the server answered %d", int(s))
	}
	return fmt.Sprintf("the server answered %d %s", int(s), text)
}

// statusFault says what a status other than 200 and 206 means.
func statusFault(resp *http.Response, cfg *Config, now time.Time) *fault {
	f := &fault{kind: KindNetwork, err: errStatus(resp.StatusCode)}
	switch code := resp.StatusCode; code {
	case http.StatusNotFound, http.StatusGone:
		f.kind, f.final = KindNotFound, true
	case http.StatusUnauthorized:
		f.kind, f.final = KindDenied, true
		f.hint = "the server wants credentials: check the item's secrets or headers"
	case http.StatusForbidden, http.StatusUnavailableForLegalReasons:
		f.kind, f.final = KindDenied, true
		f.hint = "check that the credentials or the client certificate may read this file, and that the URL is still valid"
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		f.kind = KindTimeout
	case http.StatusTooManyRequests:
		f.hint = "the server limits requests: use fewer workers or another mirror"
	case http.StatusTooEarly, http.StatusMisdirectedRequest:
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		f.final = true
	default:
		f.final = code < 500 || code > 599
	}
	if !f.final {
		f.wait = min(retryAfter(resp.Header, now), cfg.RetryAfterMax)
	}
	return f
}

// isMismatch reports whether err says that bytes were not the expected ones.
func isMismatch(err error) bool {
	var m interface{ Mismatch() bool }
	return errors.As(err, &m) && m.Mismatch()
}
