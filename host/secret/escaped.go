package secret

import (
	"cmp"
	"slices"
	"strings"
)

// escapeDepth is how many times over a text may be percent-encoded. Redirects put
// URLs into the query of other URLs, and that is two.
const escapeDepth = 4

// span is a part of a text that stands for a secret.
type span struct {
	start, end int
	name       string
}

// hideEscaped replaces values that are percent-encoded in another way than
// spellings knows: a server that repeats a secret may escape any of its
// characters, and more than once.
func hideEscaped(s string, forms []form) string {
	if !strings.Contains(s, "%") {
		return s
	}
	text, at := s, positions(len(s))
	var found []span
	for range escapeDepth {
		next, from := unescape(text, at)
		if len(next) == len(text) {
			break
		}
		text, at = next, from
		for _, f := range forms {
			found = append(found, find(text, at, f)...)
		}
	}
	return replaceSpans(s, found)
}

// positions is where each byte of a text of n bytes begins, and its end.
func positions(n int) []int {
	at := make([]int, n+1)
	for i := range at {
		at[i] = i
	}
	return at
}

// unescape decodes the percent escapes of a text once. at is where its bytes
// begin in the original, and is decoded with it.
func unescape(text string, at []int) (string, []int) {
	out, from := make([]byte, 0, len(text)), make([]int, 0, len(at))
	for i := 0; i < len(text); i++ {
		from = append(from, at[i])
		if i+2 < len(text) && text[i] == '%' {
			high, low := nibble(text[i+1]), nibble(text[i+2])
			if high >= 0 && low >= 0 {
				out = append(out, byte(high<<4|low))
				i += 2
				continue
			}
		}
		out = append(out, text[i])
	}
	return string(out), append(from, at[len(text)])
}

// nibble is the value of a hexadecimal digit, or -1.
func nibble(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int(c|0x20-'a') + 10
	}
	return -1
}

// find returns where the original of a decoded text has a form.
func find(text string, at []int, f form) (all []span) {
	for start := 0; ; {
		i := strings.Index(text[start:], f.text)
		if i < 0 {
			return all
		}
		start += i
		all = append(all, span{at[start], at[start+len(f.text)], f.name})
		start += len(f.text)
	}
}

// replaceSpans replaces the spans of s, of those that overlap all at once.
func replaceSpans(s string, spans []span) string {
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end))
	})
	var b strings.Builder
	done := 0
	for i := 0; i < len(spans); {
		start, end, name := spans[i].start, spans[i].end, spans[i].name
		for i++; i < len(spans) && spans[i].start < end; i++ {
			end = max(end, spans[i].end)
		}
		b.WriteString(s[done:start])
		b.WriteString("[secret " + name + "]")
		done = end
	}
	return b.String() + s[done:]
}
