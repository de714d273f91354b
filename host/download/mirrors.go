package download

import (
	"strings"
	"sync"
)

// MirrorRecord remembers which mirrors keep failing. A mirror that as many items in
// a row as Config.SetAside have failed on, for whatever reason that is the mirror's,
// comes after the others for as long as the record is used. It differs from what
// the engine remembers of hosts: two mirrors can share a host, and a host that
// answers can still be a bad mirror.
type MirrorRecord struct {
	mu sync.Mutex
	// failed counts items in a row by base URL. One that has come to the limit
	// stays there.
	failed map[string]int
	limit  int
}

// NewRecord returns an empty record.
func (e *Engine) NewRecord() *MirrorRecord { return &MirrorRecord{limit: e.cfg.SetAside} }

// aside reports whether a mirror comes after the others. A nil record knows none.
func (r *MirrorRecord) aside(base string) bool {
	if r == nil || base == "" || r.limit < 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed[base] >= r.limit
}

// strike counts an item against a mirror, and reports whether that set it aside.
func (r *MirrorRecord) strike(base string) bool {
	if r == nil || base == "" || r.limit < 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = make(map[string]int)
	}
	r.failed[base]++
	return r.failed[base] == r.limit
}

// passed counts an item that came from a mirror.
func (r *MirrorRecord) passed(base string) {
	if r == nil || base == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed[base] < r.limit {
		delete(r.failed, base)
	}
}

// strike counts the first failure of a mirror in this fetch against it, unless it
// says nothing about the mirror.
func (f *fetch) strike(s *source, flt *fault) {
	if s.failures > 1 || flt.fatal || flt.policy || flt.again || flt.kind == KindInvalid {
		return
	}
	if f.req.Record.strike(s.mirror) {
		f.e.cfg.Logger.Warn("a mirror keeps failing and is tried last from now on",
			"mirror", CleanURL(s.mirror), "kind", string(flt.kind), "error", flt.err)
	}
}

// all makes the sources of the request, and adapts the limit of attempts so that
// each mirror gets one.
func (f *fetch) all() []source {
	req := f.req
	all := make([]source, len(req.URLs)+len(req.Mirrors))
	for i, raw := range req.URLs {
		all[i].raw = raw
	}
	for i, base := range req.Mirrors {
		s := &all[len(req.URLs)+i]
		s.raw, s.mirror = JoinMirror(base, req.Path), base
	}
	if len(req.Mirrors) > 0 {
		f.limit = max(f.limit, len(all))
	}
	return all
}

// JoinMirror returns the URL of a path beneath a base URL. What the path has not
// quoted is quoted; a query of the base stays behind it. Parts ".." of the path lead out of the
// base, but not out of its host.
func JoinMirror(base, path string) string {
	base, _, _ = strings.Cut(base, "#")
	base, query, hasQuery := strings.Cut(base, "?")
	start := pathStart(base)
	joined := strings.TrimRight(base[start:], "/") + "/" + quote(strings.TrimLeft(path, "/"), needsQuoting)
	joined = base[:start] + withoutDots(joined)
	if hasQuery {
		joined += "?" + query
	}
	return joined
}

// needsQuoting reports whether c is quoted in a path that need not be a URL's: all
// but what is unreserved (RFC 3986, 2.3) and the slash.
func needsQuoting(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return false
	}
	return strings.IndexByte("-._~/", c) < 0
}

// withoutDots removes parts "." and ".." of a path as RFC 3986, 5.2.4 says.
func withoutDots(path string) string {
	if !strings.Contains(path, "/.") {
		return path
	}
	var kept []string
	parts := strings.Split(path, "/")
	for i, part := range parts {
		last := i == len(parts)-1
		switch part {
		case ".":
		case "..":
			if len(kept) > 1 {
				kept = kept[:len(kept)-1]
			}
		default:
			kept = append(kept, part)
			continue
		}
		if last {
			kept = append(kept, "")
		}
	}
	return strings.Join(kept, "/")
}
