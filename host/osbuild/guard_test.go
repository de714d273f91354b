package osbuild

import (
	"strings"
	"testing"
	"testing/iotest"
)

func TestGuardListens(t *testing.T) {
	for _, c := range []struct {
		said, text string
		armed      bool
	}{
		{"", "", false},
		{"\x01", "", true},
		{"\x01\x02", "", false},
		{"\x01\x02\x01", "", true},
		{"\x01panic: oh\n\ngoroutine 1", "panic: oh\n\ngoroutine 1", true},
		{"\x01\x02panic: oh", "panic: oh", false},
	} {
		text, armed := listen(iotest.OneByteReader(strings.NewReader(c.said)))
		if text != c.text || armed != c.armed {
			t.Errorf("%q: %q, %v", c.said, text, armed)
		}
	}
	if got := crashText("panic: oh\nmore"); !strings.HasSuffix(got, "please report it: panic: oh") {
		t.Error(got)
	}
	if got := crashText(""); !strings.Contains(got, "killed") {
		t.Error(got)
	}
}
