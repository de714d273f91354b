package guest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/internal/abi"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	wasm := build(t, "conformance")
	for _, trusted := range []bool{true, false} {
		t.Run(fmt.Sprintf("trusted=%v", trusted), func(t *testing.T) {
			t.Parallel()
			p := load(t, newRuntime(t, Config{}), Source{Wasm: wasm, Trusted: trusted})
			pool := p.Pool([]byte("{}"), func() Caller { return &fakeHost{} })
			defer pool.Close()
			conform(t, pool)
		})
	}
}

func conform(t *testing.T, pool *Pool) {
	h := &fakeHost{call: func(_ context.Context, op string, req []byte) (abi.Status, []byte) {
		if op != abi.OpEnv {
			return abi.Unsupported, []byte(`{"kind":"failed","message":"no such operation"}`)
		}
		if string(req) != `{"name":"HOME"}` {
			t.Errorf("got the request %q", req)
		}
		return abi.OK, []byte(`{"set":true,"value":"/root"}`)
	}}
	for range 3 {
		input := strings.Repeat("0123456789", 20)
		if got, want := string(mustCall(t, pool, abi.Prepare, input, h)), input+`{"set":true,"value":"/root"}`; got != want {
			t.Errorf("got the output %q, want %q", got, want)
		}
	}
	mustCall(t, pool, abi.Filter, "", h)
	if got := fmt.Sprint(h.logged()); got != "[1 hello from the guest 3 hello]" {
		t.Errorf("logged %s", got)
	}
	_, err := pool.Call(context.Background(), abi.FetchOne, nil, h)
	e := wantError(t, err, Reported, abi.FetchOne, "no (ask)")
	reported, ok := e.Err.(*abi.Error)
	if !ok || reported.Kind != abi.ErrDenied {
		t.Errorf("got %#v, want the guest's error", e.Err)
	}
}

func TestMissingHookCostsNothing(t *testing.T) {
	t.Parallel()
	pool := newPool(t, "trap_init", Limits{})
	if out, err := pool.Call(context.Background(), abi.FetchOne, nil, nil); out != nil || err != nil {
		t.Errorf("got %q, %v", out, err)
	}
	if n := len(pool.plugin.runtime.workers.live); n != 0 {
		t.Errorf("%d processes were started", n)
	}
}

// What WASI shows to a guest: nothing of the machine, and the same each time
// unless clock and random were requested and granted.
//
// adversary: A11a, A11b, A11c
func TestWorld(t *testing.T) {
	t.Setenv("SOURCEHOST_TEST", "visible")
	wasm := build(t, "world")
	r := newRuntime(t, Config{})
	see := func(wasm []byte, real bool) []byte {
		pool := load(t, r, Source{Wasm: wasm, Clock: real, Random: real}).Pool(nil, nil)
		defer pool.Close()
		return mustCall(t, pool, abi.Prepare, "", nil)
	}
	first, second, real := see(wasm, false), see(wasm, false), see(wasm, true)
	modest := pack(t, assemble(t, "world"), hooksOf(t, "world"), 0)
	if got := see(modest, true); !bytes.Equal(got, first) {
		t.Errorf("a plugin that requests neither clock nor random sees %x, want %x", got, first)
	}
	if !bytes.Equal(first, second) {
		t.Errorf("two instances see different worlds: %x and %x", first, second)
	}
	args, environ, errno := word(first, 0), word(first, 4), word(first, 8)
	if args != 0 || environ != 0 || errno == 0 {
		t.Errorf("got %d arguments, %d variables, errno %d of opening /etc/passwd", args, environ, errno)
	}
	if got := time.Unix(0, int64(binary.LittleEndian.Uint64(first[16:]))).UTC(); got.Year() != 2020 {
		t.Errorf("without the clock it is %v", got)
	}
	if got := time.Unix(0, int64(binary.LittleEndian.Uint64(real[16:]))); time.Since(got).Abs() > time.Hour {
		t.Errorf("with the clock it is %v", got)
	}
	if bytes.Equal(first[24:], real[24:]) {
		t.Error("real random numbers are the fixed ones")
	}
}

func word(data []byte, at int) uint32 { return binary.LittleEndian.Uint32(data[at:]) }
