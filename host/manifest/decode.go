package manifest

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/sourcehost/sourcehost/internal/rawjson"
)

const (
	// maxValues is how many values, counting nested ones, are decoded for one
	// check. A decoded value takes some hundred bytes, whatever it took as text.
	maxValues = 1_000_000
	// maxDigits is how many characters a number may have where a schema is
	// applied to it, and maxExponent how large its exponent may be: schemas
	// compare numbers exactly, and 1e999999 has a million digits.
	maxDigits   = 100
	maxExponent = 400
)

// decoder makes of JSON text the Go values that package jsonschema checks.
type decoder struct {
	*rawjson.Reader
	left int
}

func newDecoder(data []byte) *decoder {
	return &decoder{Reader: rawjson.NewReader(data), left: maxValues}
}

// decode reads data as exactly one value.
func decode(data []byte) (any, error) {
	d := newDecoder(data)
	v, err := d.value()
	if err == nil {
		err = d.End()
	}
	return v, err
}

// value reads the next value.
func (d *decoder) value() (any, error) {
	if d.left--; d.left < 0 {
		return nil, d.Fail("more than " + strconv.Itoa(maxValues) + " values, the limit for one description")
	}
	switch d.Kind() {
	case '{':
		m := map[string]any{}
		err := d.Object(func(key []byte) error {
			name := string(key)
			v, err := d.value()
			m[name] = v
			return err
		})
		return m, err
	case '[':
		list := []any{}
		err := d.Array(func(int) error {
			v, err := d.value()
			list = append(list, v)
			return err
		})
		return list, err
	case '"':
		return d.String()
	case 't', 'f':
		return d.Bool()
	case '0':
		return d.number()
	}
	return nil, d.Skip() // null, or no value at all
}

// number reads a number of a reasonable length.
func (d *decoder) number() (any, error) {
	raw, err := d.Raw()
	if err != nil {
		return nil, err
	}
	if len(raw) > maxDigits {
		return nil, d.Fail("a number of " + strconv.Itoa(len(raw)) + " characters; at most " + strconv.Itoa(maxDigits) + " are allowed")
	}
	s := string(raw)
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		if n, err := strconv.Atoi(s[i+1:]); err != nil || n > maxExponent || n < -maxExponent {
			return nil, d.Fail("the number " + showNumber(s) + " is out of range")
		}
	}
	return json.Number(s), nil
}
