package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/sourcehost/sourcehost/sdk"
)

// maxBases is how many mirrors of a list are used: as many as the host takes.
const maxBases = 100

// resolve finds out the base URLs of a mirror, once. What failed for one item fails
// for all of them, since the host has tried hard enough.
func (l *librepo) resolve(ctx *sdk.Context, m *mirror) error {
	if m.resolved {
		return m.err
	}
	if m.isList() {
		l.startLists(ctx)
	}
	m.err = l.find(ctx, m)
	m.resolved = true
	return m.err
}

// startLists has the host ask for the lists of all mirrors at once: one after the
// other, slow servers would add up. What cannot be asked for is of no interest until
// an item needs it.
func (l *librepo) startLists(ctx *sdk.Context) {
	if l.started {
		return
	}
	l.started = true
	for _, id := range l.ids() {
		m := l.mirrors[id]
		if !m.isList() {
			continue
		}
		if q, err := l.request(ctx, m); err == nil {
			q.Start = true
			_, _ = ctx.HTTP(q)
		}
	}
}

// request is what asks for the list of a mirror. All instances ask in the same words,
// and the host asks the server once.
func (l *librepo) request(ctx *sdk.Context, m *mirror) (*sdk.HTTPRequest, error) {
	q := &sdk.HTTPRequest{URL: m.url, Insecure: m.insecure, ProxyEnv: proxyEnv, Once: true}
	if m.secrets == "" {
		return q, nil
	}
	var err error
	q.TLS, err = l.providers.Certificates(ctx, m.secrets, []string{m.url})
	return q, err
}

// find sets the mirror's bases and certificate.
func (l *librepo) find(ctx *sdk.Context, m *mirror) (err error) {
	if m.isList() {
		if m.bases, err = l.list(ctx, m); err != nil {
			return err
		}
	} else {
		m.bases = []string{m.url}
	}
	if m.secrets != "" {
		if m.tls, err = l.providers.Certificates(ctx, m.secrets, m.bases); err != nil {
			return m.wrap(err)
		}
	}
	if m.fastest && len(m.bases) > 1 {
		return l.sortByTime(ctx, m)
	}
	return nil
}

// list asks for the list of a mirror and reads it.
func (l *librepo) list(ctx *sdk.Context, m *mirror) ([]string, error) {
	q, err := l.request(ctx, m)
	if err != nil {
		return nil, m.wrap(err)
	}
	resp, err := ctx.HTTP(q)
	if err != nil {
		return nil, m.wrap(err)
	}
	m.foreign = !resp.Local
	what := "the " + m.kind + " " + shown(m.url)
	if resp.Status != 200 {
		return nil, m.fail(kindOf(resp.Status), what+": the server answered "+strconv.FormatInt(resp.Status, 10), "")
	}
	bases, err := readList(m.kind, resp.Body)
	if err != nil {
		return nil, m.fail(sdk.ErrFailed, what+" cannot be read: "+err.Error(), "")
	}
	if len(bases) == 0 {
		return nil, m.fail(sdk.ErrNotFound, what+" lists no mirror with http or https", "")
	}
	return bases[:min(len(bases), maxBases)], nil
}

// readList reads a list of mirrors. Servers that have become metalink servers answer
// with a metalink under the old address of their mirror list, too.
func readList(kind string, body []byte) ([]string, error) {
	if kind == typeMetalink || strings.HasPrefix(strings.TrimSpace(string(body[:min(len(body), 100)])), "<?xml") {
		return parseMetalink(body)
	}
	return parseMirrorlist(string(body)), nil
}

// sortByTime puts the mirrors first that can be connected to in the shortest time.
// Where that cannot be measured the order stays.
func (l *librepo) sortByTime(ctx *sdk.Context, m *mirror) error {
	proxy, _, err := ctx.Env(proxyEnv)
	if err != nil || proxy != "" {
		return err
	}
	millis, err := ctx.Probe(m.bases)
	if err != nil {
		return m.wrap(err)
	}
	if len(millis) != len(m.bases) {
		return m.fail(sdk.ErrPlugin, "the host measured another number of mirrors than it was asked to", "")
	}
	order := make([]int, len(m.bases))
	for i := range order {
		order[i] = i
	}
	rank := func(i int) int64 {
		if millis[i] < 0 {
			return 1 << 62
		}
		return millis[i]
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch x, y := rank(a), rank(b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	sorted := make([]string, len(order))
	for i, at := range order {
		sorted[i] = m.bases[at]
	}
	m.bases = sorted
	return nil
}

// wrap adds the mirror's name to an error.
func (m *mirror) wrap(err error) *sdk.Error {
	e := m.fail(sdk.KindOf(err), err.Error(), "")
	if typed, ok := err.(*sdk.Error); ok {
		e = m.fail(typed.Kind, typed.Message, typed.Hint)
	}
	return e
}

// kindOf says what the status of a response means.
func kindOf(status int64) sdk.Kind {
	switch status {
	case 404, 410:
		return sdk.ErrNotFound
	case 401, 403, 407, 451:
		return sdk.ErrDenied
	}
	return sdk.ErrNetwork
}

// shown is a URL without what may be secret in it.
func shown(url string) string {
	url, _, _ = strings.Cut(url, "#")
	url, _, query := strings.Cut(url, "?")
	if scheme, rest, found := strings.Cut(url, "://"); found {
		url = scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
	}
	if query {
		url += "?..."
	}
	return url
}
