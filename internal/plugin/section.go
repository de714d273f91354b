package plugin

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// wasmHeader is the magic number and the version of the binary format
// (WebAssembly core specification, 5.5.16).
const wasmHeader = "\x00asm\x01\x00\x00\x00"

// ErrNoSection means that a module has no custom section of the name asked for.
var ErrNoSection = errors.New("no such custom section")

// section is one section of a wasm module as it stands in the file.
type section struct {
	id         byte
	start, end int    // of the whole section, id and length included
	body       []byte // without id and length; for a custom section without its name
	name       string // of a custom section
}

// Section returns the content of the custom section with this name, as a
// sub-slice of wasm. It walks the headers of the sections and decodes nothing
// else. The error wraps ErrNoSection when the module has none; two sections of
// the name are an error, since it would be unclear which one counts.
func Section(wasm []byte, name string) ([]byte, error) {
	var found []byte
	count := 0
	err := walk(wasm, func(s section) {
		if s.id == 0 && s.name == name {
			found = s.body
			count++
		}
	})
	switch {
	case err != nil:
		return nil, err
	case count == 0:
		return nil, fmt.Errorf("%w: expected one named %q, found none", ErrNoSection, name)
	case count > 1:
		return nil, fmt.Errorf("expected one custom section named %q, found %d", name, count)
	}
	return found, nil
}

// AppendSection returns a copy of wasm in which the custom section of this name
// holds data. Earlier sections of the name are left out.
func AppendSection(wasm []byte, name string, data []byte) ([]byte, error) {
	out := make([]byte, 0, len(wasm)+len(name)+len(data)+16)
	out = append(out, wasmHeader...)
	err := walk(wasm, func(s section) {
		if s.id != 0 || s.name != name {
			out = append(out, wasm[s.start:s.end]...)
		}
	})
	if err != nil {
		return nil, err
	}
	body := binary.AppendUvarint(nil, uint64(len(name)))
	body = append(body, name...)
	body = append(body, data...)
	out = append(out, 0)
	out = binary.AppendUvarint(out, uint64(len(body)))
	return append(out, body...), nil
}

// walk calls fn for each section of the module, in the order of the file.
func walk(wasm []byte, fn func(section)) error {
	if len(wasm) < len(wasmHeader) || string(wasm[:len(wasmHeader)]) != wasmHeader {
		head := wasm[:min(len(wasm), len(wasmHeader))]
		return fmt.Errorf("not a core wasm module: expected a file that starts with %q, found %q", wasmHeader, head)
	}
	for pos := len(wasmHeader); pos < len(wasm); {
		s := section{id: wasm[pos], start: pos}
		size, n := uvarint32(wasm[pos+1:])
		if n == 0 {
			return fmt.Errorf("truncated wasm module: section %d at byte %d has no valid length", s.id, pos)
		}
		body := pos + 1 + n
		if uint64(size) > uint64(len(wasm)-body) {
			return fmt.Errorf("truncated wasm module: section %d at byte %d has %d bytes, found %d", s.id, pos, size, len(wasm)-body)
		}
		s.end = body + int(size)
		s.body = wasm[body:s.end:s.end]
		if s.id == 0 {
			length, n := uvarint32(s.body)
			if n == 0 || uint64(length) > uint64(len(s.body)-n) {
				return fmt.Errorf("malformed wasm module: the custom section at byte %d has no valid name", pos)
			}
			s.name = string(s.body[n : n+int(length)])
			s.body = s.body[n+int(length):]
		}
		fn(s)
		pos = s.end
	}
	return nil
}

// uvarint32 decodes an unsigned LEB128 number of at most 32 bits (WebAssembly
// core specification, 5.2.2) and returns how many bytes it takes, 0 when there
// is none.
func uvarint32(data []byte) (uint32, int) {
	var value uint64
	for i := 0; i < len(data) && i < 5; i++ {
		value |= uint64(data[i]&0x7f) << (7 * i)
		if data[i]&0x80 == 0 {
			if value > 1<<32-1 {
				return 0, 0
			}
			return uint32(value), i + 1
		}
	}
	return 0, 0
}
