package guest

import (
	"encoding/binary"

	"github.com/sourcehost/sourcehost/internal/plugin"
)

// clampTables returns the module as it is compiled: each table that could grow
// without bound gets a maximum, so that all of them together stay within limit
// (table.grow then fails, as the specification allows). The runtime has no limit
// of its own for tables, and Go's linker declares none. A module that needs no
// change is returned as it is.
func clampTables(wasm []byte, m *module, limit int64) []byte {
	if len(m.tables) == 0 {
		return wasm
	}
	spare := limit
	for _, b := range m.tables {
		spare -= int64(b.min)
	}
	spare = max(spare, 0) / int64(len(m.tables))
	body := binary.AppendUvarint(nil, uint64(len(m.tables)))
	for _, b := range m.tables {
		most := uint64(b.min) + uint64(spare)
		if b.hasMax {
			most = min(most, uint64(b.max))
		}
		body = append(body, b.elem, 1)
		body = binary.AppendUvarint(body, uint64(b.min))
		body = binary.AppendUvarint(body, max(most, uint64(b.min)))
	}
	var table plugin.RawSection
	// The file was walked before, so that this cannot fail.
	_ = plugin.Sections(wasm, func(s plugin.RawSection) error {
		if s.ID == sectionTable {
			table = s
		}
		return nil
	})
	out := make([]byte, 0, len(wasm)+len(body)+6)
	out = append(out, wasm[:table.Start]...)
	out = append(out, sectionTable)
	out = binary.AppendUvarint(out, uint64(len(body)))
	out = append(out, body...)
	return append(out, wasm[table.End:]...)
}
