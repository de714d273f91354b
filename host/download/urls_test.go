package download

import (
	"net/url"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

func TestQuotePath(t *testing.T) {
	for raw, want := range map[string]string{
		"http://h/a b":                 "http://h/a%20b",
		"http://h/a%20b":               "http://h/a%20b",
		"http://h/a%20b c":             "http://h/a%20b%20c",
		"http://h/100%":                "http://h/100%25",
		"http://h/100%zz":              "http://h/100%25zz",
		"http://h/é":                   "http://h/%C3%A9",
		"http://h/a[1]^2~3":            "http://h/a%5B1%5D%5E2~3",
		"http://h/libstdc++-1.rpm":     "http://h/libstdc%2B%2B-1.rpm",
		"http://h/libstdc++-1%202.rpm": "http://h/libstdc++-1%202.rpm",
		"http://h/a;b=c,d@e:f!$&'()*":  "http://h/a;b=c,d@e:f!$&'()*",
		"http://h/p?q=a b+c[%zz]é":     "http://h/p?q=a%20b+c[%zz]é",
		"http://h/p?a\tb":              "http://h/p?a%09b",
		"http://h/a\"<>\\`{|}\x00\x7f": "http://h/a%22%3C%3E%5C%60%7B%7C%7D%00%7F",
		"http://us er:p w@h:1/a b":     "http://us er:p w@h:1/a%20b",
		"http://h":                     "http://h",
		"http://h?q= ":                 "http://h?q=%20",
		"file:/a b/c":                  "file:/a%20b/c",
		"file:///a b":                  "file:///a%20b",
		"/relative path":               "/relative%20path",
		"":                             "",
	} {
		if got := QuotePath(raw); got != want {
			t.Errorf("QuotePath(%q) is %q, want %q", raw, got, want)
		}
	}
}

// TestQuotedPathIsSent: the quoting reaches the server as it is.
func TestQuotedPathIsSent(t *testing.T) {
	overProtocols(t, func(t *testing.T, e *env) {
		for path, sent := range map[string]string{
			"/a b/libstdc++^1[2].rpm?x=1 2": "/a%20b/libstdc%2B%2B%5E1%5B2%5D.rpm?x=1%202",
			"/a%2fb%20c/é#fragment":         "/a%2fb%20c/%C3%A9",
			"//double//slash/../dots":       "//double//slash/../dots",
		} {
			e.fetch(e.server.URL(path))
			log := e.server.Log()
			if got := log[len(log)-1].URI; got != sent {
				t.Errorf("%q was sent as %q, want %q", path, got, sent)
			}
		}
		e.server.Put("/a b+c.rpm", hosttest.File{Content: e.content})
		e.server.Script("/go", hosttest.Redirect(302, "/a b+c.rpm"))
		info, err, target := e.fetch(e.server.URL("/go"))
		want{attempts: 1}.check(t, info, err, target)
		log := e.server.Log()
		if got := log[len(log)-1].URI; got != "/a%20b+c.rpm" {
			t.Errorf("the redirect was followed to %q", got)
		}
	})
}

func TestCleanURL(t *testing.T) {
	for raw, want := range map[string]string{
		"http://h/a?b=c":                                "http://h/a?b=c",
		"http://user@h/a":                               "http://h/a",
		"http://user:pw@h:1/a@b":                        "http://h:1/a@b",
		"http://user:p@w@h/a":                           "http://h/a",
		"http://user:p/w@h/a":                           "http://h/a",
		"http://user:p?w@h/a":                           "http://h/a",
		"http://user:p#w@h/a":                           "http://h/a",
		"http://h/a#frag":                               "http://h/a",
		"http://[::1]:80/a@b":                           "http://[::1]:80/a@b",
		"http://h/a?X-Amz-Signature=1&x=2":              "http://h/a?X-Amz-Signature=***&x=2",
		"http://h/a?%74oken=1&sig=2&access_token=3":     "http://h/a?%74oken=***&sig=***&access_token=***",
		"http://h/a?_auth_=exp=1~hmac=2":                "http://h/a?_auth_=***",
		"http://h/a?h=0123456789abcdef0123456789abcdef": "http://h/a?h=***",
		"http://h/a?0123456789abcdef0123456789abcdef":   "http://h/a?***",
		"http://h/a?list&arch=x86_64":                   "http://h/a?list&arch=x86_64",
		"http://h/a\nb":                                 "http://h/ab",
		"user:pw@h:3128":                                "h:3128",
		"file:/a/b@c":                                   "file:/a/b@c",
		"containers-storage:[overlay@/a+/b]@c":          "containers-storage:[overlay@/a+/b]@c",
		"":                                              "",
	} {
		if got := CleanURL(raw); got != want {
			t.Errorf("CleanURL(%q) is %q, want %q", raw, got, want)
		}
	}
}

func FuzzQuotePath(f *testing.F) {
	for _, s := range []string{"http://h/a b%20%", "file:/a", "a+b%2B", "http://h?x y#z w"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		once := QuotePath(raw)
		if twice := QuotePath(once); twice != once {
			t.Errorf("%q becomes %q, and that %q", raw, once, twice)
		}
		// As the path of a URL, the quoted form means the original bytes.
		path := "/" + strings.NewReplacer("?", "", "#", "", "%", "").Replace(raw)
		u, err := url.Parse(QuotePath("http://h" + path))
		if err != nil || u.Path != path || u.RequestURI() != QuotePath(path) {
			t.Errorf("%q: parsed as %v, %v", path, u, err)
		}
	})
}

func FuzzCleanURL(f *testing.F) {
	f.Add("user", "pass", "h/p?token=1")
	f.Add("u/s", "p@s?s", "h:1/@")
	f.Fuzz(func(t *testing.T, user, password, rest string) {
		const secret = "hunter2"
		if strings.ContainsAny(user+password, "/?#@[") || strings.ContainsAny(rest, "@") {
			return
		}
		clean := CleanURL("https://" + user + secret + ":" + password + secret + "@" + rest)
		if strings.Contains(strings.ReplaceAll(clean, rest, ""), secret) && !strings.Contains(rest, secret) {
			t.Errorf("shows the userinfo: %q", clean)
		}
		clean = CleanURL("https://h/p?x=1&Signature=" + secret + url.QueryEscape(rest))
		if strings.Contains(clean, secret) {
			t.Errorf("shows the signature: %q", clean)
		}
		if again := CleanURL(clean); again != clean {
			t.Errorf("%q is not clean: %q", clean, again)
		}
	})
}
