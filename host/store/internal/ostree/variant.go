package ostree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"unicode/utf8"
)

// errForm says that bytes are not what the type prescribes. Only the normal form
// of GVariant is accepted: any other reads as default values, so that two readers
// may see different things.
var errForm = errors.New("it is not a GVariant of its type in normal form")

// member is a member of a tuple: its alignment and, when that is fixed, its size.
type member struct{ align, size int }

// The types that objects consist of. Both strings and arrays of bytes have any size.
var (
	text   = member{align: 1}
	bytes1 = member{align: 1}
	list   = member{align: 1} // of members that are aligned to 1
	dict   = member{align: 8} // a{sv}
	value  = member{align: 8} // v
	uint4  = member{align: 4, size: 4}
	uint8s = member{align: 8, size: 8}
)

// offsetSize is how many bytes each framing offset of a container has.
func offsetSize(container int) int {
	switch {
	case container <= 0xff:
		return 1
	case container <= 0xffff:
		return 2
	case uint64(container) <= 0xffffffff:
		return 4
	}
	return 8
}

// offsetAt reads a framing offset; it is -1 when it cannot be one.
func offsetAt(data []byte, at, size int) int {
	if at < 0 || at+size > len(data) {
		return -1
	}
	var wide [8]byte
	copy(wide[:], data[at:at+size])
	v := binary.LittleEndian.Uint64(wide[:])
	if v > uint64(len(data)) {
		return -1
	}
	return int(v)
}

// align moves at to the next multiple of to. What is skipped must be zero.
func align(data []byte, at, to int) (int, error) {
	next := (at + to - 1) / to * to
	if next > len(data) || len(bytes.Trim(data[at:next], "\x00")) > 0 {
		return 0, errForm
	}
	return next, nil
}

// tuple takes a tuple apart. Its last member must have any size.
func tuple(data []byte, members ...member) ([][]byte, error) {
	width := offsetSize(len(data))
	variable := 0
	for _, m := range members[:len(members)-1] {
		if m.size == 0 {
			variable++
		}
	}
	end := len(data) - variable*width // where the offsets begin
	if end < 0 {
		return nil, errForm
	}
	parts := make([][]byte, len(members))
	at, table := 0, len(data)
	for i, m := range members {
		start, err := align(data, at, m.align)
		if err != nil {
			return nil, err
		}
		switch {
		case m.size > 0:
			at = start + m.size
		case i == len(members)-1:
			at = end
		default:
			table -= width
			at = offsetAt(data, table, width)
		}
		if at < start || at > end {
			return nil, errForm
		}
		parts[i] = data[start:at]
	}
	return parts, nil
}

// array calls fn with each element of an array whose elements have any size.
func array(data []byte, alignment int, fn func(element []byte) error) error {
	if len(data) == 0 {
		return nil
	}
	width := offsetSize(len(data))
	table := offsetAt(data, len(data)-width, width)
	if table < 0 || table >= len(data) || (len(data)-table)%width != 0 {
		return errForm
	}
	at := 0
	for next := table; next < len(data); next += width {
		start, err := align(data, at, alignment)
		if err != nil {
			return err
		}
		at = offsetAt(data, next, width)
		if at < start || at > table {
			return errForm
		}
		if err := fn(data[start:at]); err != nil {
			return err
		}
	}
	return nil
}

// textOf reads a string.
func textOf(data []byte) (string, error) {
	body, ended := bytes.CutSuffix(data, []byte{0})
	if !ended || bytes.IndexByte(body, 0) >= 0 || !utf8.Valid(body) {
		return "", errForm
	}
	return string(body), nil
}
