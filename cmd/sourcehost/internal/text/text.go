// Package text makes what comes from manifests, servers and plugins fit for a
// terminal: without control characters, cut to a width, sizes as people read
// them.
package text

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// Clean returns s on one line and with everything that a terminal might obey
// or that would hide text (control and format characters, line separators,
// invalid UTF-8) written as an escape such as \x1b.
func Clean(s string) string {
	return clean(s, false)
}

// CleanLines is Clean for text of several lines: line feeds stay.
func CleanLines(s string) string {
	return clean(s, true)
}

// JSON returns a JSON text in which every character that Clean would not let
// through is escaped. Encoders leave those above ASCII as they are, and some
// terminals obey them.
func JSON(doc []byte) []byte {
	out := make([]byte, 0, len(doc))
	for _, r := range string(doc) {
		switch {
		case r < utf8.RuneSelf && r != 0x7f || unicode.IsGraphic(r):
			out = utf8.AppendRune(out, r)
		case r < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			hi, lo := utf16.EncodeRune(r)
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		}
	}
	return out
}

func clean(s string, lines bool) string {
	if isClean(s, lines) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case shows(r, lines):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += n
	}
	return b.String()
}

func isClean(s string, lines bool) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if !shows(r, lines) {
			return false
		}
	}
	return true
}

// shows reports whether r may be written as it stands. Format characters (Cf)
// are among those that may not: they can reverse the direction of writing.
func shows(r rune, lines bool) bool {
	return unicode.IsGraphic(r) || lines && r == '\n'
}

// Cut shortens s to at most width columns; what was cut off at the end shows
// as "...". A width below 4 gives the bare beginning.
func Cut(s string, width int) string {
	if width <= 0 {
		return ""
	}
	if runewidth.StringWidth(s) <= width {
		return s
	}
	if width < 4 {
		return runewidth.Truncate(s, width, "")
	}
	return runewidth.Truncate(s, width, "...")
}

// Width returns how many columns s takes on a terminal.
func Width(s string) int { return runewidth.StringWidth(s) }

// Pad cuts s to width columns and fills what is missing with spaces.
func Pad(s string, width int) string {
	s = Cut(s, width)
	return s + strings.Repeat(" ", max(0, width-Width(s)))
}

// Bytes writes a size in powers of 1000, for example "12.3 MB".
func Bytes(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	units := []string{"kB", "MB", "GB", "TB", "PB", "EB"}
	v, u := float64(n)/1000, 0
	for v >= 999.95 && u < len(units)-1 {
		v, u = v/1000, u+1
	}
	return fmt.Sprintf("%.1f %s", v, units[u])
}

// Seconds writes a duration in seconds, for example "1.2 s".
func Seconds(d time.Duration) string {
	if d < 100*time.Second {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

// Count writes a number with its noun: "1 item", "2 items".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
