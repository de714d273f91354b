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

// RawSection is one section of a wasm module as it stands in the file.
type RawSection struct {
	// ID is the section's number (WebAssembly core specification, 5.5.2).
	ID byte
	// Start and End are the offsets of the whole section in the file.
	Start, End int
	// Body is what follows id and length, for a custom section what follows its
	// name. It is a sub-slice of the file.
	Body []byte
	// Name is the name of a custom section.
	Name []byte
}

// Sections calls fn for each section of the module, in the order of the file,
// until fn returns an error. It reads the headers and decodes nothing else.
func Sections(wasm []byte, fn func(RawSection) error) error {
	if len(wasm) < len(wasmHeader) || string(wasm[:len(wasmHeader)]) != wasmHeader {
		head := wasm[:min(len(wasm), len(wasmHeader))]
		return fmt.Errorf("not a core wasm module: expected a file that starts with %q, found %q", wasmHeader, head)
	}
	for pos := len(wasmHeader); pos < len(wasm); {
		s, err := readSection(wasm, pos)
		if err != nil {
			return err
		}
		if err := fn(s); err != nil {
			return err
		}
		pos = s.End
	}
	return nil
}

func readSection(wasm []byte, pos int) (RawSection, error) {
	s := RawSection{ID: wasm[pos], Start: pos}
	size, n := Uint32(wasm[pos+1:])
	if n == 0 {
		return s, fmt.Errorf("malformed wasm module: expected the length of section %d at byte %d, found none", s.ID, pos)
	}
	body := pos + 1 + n
	if uint64(size) > uint64(len(wasm)-body) {
		return s, fmt.Errorf("truncated wasm module: expected %d bytes in section %d at byte %d, found %d", size, s.ID, pos, len(wasm)-body)
	}
	s.End = body + int(size)
	s.Body = wasm[body:s.End:s.End]
	if s.ID == 0 {
		length, n := Uint32(s.Body)
		if n == 0 || uint64(length) > uint64(len(s.Body)-n) {
			return s, fmt.Errorf("malformed wasm module: expected a name in the custom section at byte %d, found none", pos)
		}
		s.Name = s.Body[n : n+int(length)]
		s.Body = s.Body[n+int(length):]
	}
	return s, nil
}

// Section returns the content of the custom section with this name, as a
// sub-slice of wasm. The error wraps ErrNoSection when the module has none; two
// sections of the name are an error, since it would be unclear which counts.
func Section(wasm []byte, name string) ([]byte, error) {
	var found []byte
	count := 0
	err := Sections(wasm, func(s RawSection) error {
		if s.ID == 0 && string(s.Name) == name {
			found = s.Body
			count++
		}
		return nil
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
	err := Sections(wasm, func(s RawSection) error {
		if s.ID != 0 || string(s.Name) != name {
			out = append(out, wasm[s.Start:s.End]...)
		}
		return nil
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

// Uint32 decodes an unsigned LEB128 number of at most 32 bits (WebAssembly core
// specification, 5.2.2) and returns how many bytes it takes: 0 when there is no
// such number.
func Uint32(data []byte) (uint32, int) {
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
