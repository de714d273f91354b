package manifest

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// maxShown is how many characters of a value or name a message shows.
const maxShown = 80

// show quotes a string from a manifest for a message: without passwords in
// URLs, shortened, and with control and other invisible characters as escapes,
// so that it can neither flood nor steer a terminal.
func show(s string) string {
	s = WithoutUserinfo(s) // before the cut, which might take the "@" away
	short, cut := shorten(s, maxShown)
	q := strconv.Quote(short)
	if cut {
		return q + "… (" + strconv.Itoa(len(s)) + " bytes)"
	}
	return q
}

// shorten returns at most n characters of s and whether some were left out.
func shorten(s string, n int) (string, bool) {
	if len(s) <= n {
		return s, false
	}
	for i := range s {
		if n == 0 {
			return s[:i], true
		}
		n--
	}
	return s, false
}

// showPointer makes a JSON pointer fit for a terminal: reference tokens that
// are too long are cut in the middle, and invisible characters, quotes and
// backslashes are escaped as in a JSON string (RFC 6901, section 5).
func showPointer(pointer string) string {
	const longest = 2 * maxShown
	tokens := strings.Split(pointerWithoutUserinfo(pointer), "/")
	for i, t := range tokens {
		if utf8.RuneCountInString(t) > longest {
			head, _ := shorten(t, maxShown)
			t = head + "…"
		}
		tokens[i] = escapeInvisible(t)
	}
	return strings.Join(tokens, "/")
}

// escapeInvisible escapes what must not reach a terminal.
func escapeInvisible(s string) string {
	clean := func(r rune) bool { return unicode.IsPrint(r) && r != '\\' && r != '"' }
	if strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 && utf8.ValidString(s) {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// describeRaw names a JSON value and its kind for a message.
func describeRaw(raw []byte) string {
	switch {
	case len(raw) == 0:
		return "nothing"
	case raw[0] == '{':
		return "an object"
	case raw[0] == '[':
		return "an array"
	case raw[0] == '"':
		s, err := rawjson.NewReader(raw).String()
		if err != nil { // cannot be: the text was validated
			return "a string"
		}
		return "the string " + show(s)
	case raw[0] == 't', raw[0] == 'f', raw[0] == 'n':
		return string(raw)
	}
	return "the number " + showNumber(string(raw))
}

// describe does the same for a decoded value.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(v)
	case string:
		return "the string " + show(v)
	case json.Number:
		return "the number " + showNumber(v.String())
	case []any:
		return "an array"
	case map[string]any:
		return "an object"
	}
	return "something else"
}

// showNumber shortens a number.
func showNumber(s string) string {
	if short, cut := shorten(s, 24); cut {
		return short + "…"
	}
	return s
}
