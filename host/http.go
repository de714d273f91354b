package host

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/sourcehost/sourcehost/host/download"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

const (
	// hookMargin is what a request leaves of the time of its hook, at most, so that the
	// plugin can still say that it failed.
	hookMargin = time.Second
	// maxHTTPTime is the longest time that a plugin can ask for.
	maxHTTPTime = 10 * time.Minute
	// maxProbes bounds how many servers are measured in one call.
	maxProbes = 200
)

// http makes a request for the plugin itself.
func (c *caller) http(ctx context.Context, raw []byte) (abi.Status, []byte, error) {
	q, err := abi.DecodeHTTPRequest(raw)
	if err != nil {
		return abi.Invalid, nil, err
	}
	call, status, err := c.call(&q)
	if err != nil {
		return status, nil, err
	}
	perform := func(ctx context.Context) answer { return c.perform(ctx, call) }
	if !q.Once {
		if q.Start {
			return abi.Invalid, nil, errors.New("start needs once: otherwise nobody would get the response")
		}
		limited, cancel := withMargin(ctx)
		defer cancel()
		return perform(limited).unpack()
	}
	start := q.Start
	q.Start = false
	return c.run.shared.get(ctx, string(q.Append([]byte(c.plugin.Name+"\n"+abi.OpHTTP+"\n"))), start, perform).unpack()
}

// call checks a request.
func (c *caller) call(q *abi.HTTPRequest) (*download.Call, abi.Status, error) {
	call := &download.Call{
		Request: download.Request{
			URLs:     []string{q.URL},
			CheckURL: func(_ string, u *url.URL) error { return c.allowHTTP(u.String()) },
			AddrRules: func(string) (first, redirected *download.AddrRule) {
				return c.plugin.policy.addrRules(plugin.CapHTTP)
			},
		},
		Method: q.Method, MaxBytes: resultLimit(c.run.host.cfg.Limits), Timeout: time.Duration(q.Timeout) * time.Millisecond,
	}
	if q.Body != "" {
		call.Body = []byte(q.Body)
	}
	switch {
	case !httpguts.ValidHeaderFieldName("x"+q.Method) || strings.ToUpper(q.Method) != q.Method || slices.Contains([]string{"CONNECT", "TRACE"}, q.Method):
		return nil, abi.Invalid, fmt.Errorf("the method %s cannot be used", plain(q.Method, 60))
	case len(q.URL) > maxURLBytes:
		return nil, abi.Invalid, fmt.Errorf("the url has %d bytes, but may have %d", len(q.URL), maxURLBytes)
	case q.Timeout < 0 || q.Timeout > maxHTTPTime.Milliseconds():
		return nil, abi.Invalid, fmt.Errorf("the timeout is %d ms, but may be %d", q.Timeout, maxHTTPTime.Milliseconds())
	case q.Timeout == 0:
		call.Timeout = abi.DefaultHTTPSeconds * time.Second
	}
	if err := c.allowHTTP(q.URL); err != nil {
		return nil, abi.Denied, err
	}
	c.run.host.passwords.ofURL(q.URL, maxPasswords)
	access := access{Headers: q.Headers, Auth: q.Auth, Query: q.Query, Insecure: q.Insecure, TLS: q.TLS, ProxyEnv: q.ProxyEnv}
	status, err := c.access(&call.Request, nil, &access)
	return call, status, err
}

// allowHTTP decides about a URL of the plugin's own request, and about every one
// that redirects lead to.
func (c *caller) allowHTTP(raw string) error {
	return c.plugin.policy.allowShown(plugin.CapHTTP, raw, download.CleanURL(raw))
}

// answer is the outcome of an operation.
type answer struct {
	status abi.Status
	result []byte
	err    error
}

func (a answer) unpack() (abi.Status, []byte, error) { return a.status, a.result, a.err }

// perform makes the request and encodes the response.
func (c *caller) perform(ctx context.Context, call *download.Call) answer {
	r, err := c.run.host.engine.Call(ctx, call)
	if err != nil {
		return c.callFailed(call.URLs[0], err)
	}
	message := abi.HTTPResponse{Status: int64(r.Status), URL: r.URL, Headers: headersOf(r.Header), Millis: r.Took.Milliseconds(), Local: r.Local}
	out := append(append(message.Append(nil), '\n'), r.Body...)
	if len(call.Sealed)+len(call.Query) > 0 || c.plugin.policy.refersToSecrets() {
		// A server that repeats what it was sent, now or in an earlier request, does not
		// tell the plugin a secret.
		out = []byte(c.run.host.secrets.Redact(string(out)))
	}
	if limit := resultLimit(c.run.host.cfg.Limits); int64(len(out)) > limit {
		return answer{abi.Limit, nil, fmt.Errorf("the response has more than %d bytes", limit)}
	}
	return answer{abi.OK, out, nil}
}

// callFailed says why there is no response.
func (c *caller) callFailed(raw string, err error) answer {
	var d *download.Error
	if !errors.As(err, &d) {
		return answer{abi.Failed, nil, err}
	}
	redact := c.run.host.secrets.Redact
	said := &abi.Error{Kind: abi.KnownKind(abi.Kind(d.Kind)), Hint: redact(d.Hint)}
	said.Message = redact(fmt.Sprintf("cannot request %s: %v", download.CleanURL(raw), d.Err))
	if d.Attempts > 1 {
		said.Message += fmt.Sprintf(" (%d attempts)", d.Attempts)
	}
	status := abi.Failed
	switch {
	case d.Policy:
		status = abi.Denied
	case errors.Is(d.Err, download.ErrTooLarge):
		status = abi.Limit
	case d.Kind == download.KindInvalid:
		status = abi.Invalid
	}
	return answer{status, nil, said}
}

// headersOf returns the fields of a response, sorted by name.
func headersOf(h http.Header) []abi.Header {
	var list []abi.Header
	for name, values := range h {
		for _, v := range values {
			list = append(list, abi.Header{Name: name, Value: v})
		}
	}
	slices.SortStableFunc(list, func(a, b abi.Header) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// probe measures how long connecting to servers takes. A run measures once.
func (c *caller) probe(ctx context.Context, raw []byte) (abi.Status, []byte, error) {
	p, err := abi.DecodeProbe(raw)
	if err != nil {
		return abi.Invalid, nil, err
	}
	if len(p.URLs) > maxProbes {
		return abi.Limit, nil, fmt.Errorf("%d servers are to be measured, but may be %d", len(p.URLs), maxProbes)
	}
	for _, u := range p.URLs {
		if err := c.allowHTTP(u); err != nil {
			return abi.Denied, nil, err
		}
	}
	rule, _ := c.plugin.policy.addrRules(plugin.CapHTTP)
	return c.run.shared.get(ctx, string(p.Append([]byte(c.plugin.Name+"\n"+abi.OpProbe+"\n"))), false, func(ctx context.Context) answer {
		var result abi.ProbeResult
		for _, d := range c.run.host.engine.Probe(ctx, p.URLs, rule) {
			millis := int64(-1)
			if d >= 0 {
				millis = d.Milliseconds()
			}
			result.Millis = append(result.Millis, millis)
		}
		return answer{abi.OK, result.Append(nil), nil}
	}).unpack()
}

// withMargin ends before the hook does.
func withMargin(ctx context.Context) (context.Context, context.CancelFunc) {
	end, limited := ctx.Deadline()
	if !limited {
		return ctx, func() {}
	}
	margin := min(hookMargin, time.Until(end)/10)
	return context.WithDeadlineCause(ctx, end.Add(-margin), errHookEnds)
}

var errHookEnds = errors.New("the time of the plugin's hook is over")
