package download

import "testing"

// TestBuffers: a few transfers have large buffers, however many there are, and those
// that come after them have them again.
func TestBuffers(t *testing.T) {
	e := New(Config{})
	if n := len(*e.buffer(smallBytes - 1)); n != smallBytes {
		t.Errorf("a small body gets %d bytes", n)
	}
	var taken []*[]byte
	for i := range mostFull + 3 {
		want := copyBytes
		if i >= mostFull {
			want = mediumBytes
		}
		size := []int64{-1, smallBytes, 1 << 30}[i%3]
		buf := e.buffer(size)
		if len(*buf) != want {
			t.Errorf("transfer %d, of %d bytes, has a buffer of %d bytes, want %d", i, size, len(*buf), want)
		}
		taken = append(taken, buf)
	}
	for _, buf := range taken {
		e.giveBack(buf)
	}
	if n := len(*e.buffer(-1)); n != copyBytes {
		t.Errorf("after all were given back there are %d bytes", n)
	}
	if in := e.full.Load(); in != 1 {
		t.Errorf("%d large buffers are in use, want 1", in)
	}
}
