package abi

import (
	"strconv"

	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// The messages of wire.go are encoded and decoded by hand, in one pass and
// without reflection: pages pass through guests, in which encoding/json would
// take most of a hook's time.
//
// Append adds the message to dst; fields with their zero value are left out,
// and raw fields are written as they stand, so they must hold valid JSON.
// Decoders skip fields that they do not know, so that a later version can add
// some, and refuse fields of a wrong type and fields given twice. Their errors
// are *rawjson.Error, with the JSON pointer of the field. Decoded raw fields
// are parts of the data that was decoded.

// message is what every message can do with a reader.
type message interface{ read(*rawjson.Reader) error }

// decode reads data, which must hold one message and nothing else.
func decode(data []byte, m message) error {
	r := rawjson.NewReader(data)
	if err := m.read(r); err != nil {
		return err
	}
	return r.End()
}

// appendName starts a field. A comma is due unless the object was just opened.
func appendName(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

func appendText(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return rawjson.AppendString(appendName(dst, name), value)
}

func appendTrue(dst []byte, name string, value bool) []byte {
	if !value {
		return dst
	}
	return append(appendName(dst, name), "true"...)
}

func appendInt(dst []byte, name string, value int64) []byte {
	if value == 0 {
		return dst
	}
	return strconv.AppendInt(appendName(dst, name), value, 10)
}

func appendRaw(dst []byte, name string, value []byte) []byte {
	if len(value) == 0 {
		return dst
	}
	return append(appendName(dst, name), value...)
}

func appendTexts(dst []byte, name string, values []string) []byte {
	if len(values) == 0 {
		return dst
	}
	dst = append(appendName(dst, name), '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = rawjson.AppendString(dst, v)
	}
	return append(dst, ']')
}

func appendInts(dst []byte, name string, values []int64) []byte {
	if len(values) == 0 {
		return dst
	}
	dst = append(appendName(dst, name), '[')
	for i, v := range values {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, v, 10)
	}
	return append(dst, ']')
}

func readText(r *rawjson.Reader, dst *string) (err error) {
	*dst, err = r.String()
	return err
}

func readInt(r *rawjson.Reader, dst *int64) (err error) {
	*dst, err = r.Int64()
	return err
}

func readBool(r *rawjson.Reader, dst *bool) (err error) {
	*dst, err = r.Bool()
	return err
}

func readRaw(r *rawjson.Reader, dst *[]byte) (err error) {
	*dst, err = r.Raw()
	return err
}

func readTexts(r *rawjson.Reader, dst *[]string) error {
	return r.Array(func(int) error {
		s, err := r.String()
		*dst = append(*dst, s)
		return err
	})
}
