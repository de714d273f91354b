package secret

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// known is a value that was resolved.
type known struct{ name, value string }

// form is a text that stands for a value.
type form struct{ text, name string }

// redactor is what Redact needs of all values that are known.
type redactor struct {
	plain *strings.Replacer
	forms []form // the longest first
}

// Redact replaces every value that was resolved so far by "[secret NAME]": as
// it is, escaped for URLs, whichever of its characters are, and in JSON or Go
// strings, in base64 (also in the middle of a longer encoded text, as in Basic
// authentication) and in hexadecimal. Until a value is resolved it returns s at
// once. A text must be redacted before it is cut to a length: half a value is not
// recognized.
func (r *Resolver) Redact(s string) string {
	if rep := r.redactor.Load(); rep != nil {
		// What is escaped comes first: without its long words a value is not recognized.
		return rep.plain.Replace(hideEscaped(s, rep.forms))
	}
	return s
}

// Hide makes a text known to Redact that is made from the value of a secret, such
// as the credentials of Basic authentication: where the value is short its own part
// of them would not be recognized.
func (r *Resolver) Hide(name, text string) {
	r.mu.Lock()
	have := slices.Contains(r.resolved, known{name, text})
	r.mu.Unlock()
	if !have {
		r.learn(name, text)
	}
}

// learn makes a value known to Redact.
func (r *Resolver) learn(name, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.resolved = append(r.resolved, known{name, value})
	var all []form
	for _, k := range r.resolved {
		list := forms(k.value)
		slices.Sort(list)
		for _, f := range slices.Compact(list) {
			all = append(all, form{f, k.name})
		}
	}
	// Where two forms begin at the same place the longer one must win, or its
	// rest would stay.
	slices.SortStableFunc(all, func(a, b form) int { return len(b.text) - len(a.text) })
	pairs := make([]string, 0, 2*len(all))
	for _, f := range all {
		pairs = append(pairs, f.text, "[secret "+f.name+"]")
	}
	r.redactor.Store(&redactor{strings.NewReplacer(pairs...), all})
}

// forms are the spellings under which a value could appear in a text.
func forms(value string) []string {
	all := append(spellings(value), trimmed(value)...)
	// A value that looks escaped itself is decoded by whoever decodes what is around it.
	for range escapeDepth {
		plain, _ := unescape(value, positions(len(value)))
		if len(plain) == len(value) || len(plain) < MinLength {
			break
		}
		all, value = append(all, spellings(plain)...), plain
	}
	return append(all, pieces(value)...)
}

// pieces are the spellings of the lines and words of a value that are long enough to
// be hidden on their own.
func pieces(value string) (all []string) {
	for line := range strings.Lines(value) {
		line = strings.TrimRight(line, "\r\n")
		// The first and last line of a PEM block are no secret.
		if strings.HasPrefix(line, "-----") {
			continue
		}
		for _, part := range append(strings.Fields(line), line) {
			if len(part) >= longPiece && len(part) < len(value) {
				all = append(all, spellings(part)...)
			}
		}
	}
	return all
}

// longPiece is the length from which on a line or a word of a value is hidden on its
// own: logs are written line by line, and what parses a protocol quotes words.
const longPiece = 16

// trimmed returns the spelling without white space at the ends, which servers
// and header parsers take off, unless too little is left of it.
func trimmed(value string) []string {
	if t := strings.TrimSpace(value); t != value && len(t) >= MinLength {
		return spellings(t)
	}
	return nil
}

// spellings are the encodings of one text.
func spellings(value string) []string {
	all := []string{
		value,
		hex.EncodeToString([]byte(value)),
		strings.ToUpper(hex.EncodeToString([]byte(value))),
	}
	for _, escaped := range []string{url.QueryEscape(value), url.PathEscape(value), (&url.URL{Path: value}).EscapedPath(),
		url.UserPassword("", value).String()[1:]} {
		all = append(all, escaped, lowerPercent(escaped))
	}
	for _, quoted := range []string{strconv.Quote(value), strconv.QuoteToASCII(value), jsonQuote(value, true), jsonQuote(value, false)} {
		inner := quoted[1 : len(quoted)-1]
		again := strconv.Quote(inner) // an error that quotes a text that quotes the value
		all = append(all, inner, again[1:len(again)-1])
	}
	return append(all, base64Forms(value)...)
}

// lowerPercent writes the percent escapes of a URL in lower case.
func lowerPercent(s string) string {
	b := []byte(s)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
		}
	}
	return string(b)
}

// jsonQuote returns s as a JSON string, with <, > and & escaped or not.
func jsonQuote(s string, html bool) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(html)
	if err := enc.Encode(s); err != nil { // cannot be: every string encodes
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// minBase64 is the length in characters from which on the inner part of an
// encoded value is replaced: shorter ones would hit innocent text.
const minBase64 = 8

// base64Forms are the base64 texts of a value, whole and as a part of something
// longer. In the latter case the first and last character depend on what stands
// beside the value, and only those between are the value's own.
func base64Forms(value string) []string {
	var all []string
	for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		raw := enc.WithPadding(base64.NoPadding)
		all = append(all, enc.EncodeToString([]byte(value)), raw.EncodeToString([]byte(value)))
		for shift := range 3 {
			text := raw.EncodeToString(append(make([]byte, shift), value...))
			first := (shift*8 + 5) / 6
			last := (shift + len(value)) * 8 / 6
			if last-first >= minBase64 {
				all = append(all, text[first:last])
			}
		}
	}
	return all
}
