package download

import (
	"fmt"
	"strings"
)

// Kind classifies an Error. The values are those of the plugin contract's
// kinds, so that callers can convert them.
type Kind string

const (
	// KindInvalid means that the request cannot be made: a malformed URL.
	KindInvalid Kind = "invalid"
	// KindNotFound means that the server does not have the file.
	KindNotFound Kind = "not found"
	// KindDenied means that a server, a proxy or the policy refused.
	KindDenied Kind = "denied"
	// KindTLS means that a certificate or a handshake was not accepted, or
	// that a PEM file is unusable.
	KindTLS Kind = "tls"
	// KindTimeout means that a server took too long or stalled.
	KindTimeout Kind = "timeout"
	// KindMismatch means that other bytes came than were expected.
	KindMismatch Kind = "mismatch"
	// KindNetwork means that no connection could be made, that it broke, or
	// that the server failed.
	KindNetwork Kind = "network"
	// KindDisk means that the target or a file: URL failed.
	KindDisk Kind = "disk"
	// KindCanceled means that the context was done.
	KindCanceled Kind = "canceled"
)

// Error is why a fetch failed.
type Error struct {
	Kind Kind
	// Name is the item.
	Name string
	// URL is the one that was tried last, cleaned; empty when none was.
	URL string
	// Attempts is how many requests were made, over all URLs.
	Attempts int
	// Err is the cause. It does not repeat the item or the URL.
	Err error
	// Hint says what the user can do; may be empty.
	Hint string
	// Policy is set when the caller's rules refused: CheckURL or an AddrRule.
	Policy bool
	// Others are the causes of the other URLs that were tried.
	Others []URLError
}

// URLError is the last failure of one URL.
type URLError struct {
	URL      string // cleaned
	Kind     Kind
	Attempts int
	Err      error
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Error names item, URL, cause, attempts and hint, and the other URLs with
// their causes.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Name != "" {
		fmt.Fprintf(&b, "%s: ", e.Name)
	}
	if e.URL != "" {
		fmt.Fprintf(&b, "cannot download %s: ", e.URL)
	}
	b.WriteString(e.Err.Error())
	if e.Attempts > 0 {
		fmt.Fprintf(&b, " (%s)", attempts(e.Attempts))
	}
	for _, o := range e.Others {
		fmt.Fprintf(&b, "; %s: %v", o.URL, o.Err)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, "; hint: %s", e.Hint)
	}
	return b.String()
}

func attempts(n int) string {
	if n == 1 {
		return "1 attempt"
	}
	return fmt.Sprintf("%d attempts", n)
}

// maxText is where the text of a cause is cut: it can quote what a server sent.
const maxText = 400

// shortened is an error whose text was redacted or cut.
type shortened struct {
	text string
	err  error
}

func (e *shortened) Error() string { return e.text }
func (e *shortened) Unwrap() error { return e.err }

// shorten redacts the text of err, and cuts it if it is too long for a log line.
func shorten(err error, redact func(string) string) error {
	said := err.Error()
	text := redact(said)
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "..."
	}
	if text == said {
		return err
	}
	return &shortened{text, err}
}
