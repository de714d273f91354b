package download

import (
	"bytes"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// piecewise notes how large the writes are that a target gets.
type piecewise struct {
	hosttest.Discard
	got    bytes.Buffer
	writes []int
}

func (p *piecewise) Write(b []byte) (int, error) {
	p.writes = append(p.writes, len(b))
	return p.got.Write(b)
}

// TestTargetsGetFullBuffers fetches over every protocol; over TLS a read brings
// 16 KiB at most.
func TestTargetsGetFullBuffers(t *testing.T) {
	for _, proto := range hosttest.Protocols {
		e := newEnv(t, proto, Config{})
		content := randomBytes(2*copyBytes + 100)
		e.server.Put("/large", hosttest.File{Content: content})
		target := &piecewise{}
		if _, err := e.engine.Fetch(t.Context(), Request{URLs: []string{e.server.URL("/large")}, CA: e.ca.Path}, target); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(target.got.Bytes(), content) {
			t.Errorf("%s: other bytes arrived", proto)
		}
		if n := len(target.writes); n != 3 || target.writes[0] != copyBytes {
			t.Errorf("%s: writes of %v bytes, want two of %d and the rest", proto, target.writes, copyBytes)
		}
	}
}
