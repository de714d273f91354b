package text

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain, with ümlaut and 漢字", "plain, with ümlaut and 漢字"},
		{"\x1b[2Jgone\a", `\x1b[2Jgone\x07`},
		{"a\r\nb\tc", `a\x0d\x0ab\x09c`},
		{"\u009b31m", `\x9b31m`},
		{"bad\xff\xfe", `bad\xff\xfe`},
		{"\u202egpj.exe", `\u202egpj.exe`},
		{"line\u2028sep", `line\u2028sep`},
		{"tag\U000e0041", `tag\U000e0041`},
		{"", ""},
	} {
		if got := Clean(c.in); got != c.want {
			t.Errorf("Clean(%q) = %q, want %q", c.in, got, c.want)
		}
	}
	if got := CleanLines("one\ntwo\r\x1b"); got != "one\ntwo"+`\x0d\x1b` {
		t.Errorf("CleanLines keeps line feeds only, got %q", got)
	}
}

func TestJSON(t *testing.T) {
	in := "csi \u009b, del \x7f, rtl \u202e, tag \U000e0041, ümlaut, \\ \" / \x00"
	doc, err := json.Marshal(map[string]string{"k": in})
	if err != nil {
		t.Fatal(err)
	}
	got := JSON(doc)
	if want := `{"k":"csi \u009b, del \u007f, rtl \u202e, tag \udb40\udc41, ümlaut, \\ \" / \u0000"}`; string(got) != want {
		t.Errorf("JSON(%q) = %s, want %s", doc, got, want)
	}
	var back map[string]string
	if err := json.Unmarshal(got, &back); err != nil || back["k"] != in {
		t.Errorf("it reads back as %q, %v", back["k"], err)
	}
}

func FuzzClean(f *testing.F) {
	f.Add("\x1b]0;title\a")
	f.Add("\xc2")
	f.Fuzz(func(t *testing.T, s string) {
		got := Clean(s)
		if !utf8.ValidString(got) {
			t.Fatalf("Clean(%q) is not UTF-8: %q", s, got)
		}
		for _, r := range got {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				t.Fatalf("Clean(%q) left %U", s, r)
			}
		}
		if again := Clean(got); again != got {
			t.Fatalf("Clean is not stable: %q, then %q", got, again)
		}
	})
}

func TestCutAndPad(t *testing.T) {
	for _, c := range []struct {
		in    string
		width int
		want  string
	}{
		{"short", 10, "short"},
		{"exactly-10", 10, "exactly-10"},
		{"a-long-name.rpm", 10, "a-long-..."},
		{"漢字漢字漢字", 8, "漢字..."},
		{"abcdef", 3, "abc"},
		{"abc", 0, ""},
		{"abc", -1, ""},
	} {
		if got := Cut(c.in, c.width); got != c.want {
			t.Errorf("Cut(%q, %d) = %q, want %q", c.in, c.width, got, c.want)
		}
		if got := Pad(c.in, c.width); Width(got) != max(0, c.width) {
			t.Errorf("Pad(%q, %d) is %d columns wide", c.in, c.width, Width(got))
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{
		0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_950: "1.0 MB",
		12_345_678: "12.3 MB", 5_000_000_000: "5.0 GB", 1 << 62: "4.6 EB",
	} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestSecondsAndCount(t *testing.T) {
	got := strings.Join([]string{
		Seconds(1240 * time.Millisecond), Seconds(125 * time.Second),
		Count(0, "item"), Count(1, "item"), Count(2, "item"),
	}, "; ")
	if want := "1.2 s; 125 s; 0 items; 1 item; 2 items"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
