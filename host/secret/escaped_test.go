package secret

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// everyByte escapes each byte, also those that need it not.
func everyByte(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02x", s[i])
	}
	return b.String()
}

// TestPercentEncoded: a server may escape what it repeats as it likes.
func TestPercentEncoded(t *testing.T) {
	const value = "pa+ss/word?0815"
	r := resolved(t, value)
	basic := base64.StdEncoding.EncodeToString([]byte("builder:" + value))
	for name, text := range map[string]string{
		"every byte":       everyByte(value),
		"every second":     "p%61%2bss%2Fw%6Frd%3f0815",
		"twice":            url.QueryEscape(everyByte(value)),
		"three times":      url.QueryEscape(url.QueryEscape(everyByte(value))),
		"in base64":        everyByte(basic),
		"base64 in query":  url.QueryEscape(basic),
		"beside an escape": "%20" + everyByte(value) + "%",
	} {
		got := r.Redact("GET https://h/?a=" + text + "&b=%41%zz failed")
		plain := got
		for range 5 {
			plain = loose(plain)
		}
		if strings.Contains(plain, value) || strings.Contains(plain, basic[12:len(basic)-4]) || !strings.Contains(got, "[secret tok]") {
			t.Errorf("%s: the value stays in %s", name, got)
		}
		if !strings.HasPrefix(got, "GET https://h/?a=") || !strings.HasSuffix(got, "&b=%41%zz failed") {
			t.Errorf("%s: what surrounds the value is changed: %s", name, got)
		}
	}
	const other = "https://h/%70%61ss%2Fword?x=%25%zz%"
	if got := r.Redact(other); got != other {
		t.Errorf("a text without the value became %s", got)
	}
}

// loose decodes escapes and leaves alone what is none.
func loose(s string) string {
	text, _ := unescape(s, positions(len(s)))
	return text
}

// TestHide: of credentials with a short password hardly a character of their
// base64 is the password's own.
func TestHide(t *testing.T) {
	r := resolved(t, "abcd")
	text := base64.StdEncoding.EncodeToString([]byte("builder:abcd"))
	for range 2 {
		r.Hide("tok", text)
	}
	if got := r.Redact("Authorization: Basic " + text); got != "Authorization: Basic [secret tok]" {
		t.Errorf("got %q", got)
	}
	if len(r.resolved) != 2 {
		t.Errorf("%d values are known, want two", len(r.resolved))
	}
}

// TestPieces: words of a value are hidden on their own, and so is a value that looks
// escaped when somebody has decoded it.
func TestPieces(t *testing.T) {
	const value = "first-word-is-long second %41nd third-word-is-long"
	r := resolved(t, value)
	for text, want := range map[string]string{
		`malformed "first-word-is-long"`: `malformed "[secret tok]"`,
		"a second one":                   "a second one",
		"got first-word-is-long second And third-word-is-long":            "got [secret tok]",
		"GET /first-word-is-long%20second%20%41nd%20third-word-is-long/x": "GET /[secret tok]/x",
	} {
		if got := r.Redact(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
