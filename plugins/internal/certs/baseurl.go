package certs

import "strings"

// variables are the names that stand for one path segment in a baseurl. None
// is the beginning of another.
var variables = []string{"$releasever", "$basearch", "$arch", "$uuid"}

// baseURL is the beginning of URLs: the texts around the variables, of which
// there is one less.
type baseURL []string

// parseBaseURL splits a baseurl at its variables.
func parseBaseURL(s string) baseURL {
	s = strings.TrimRight(s, "/")
	var b baseURL
	for {
		at, name := nextVariable(s)
		b = append(b, s[:at])
		if name == "" {
			return b
		}
		s = s[at+len(name):]
	}
}

// nextVariable returns the first variable in s and its place, or the end of s
// and "".
func nextVariable(s string) (int, string) {
	for i := range len(s) {
		if s[i] != '$' {
			continue
		}
		for _, name := range variables {
			if strings.HasPrefix(s[i:], name) {
				return i, name
			}
		}
	}
	return len(s), ""
}

// contains reports whether a URL lies beneath the baseurl: it begins with it
// and goes on with a new path segment, if it goes on. A variable stands for at
// least one byte and no slash.
func (b baseURL) contains(url string) bool {
	rest, ok := strings.CutPrefix(url, b[0])
	if !ok {
		return false
	}
	if len(b) == 1 {
		return rest == "" || rest[0] == '/' || rest[0] == '?'
	}
	for n := 1; n <= len(rest) && rest[n-1] != '/'; n++ {
		if b[1:].contains(rest[n:]) {
			return true
		}
	}
	return false
}
