package manifest

import (
	"bytes"
	"encoding/json"
	"strings"
)

// Problem is one thing that is wrong with a manifest.
type Problem struct {
	// Source is the name of the source that the problem is in, or empty.
	Source string `json:"source,omitempty"`
	// Pointer is the JSON pointer (RFC 6901) of the value at fault, exactly as a
	// program needs it: it may be long and hold control characters. String
	// shows it in a form that is fit for a terminal. It is empty for the text as
	// a whole. A name in it that is a URL has its userinfo still, which neither
	// String nor the JSON form shows.
	Pointer string `json:"pointer"`
	// Message says what is wrong, in one sentence without a full stop. Values
	// from the text are shortened and quoted in it, and URLs among them have no
	// userinfo.
	Message string `json:"message"`
}

// Shown returns the problem as it may be shown to people and written to logs:
// without the userinfo of URLs, which may be a password.
func (p Problem) Shown() Problem {
	return Problem{
		Source:  WithoutUserinfo(p.Source),
		Pointer: pointerWithoutUserinfo(p.Pointer),
		Message: messageWithoutUserinfo(p.Message),
	}
}

// MarshalJSON encodes what Shown returns.
func (p Problem) MarshalJSON() ([]byte, error) {
	type plain Problem
	var doc bytes.Buffer
	enc := json.NewEncoder(&doc)
	enc.SetEscapeHTML(false) // the caller's encoder does that, if it is to be done
	err := enc.Encode(plain(p.Shown()))
	return doc.Bytes(), err
}

// String returns the place and the message as Shown has them, in one line
// without control characters.
func (p Problem) String() string {
	p = p.Shown()
	if p.Pointer == "" {
		return p.Message
	}
	return showPointer(p.Pointer) + ": " + p.Message
}

// Problems are all that is wrong with a manifest, in the order of the text. It
// is an error when it is not empty.
type Problems []Problem

// Error returns one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].String()
	}
	return strings.Join(lines, "\n")
}

// Err returns p as an error, or nil when there are no problems. It saves
// callers from an error that is not nil and yet holds nothing.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	return p
}

// MaxProblems is how many problems are described one by one; what is beyond is
// counted in a last problem.
const MaxProblems = 100
