package guest

import (
	"fmt"

	"github.com/tetratelabs/wazero/api"
)

// All access of the host to the memory of a guest is in this file. Addresses
// come from the guest and may be anything: each access is checked, and a fault
// is a *fault with the cause BadPointer, which ends the instance.

// memory is the linear memory of one instance.
type memory struct{ mem api.Memory }

// view returns n bytes at ptr. The slice is the guest's memory itself: it is
// valid only until the guest runs again, and must not be kept.
func (m memory) view(what string, ptr, n uint32) ([]byte, error) {
	data, ok := m.mem.Read(ptr, n)
	if !ok {
		return nil, m.outside(what, ptr, n)
	}
	return data, nil
}

// copyOut copies data from offset off on to ptr, at most room bytes, and returns
// how many it copied. All of [ptr, ptr+room) must lie inside the memory.
func (m memory) copyOut(what string, ptr, room uint32, data []byte, off uint32) (uint32, error) {
	dst, err := m.view(what, ptr, room)
	if err != nil {
		return 0, err
	}
	if uint64(off) >= uint64(len(data)) {
		return 0, nil
	}
	return uint32(copy(dst, data[off:])), nil
}

func (m memory) outside(what string, ptr, n uint32) error {
	return &fault{cause: BadPointer, err: fmt.Errorf("%s: expected an address inside the %d bytes of memory, found %d bytes at %#x", what, m.mem.Size(), n, ptr)}
}
