// Command page is a plugin for benchmarks: its prepare hook reads a page of
// items, changes each description, and writes them back.
package main

import (
	"runtime"
	"unsafe"

	"github.com/sourcehost/sourcehost/internal/abi"
)

//go:wasmimport sourcehost_v1 input_read
func inputRead(dst unsafe.Pointer, off, room uint32) uint32

//go:wasmimport sourcehost_v1 output_write
func outputWrite(ptr unsafe.Pointer, length uint32)

//go:wasmexport sourcehost_abi_v1
func version() {}

//go:wasmexport prepare
func prepare(length uint32) uint32 {
	// Without a pause the collector of a Go guest never runs.
	runtime.Gosched()
	input := make([]byte, length)
	inputRead(unsafe.Pointer(unsafe.SliceData(input)), 0, length)
	page, err := abi.DecodePage(input)
	if err != nil {
		return 1
	}
	var out abi.Output
	for _, item := range page.Items {
		out.Items = append(out.Items, abi.Outcome{Key: item.Key, Desc: item.Desc})
	}
	data := out.Append(nil)
	outputWrite(unsafe.Pointer(unsafe.SliceData(data)), uint32(len(data)))
	return 0
}

func main() {}
