package secret

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// env is a resolver with one secret "tok" from an environment variable, bound
// to a.example.
func env(t testing.TB, value string) *Resolver {
	t.Helper()
	r, err := New([]Spec{{Name: "tok", Env: "TOK", Hosts: []string{"a.example"}}},
		WithEnviron(func(string) (string, bool) { return value, true }))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// resolved is the same with the value resolved already.
func resolved(t testing.TB, value string) *Resolver {
	t.Helper()
	r := env(t, value)
	if got, err := r.For("tok", "a.example:443"); err != nil || got != value {
		t.Fatalf("For returned %q, %v", got, err)
	}
	return r
}

func write(t testing.TB, content string, mode fs.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFile(t *testing.T) {
	for content, want := range map[string]string{
		"hunter2":       "hunter2",
		"hunter2\n":     "hunter2",
		"hunter2\r\n":   "hunter2",
		"hunter2\n\n":   "hunter2\n",
		" hunter2 ":     " hunter2 ",
		"hunter2\r":     "hunter2\r",
		"two\nlines\n":  "two\nlines",
		"\nhunter2\n":   "\nhunter2",
		"päßwörd\n":     "päßwörd",
		"\xff\xfe\xfd!": "\xff\xfe\xfd!",
	} {
		r, err := New([]Spec{{Name: "s", File: write(t, content, 0o600), Hosts: []string{"h"}}})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.For("s", "h"); err != nil || got != want {
			t.Errorf("%q gives %q, %v; want %q", content, got, err, want)
		}
	}
}

func TestSourceErrors(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		spec Spec
		want string
	}{
		"no such file":     {Spec{File: filepath.Join(dir, "none")}, "no such file"},
		"a folder":         {Spec{File: dir}, "is not a regular file"},
		"a pipe":           {Spec{File: fifo}, "is not a regular file"},
		"empty":            {Spec{File: write(t, "\n", 0o600)}, "is empty"},
		"too short":        {Spec{File: write(t, "abc\n", 0o600)}, "shorter than 4 bytes"},
		"too large":        {Spec{File: write(t, strings.Repeat("x", MaxBytes+1), 0o600)}, "larger than 1048576 bytes"},
		"variable unset":   {Spec{Env: "UNSET"}, "environment variable UNSET is not set"},
		"variable is void": {Spec{Env: "VOID"}, "environment variable VOID is empty"},
	} {
		c.spec.Name, c.spec.Hosts = "s", []string{"h"}
		r, err := New([]Spec{c.spec}, WithEnviron(func(n string) (string, bool) { return "", n == "VOID" }))
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.For("s", "h")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), `secret "s": `) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "abc") {
			t.Errorf("%s: the error shows the value: %v", name, err)
		}
	}
}

func TestSpecErrorsAtOnce(t *testing.T) {
	_, err := New([]Spec{
		{Name: "a b", File: "f", Hosts: []string{"h"}},
		{Name: "neither", Hosts: []string{"h"}},
		{Name: "both", File: "f", Env: "E", Hosts: []string{"h"}},
		{Name: "plain", Command: []string{"vault"}, Hosts: []string{"h"}},
		{Name: "nohost", File: "f"},
		{Name: "badhost", File: "f", Hosts: []string{"https://h/"}},
		{Name: "twice", File: "f", Hosts: []string{"h"}},
		{Name: "twice", File: "f", Hosts: []string{"h"}},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`"a b": a name is made of`, `"neither": neither`, `"both": of a file, an environment variable (env) and a command`, `"plain": the program of its command, "vault", is not`, `"nohost": no hosts`, `"badhost": host "https://h/" is a URL`, `"twice" is configured twice`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nlacks %s", err, want)
		}
	}
}

func TestNilOptions(t *testing.T) {
	t.Setenv("SOURCEHOST_TEST_SECRET", "hunter2")
	r, err := New([]Spec{{Name: "s", Env: "SOURCEHOST_TEST_SECRET", Hosts: []string{"h"}}, {Name: "f", File: write(t, "hunter3", 0o644), Hosts: []string{"h"}}},
		WithEnviron(nil), WithLogger(nil))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"s": "hunter2", "f": "hunter3"} {
		if got, err := r.For(name, "h"); err != nil || got != want {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
}

func TestUnknownName(t *testing.T) {
	_, err := env(t, "value").For("other", "a.example")
	if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "known: tok") {
		t.Errorf("got %v", err)
	}
}

func TestHosts(t *testing.T) {
	for _, c := range []struct {
		pattern string
		match   []string
		differ  []string
	}{
		{"a.example", []string{"a.example", "A.EXAMPLE", "a.example.", "a.example:443", "a.example:8443"},
			[]string{"b.a.example", "a.example.evil", "xa.example", "a.exampl", "", ":443", "a.example:0", "a.example:x", "a.example:99999", "a.example@evil", "a.example/x", "а.example"}},
		{"a.example:8443", []string{"a.example:8443", "a.example:08443"}, []string{"a.example", "a.example:443"}},
		{"*.example", []string{"a.example", "b.a.example:1", "A.Example."}, []string{"example", ".example", "aexample", "a.example.com", "127.0.0.1"}},
		{"*.example:80", []string{"a.example:80"}, []string{"a.example", "a.example:81"}},
		{"10.0.0.1", []string{"10.0.0.1", "10.0.0.1:80", "::ffff:10.0.0.1", "[::ffff:10.0.0.1]:80"}, []string{"10.0.0.10", "10.0.0.1.example", "10.0.0.1.", "0x0a000001", "167772161"}},
		{"::1", []string{"[::1]", "[::1]:80", "::1", "[0:0:0:0:0:0:0:1]:443"}, []string{"[::2]", "localhost", "[::1%25lo]", "[::1", "127.0.0.1"}},
		{"[::1]:80", []string{"[::1]:80"}, []string{"[::1]", "[::1]:81"}},
		{"localhost", []string{"localhost:1"}, []string{"127.0.0.1"}},
	} {
		r, err := New([]Spec{{Name: "s", Env: "E", Hosts: []string{"other.example", c.pattern}}},
			WithEnviron(func(string) (string, bool) { return "value", true }))
		if err != nil {
			t.Fatalf("%s: %v", c.pattern, err)
		}
		for _, h := range c.match {
			if _, err := r.For("s", h); err != nil {
				t.Errorf("bound to %q, %q: %v", c.pattern, h, err)
			}
		}
		for _, h := range c.differ {
			_, err := r.For("s", h)
			var d *DeniedError
			if !errors.As(err, &d) || d.Name != "s" || d.Host != h {
				t.Errorf("bound to %q, %q: %v", c.pattern, h, err)
			}
		}
	}
}

func TestBadHosts(t *testing.T) {
	for _, h := range []string{"", "*", "*.", "*.*.example", "a.*", "https://a", "http://", "http://http://a", "a/b", "a:0", "a:x", "a b", "a..b", "[::1", "fe80::1%lo", "*.10.0.0.1", "bücher.example", strings.Repeat("a", 64), "a@b", "*a.example", "::1:"} {
		if err := CheckHost(h); err == nil {
			t.Errorf("%q is taken", h)
		}
	}
}

func TestDeniedBeforeRead(t *testing.T) {
	r, err := New([]Spec{{Name: "s", File: "/nowhere/at/all", Hosts: []string{"h"}}})
	if err != nil {
		t.Fatal(err)
	}
	var d *DeniedError
	if _, err := r.For("s", "evil"); !errors.As(err, &d) {
		t.Errorf("got %v", err)
	} else if got := err.Error(); !strings.Contains(got, `"evil"`) || !strings.Contains(got, "bound to h") {
		t.Errorf("the error is %s", got)
	}
}

func TestReadOnceByManyGoroutines(t *testing.T) {
	var reads atomic.Int32
	r, err := New([]Spec{{Name: "s", Env: "E", Hosts: []string{"h"}}}, WithEnviron(func(string) (string, bool) {
		reads.Add(1)
		return "s3cret-value", true
	}))
	if err != nil {
		t.Fatal(err)
	}
	if reads.Load() != 0 {
		t.Error("read before it was asked for")
	}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			if v, err := r.For("s", "h"); err != nil || v != "s3cret-value" {
				t.Errorf("%q, %v", v, err)
			}
			if got := r.Redact("x s3cret-value"); got != "x [secret s]" {
				t.Errorf("after For: %q", got)
			}
		})
	}
	wg.Wait()
	if n := reads.Load(); n != 1 {
		t.Errorf("read %d times", n)
	}
}

func TestWarningForReadableFile(t *testing.T) {
	for mode, want := range map[fs.FileMode]bool{0o600: false, 0o640: false, 0o644: true} {
		var log bytes.Buffer
		r, err := New([]Spec{{Name: "s", File: write(t, "hunter2", mode), Hosts: []string{"h"}}},
			WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := r.For("s", "h"); err != nil {
				t.Error(err)
			}
		}
		if got := strings.Count(log.String(), "every user of this machine can read"); (got == 1) != want || got > 1 {
			t.Errorf("mode %o: %d warnings: %s", mode, got, &log)
		}
		if strings.Contains(log.String(), "hunter2") {
			t.Errorf("the log shows the value: %s", &log)
		}
	}
}

// A secret goes over http only to the servers that are listed with it.
func TestPlainHTTP(t *testing.T) {
	t.Setenv("SOURCEHOST_TEST_PLAIN", "value-of-it")
	for _, c := range []struct {
		bound, server string
		want          bool
	}{
		{"a.example", "a.example:443", true},
		{"a.example", "http://a.example:80", false},
		{"http://a.example", "http://a.example:80", true},
		{"http://a.example", "a.example:443", true},
		{"http://a.example:80", "a.example:443", false},
		{"http://*.example", "http://a.example:8080", true},
		{"http://127.0.0.1", "http://127.0.0.1:1", true},
		{"http://a.example", "http://b.example:80", false},
	} {
		r, err := New([]Spec{{Name: "s", Env: "SOURCEHOST_TEST_PLAIN", Hosts: []string{c.bound}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.For("s", c.server); (err == nil) != c.want {
			t.Errorf("bound to %s, asked for %s: %v, want it given: %v", c.bound, c.server, err, c.want)
		}
	}
}

// A message is UTF-8 wherever the text in it was cut.
func TestShortenKeepsCharactersWhole(t *testing.T) {
	for n := 98; n <= 104; n++ {
		s := strings.Repeat("a", n) + "漢字"
		if got, want := shorten(s), s[:min(n, 100)]+"..."; got != want {
			t.Errorf("%q becomes %q, want %q", s, got, want)
		}
	}
	if got := shorten(strings.Repeat("a", 94) + "漢字"); strings.HasSuffix(got, "...") {
		t.Errorf("100 bytes are cut: %q", got)
	}
}
