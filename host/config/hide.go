package config

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// hidden stands where a value is not shown.
const hidden = "[hidden]"

// secretName matches what keys and flags are called whose values are secrets.
var secretName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?i)passw|passphrase|secret|token|credential|private.?key|api.?key|access.?key|auth$|authorization|cookie`)
})

// userinfo is the user and the password of a URL within a text.
var userinfo = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s"'@]*(?:@[^/?#\s"'@]*)*@`)
})

// pem begins a key.
const pem = "-----BEGIN"

// hide returns a value of a plugin's config as it may be shown. Secrets belong in
// [secret.NAME], but not everybody knows that.
func (f *File) hide(name string, v any) any {
	switch v := v.(type) {
	case string:
		if _, ref := f.Secret[v]; ref { // only the name of a secret
			return v
		}
		if secretName().MatchString(name) || strings.Contains(v, pem) {
			return hidden
		}
		return userinfo().ReplaceAllString(v, "${1}"+hidden+"@")
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = f.hide(name, v[i])
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k := range v {
			m[k] = f.hide(k, v[k])
		}
		return m
	case bool:
		return v
	}
	if secretName().MatchString(name) { // a number may be a PIN
		return hidden
	}
	return v
}

// hideArguments returns a command as it may be shown.
func hideArguments(command []string) []string {
	shown := slices.Clone(command)
	next := false
	for i := 1; i < len(shown); i++ {
		name, _, assigned := strings.Cut(shown[i], "=")
		isFlag := strings.HasPrefix(name, "-")
		switch {
		case next && !isFlag:
			shown[i] = hidden
		case assigned && secretName().MatchString(name):
			shown[i] = name + "=" + hidden
		default:
			shown[i] = userinfo().ReplaceAllString(shown[i], "${1}"+hidden+"@")
		}
		next = isFlag && !assigned && secretName().MatchString(name)
	}
	return shown
}
