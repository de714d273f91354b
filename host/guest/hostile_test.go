package guest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// adversary: A5c
func TestTraps(t *testing.T) { everywhere(t, testTraps) }

func testTraps(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "trap", Limits{})
	// The input of setup decides whether it traps.
	ctx := context.Background()
	for hook, text := range map[abi.Hook]string{
		abi.Filter:   "unreachable",
		abi.Prepare:  "integer divide by zero",
		abi.FetchOne: "out of bounds memory access",
	} {
		_, err := pool.Call(ctx, hook, nil, nil)
		wantError(t, err, Trap, hook, text)
	}
	_, err := pool.Call(ctx, abi.Filter, nil, nil)
	stack := wantError(t, err, Trap, abi.Filter, "unreachable").Stack
	if lines := strings.Split(stack, "\n"); len(lines) != 3 || !strings.Contains(lines[0], "deep") || !strings.Contains(lines[1], "inner") {
		t.Errorf("got the stack %q, want deep, inner, filter", stack)
	}
	pool = pool.plugin.Pool([]byte("{}"), nil)
	defer pool.Close()
	_, err = pool.Call(ctx, abi.Filter, nil, nil)
	wantError(t, err, Trap, abi.Setup, "unreachable")
	wantError(t, pool.Start(ctx), Trap, abi.Setup, "unreachable")
}

// adversary: A5a, A5b
func TestInitFaults(t *testing.T) {
	t.Parallel()
	_, err := newPool(t, "trap_init", Limits{}).Call(context.Background(), abi.Prepare, nil, nil)
	wantError(t, err, Trap, abi.InitExport, "unreachable")
	_, err = newPool(t, "loop_init", Limits{HookTime: hookTime}).Call(context.Background(), abi.Prepare, nil, nil)
	wantError(t, err, Deadline, abi.InitExport, "the call took longer than 1s")
	_, err = newPool(t, "bad_data", Limits{}).Call(context.Background(), abi.Prepare, nil, nil)
	wantError(t, err, Refused, "", "out of bounds memory access")
}

// adversary: A1a
func TestInfiniteLoop(t *testing.T) {
	t.Parallel()
	pool := newPool(t, "loop", Limits{HookTime: hookTime})
	for range 2 {
		_, err := pool.Call(context.Background(), abi.Prepare, nil, nil)
		wantError(t, err, Deadline, abi.Prepare, "the call took longer than 1s")
	}
	if n := pool.plugin.abandoned.Load(); n != 0 {
		t.Errorf("%d loops still run", n)
	}
}

// adversary: A1a
func TestCancelLoop(t *testing.T) {
	t.Parallel()
	pool := newPool(t, "loop", Limits{})
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := pool.Call(ctx, abi.Prepare, nil, nil)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	var e *Error
	if errors.As(err, &e) {
		t.Errorf("got %v, which blames the plugin", err)
	}
}

// adversary: A3a
func TestMemoryBomb(t *testing.T) { everywhere(t, testMemoryBomb) }

func testMemoryBomb(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "memory_bomb", Limits{MemoryBytes: 8 << 20})
	_, err := pool.Call(context.Background(), abi.Prepare, nil, nil)
	wantError(t, err, MemoryLimit, abi.Prepare, "more than the 8388608 bytes of memory that it may have: unreachable")
}

// adversary: A3c
func TestDeepRecursion(t *testing.T) { everywhere(t, testDeepRecursion) }

func testDeepRecursion(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "recursion", Limits{})
	_, err := pool.Call(context.Background(), abi.Prepare, nil, nil)
	wantError(t, err, Trap, abi.Prepare, "stack overflow")
}

// adversary: A3b
func TestTableBomb(t *testing.T) { everywhere(t, testTableBomb) }

func testTableBomb(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "table_bomb", Limits{TableEntries: 10_000})
	_, err := pool.Call(context.Background(), abi.Prepare, nil, nil)
	// 10 entries at the start and 9 times 1024.
	wantError(t, err, Reported, abi.Prepare, "the hook returned 9 and set no error")
}

// adversary: A8a
func TestOutputLimit(t *testing.T) { everywhere(t, testOutputLimit) }

func testOutputLimit(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "output_flood", Limits{OutputBytes: 1 << 20})
	_, err := pool.Call(context.Background(), abi.Prepare, nil, nil)
	wantError(t, err, OutputLimit, abi.Prepare, "the output has more than 1048576 bytes")
}

// adversary: A9a
func TestLogLimit(t *testing.T) { everywhere(t, testLogLimit) }

func testLogLimit(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "log_flood", Limits{LogLines: 10})
	for range 2 {
		h := &fakeHost{}
		mustCall(t, pool, abi.Prepare, "", h)
		lines := h.logged()
		if len(lines) != 11 || lines[0] != "1 a line" || !strings.Contains(lines[10], "dropped: the limit is 10 lines") {
			t.Errorf("got %d lines: %q", len(lines), lines)
		}
	}
}

// adversary: A9b
func TestCallLimit(t *testing.T) { everywhere(t, testCallLimit) }

func testCallLimit(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "call_flood", Limits{Calls: 50})
	h := &fakeHost{}
	_, err := pool.Call(context.Background(), abi.Prepare, nil, h)
	wantError(t, err, CallLimit, abi.Prepare, "more than 50 operations")
	if h.called() != 50 {
		t.Errorf("%d operations reached the host, want 50", h.called())
	}
}

// adversary: A9c
func TestStdoutFlood(t *testing.T) { everywhere(t, testStdoutFlood) }

func testStdoutFlood(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "stdout_flood", Limits{})
	h := &fakeHost{}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	mustCall(t, pool, abi.Prepare, "", h)
	runtime.ReadMemStats(&after)
	lines := h.logged()
	if len(lines) != 1 || len(lines[0]) != len("1 ")+abi.DefaultLogLineBytes+len(" [cut]") || !strings.HasSuffix(lines[0], "x [cut]") {
		t.Errorf("got %d lines", len(lines))
	}
	if grown := after.HeapSys - before.HeapSys; after.HeapSys > before.HeapSys && grown > 512<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}
}

func TestStderrAndExit(t *testing.T) { everywhere(t, testStderrAndExit) }

func testStderrAndExit(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "streams", Limits{})
	h := &fakeHost{}
	_, err := pool.Call(context.Background(), abi.Prepare, nil, h)
	e := wantError(t, err, Trap, abi.Prepare, "the plugin ended itself with status 3: panic: out of ideas")
	if e.Stack != "panic: out of ideas\n\nmain.main()\nhalf" {
		t.Errorf("got the stack %q", e.Stack)
	}
	want := "[2 panic: out of ideas 2 main.main() 2 half]"
	if got := fmt.Sprint(h.logged()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// adversary: A11b
func TestSleep(t *testing.T) {
	t.Parallel()
	wasm := build(t, "sleep")
	r := newRuntime(t, Config{})
	for _, trusted := range []bool{true, false} {
		// Without a clock an hour passes at once.
		pool := load(t, r, Source{Wasm: wasm, Trusted: trusted}).Pool(nil, nil)
		defer pool.Close()
		mustCall(t, pool, abi.Prepare, "", nil)
		// With one the deadline ends the sleep, also without termination checks.
		p := load(t, r, Source{Wasm: wasm, Trusted: trusted, Clock: true, Limits: &Limits{HookTime: hookTime}})
		pool = p.Pool(nil, nil)
		defer pool.Close()
		_, err := pool.Call(context.Background(), abi.Prepare, nil, nil)
		wantError(t, err, Deadline, abi.Prepare, "longer than 1s")
		if n := p.abandoned.Load(); n != 0 {
			t.Errorf("the sleep was not ended: %d calls were given up", n)
		}
	}
}

func TestErrors(t *testing.T) { everywhere(t, testErrors) }

func testErrors(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "bad_error", Limits{})
	_, err := pool.Call(context.Background(), abi.Prepare, nil, nil)
	wantError(t, err, Contract, abi.Prepare, "expected a JSON error message")
}

// drive encodes an input for the guest "driver".
func drive(args ...uint32) []byte {
	var input []byte
	for _, a := range append(args, make([]uint32, 5-len(args))...) {
		input = binary.LittleEndian.AppendUint32(input, a)
	}
	return input
}

// The numbers of the imports in the guest "driver".
const (
	driveInputRead = iota
	driveResultRead
	driveOutputWrite
	driveErrorSet
	driveLog
	driveCall
)

// adversary: A7a, A7b
func TestBadPointers(t *testing.T) { everywhere(t, testBadPointers) }

func testBadPointers(t *testing.T, newPool poolMaker) {
	const size = 32 * pageBytes // of the guest's memory
	const all = 1<<32 - 1
	ranges := map[string][2]uint32{
		"one beyond":     {size - 9, 10},
		"at the end":     {size, 1},
		"far out":        {0xfffffff0, 16},
		"longest":        {0, all},
		"wraps to zero":  {1, all},
		"wraps to valid": {size, all - size + 100},
		"all ones":       {all, all},
	}
	pool := newPool(t, "driver", Limits{})
	h := &fakeHost{call: func(context.Context, string, []byte) (abi.Status, []byte) { return abi.OK, []byte("result") }}
	for name, r := range ranges {
		t.Run(name, func(t *testing.T) {
			ptr, n := r[0], r[1]
			inputs := map[string][]byte{
				"input_read":  drive(driveInputRead, ptr, 0, n),
				"result_read": drive(driveResultRead, ptr, 0, n),
				// The input has an end, so there is nothing to copy; the range counts.
				"input_read at the end": drive(driveInputRead, ptr, 20, n),
				"output_write":          drive(driveOutputWrite, ptr, n),
				"error_set":             drive(driveErrorSet, ptr, n),
				"log":                   drive(driveLog, 1, ptr, n),
				"call, operation":       drive(driveCall, ptr, n, 0, 0),
				"call, request":         drive(driveCall, 0, 4, ptr, n),
			}
			for what, input := range inputs {
				_, err := pool.Call(context.Background(), abi.Prepare, input, h)
				e := wantError(t, err, BadPointer, abi.Prepare, "expected an address inside the 2097152 bytes of memory")
				if !strings.Contains(e.Stack, "sourcehost_v1.") {
					t.Errorf("%s: no stack in %+v", what, e)
				}
				if len(pool.idle) != 0 {
					t.Errorf("%s: the instance is still in use", what)
				}
			}
		})
	}
	if h.called() != 0 || len(h.logged()) != 0 {
		t.Error("a call with a bad pointer reached the host")
	}
}

// What touches the edges of the memory, or overlaps, is no fault.
//
// adversary: A7c
func TestGoodPointers(t *testing.T) { everywhere(t, testGoodPointers) }

func testGoodPointers(t *testing.T, newPool poolMaker) {
	const size = 32 * pageBytes
	pool := newPool(t, "driver", Limits{})
	for name, input := range map[string][]byte{
		"nothing at the end":     drive(driveOutputWrite, size, 0),
		"the last byte":          drive(driveOutputWrite, size-1, 1),
		"all":                    drive(driveOutputWrite, 0, size),
		"read to the last byte":  drive(driveInputRead, size-20, 0, 20),
		"request over operation": drive(driveCall, 0, 20, 10, 20),
	} {
		if _, err := pool.Call(context.Background(), abi.Prepare, input, &fakeHost{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Requests, results and errors that are too large: the first two are statuses,
// as denials are, and the guest lives on.
func TestMessageLimits(t *testing.T) { everywhere(t, testMessageLimits) }

func testMessageLimits(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "driver", Limits{RequestBytes: 1000, ResultBytes: 500})
	h := &fakeHost{}
	status := func(input []byte) abi.Status {
		out, err := pool.Call(context.Background(), abi.Prepare, input, h)
		if err != nil || len(out) != 8 {
			t.Fatalf("got %q, %v", out, err)
		}
		return abi.Status(binary.LittleEndian.Uint64(out) >> 32)
	}
	if s := status(drive(driveCall, 0, 4, 0, 1001)); s != abi.Limit || h.called() != 0 {
		t.Errorf("a request that is too large: status %v after %d calls", s, h.called())
	}
	h.call = func(context.Context, string, []byte) (abi.Status, []byte) { return abi.OK, make([]byte, 501) }
	if s := status(drive(driveCall, 0, 4, 0, 1000)); s != abi.Limit {
		t.Errorf("a result that is too large: status %v", s)
	}
	h.call = func(context.Context, string, []byte) (abi.Status, []byte) { return abi.Denied, make([]byte, 500) }
	if s := status(drive(driveCall, 0, 4, 0, 0)); s != abi.Denied {
		t.Errorf("a denied call: status %v", s)
	}
	_, err := pool.Call(context.Background(), abi.Prepare, drive(driveErrorSet, 0, 1001), h)
	wantError(t, err, OutputLimit, abi.Prepare, "the error has 1001 bytes: expected at most 1000")
}

// adversary: A10a
func TestDeniedCall(t *testing.T) { everywhere(t, testDeniedCall) }

func testDeniedCall(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "ask", Limits{})
	h := &fakeHost{call: func(_ context.Context, op string, req []byte) (abi.Status, []byte) {
		if op != abi.OpDownload || len(req) != 0 {
			t.Errorf("got %q with %q", op, req)
		}
		return abi.Denied, nil
	}}
	_, err := pool.Call(context.Background(), abi.Prepare, nil, h)
	wantError(t, err, Reported, abi.Prepare, fmt.Sprintf("the hook returned %d", abi.Denied))
	// Without a Caller nothing can be asked for.
	_, err = pool.Call(context.Background(), abi.Prepare, nil, nil)
	wantError(t, err, Reported, abi.Prepare, fmt.Sprintf("the hook returned %d", abi.Unsupported))
}

// A fault of the host in the middle of an operation costs the call that asked for it.
func TestHostThatPanics(t *testing.T) { everywhere(t, testHostThatPanics) }

func testHostThatPanics(t *testing.T, newPool poolMaker) {
	pool := newPool(t, "ask", Limits{})
	h := &fakeHost{call: func(context.Context, string, []byte) (abi.Status, []byte) { panic("the fault") }}
	_, err := pool.Call(context.Background(), abi.Prepare, nil, h)
	wantError(t, err, Trap, abi.Prepare, "the fault")
	h.call = func(context.Context, string, []byte) (abi.Status, []byte) { return abi.Denied, nil }
	_, err = pool.Call(context.Background(), abi.Prepare, nil, h)
	wantError(t, err, Reported, abi.Prepare, fmt.Sprintf("the hook returned %d", abi.Denied))
}

// compileBomb makes a module of functions whose chains of branches cost the
// compiler time that grows with the square of their length.
func compileBomb(functions, size int) []byte {
	section := func(id byte, body []byte) []byte {
		return append(binary.AppendUvarint([]byte{id}, uint64(len(body))), body...)
	}
	count := binary.AppendUvarint(nil, uint64(functions+1))
	body := []byte{1, 8, 0x7f} // eight more locals
	for len(body) < size {
		// block (br_if 0 (local 0)) (local 1 = local 1 + local 0) end
		body = append(body, 0x02, 0x40, 0x20, 0, 0x0d, 0, 0x20, 1, 0x20, 0, 0x6a, 0x21, 1, 0x0b)
	}
	body = append(body, 0x20, 0, 0x0b)
	code := append(slices.Clone(count), 2, 0, 0x0b)
	for range functions {
		code = append(binary.AppendUvarint(code, uint64(len(body))), body...)
	}
	wasm := []byte("\x00asm\x01\x00\x00\x00")
	wasm = append(wasm, section(1, []byte{2, 0x60, 0, 0, 0x60, 1, 0x7f, 1, 0x7f})...)
	wasm = append(wasm, section(3, append(slices.Clone(count), append([]byte{0}, bytes.Repeat([]byte{1}, functions)...)...))...)
	wasm = append(wasm, section(5, []byte{1, 0, 1})...)
	wasm = append(wasm, section(7, []byte("\x03\x06memory\x02\x00\x11sourcehost_abi_v1\x00\x00\x07prepare\x00\x01"))...)
	return append(wasm, section(10, code)...)
}

// adversary: A4a
func TestCompileBomb(t *testing.T) {
	t.Parallel()
	hooks := []abi.Hook{abi.Prepare}
	// One huge function is refused at load.
	r := NewRuntime(Config{Limits: Limits{LoadTime: loadTime}})
	_, err := r.Load(Source{Name: "bomb", Wasm: pack(t, compileBomb(1, 4<<20), hooks, 0)})
	wantError(t, err, Refused, "", "expected bodies of at most 262144 bytes, found one of 41943")
	// Many large ones take until the deadline, and no longer.
	pool := load(t, r, Source{Wasm: pack(t, compileBomb(400, 32<<10), hooks, 0)}).Pool(nil, nil)
	_, err = pool.Call(context.Background(), abi.Prepare, nil, nil)
	wantError(t, err, Deadline, "", "compiling took longer than 300ms")
	ctx, cancel := context.WithTimeout(context.Background(), testTime)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		t.Errorf("the compiler does not stop: %v", err)
	}
}

// What a guest does after its call was given up does not reach the host, and
// ends it.
//
// adversary: A1d
func TestGivenUpGuestIsEnded(t *testing.T) {
	t.Parallel()
	r := newRuntime(t, Config{Limits: Limits{HookTime: hookTime}})
	p := load(t, r, Source{Wasm: build(t, "call_flood"), Trusted: true})
	pool := p.Pool(nil, nil)
	defer pool.Close()
	host := newBlocked()
	_, err := pool.Call(context.Background(), abi.Prepare, nil, host)
	wantError(t, err, Deadline, abi.Prepare, "longer than 1s")
	close(host.release)
	for p.abandoned.Load() != 0 {
		time.Sleep(time.Millisecond)
	}
	if n := host.called(); n != 1 {
		t.Errorf("the host was asked %d times, want once", n)
	}
}
