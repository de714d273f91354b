package main

import "errors"

// decodeBase64 decodes what Python's base64.b64decode takes: characters that are not
// of the alphabet are skipped wherever they stand, also within the padding; padding
// where none belongs is skipped; and what follows a complete padding is ignored.
func decodeBase64(text string) ([]byte, error) {
	data := make([]byte, 0, len(text)/4*3+3)
	var quad, left byte // how many characters of four there are, and what is left of the last
	pads := 0
	for i := range len(text) {
		c := text[i]
		if c >= 0x80 {
			return nil, errors.New("it holds a character that is not ASCII")
		}
		if c == '=' {
			if pads++; quad >= 2 && int(quad)+pads >= 4 {
				return data, nil
			}
			if quad < 2 {
				pads = 0
			}
			continue
		}
		v, ok := base64Value(c)
		if !ok {
			continue
		}
		pads = 0
		switch quad {
		case 0:
			left = v
		case 1:
			data = append(data, left<<2|v>>4)
			left = v & 0xf
		case 2:
			data = append(data, left<<4|v>>2)
			left = v & 3
		case 3:
			data = append(data, left<<6|v)
		}
		quad = (quad + 1) % 4
	}
	switch quad {
	case 0:
		return data, nil
	case 1:
		return nil, errors.New("one character is left over")
	}
	return nil, errors.New("its padding is missing or incomplete")
}

// base64Value returns the six bits that a character of the alphabet stands for.
func base64Value(c byte) (byte, bool) {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A', true
	case 'a' <= c && c <= 'z':
		return c - 'a' + 26, true
	case '0' <= c && c <= '9':
		return c - '0' + 52, true
	case c == '+':
		return 62, true
	case c == '/':
		return 63, true
	}
	return 0, false
}
