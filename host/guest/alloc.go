package guest

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/tetratelabs/wazero/experimental"
)

// allocator provides the linear memory of one instance: address space for the
// whole limit is reserved at once and filled by the kernel as it is touched, so
// that growing copies nothing and closing gives everything back at once. It
// notes when the guest was denied memory, which tells a guest that ran out of
// memory from one that trapped for another reason.
type allocator struct {
	limit  uint64
	denied atomic.Bool
	size   atomic.Int64 // what the guest has now, which never shrinks
	data   []byte
}

var (
	_ experimental.MemoryAllocator = (*allocator)(nil)
	_ experimental.LinearMemory    = (*allocator)(nil)
)

// Allocate is called once, when the instance is made. It panics when there is no
// address space, since the interface has no error; newInstance recovers it.
func (a *allocator) Allocate(_, most uint64) experimental.LinearMemory {
	size := min(a.limit, most)
	if size == 0 {
		return a
	}
	data, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		panic(fmt.Errorf("reserving %d bytes of address space for the memory of a plugin: %w", size, err))
	}
	a.data = data
	return a
}

// Reallocate makes the memory size bytes long, or returns nil beyond the limit.
func (a *allocator) Reallocate(size uint64) []byte {
	if size > uint64(len(a.data)) {
		a.denied.Store(true)
		return nil
	}
	if size == 0 {
		return []byte{}
	}
	a.size.Store(int64(size))
	return a.data[:size:size]
}

// Free gives the memory back.
func (a *allocator) Free() {
	if a.data != nil {
		_ = unix.Munmap(a.data)
		a.data = nil
	}
}
