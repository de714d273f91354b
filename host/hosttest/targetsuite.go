package hosttest

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// Receiver is what the suite below tests: the interface that host/download
// writes to, spelled out again so that this package depends on nobody.
type Receiver interface {
	Offset() int64
	Validator() string
	Reset(size int64, validator string) error
	io.Writer
	Verify() error
}

// TestReceiver tests that what newReceiver makes keeps the rules of a download
// target. newReceiver returns a fresh one each time, which expects content.
func TestReceiver(t *testing.T, newReceiver func(t *testing.T, content []byte) Receiver) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 1000)
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(t *testing.T, r Receiver, p []byte) {
		t.Helper()
		if n, err := r.Write(p); err != nil || n != len(p) {
			t.Fatalf("Write: %d, %v; want %d, nil", n, err, len(p))
		}
	}
	t.Run("whole", func(t *testing.T) {
		r := newReceiver(t, content)
		must(t, r.Reset(int64(len(content)), ""))
		write(t, r, content[:10])
		write(t, r, content[10:])
		must(t, r.Verify())
	})
	t.Run("unknown size", func(t *testing.T) {
		r := newReceiver(t, content)
		must(t, r.Reset(-1, ""))
		write(t, r, content)
		must(t, r.Verify())
	})
	t.Run("in two parts", func(t *testing.T) {
		r := newReceiver(t, content)
		must(t, r.Reset(int64(len(content)), `16000 "tag"`))
		write(t, r, content[:100])
		if r.Offset() != 100 || r.Validator() != `16000 "tag"` {
			t.Fatalf("after 100 bytes: offset %d, validator %q", r.Offset(), r.Validator())
		}
		write(t, r, content[100:])
		must(t, r.Verify())
	})
	t.Run("reset forgets", func(t *testing.T) {
		r := newReceiver(t, content)
		must(t, r.Reset(-1, `-1 "old"`))
		write(t, r, []byte("something else"))
		must(t, r.Reset(int64(len(content)), `16000 "new"`))
		if r.Offset() != 0 || r.Validator() != `16000 "new"` {
			t.Fatalf("after Reset: offset %d, validator %q", r.Offset(), r.Validator())
		}
		write(t, r, content)
		must(t, r.Verify())
	})
	t.Run("mismatch, then right", func(t *testing.T) {
		r := newReceiver(t, content)
		must(t, r.Reset(-1, ""))
		write(t, r, content[1:])
		var m interface{ Mismatch() bool }
		if err := r.Verify(); !errors.As(err, &m) || !m.Mismatch() {
			t.Fatalf("Verify of other bytes: %v; want a mismatch", err)
		}
		must(t, r.Reset(-1, ""))
		write(t, r, content)
		must(t, r.Verify())
	})
}
