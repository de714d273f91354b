// Package rawjson reads JSON (RFC 8259) in a single pass over bytes, without
// reflection and almost without allocation, and appends JSON to byte slices.
//
// It exists because it is linked into every Go plugin, where encoding/json
// would cost a megabyte of wasm and most of a hook's time. It is strict where
// RFC 8259 leaves room: text must be valid UTF-8, escaped surrogates must come
// in pairs, the members of an object must have different names, and nesting is
// limited.
package rawjson

// MaxDepth is how many objects and arrays may be nested in each other.
const MaxDepth = 512

// Reader pulls values out of one JSON text. Its first error stays: each later
// call returns it again. Make one with NewReader.
type Reader struct {
	data  []byte
	pos   int
	depth int
	err   error
	// keys is a stack of the names met so far in each object that is open.
	keys [][]byte
}

// NewReader returns a reader of data, which must not change while it is used.
func NewReader(data []byte) *Reader { return &Reader{data: data} }

// Reset makes r a reader of data, as NewReader does, and uses its memory again.
func (r *Reader) Reset(data []byte) { *r = Reader{data: data, keys: r.keys[:0]} }

// Offset returns how many bytes were consumed.
func (r *Reader) Offset() int { return r.pos }

// Kind tells what the next value is, without consuming it: one of '{', '[',
// '"', 't', 'f', 'n' and, for any number, '0'. It is 0 where no value begins.
func (r *Reader) Kind() byte {
	if r.err != nil {
		return 0
	}
	r.space()
	switch c := r.peek(); c {
	case '{', '[', '"', 't', 'f', 'n':
		return c
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return '0'
	}
	return 0
}

// Object reads an object and calls fn for each member with its name, unescaped
// and valid during the call only. The value is fn's to read; one that it does
// not touch is skipped. An error of fn ends the reading and is returned; when
// it is an *Error its pointer is completed.
func (r *Reader) Object(fn func(key []byte) error) error {
	if err := r.expect('{', "an object"); err != nil {
		return err
	}
	return r.object(fn)
}

// Array reads an array and calls fn for each element with its index. The same
// rules hold as for Object.
func (r *Reader) Array(fn func(i int) error) error {
	if err := r.expect('[', "an array"); err != nil {
		return err
	}
	return r.array(fn)
}

// Raw returns the next value as it stands: a part of the reader's data without
// the white space around it. The value was validated throughout.
func (r *Reader) Raw() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	r.space()
	start := r.pos
	if err := r.skip(); err != nil {
		return nil, err
	}
	return r.data[start:r.pos:r.pos], nil
}

// Skip consumes and validates the next value.
func (r *Reader) Skip() error {
	if r.err != nil {
		return r.err
	}
	r.space()
	return r.skip()
}

// String reads a string.
func (r *Reader) String() (string, error) {
	b, err := r.Bytes()
	return string(b), err
}

// Bytes reads a string without copying it where it has no escapes: the result
// is then a part of the reader's data.
func (r *Reader) Bytes() ([]byte, error) {
	if err := r.expect('"', "a string"); err != nil {
		return nil, err
	}
	return r.text()
}

// Bool reads true or false.
func (r *Reader) Bool() (bool, error) {
	switch r.Kind() {
	case 't':
		return true, r.literal("true")
	case 'f':
		return false, r.literal("false")
	}
	if r.err != nil {
		return false, r.err
	}
	return false, r.fail("expected true or false, found " + r.found())
}

// Int64 reads a number that is an integer, written without fraction and
// exponent, and fits in 64 bits.
func (r *Reader) Int64() (int64, error) {
	if err := r.expect('0', "an integer"); err != nil {
		return 0, err
	}
	start := r.pos
	if err := r.number(); err != nil {
		return 0, err
	}
	n, ok := parseInt(r.data[start:r.pos])
	if !ok {
		r.pos = start
		return 0, r.fail("expected an integer of at most 64 bits, found another number")
	}
	return n, nil
}

// End returns an error unless only white space is left.
func (r *Reader) End() error {
	if r.err != nil {
		return r.err
	}
	r.space()
	if r.pos < len(r.data) {
		return r.fail("expected the end of the text, found " + r.found())
	}
	return nil
}

// Valid returns an error unless data is exactly one JSON value, with white
// space around it or not.
func Valid(data []byte) error {
	r := Reader{data: data}
	if err := r.Skip(); err != nil {
		return err
	}
	return r.End()
}

// expect skips white space and fails unless a value of this kind follows.
func (r *Reader) expect(kind byte, what string) error {
	if r.err == nil && r.Kind() != kind {
		return r.fail("expected " + what + ", found " + r.found())
	}
	return r.err
}

// peek returns the next byte, or 0 at the end.
func (r *Reader) peek() byte {
	if r.pos < len(r.data) {
		return r.data[r.pos]
	}
	return 0
}

// space moves to the next byte that is not white space.
func (r *Reader) space() {
	for r.pos < len(r.data) {
		switch r.data[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}
