package rawjson

import "unicode/utf8"

// text consumes the string that begins at the current byte and returns it
// unescaped: a part of the data where it has no escapes.
func (r *Reader) text() ([]byte, error) {
	data := r.data
	start := r.pos + 1
	for i := start; i < len(data); {
		for i+8 <= len(data) && plain(data[i:i+8]) {
			i += 8
		}
		if i == len(data) {
			break
		}
		c := data[i]
		switch {
		case c == '"':
			r.pos = i + 1
			return data[start:i:i], nil
		case c == '\\':
			return r.unescape(start, i)
		case c < ' ':
			return nil, r.failAt(i, "control character in a string")
		case c < utf8.RuneSelf:
			i++
		default:
			_, n := utf8.DecodeRune(data[i:])
			if n == 1 {
				return nil, r.failAt(i, "invalid UTF-8 in a string")
			}
			i += n
		}
	}
	return nil, r.failAt(len(data), "the text ends within a string")
}

// plain reports whether eight bytes of a string stand for themselves: ASCII, no
// control character, quote or backslash. It looks at all of them at once, since
// strings are most of what is read.
func plain[T []byte | string](b T) bool {
	const each, top = 0x0101010101010101, 0x8080808080808080
	_ = b[7]
	x := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
	// Subtracting sets a byte's top bit when the byte was zero or, by a borrow,
	// when a lower byte was; either way there is something to look at.
	return (x|(x-each*' ')|((x^each*'"')-each)|((x^each*'\\')-each))&top == 0
}

// unescape goes on with a string at its first backslash.
func (r *Reader) unescape(start, i int) ([]byte, error) {
	data := r.data
	out := append(make([]byte, 0, i-start+32), data[start:i]...)
	for i < len(data) {
		c := data[i]
		switch {
		case c == '"':
			r.pos = i + 1
			return out, nil
		case c == '\\':
			var err error
			if out, i, err = r.escape(out, i); err != nil {
				return nil, err
			}
		case c < ' ':
			return nil, r.failAt(i, "control character in a string")
		case c < utf8.RuneSelf:
			out = append(out, c)
			i++
		default:
			_, n := utf8.DecodeRune(data[i:])
			if n == 1 {
				return nil, r.failAt(i, "invalid UTF-8 in a string")
			}
			out = append(out, data[i:i+n]...)
			i += n
		}
	}
	return nil, r.failAt(len(data), "the text ends within a string")
}

// escape appends what the escape sequence at i stands for and returns the index
// after it.
func (r *Reader) escape(out []byte, i int) ([]byte, int, error) {
	if i+1 >= len(r.data) {
		return nil, 0, r.failAt(i, "the text ends within an escape sequence")
	}
	switch c := r.data[i+1]; c {
	case '"', '\\', '/':
		return append(out, c), i + 2, nil
	case 'b':
		return append(out, '\b'), i + 2, nil
	case 'f':
		return append(out, '\f'), i + 2, nil
	case 'n':
		return append(out, '\n'), i + 2, nil
	case 'r':
		return append(out, '\r'), i + 2, nil
	case 't':
		return append(out, '\t'), i + 2, nil
	case 'u':
		return r.unicode(out, i)
	}
	return nil, 0, r.failAt(i, "unknown escape sequence in a string")
}

// unicode is escape for \uXXXX, or two of them that make a surrogate pair.
func (r *Reader) unicode(out []byte, i int) ([]byte, int, error) {
	u, ok := r.hex4(i)
	if !ok {
		return nil, 0, r.failAt(i, "expected four hexadecimal digits after \\u")
	}
	if u < 0xd800 || u > 0xdfff {
		return utf8.AppendRune(out, u), i + 6, nil
	}
	low, ok := r.hex4(i + 6)
	if u > 0xdbff || !ok || low < 0xdc00 || low > 0xdfff {
		return nil, 0, r.failAt(i, "a surrogate without its other half in a string")
	}
	return utf8.AppendRune(out, 0x10000+(u-0xd800)<<10+(low-0xdc00)), i + 12, nil
}

// hex4 returns the value of the \uXXXX at i, if there is one.
func (r *Reader) hex4(i int) (u rune, ok bool) {
	if i+6 > len(r.data) || r.data[i] != '\\' || r.data[i+1] != 'u' {
		return 0, false
	}
	for _, c := range r.data[i+2 : i+6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		u = u<<4 | rune(c)
	}
	return u, true
}
