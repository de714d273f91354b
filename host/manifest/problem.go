package manifest

import (
	"strings"
)

// Problem is one thing that is wrong with a manifest.
type Problem struct {
	// Source is the name of the source that the problem is in, or empty.
	Source string `json:"source,omitempty"`
	// Pointer is the JSON pointer (RFC 6901) of the value at fault, exactly as a
	// program needs it: it may be long and hold control characters. String
	// shows it in a form that is fit for a terminal. It is empty for the text as
	// a whole.
	Pointer string `json:"pointer"`
	// Message says what is wrong, in one sentence without a full stop. Values
	// from the text are shortened and quoted in it.
	Message string `json:"message"`
}

// String returns the place and the message in one line without control
// characters.
func (p Problem) String() string {
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
