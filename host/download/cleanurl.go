package download

import (
	"net/url"
	"strings"
)

// hidden stands in a cleaned URL where a value was taken out.
const hidden = "***"

// CleanURL returns rawURL for logs and errors: without userinfo and fragment,
// and with the values of query parameters that look like signatures or tokens
// replaced. It never fails, also on what is no URL.
func CleanURL(rawURL string) string {
	s := withoutUserinfo(strings.Map(printable, rawURL))
	s, _, _ = strings.Cut(s, "#")
	s, query, found := strings.Cut(s, "?")
	if found {
		s += "?" + cleanQuery(query)
	}
	return s
}

// withoutUserinfo removes the userinfo of a URL. Passwords that should have
// been quoted and were not can end the authority early: what then stands in the
// place of a port is none, and everything up to the last "@" goes.
func withoutUserinfo(s string) string {
	start := 0
	if i := strings.Index(s, "://"); i >= 0 {
		start = i + len("://")
	} else if strings.HasPrefix(s, "file:") || strings.HasPrefix(s, "containers-storage:[") {
		return s // with an "@" before the folder of a storage
	}
	end := len(s)
	if i := strings.IndexAny(s[start:], "/?#"); i >= 0 {
		end = start + i
	}
	at := strings.LastIndexByte(s[start:end], '@')
	if at < 0 && !plausibleHost(s[start:end]) {
		at = strings.LastIndexByte(s[start:], '@')
	}
	return s[:start] + s[start+at+1:]
}

// plausibleHost reports whether authority can be a host with or without a port,
// rather than the beginning of a userinfo.
func plausibleHost(authority string) bool {
	if strings.HasPrefix(authority, "[") {
		return true
	}
	_, port, _ := strings.Cut(authority, ":")
	return strings.Trim(port, "0123456789") == ""
}

// cleanQuery hides the values of parameters that look secret.
func cleanQuery(query string) string {
	parts := strings.Split(query, "&")
	for i, part := range parts {
		name, value, found := strings.Cut(part, "=")
		switch {
		case !found && opaque(name):
			parts[i] = hidden
		case found && (secretName(name) || opaque(value)):
			parts[i] = name + "=" + hidden
		}
	}
	return strings.Join(parts, "&")
}

// secretWords are parts of the names of parameters that carry credentials or
// signatures: those of S3, CloudFront, Google, Azure and Akamai among them.
var secretWords = []string{
	"auth", "token", "secret", "sig", "passw", "pwd", "credential", "apikey", "api_key",
	"api-key", "access", "jwt", "hdn", "hmac", "policy", "session", "key-pair", "x-amz-", "x-goog-",
}

func secretName(name string) bool {
	if plain, err := url.QueryUnescape(name); err == nil {
		name = plain
	}
	name = strings.ToLower(name)
	if name == "key" || name == "code" || name == "pass" {
		return true
	}
	for _, word := range secretWords {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// opaque reports whether a value is long and has the alphabet of base64,
// base64url, hexadecimal or of their quoted forms, as signatures do.
func opaque(value string) bool {
	if len(value) < 32 {
		return false
	}
	for i := range len(value) {
		c := value[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case strings.IndexByte("+-_=~%", c) >= 0:
		default:
			return false
		}
	}
	return true
}

// printable keeps a URL on one line of a log.
func printable(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}
