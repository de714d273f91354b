package hosttest

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// Target receives a download into memory, as host/store's stage does on disk.
// Its fields may be set before, and looked at after a fetch.
type Target struct {
	// Want is what Verify expects; nil accepts everything.
	Want []byte
	// FailAt, unless 0, makes Write fail with FailWith from that many bytes on.
	FailAt   int
	FailWith error
	// VerifyErr, unless nil, is what Verify returns.
	VerifyErr error
	// WriteDelay is how long each Write takes.
	WriteDelay time.Duration
	// OnWrite, unless nil, is called before each Write.
	OnWrite func(have int)

	// Bytes and Valid are what is there, and its validator.
	Bytes []byte
	Valid string
	// Sizes are the sizes that Reset was given.
	Sizes []int64
	// Verified counts the calls of Verify.
	Verified int
}

// Mismatch is Target's error for other bytes than Want.
type Mismatch struct{ Got int }

func (m *Mismatch) Error() string { return fmt.Sprintf("%d other bytes came", m.Got) }

// Mismatch marks the error for the engine.
func (m *Mismatch) Mismatch() bool { return true }

// Offset returns how many bytes there are.
func (t *Target) Offset() int64 { return int64(len(t.Bytes)) }

// Validator returns what Reset was given.
func (t *Target) Validator() string { return t.Valid }

// Reset forgets all bytes.
func (t *Target) Reset(size int64, validator string) error {
	t.Sizes = append(t.Sizes, size)
	t.Bytes, t.Valid = t.Bytes[:0], validator
	return nil
}

// Write appends p.
func (t *Target) Write(p []byte) (int, error) {
	if t.OnWrite != nil {
		t.OnWrite(len(t.Bytes))
	}
	time.Sleep(t.WriteDelay)
	if t.FailAt > 0 && len(t.Bytes)+len(p) >= t.FailAt {
		if t.FailWith == nil {
			t.FailWith = errors.New("the disk is full")
		}
		return 0, t.FailWith
	}
	t.Bytes = append(t.Bytes, p...)
	return len(p), nil
}

// Verify compares with Want.
func (t *Target) Verify() error {
	t.Verified++
	switch {
	case t.VerifyErr != nil:
		return t.VerifyErr
	case t.Want != nil && !bytes.Equal(t.Want, t.Bytes):
		return &Mismatch{Got: len(t.Bytes)}
	}
	return nil
}

// Discard is a Target that counts bytes and keeps none, for benchmarks.
type Discard struct{ N int64 }

// Offset is always 0.
func (d *Discard) Offset() int64 { return 0 }

// Validator is always empty.
func (d *Discard) Validator() string { return "" }

// Reset forgets the count.
func (d *Discard) Reset(int64, string) error { d.N = 0; return nil }

// Write counts.
func (d *Discard) Write(p []byte) (int, error) { d.N += int64(len(p)); return len(p), nil }

// Verify accepts everything.
func (d *Discard) Verify() error { return nil }
