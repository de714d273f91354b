package main

import "strings"

// variables are the names that stand for one path segment in a baseurl. None
// is the beginning of another.
var variables = []string{"$releasever", "$basearch", "$arch", "$uuid"}

// matchBaseURL reports whether a URL lies beneath a baseurl with variables.
func matchBaseURL(base, url string) bool {
	return match(strings.TrimRight(base, "/"), url)
}

// match reports whether url begins with the pattern and goes on with a new path
// segment, if it goes on. A variable takes at least one byte and no slash.
func match(pattern, url string) bool {
	at, name := nextVariable(pattern)
	rest, ok := strings.CutPrefix(url, pattern[:at])
	if !ok {
		return false
	}
	if name == "" {
		return rest == "" || rest[0] == '/' || rest[0] == '?'
	}
	pattern = pattern[at+len(name):]
	for n := 1; n <= len(rest) && rest[n-1] != '/'; n++ {
		if match(pattern, rest[n:]) {
			return true
		}
	}
	return false
}

// nextVariable returns the first variable of the pattern and its place, or the
// pattern's length and "".
func nextVariable(pattern string) (int, string) {
	for i := range len(pattern) {
		if pattern[i] != '$' {
			continue
		}
		for _, name := range variables {
			if strings.HasPrefix(pattern[i:], name) {
				return i, name
			}
		}
	}
	return len(pattern), ""
}
