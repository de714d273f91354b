package rawjson

import (
	"strconv"
	"strings"
)

// Error says where and why a text could not be read.
type Error struct {
	// Offset is the byte at which reading stopped.
	Offset int
	// Pointer is the JSON pointer (RFC 6901) of the value that is wrong, ""
	// for the whole text.
	Pointer string
	// Msg says what was expected and what was found.
	Msg string
}

// Error returns the message with its place.
func (e *Error) Error() string {
	where := ""
	if e.Pointer != "" {
		where = e.Pointer + ": "
	}
	return where + e.Msg + " (byte " + itoa(e.Offset) + ")"
}

// Fail returns an error at the current place, for a reader's user who dislikes
// a value: returned from the functions given to Object and Array it gets its
// pointer like the reader's own.
func (r *Reader) Fail(msg string) error { return r.fail(msg) }

// fail makes the reader's error at the current byte.
func (r *Reader) fail(msg string) error { return r.failAt(r.pos, msg) }

// failAt makes the reader's error, if it has none yet, and returns it.
func (r *Reader) failAt(pos int, msg string) error {
	if r.err == nil {
		r.err = &Error{Offset: pos, Msg: msg}
	}
	return r.err
}

// Tokens takes a JSON pointer (RFC 6901) apart: the names and indices that it leads
// through. The empty pointer has none.
func Tokens(pointer string) []string {
	tokens := strings.Split(pointer, "/")[1:]
	for i, t := range tokens {
		tokens[i] = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
	}
	return tokens
}

// escapePointer escapes a reference token (RFC 6901, section 3).
func escapePointer(token string) string {
	return strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1")
}

// within puts a name or index in front of the pointer of err. It runs once for
// each level that an error passes on its way out, so that a pointer costs
// nothing while all is well.
func within(err error, token string) error {
	if e, ok := err.(*Error); ok {
		e.Pointer = "/" + escapePointer(token) + e.Pointer
	}
	return err
}

// found names what stands at the current byte.
func (r *Reader) found() string {
	if r.pos >= len(r.data) {
		return "the end of the text"
	}
	switch c := r.data[r.pos]; {
	case c == '{':
		return "an object"
	case c == '[':
		return "an array"
	case c == '"':
		return "a string"
	case c == 't', c == 'f':
		return "true or false"
	case c == 'n':
		return "null"
	case c == '-', c >= '0' && c <= '9':
		return "a number"
	case c > ' ' && c < 0x7f:
		return "'" + string(rune(c)) + "'"
	default:
		return "the byte 0x" + strconv.FormatUint(uint64(c), 16)
	}
}

// itoa writes a number in decimal.
func itoa(n int) string { return strconv.Itoa(n) }
