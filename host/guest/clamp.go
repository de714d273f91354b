package guest

import (
	"encoding/binary"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// codeOf returns the module as it is compiled. The plugin manifest is left out:
// it is no code, and a plugin whose manifest alone has changed need not be
// compiled again.
//
// Each table that could grow without bound gets a maximum, so that all of them
// together stay within limit (table.grow then fails, as the specification
// allows). The runtime has no limit of its own for tables, and Go's linker
// declares none.
func codeOf(wasm []byte, m *module, limit int64) []byte {
	out := append(make([]byte, 0, len(wasm)+16*len(m.tables)), wasm[:wasmHeaderLen]...)
	// The file was walked before, so that this cannot fail.
	_ = plugin.Sections(wasm, func(s plugin.RawSection) error {
		switch {
		case s.ID == 0 && string(s.Name) == abi.ManifestSection:
		case s.ID == sectionTable:
			body := clampTables(m, limit)
			out = binary.AppendUvarint(append(out, sectionTable), uint64(len(body)))
			out = append(out, body...)
		default:
			out = append(out, wasm[s.Start:s.End]...)
		}
		return nil
	})
	return out
}

// wasmHeaderLen is the length of the magic number and the version.
const wasmHeaderLen = 8

// clampTables returns the body of the table section with the maxima set.
func clampTables(m *module, limit int64) []byte {
	body := binary.AppendUvarint(nil, uint64(len(m.tables)))
	if len(m.tables) == 0 {
		return body
	}
	spare := limit
	for _, b := range m.tables {
		spare -= int64(b.min)
	}
	spare = max(spare, 0) / int64(len(m.tables))
	for _, b := range m.tables {
		most := uint64(b.min) + uint64(spare)
		if b.hasMax {
			most = min(most, uint64(b.max))
		}
		body = append(body, b.elem, 1)
		body = binary.AppendUvarint(body, uint64(b.min))
		body = binary.AppendUvarint(body, max(most, uint64(b.min)))
	}
	return body
}
