//go:build wasip1

package sdk

import (
	"runtime"
	"unsafe"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// The imports and exports of the contract. Directives take literals only; a
// test compares them with the tables in internal/abi.

//go:wasmimport sourcehost_v1 input_read
func inputRead(dst unsafe.Pointer, off, size uint32) uint32

//go:wasmimport sourcehost_v1 result_read
func resultRead(dst unsafe.Pointer, off, size uint32) uint32

//go:wasmimport sourcehost_v1 output_write
func outputWrite(ptr unsafe.Pointer, size uint32)

//go:wasmimport sourcehost_v1 error_set
func errorSet(ptr unsafe.Pointer, size uint32)

//go:wasmimport sourcehost_v1 log
func logLine(level uint32, ptr unsafe.Pointer, size uint32)

//go:wasmimport sourcehost_v1 call
func call(op unsafe.Pointer, opSize uint32, req unsafe.Pointer, reqSize uint32) uint64

//go:wasmexport sourcehost_abi_v1
func version() {}

//go:wasmexport setup
func setup(size uint32) uint32 { return run(Setup, size) }

//go:wasmexport filter
func filter(size uint32) uint32 { return run(Filter, size) }

//go:wasmexport prepare
func prepare(size uint32) uint32 { return run(Prepare, size) }

//go:wasmexport fetch_one
func fetchOne(size uint32) uint32 { return run(FetchOne, size) }

// registered is what the exports call. Go runs no main function in a reactor,
// only the initialization of packages, so there is nobody to hand it over to.
var registered Plugin

func register(p Plugin) { registered = p }

// instance is this instance's state. There is one thread, and the host makes
// one call at a time.
var instance struct {
	runner        *Runner
	input, result []byte
}

// run is every hook's export.
func run(hook Hook, size uint32) uint32 {
	if instance.runner == nil {
		instance.runner = NewRunner(registered, imports{})
	}
	instance.input = grow(instance.input, size)
	if n := inputRead(pointer(instance.input), 0, size); n != size {
		return fail(&Error{Kind: ErrPlugin, Message: "the host did not hand over the whole page"})
	}
	out, err := instance.runner.Run(hook, instance.input)
	if err != nil {
		return fail(err)
	}
	if len(out) > 0 {
		outputWrite(pointer(out), uint32(len(out)))
	}
	return 0
}

// fail reports the failure of a whole page.
func fail(e *Error) uint32 {
	b := e.Append(nil)
	errorSet(pointer(b), uint32(len(b)))
	return 1
}

// imports is the Host of the wasm build.
type imports struct{}

func (imports) Call(op string, req []byte) (abi.Status, []byte) {
	// Each call of the host is a chance for the garbage collector, which a
	// hook that asks much and computes little would not give it otherwise.
	runtime.Gosched()
	ret := call(unsafe.Pointer(unsafe.StringData(op)), uint32(len(op)), pointer(req), uint32(len(req)))
	status, size := abi.Status(ret>>32), uint32(ret)
	if size == 0 {
		return status, nil
	}
	instance.result = grow(instance.result, size)
	n := resultRead(pointer(instance.result), 0, size)
	return status, instance.result[:min(n, size)]
}

func (imports) Log(level Level, line string) {
	logLine(uint32(level), unsafe.Pointer(unsafe.StringData(line)), uint32(len(line)))
}

// grow returns b with this size, made anew when it is too small.
func grow(b []byte, size uint32) []byte {
	if uint64(cap(b)) < uint64(size) {
		return make([]byte, size)
	}
	return b[:size]
}

// pointer returns where b begins, for the host.
func pointer(b []byte) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(b)) }
