package store

import (
	"bytes"
	"testing"
)

// TestLargePieces writes a body in pieces that are hashed beside the writing, and
// smaller ones in between; the caller uses its buffer again at once.
func TestLargePieces(t *testing.T) {
	data := content(1, 3*besideMin+12345)
	for _, flip := range []bool{false, true} {
		_, f := openStore(t, t.TempDir(), kernel{})
		s := stage(t, f, keyOf(t, data))
		body := bytes.NewReader(data)
		for i, buf := 0, make([]byte, besideMin); ; i++ {
			n, _ := body.Read(buf[:len(buf)>>(i%3)])
			if n == 0 {
				break
			}
			if flip && i == 3 {
				buf[0] ^= 1
			}
			if _, err := s.Write(buf[:n]); err != nil {
				t.Fatal(err)
			}
			clear(buf)
		}
		if err := s.Verify(); flip {
			wantErr[*MismatchError](t, err)
			s.Close()
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantEntry(t, f, s.key)
	}
}
