package download

import "strings"

const upperHex = "0123456789ABCDEF"

// QuotePath percent-quotes what needs it in the path of rawURL, and leaves
// alone what is quoted already; applying it twice changes nothing. In the query
// only spaces, control characters and DEL are quoted.
//
// "+" is quoted too where the path has no quoting of its own: RFC 3986 gives it
// no meaning in paths, but object stores read it as a space, and packages have
// it in their names. A path that has quoting is taken to mean what it says.
func QuotePath(rawURL string) string { return quoteURL(rawURL, true) }

// quoteURL does what QuotePath does; without plus, "+" stays.
func quoteURL(rawURL string, plus bool) string {
	start := pathStart(rawURL)
	end := len(rawURL)
	if i := strings.IndexAny(rawURL[start:], "?#"); i >= 0 {
		end = start + i
	}
	path, rest := rawURL[start:end], rawURL[end:]
	plus = plus && !hasQuoting(path)
	needs := func(c byte) bool { return !pathByte(c) || c == '+' && plus }
	return rawURL[:start] + quote(path, needs) + quote(rest, controlOrSpace)
}

// pathStart returns the index at which the path of rawURL begins.
func pathStart(rawURL string) int {
	i := strings.IndexAny(rawURL, ":/?#")
	if i < 0 || rawURL[i] != ':' {
		return 0
	}
	i++
	if !strings.HasPrefix(rawURL[i:], "//") {
		return i
	}
	i += 2
	if j := strings.IndexAny(rawURL[i:], "/?#"); j >= 0 {
		return i + j
	}
	return len(rawURL)
}

// quote percent-quotes the bytes of s that need it. A "%" that two hexadecimal
// digits follow always stays.
func quote(s string, needs func(byte) bool) string {
	var b []byte
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !needs(c) || c == '%' && quoted(s[i:]) {
			if b != nil {
				b = append(b, c)
			}
			continue
		}
		if b == nil {
			b = append(make([]byte, 0, len(s)+16), s[:i]...)
		}
		b = append(b, '%', upperHex[c>>4], upperHex[c&15])
	}
	if b == nil {
		return s
	}
	return string(b)
}

// pathByte reports whether c may stand unquoted in a path (RFC 3986, pchar and
// "/").
func pathByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return strings.IndexByte("-._~!$&'()*+,;=:@/", c) >= 0
}

func controlOrSpace(c byte) bool { return c <= ' ' || c == 0x7f }

// quoted reports whether s begins with a "%" and two hexadecimal digits.
func quoted(s string) bool {
	return len(s) >= 3 && s[0] == '%' && isHex(s[1]) && isHex(s[2])
}

func hasQuoting(s string) bool {
	for i := range len(s) {
		if quoted(s[i:]) {
			return true
		}
	}
	return false
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
