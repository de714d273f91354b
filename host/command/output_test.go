package command

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// adversary: C7e
func TestRedacted(t *testing.T) {
	spec := sh(t, `echo "login $1" >&2; exit 1`, "hunter2")
	spec.Redact = func(s string) string { return strings.ReplaceAll(s, "hunter2", "[secret pw]") }
	var lines []string
	spec.Progress = func(line string) { lines = append(lines, line) }
	e := mustFail(t, t.Context(), spec, KindFailed)
	if e.Tail != "login [secret pw]" || !slices.Equal(lines, []string{"login [secret pw]"}) {
		t.Errorf("tail %q, lines %q", e.Tail, lines)
	}
	if strings.Contains(e.Error()+strings.Join(e.Args, " "), "hunter2") {
		t.Errorf("the secret is in %q or %q", e, e.Args)
	}
}

func TestProgress(t *testing.T) {
	spec := sh(t, `printf 'a\r\nb 1%%\rb 2%%\r\033x\n\nlast' >&2; head -c 100000 /dev/zero | tr '\0' y >&2; printf '\nend' >&2`)
	var lines []string
	spec.Progress = func(line string) { lines = append(lines, line) }
	mustRun(t, spec)
	if len(lines) != 6 || len(lines[4]) > maxLine+30 {
		t.Fatalf("got %d lines: %.100q", len(lines), lines)
	}
	lines[4] = lines[4][:5]
	if want := []string{"a", "b 1%", "b 2%", "\uFFFDx", "lasty", "end"}; !slices.Equal(lines, want) {
		t.Errorf("got %q, want %q", lines, want)
	}
}

// TestTail feeds more than is kept, cut within a secret.
//
// adversary: C7b
func TestTail(t *testing.T) {
	m := &messages{redact: func(s string) string { return strings.ReplaceAll(s, "hunter2", "*") }}
	line := strings.Repeat("hunter2", 100) + "\n"
	for range 1000 {
		_, _ = m.Write([]byte(line))
	}
	_, _ = m.Write([]byte("end\n"))
	want := strings.Repeat("*", 100)
	if got := strings.Split(m.last(3), "\n"); !slices.Equal(got, []string{want, want, "end"}) {
		t.Errorf("got %q", got)
	}
	if got := m.last(1 << 20); strings.Contains(got, "nter") || len(m.tail) > 2*keptTail {
		t.Errorf("part of a secret is shown, or %d bytes kept", len(m.tail))
	}
	m = &messages{redact: func(s string) string { return s }}
	_, _ = m.Write([]byte(strings.Repeat("x", 3*keptTail)))
	if got := m.last(5); got != "[a line of more than 64 KiB]" {
		t.Errorf("got %.100q", got)
	}
}

func TestFind(t *testing.T) {
	empty, dir := t.TempDir(), t.TempDir()
	for name, mode := range map[string]os.FileMode{"tool": 0o755, "data": 0o644} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("tool", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	dirs := []string{empty, dir}
	for _, test := range []struct {
		name string
		dirs []string
		want string
		kind Kind
	}{
		{"tool", dirs, dir + "/tool", ""},
		{"link", dirs, dir + "/link", ""},
		{dir + "/./tool", nil, dir + "/tool", ""},
		{"sh", nil, "/usr/bin/sh", ""},
		{"tool", nil, "", KindNotFound}, // PATH is not used
		{"tool", []string{}, "", KindNotFound},
		{"data", dirs, "", KindNotFound},
		{"folder", dirs, "", KindNotFound},
		{dir + "/data", dirs, "", KindNotFound},
		{"./tool", dirs, "", KindInvalid},
		{"a/../tool", dirs, "", KindInvalid},
		{"..", dirs, "", KindInvalid},
		{"", dirs, "", KindInvalid},
		{"tool\x00", dirs, "", KindInvalid},
		{"tool", []string{"bin"}, "", KindInvalid},
	} {
		got, err := Find(test.name, test.dirs)
		if test.kind == "" {
			if err != nil || got != test.want {
				t.Errorf("%q: got %q, %v", test.name, got, err)
			}
			continue
		}
		if e, ok := err.(*Error); !ok || e.Kind != test.kind || got != "" || e.Error() == "" {
			t.Errorf("%q: got %q, %v; want %s", test.name, got, err, test.kind)
		}
	}
}

func FuzzParseStatus(f *testing.F) {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte("7 (a) b) S 1 2 3 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 99 0"))
	f.Fuzz(func(t *testing.T, text []byte) {
		st, ok := parseStatus(text)
		if ok && st.state == 0 {
			t.Errorf("%q: %+v", text, st)
		}
	})
}

func TestParseStatus(t *testing.T) {
	st, ok := parseStatus([]byte("7 (a) b) S 1 2 3 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 99 0 0"))
	if want := (status{pid: 7, parent: 1, group: 2, session: 3, state: 'S', start: 99}); !ok || st != want {
		t.Errorf("got %+v, %t", st, ok)
	}
	if _, ok := parseStatus([]byte("7 (a) S 1 2")); ok {
		t.Error("a short line was read")
	}
}
