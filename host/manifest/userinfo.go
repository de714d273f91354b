package manifest

import "strings"

// WithoutUserinfo removes the userinfo (RFC 3986, section 3.2.1) of each URL in
// a text from a manifest, so that passwords in URLs do not get into messages.
//
// A password that should have been quoted and was not can end the authority
// early. What then stands in the place of a port is none, and everything up to
// the last "@" of the text goes.
func WithoutUserinfo(s string) string {
	const mark = "://"
	var b strings.Builder
	for {
		i := strings.Index(s, mark)
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		i += len(mark)
		b.WriteString(s[:i])
		s = s[i:]
		authority := s
		if end := strings.IndexAny(s, "/?#"); end >= 0 {
			authority = s[:end]
		}
		at := strings.LastIndexByte(authority, '@')
		if at < 0 && !maybeHost(authority) {
			at = strings.LastIndexByte(s, '@')
		}
		s = s[at+1:]
	}
}

// maybeHost reports whether an authority without "@" can be a host with or
// without a port, rather than the beginning of a userinfo.
func maybeHost(authority string) bool {
	if strings.HasPrefix(authority, "[") { // an IPv6 address
		return true
	}
	_, port, found := strings.Cut(authority, ":")
	return !found || port != "" && strings.Trim(port, "0123456789") == ""
}

// messageWithoutUserinfo does the same for a sentence, in which URLs end at
// white space or a quote. One that was cut short may have lost its "@": what is
// left of its authority goes.
func messageWithoutUserinfo(s string) string {
	if !strings.Contains(s, "://") {
		return s
	}
	var b strings.Builder
	for s != "" {
		n := strings.IndexAny(s, " \t\n\"'`")
		word, rest := s, ""
		if n >= 0 {
			word, rest = s[:n], s[n:]
		}
		b.WriteString(cutShort(WithoutUserinfo(word)))
		if rest == "" {
			break
		}
		b.WriteByte(rest[0])
		s = rest[1:]
	}
	return b.String()
}

// cutShort removes an authority that ends in "..." without its "@".
func cutShort(word string) string {
	i := strings.LastIndex(word, "://") + len("://")
	if i < len("://") || !strings.HasSuffix(word, "...") || strings.ContainsAny(word[i:], "/?#@") {
		return word
	}
	return word[:i] + "..."
}

// pointerWithoutUserinfo does the same for the reference tokens of a JSON
// pointer.
func pointerWithoutUserinfo(pointer string) string {
	if !strings.Contains(pointer, ":~1~1") {
		return pointer
	}
	tokens := strings.Split(pointer, "/")
	for i, t := range tokens[1:] {
		t = strings.ReplaceAll(strings.ReplaceAll(t, "~1", "/"), "~0", "~")
		tokens[i+1] = strings.TrimPrefix(join("", WithoutUserinfo(t)), "/")
	}
	return strings.Join(tokens, "/")
}
