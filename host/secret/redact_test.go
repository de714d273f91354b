package secret

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// marked is a value with characters that each encoding treats in its own way.
const marked = `S3cr&t "mark"/<é+=\` + "\t%41"

// encodings are the ways in which a value finds its way into texts.
var encodings = map[string]func(string) string{
	"as it is":     func(s string) string { return s },
	"query":        url.QueryEscape,
	"path segment": url.PathEscape,
	"path":         func(s string) string { return (&url.URL{Path: "/x/" + s}).String() },
	"URL": func(s string) string {
		return (&url.URL{Scheme: "http", Host: "h", RawQuery: url.Values{"t": {s}}.Encode()}).String()
	},
	"password of URL": func(s string) string {
		return (&url.URL{Scheme: "http", Host: "h", User: url.UserPassword("u", s)}).String()
	},
	"percent, lower": func(s string) string { return lowerPercent(url.QueryEscape(s)) },
	"JSON":           func(s string) string { b, _ := json.Marshal(map[string]string{"a": s}); return string(b) },
	"JSON, no HTML": func(s string) string {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		_ = e.Encode(s)
		return b.String()
	},
	"quoted":          strconv.Quote,
	"quoted ASCII":    strconv.QuoteToASCII,
	"quoted twice":    func(s string) string { return strconv.Quote(strconv.Quote(s)) },
	"JSON in a quote": func(s string) string { b, _ := json.Marshal(s); return strconv.Quote(string(b)) },
	"hex":             func(s string) string { return hex.EncodeToString([]byte(s)) },
	"HEX":             func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
	"base64":          func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64, raw":     func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) },
	"base64, URL":     func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) },
	"error":           func(s string) string { return fmt.Errorf("x: %w", errors.New(s)).Error() },
	"error of url":    func(s string) string { _, err := url.Parse("http://h/%zz" + s); return err.Error() },
}

func TestEncodings(t *testing.T) {
	r := resolved(t, marked)
	for name, encode := range encodings {
		text := "before " + encode(marked) + " after"
		got := r.Redact(text)
		if got == text || !strings.Contains(got, "[secret tok]") {
			t.Errorf("%s: %q stays %q", name, text, got)
		}
		// Of the value's letters nothing may stay.
		if strings.Contains(got, "mark") || strings.Contains(got, "S3cr") {
			t.Errorf("%s: %q shows a part of the value", name, got)
		}
	}
}

func TestBasicAuthentication(t *testing.T) {
	const value = "hunter2-is-long-enough"
	r := resolved(t, value)
	for _, user := range []string{"", "u", "us", "use", "user"} {
		for _, after := range []string{"", "x", "xy", "xyz"} {
			for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
				text := enc.EncodeToString([]byte(user + ":" + value + after))
				got := r.Redact(text)
				if !strings.Contains(got, "[secret tok]") || len(strings.Replace(got, "[secret tok]", "", 1)) > (len(user)+1+len(after))*4/3+8 {
					t.Errorf("user %q, after %q: %q stays %q", user, after, text, got)
				}
			}
		}
	}
}

func TestNothingResolvedNothingChanged(t *testing.T) {
	r := env(t, "value")
	if got := r.Redact("a value"); got != "a value" {
		t.Errorf("got %q", got)
	}
	if n := testing.AllocsPerRun(10, func() { r.Redact("a value") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestLongerSecretWins(t *testing.T) {
	values := map[string]string{"A": "abcdef", "B": "abcdefghij", "C": "cdef"}
	r, err := New([]Spec{{Name: "a", Env: "A", Hosts: []string{"h"}}, {Name: "b", Env: "B", Hosts: []string{"h"}}, {Name: "c", Env: "C", Hosts: []string{"h"}}},
		WithEnviron(func(n string) (string, bool) { return values[n], true }))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"c", "a", "b"} {
		if _, err := r.For(n, "h"); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := r.Redact("abcdefghij abcdef cdefg"), "[secret b] [secret a] [secret c]g"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLinesOfLongValue(t *testing.T) {
	const pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASCBKcwggSjAgEAAoI\n-----END PRIVATE KEY-----"
	r := resolved(t, pem)
	if got := r.Redact("line: BAQEFAASCBKcwggSjAgEAAoI"); got != "line: [secret tok]" {
		t.Errorf("one line: %q", got)
	}
	if got := r.Redact("no -----BEGIN PRIVATE KEY----- found"); strings.Contains(got, "secret") {
		t.Errorf("an innocent line: %q", got)
	}
}

func TestTrimmedValue(t *testing.T) {
	if got := resolved(t, "  hunter2 ").Redact("got hunter2!"); got != "got [secret tok]!" {
		t.Errorf("got %q", got)
	}
}

// leaky is a value in one of the forms that logs meet.
type leaky struct {
	Name  string
	Inner *leaky
	Bytes []byte
	priv  string
}

type stringer struct{ s string }

func (s stringer) String() string { return "stringer " + s.s }

type valuer struct{ s string }

func (v valuer) LogValue() slog.Value { return slog.GroupValue(slog.String("inner", v.s)) }

type texter struct{ s string }

func (t texter) MarshalText() ([]byte, error) { return []byte(t.s), nil }

type panicker struct{ s string }

func (p panicker) String() string { panic("I know " + p.s) }

func TestHandler(t *testing.T) {
	const value = "hunter2-hunter3"
	for kind, handler := range map[string]func(*bytes.Buffer) slog.Handler{
		"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		for name, log := range map[string]func(*slog.Logger){
			"message":        func(l *slog.Logger) { l.Info("it is " + value) },
			"string":         func(l *slog.Logger) { l.Info("m", "k", "x"+value+"y") },
			"key":            func(l *slog.Logger) { l.Info("m", value, 1) },
			"group":          func(l *slog.Logger) { l.Info("m", slog.Group("g", slog.Group("h", "k", value))) },
			"group name":     func(l *slog.Logger) { l.WithGroup(value).Info("m", "k", 1) },
			"error":          func(l *slog.Logger) { l.Info("m", "err", fmt.Errorf("x: %w", errors.New(value))) },
			"stringer":       func(l *slog.Logger) { l.Info("m", "k", stringer{value}) },
			"log valuer":     func(l *slog.Logger) { l.Info("m", "k", valuer{value}) },
			"text marshaler": func(l *slog.Logger) { l.Info("m", "k", texter{value}) },
			"bytes":          func(l *slog.Logger) { l.Info("m", "k", []byte(value)) },
			"struct":         func(l *slog.Logger) { l.Info("m", "k", leaky{Name: value}) },
			"pointer within": func(l *slog.Logger) { l.Info("m", "k", leaky{Inner: &leaky{Name: value}}) },
			"bytes within":   func(l *slog.Logger) { l.Info("m", "k", &leaky{Bytes: []byte("a" + value)}) },
			"private field":  func(l *slog.Logger) { l.Info("m", "k", leaky{priv: value}) },
			"map":            func(l *slog.Logger) { l.Info("m", "k", map[string]any{value: 1, "a": []string{value}}) },
			"header":         func(l *slog.Logger) { l.Info("m", "k", map[string][]string{"Authorization": {"Bearer " + value}}) },
			"panic":          func(l *slog.Logger) { l.Info("m", "k", panicker{value}) },
			"URL":            func(l *slog.Logger) { l.Info("m", "k", &url.URL{Scheme: "http", Host: "h", Path: "/" + value}) },
			"with": func(l *slog.Logger) {
				l.With("k", value, slog.Group("g", "e", errors.New(value))).WithGroup("h").With("z", value).Info("m", "i", value)
			},
		} {
			var out bytes.Buffer
			r := env(t, value)
			l := slog.New(r.Handler(handler(&out)))
			withBefore := l.With("early", value) // given before the value is known
			if _, err := r.For("tok", "a.example"); err != nil {
				t.Fatal(err)
			}
			log(l)
			withBefore.WithGroup("").With().Info("m")
			got := out.String()
			if strings.Contains(got, "hunter") || strings.Contains(got, base64.StdEncoding.EncodeToString([]byte(value))[4:12]) {
				t.Errorf("%s, %s: %s", kind, name, got)
			}
			if strings.Count(got, "[secret tok]") < 2 {
				t.Errorf("%s, %s: nothing was redacted: %s", kind, name, got)
			}
		}
	}
}

func TestHandlerLeavesTheRestAlone(t *testing.T) {
	write := func(wrap bool) string {
		var out bytes.Buffer
		var h slog.Handler = slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug,
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}})
		if wrap {
			h = resolved(t, "hunter2").Handler(h)
		}
		l := slog.New(h).With("a", 1).WithGroup("g").With("b", true)
		l.Debug("message", "n", 1.5, "s", []string{"x"}, "m", map[string]int{"y": 1}, "e", errors.New("bad"), slog.Group("h", "z", nil))
		return out.String()
	}
	if plain, wrapped := write(false), write(true); plain != wrapped || plain == "" {
		t.Errorf("plain   %s\nwrapped %s", plain, wrapped)
	}
	if h := env(t, "x").Handler(slog.NewTextHandler(&bytes.Buffer{}, nil)); h.Enabled(context.Background(), slog.LevelDebug) {
		t.Error("the wrapped handler's level does not count")
	}
}

// FuzzRedact puts a value into a text in each encoding and expects that no
// encoding of it is left.
func FuzzRedact(f *testing.F) {
	f.Add(marked, "before ", " after")
	f.Add("aaaa", "a", "aa")
	f.Add("%25%2", "%", "5")
	f.Add("\\u003c\"", "\\", "\\")
	f.Add("\xff\xfe\x00\n", "", "")
	f.Add("ret tok][sec", "[sec", "ret tok]")
	f.Fuzz(func(t *testing.T, value, before, after string) {
		value = strings.TrimRight(value, "\r\n") // so that For gives it back as it is
		const placeholder = "[secret tok]"
		if len(value) < MinLength || len(value) > 1000 {
			return
		}
		r := resolved(t, value)
		for name, encode := range encodings {
			if name == "error of url" || !utf8.ValidString(value) && strings.HasPrefix(name, "JSON") {
				continue
			}
			// Text around the value must not be what the value itself is made of,
			// or the placeholder would be, too.
			core := encode(value)
			if strings.Contains(placeholder+placeholder, value) || strings.Contains(value, placeholder) {
				return
			}
			got := r.Redact(before + core + after)
			for _, rest := range strings.Split(got, placeholder) {
				if strings.Contains(rest, value) {
					t.Fatalf("%s: value %q stays in %q", name, value, got)
				}
			}
			if !strings.Contains(got, placeholder) {
				t.Fatalf("%s: value %q is not found in %q", name, value, before+core+after)
			}
		}
	})
}

func BenchmarkRedactNothingResolved(b *testing.B) {
	r := env(b, "value-of-secret")
	for b.Loop() {
		r.Redact("GET https://mirror.example/fedora/linux/releases/39/Everything/x86_64/os/Packages/a.rpm")
	}
}

func BenchmarkRedact(b *testing.B) {
	r := resolved(b, "value-of-secret")
	for b.Loop() {
		r.Redact("GET https://mirror.example/fedora/linux/releases/39/Everything/x86_64/os/Packages/a.rpm")
	}
}
