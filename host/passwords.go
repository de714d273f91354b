package host

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"sync"

	"github.com/sourcehost/sourcehost/host/secret"
)

// maxPasswords is how many different passwords of manifests and plugins are redacted:
// each makes redacting slower, and there could be any number. Those of the operator do
// not count, so that nobody can crowd them out.
const maxPasswords = 64

// minBareUser is the length from which on a user name without a password counts as
// one: tokens are written so.
const minBareUser = 16

// passwords finds the credentials in the URLs of manifests, plugins and variables,
// which are no configured secrets, and which servers and proxies can repeat all the
// same. Texts with a URL lose them anyhow.
type passwords struct {
	secrets *secret.Resolver

	mu     sync.Mutex
	known  map[string]bool // by their first spelling
	others int             // those that count
}

// ofJSON finds them in all strings of a JSON text of a manifest or plugin.
func (p *passwords) ofJSON(text []byte) {
	if !bytes.Contains(text, []byte("@")) {
		return
	}
	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		token, err := dec.Token()
		if err != nil {
			return
		}
		if s, ok := token.(string); ok {
			p.ofURL(s, maxPasswords)
		}
	}
}

// ofURL finds them in a URL, or in what is none. With a limit, only that many of all
// that are found with one are hidden.
func (p *passwords) ofURL(raw string, limit int) {
	_, rest, found := strings.Cut(raw, "://")
	if !found {
		return
	}
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return
	}
	user, password, found := strings.Cut(rest[:at], ":")
	user, password = unescaped(user), unescaped(password)
	switch {
	case password != "":
		p.hide("of a URL", limit, base64.StdEncoding.EncodeToString([]byte(user+":"+password)), password)
	case !found && len(user) >= minBareUser:
		p.hide("of a URL", limit, user)
	}
}

func unescaped(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// hide makes the spellings of a password known to the redactor, but for those that are
// so short that innocent text would have them too. what says whose it is.
func (p *passwords) hide(what string, limit int, spellings ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[spellings[0]] || limit > 0 && p.others >= limit {
		return
	}
	if p.known == nil {
		p.known = map[string]bool{}
	}
	p.known[spellings[0]] = true
	if limit > 0 {
		p.others++
	}
	for _, text := range spellings {
		if len(text) >= secret.MinLength {
			p.secrets.Hide(what, text)
		}
	}
}

// ofProxies finds them in the usual variables for proxies.
func (p *passwords) ofProxies(environ func(string) (string, bool)) {
	for _, name := range []string{"http_proxy", "https_proxy", "all_proxy"} {
		for _, name := range []string{name, strings.ToUpper(name)} {
			value, _ := environ(name)
			p.ofURL(value, 0)
		}
	}
}
