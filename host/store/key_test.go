package store

import (
	"bytes"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// adversary: C9a, C9b, C9c, C9d, C9e
func TestParseKey(t *testing.T) {
	hex := func(n int) string { return strings.Repeat("0a", n/2) }
	for _, good := range []string{"md5:" + hex(32), "sha1:" + hex(40), "sha256:" + hex(64), "sha384:" + hex(96), "sha512:" + hex(128)} {
		k, err := ParseKey(good)
		if err != nil || k.String() != good {
			t.Errorf("ParseKey(%q) = %q, %v", good, k, err)
		}
		if name := k.Algorithm().String(); !strings.HasPrefix(good, name+":") {
			t.Errorf("%q has the algorithm %s", good, name)
		}
		if k.New().Size() != k.Algorithm().Size() {
			t.Errorf("%q: wrong hash", good)
		}
	}
	for _, bad := range []string{
		"", ":", "sha256", "sha256:", hex(64), ":" + hex(64),
		"sha256:" + hex(62), "sha256:" + hex(66), "sha256:" + hex(64) + " ", " sha256:" + hex(64), "sha256:" + hex(64) + "\n",
		"md5:" + hex(64), "sha1:" + hex(64), "sha512:" + hex(64), "sha224:" + hex(56), "SHA256:" + hex(64), "sha256:" + strings.ToUpper(hex(64)),
		"sha256:" + strings.Repeat("g", 64), "sha256:" + strings.Repeat("/", 64), "sha256:" + strings.Repeat("\x00", 64), "sha256:" + strings.Repeat(".", 64),
		"../../etc/x/sha256:" + hex(64), "sha256:../" + hex(61), "sha256:" + strings.Repeat("а", 32), "ѕha256:" + hex(64),
		"sha256:sha256:" + hex(57), "sha256:" + strings.Repeat("a", 10<<10),
	} {
		k, err := ParseKey(bad)
		e := wantErr[*KeyError](t, err)
		if k != (Key{}) || e.Key != bad {
			t.Errorf("ParseKey(%q) = %q, %q", bad, k, e.Key)
		}
		msg := err.Error()
		if len(msg) > 600 {
			t.Errorf("the error of a key of %d bytes has %d bytes", len(bad), len(msg))
		}
		if regexp.MustCompile(`[^ -~]`).MatchString(msg) {
			t.Errorf("the error is not plain ASCII: %q", msg)
		}
	}
}

func TestZeroKeyIsRefused(t *testing.T) {
	f := newFiles(t)
	ctx := t.Context()
	_, presentErr := f.Present([]Key{{}})
	_, stageErr := f.Stage(ctx, Key{})
	for _, err := range []error{presentErr, stageErr, f.Verify(ctx, Key{}), f.Remove(t.Context(), Key{})} {
		wantErr[*KeyError](t, err)
	}
}

// FuzzParseKey holds ParseKey against a regular expression, and checks that what it
// takes is one component of a path.
func FuzzParseKey(f *testing.F) {
	valid := regexp.MustCompile(`\A(md5:[0-9a-f]{32}|sha1:[0-9a-f]{40}|sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})\z`)
	for _, seed := range []string{"", "md5:", "sha1:" + strings.Repeat("f", 40), "sha256:" + strings.Repeat("0", 64), "sha256:../" + strings.Repeat("0", 61)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		k, err := ParseKey(s)
		if (err == nil) != valid.MatchString(s) {
			t.Fatalf("ParseKey(%q): %v", s, err)
		}
		if err != nil {
			if len(err.Error()) > 600 {
				t.Fatalf("error of %d bytes", len(err.Error()))
			}
			return
		}
		if k.String() != s || filepath.Base(s) != s || s[0] == '.' {
			t.Fatalf("%q became %q", s, k)
		}
	})
}

func TestContentType(t *testing.T) {
	s, _ := openStore(t, t.TempDir(), kernel{})
	for _, bad := range []string{"", ".", "..", ".hidden", "a/b", "../x", "a\x00", "ä", "-x", strings.Repeat("a", 256)} {
		if _, err := s.Files(bad); err == nil || len(err.Error()) > 600 {
			t.Errorf("content type %.20q: %v", bad, err)
		}
	}
	a, err := s.Files("org.osbuild.containers-storage")
	if err != nil {
		t.Fatal(err)
	}
	if b, err := s.Files("org.osbuild.containers-storage"); err != nil || a != b {
		t.Errorf("the same content type was opened twice: %v", err)
	}
}

// FuzzSidecar checks that whatever is read can be used, and what is written can be read.
func FuzzSidecar(f *testing.F) {
	f.Add([]byte(`{"format":1,"size":-1,"validator":"YWJj"}`))
	f.Add([]byte(`{"format":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		sc, ok := parseSidecar(data)
		if !ok {
			return
		}
		if sc.Size < -1 || len(sc.Validator) == 0 || len(sc.Validator) > maxValidator {
			t.Fatalf("accepted %+v", sc)
		}
		again, ok := parseSidecar(sc.encode())
		if !ok || again.Size != sc.Size || !bytes.Equal(again.Validator, sc.Validator) {
			t.Fatalf("%+v became %+v", sc, again)
		}
	})
}
