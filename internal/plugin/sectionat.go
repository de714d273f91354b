package plugin

import (
	"fmt"
	"io"
)

// SectionAt is Section for a module that is not in memory: it reads the headers
// of the sections and, of their contents, what was asked for.
func SectionAt(r io.ReaderAt, size int64, name string) ([]byte, error) {
	head := make([]byte, len(wasmHeader))
	if _, err := r.ReadAt(head, 0); err != nil || string(head) != wasmHeader {
		return nil, fmt.Errorf("not a core wasm module: expected a file that starts with %q, found %q", wasmHeader, head)
	}
	var found []byte
	count := 0
	for pos := int64(len(wasmHeader)); pos < size; {
		start, end, err := sectionAt(r, pos, size, name)
		if err != nil {
			return nil, err
		}
		if start >= 0 {
			count++
			found = make([]byte, end-start)
			if _, err := r.ReadAt(found, start); err != nil {
				return nil, fmt.Errorf("reading the custom section %q: %w", name, err)
			}
		}
		pos = end
	}
	switch count {
	case 1:
		return found, nil
	case 0:
		return nil, fmt.Errorf("%w: expected one named %q, found none", ErrNoSection, name)
	}
	return nil, fmt.Errorf("expected one custom section named %q, found %d", name, count)
}

// sectionAt returns where the section at pos ends and where its content begins,
// or -1 when it is not the custom section of this name.
func sectionAt(r io.ReaderAt, pos, size int64, name string) (start, end int64, err error) {
	// Id and length, length of the name, and the name.
	head := make([]byte, min(size-pos, int64(1+5+5+len(name))))
	if _, err := r.ReadAt(head, pos); err != nil {
		return 0, 0, fmt.Errorf("reading the section at byte %d: %w", pos, err)
	}
	length, n := Uint32(head[1:])
	if n == 0 {
		return 0, 0, fmt.Errorf("malformed wasm module: expected the length of section %d at byte %d, found none", head[0], pos)
	}
	body := pos + int64(1+n)
	end = body + int64(length)
	if end > size {
		return 0, 0, fmt.Errorf("truncated wasm module: expected %d bytes in section %d at byte %d, found %d", length, head[0], pos, size-body)
	}
	if head[0] != 0 {
		return -1, end, nil
	}
	inner := head[1+n : min(int64(len(head)), end-pos)]
	chars, m := Uint32(inner)
	if m == 0 || int64(m)+int64(chars) > int64(length) {
		return 0, 0, fmt.Errorf("malformed wasm module: expected a name in the custom section at byte %d, found none", pos)
	}
	if int(chars) != len(name) || string(inner[m:m+int(chars)]) != name {
		return -1, end, nil
	}
	return body + int64(m) + int64(chars), end, nil
}
