package certs

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseINI(t *testing.T) {
	data := "\ufeff; comment\nstray = before any section\n" +
		"[one]\r\nName=value with = and : and # in it\r\nbaseurl:https://a/b\n# comment\n  ; comment\nlist = a\n   b\n\n\tc\n" +
		"empty =\n  continued\nno separator\n = no name\ntwice = 1\ntwice = 2\n" +
		"[two] trailing\n  indented = 1\n  more = 2\n" +
		"[broken\nlost = 1\n" +
		"[one]\nagain = 1"
	want := []map[string]string{
		{"name": "value with = and : and # in it", "baseurl": "https://a/b", "list": "a\nb\nc", "empty": "continued", "twice": "2"},
		{"indented": "1", "more": "2"},
		{"again": "1"},
	}
	if diff := cmp.Diff(want, parseINI(data)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func FuzzParseINI(f *testing.F) {
	f.Add("[a]\nb = c\n  d\n")
	f.Add("b = c\n[\n[]\n=\n:\n\t[x]\n")
	f.Fuzz(func(t *testing.T, data string) {
		for _, section := range parseINI(data) {
			// What was read, written down plainly, must read the same.
			text := "[s]\n"
			for name, value := range section {
				if name != strings.ToLower(name) || name != strings.TrimSpace(name) || name == "" || strings.ContainsAny(name, "=:\n") {
					t.Fatalf("the name %q from %q", name, data)
				}
				text += name + " = " + strings.ReplaceAll(value, "\n", "\n ") + "\n"
			}
			again := parseINI(text)
			if len(again) != 1 {
				t.Fatalf("%q reads as %d sections", text, len(again))
			}
			if diff := cmp.Diff(section, again[0]); diff != "" {
				t.Fatalf("%q (-first +again)\n%s", text, diff)
			}
		}
	})
}
