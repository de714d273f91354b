package manifest

import "strings"

// join appends a reference token to a JSON pointer, escaped as RFC 6901,
// section 3 wants it.
func join(pointer, token string) string {
	if strings.ContainsAny(token, "~/") {
		token = strings.ReplaceAll(token, "~", "~0")
		token = strings.ReplaceAll(token, "/", "~1")
	}
	return pointer + "/" + token
}
