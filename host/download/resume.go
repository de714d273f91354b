package download

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// partial is what a target has of an item: enough to ask for the rest.
type partial struct {
	offset int64
	total  int64  // -1: unknown
	ifRng  string // value of If-Range
}

// partialOf returns what t has, or a zero partial when it cannot be completed.
func partialOf(t Target) partial {
	offset := t.Offset()
	if offset <= 0 {
		return partial{}
	}
	total, ifRng, ok := decodeValidator(t.Validator())
	if !ok || total >= 0 && offset > total {
		return partial{}
	}
	return partial{offset: offset, total: total, ifRng: ifRng}
}

// validatorOf encodes what identifies the representation in a response: its
// size, which must stay the same too, and the value for If-Range. Empty means
// that the server gives no strong validator or no ranges.
func validatorOf(h http.Header, size int64) string {
	if strings.EqualFold(strings.TrimSpace(h.Get("Accept-Ranges")), "none") {
		return ""
	}
	value := strongETag(h)
	if value == "" {
		value = strongDate(h)
	}
	if value == "" {
		return ""
	}
	return strconv.FormatInt(size, 10) + " " + value
}

// decodeValidator is the reverse of validatorOf.
func decodeValidator(s string) (size int64, ifRange string, ok bool) {
	number, value, found := strings.Cut(s, " ")
	size, err := strconv.ParseInt(number, 10, 64)
	if !found || err != nil || size < -1 || value == "" || strings.ContainsAny(value, "\r\n\x00") {
		return 0, "", false
	}
	return size, value, true
}

// strongETag returns the entity tag of h unless it is weak or malformed:
// If-Range needs a strong one (RFC 9110, 13.1.5).
func strongETag(h http.Header) string {
	tag := h.Get("ETag")
	if len(tag) < 2 || tag[0] != '"' || tag[len(tag)-1] != '"' || strings.Contains(tag[1:len(tag)-1], `"`) {
		return ""
	}
	return tag
}

// strongDate returns Last-Modified if it is a strong validator: at least one
// second before the response was made (RFC 9110, 8.8.2.2).
func strongDate(h http.Header) string {
	value := h.Get("Last-Modified")
	if value == "" {
		return ""
	}
	modified, err := http.ParseTime(value)
	if err != nil {
		return ""
	}
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil || date.Sub(modified) < time.Second {
		return ""
	}
	return value
}

// continues reports whether a 206 response carries the rest that p lacks: the
// right range of the same representation. The range may end early.
func (p partial) continues(resp *http.Response) (end, total int64, ok bool) {
	start, end, total, ok := parseContentRange(resp.Header.Get("Content-Range"))
	switch {
	case !ok, start != p.offset:
		return 0, 0, false
	case p.total >= 0 && total >= 0 && total != p.total:
		return 0, 0, false
	case resp.ContentLength >= 0 && resp.ContentLength != end-start+1:
		return 0, 0, false
	}
	if strings.HasPrefix(p.ifRng, `"`) {
		if tag := resp.Header.Get("ETag"); tag != "" && tag != p.ifRng {
			return 0, 0, false
		}
	} else if modified := resp.Header.Get("Last-Modified"); modified != "" && modified != p.ifRng {
		return 0, 0, false
	}
	if total < 0 {
		total = p.total
	}
	return end, total, true
}

// complete reports whether a 416 response says that p has every byte already.
func (p partial) complete(resp *http.Response) bool {
	size, found := strings.CutPrefix(resp.Header.Get("Content-Range"), "bytes */")
	n, ok := parseNumber(size)
	return found && ok && n == p.offset
}

// parseContentRange parses "bytes START-END/TOTAL" (RFC 9110, 14.4); a TOTAL of
// "*" is -1. It is false for anything else, unsatisfied ranges included.
func parseContentRange(s string) (start, end, total int64, ok bool) {
	s, found := strings.CutPrefix(s, "bytes ")
	if !found {
		return 0, 0, 0, false
	}
	span, size, found := strings.Cut(s, "/")
	if !found {
		return 0, 0, 0, false
	}
	first, last, found := strings.Cut(span, "-")
	start, ok1 := parseNumber(first)
	end, ok2 := parseNumber(last)
	total, ok3 := int64(-1), true
	if size != "*" {
		total, ok3 = parseNumber(size)
	}
	if !found || !ok1 || !ok2 || !ok3 || end < start || total >= 0 && end >= total {
		return 0, 0, 0, false
	}
	return start, end, total, true
}

// parseNumber parses digits only, unlike strconv, which takes signs.
func parseNumber(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
