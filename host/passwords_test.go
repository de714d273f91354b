package host

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/secret"
)

func newPasswords(t *testing.T) *passwords {
	t.Helper()
	r, err := secret.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &passwords{secrets: r}
}

// TestPasswordsOfURLs: what is hidden of texts that are URLs, or look like some.
func TestPasswordsOfURLs(t *testing.T) {
	for raw, hidden := range map[string]string{
		"https://user:pass-word@h.example/x":        "pass-word",
		"https://user:p%40ss%2Fword@h.example/x":    "p@ss/word",
		"https://user:p%zzs-word@h.example/":        "p%zzs-word",
		"https://a-long-token-0123456@h.example/":   "a-long-token-0123456",
		"socks5://user:pass-word@h.example:1080":    "pass-word",
		"https://user@h.example/":                   "",
		"https://user:abc@h.example/":               "",
		"https://h.example:8080/a@2.0":              "",
		"https://h.example/?to=https://u:other@x/":  "",
		"user:pass-word@h.example":                  "",
		"https://builder:pass@word@h.example/file ": "pass@word",
	} {
		p := newPasswords(t)
		p.ofURL(raw, 0)
		if hidden == "" {
			text := raw + " other user " + "abc"
			if got := p.secrets.Redact(text); got != text {
				t.Errorf("%s: %q became %q", raw, text, got)
			}
			continue
		}
		if got := p.secrets.Redact("got " + hidden + "!"); got != "got [secret of a URL]!" {
			t.Errorf("%s: %q is shown: %s", raw, hidden, got)
		}
	}
	// Of a short password, what is sent of it is hidden.
	p := newPasswords(t)
	p.ofURL("https://user:abc@h.example/", 0)
	sent := base64.StdEncoding.EncodeToString([]byte("user:abc"))
	if got := p.secrets.Redact("Basic " + sent); strings.Contains(got, sent) {
		t.Errorf("shown: %s", got)
	}
}

// TestPasswordsInJSON finds them in descriptions, however they are escaped, and stops
// at a number that costs little.
func TestPasswordsInJSON(t *testing.T) {
	p := newPasswords(t)
	p.ofJSON([]byte(`{"a":[{"url":"https:\/\/u:pass\u002dword@h/"}],"https://u:other-word@h/":1} and more`))
	if got := p.secrets.Redact("pass-word other-word"); got != "[secret of a URL] [secret of a URL]" {
		t.Errorf("shown: %s", got)
	}
	for i := range 3 * maxPasswords {
		p.ofJSON(fmt.Appendf(nil, `"https://u:number-%d@h/"`, i))
	}
	if n := len(p.known); n != maxPasswords {
		t.Errorf("%d passwords are known, want %d", n, maxPasswords)
	}
	p.ofURL("http://u:of-the-operator@proxy/", 0)
	if got := p.secrets.Redact("of-the-operator"); got != "[secret of a URL]" {
		t.Errorf("manifests have crowded a password out: %s", got)
	}
}
