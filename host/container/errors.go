package container

import (
	"errors"
	"fmt"
	"strings"
)

// Kind classifies an Error. The values are those of the plugin contract's
// kinds, so that callers can convert them.
type Kind string

const (
	// KindInvalid means that the request or the configuration is wrong.
	KindInvalid Kind = "invalid"
	// KindNotFound means that there is no such image.
	KindNotFound Kind = "not found"
	// KindDenied means that the registry, or the signature policy, refused.
	KindDenied Kind = "denied"
	// KindTLS means that a certificate or a handshake was not accepted.
	KindTLS Kind = "tls"
	// KindTimeout means that the registry took too long.
	KindTimeout Kind = "timeout"
	// KindMismatch means that another image came than was asked for.
	KindMismatch Kind = "mismatch"
	// KindNetwork means that no connection could be made, that it broke, or that
	// the registry failed.
	KindNetwork Kind = "network"
	// KindDisk means that the destination could not be written.
	KindDisk Kind = "disk"
	// KindCanceled means that the context was done.
	KindCanceled Kind = "canceled"
	// KindInternal means that the engine failed in a way that is not known.
	KindInternal Kind = "internal"
)

// Error is why an image was not copied. None of its texts has a secret.
type Error struct {
	Kind Kind
	// Name is the item.
	Name string
	// Image is the reference that was asked for.
	Image string
	// Attempts is how often the copy was begun.
	Attempts int
	// Err is the cause. It does not repeat the item.
	Err error
	// Hint says what the user can do; may be empty.
	Hint string

	// tries is how many attempts may end like this; 0 means one.
	tries int
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Mismatch tells whether another image came, or is there, than was asked for. It
// lets packages that do not know this one tell the error.
func (e *Error) Mismatch() bool { return e.Kind == KindMismatch }

// Error names item, image, cause, attempts and hint.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Name != "" {
		fmt.Fprintf(&b, "%s: ", e.Name)
	}
	if e.Image != "" {
		fmt.Fprintf(&b, "cannot copy %s: ", e.Image)
	}
	b.WriteString(e.Err.Error())
	if e.Attempts == 1 {
		b.WriteString(" (1 attempt)")
	} else if e.Attempts > 1 {
		fmt.Fprintf(&b, " (%d attempts)", e.Attempts)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, "; hint: %s", e.Hint)
	}
	return b.String()
}

// ErrNotBuilt is what NewEmbedded returns in a program without that engine.
var ErrNotBuilt = errors.New("the embedded container engine is not part of this program: build with `make build`, or with `go build -tags containers_image_openpgp`")

func mismatch(format string, args ...any) error {
	return &Error{Kind: KindMismatch, Err: fmt.Errorf(format, args...)}
}

func invalid(format string, args ...any) error {
	return &Error{Kind: KindInvalid, Err: fmt.Errorf(format, args...)}
}

func diskError(err error) error { return &Error{Kind: KindDisk, Err: err} }
