package host

import (
	"fmt"
	"strings"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// Error is why an item, or a whole run, failed. It can be branched on by Kind.
type Error struct {
	Kind abi.Kind
	// Source is the name of the source.
	Source string
	// Plugin and Hook are set when a plugin was involved.
	Plugin string
	Hook   abi.Hook
	// Key is empty for an error of a whole run.
	Key string
	// URL is without credentials; empty when the item was not downloaded.
	URL      string
	Attempts int
	// Message says what happened, without a full stop.
	Message string
	// Hint says what the user can do; it may be empty.
	Hint string
	// Err is the cause; it may be nil.
	Err error
}

// Error names what failed, and says why and what to do. The key stands in front.
func (e *Error) Error() string {
	var b strings.Builder
	switch {
	case e.Key != "":
		b.WriteString(plain(e.Key, 160))
		b.WriteString(": ")
	case e.Source != "":
		b.WriteString(plain(e.Source, 160))
		b.WriteString(": ")
	}
	b.WriteString(e.Text())
	return b.String()
}

// Text is the error without the item's key: message, then the hint.
func (e *Error) Text() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + " (" + e.Hint + ")"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// UsageError says that the configuration, the manifest or the request is wrong,
// as opposed to something that failed while it was carried out.
type UsageError struct {
	Err error
	// Setting leads to the part of the configuration that is wrong, by the names
	// that its file has: "plugin", "acme", "path". It is empty when no part is
	// known.
	Setting []string
}

func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UsageError) Unwrap() error { return e.Err }

func usagef(format string, args ...any) error {
	return &UsageError{Err: fmt.Errorf(format, args...)}
}

// settingf is usagef for a part of the configuration.
func settingf(setting []string, format string, args ...any) error {
	return &UsageError{Setting: setting, Err: fmt.Errorf(format, args...)}
}

// shorten cuts s, which came from outside, to at most n bytes of a message.
func shorten(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "") + "..."
	}
	return s
}

// plain is shorten for text that is shown without quotes: it is quoted when it
// holds anything that a terminal might interpret.
func plain(s string, n int) string {
	s = shorten(s, n)
	for _, r := range s {
		if r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return fmt.Sprintf("%q", s)
		}
	}
	return s
}
