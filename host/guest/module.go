package guest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// module is what the static checks need to know of a wasm module. Section and
// index numbers are those of the WebAssembly core specification, 5.5.
type module struct {
	types    []abi.Func // without names
	imports  []importEntry
	funcs    []uint32 // the type index of each function, imported ones first
	tables   []bounds
	memories []bounds
	exports  map[string]exportEntry
	start    bool
	// largest is the size in bytes of the largest function body.
	largest int64
}

// importEntry is one import; typ counts for functions only.
type importEntry struct {
	module, name string
	kind         byte
	typ          uint32
}

// exportEntry is one export.
type exportEntry struct {
	kind  byte
	index uint32
}

// bounds are the limits of a memory or a table.
type bounds struct {
	elem   byte // of a table
	min    uint32
	max    uint32
	hasMax bool
}

// The kinds of imports and exports.
const (
	kindFunc   = 0
	kindTable  = 1
	kindMemory = 2
)

// The numbers of sections.
const (
	sectionCustom = 0
	sectionType   = 1
	sectionImport = 2
	sectionFunc   = 3
	sectionTable  = 4
	sectionMemory = 5
	sectionExport = 7
	sectionStart  = 8
	sectionCode   = 10
	sectionCount  = 14
)

// How much of each there may be. They bound what a hostile file can make the
// checks allocate, and are far above what compilers produce.
const (
	maxTypes   = 10_000
	maxValues  = 1_000 // parameters or results of one function
	maxImports = 1_000
	maxFuncs   = 200_000
	maxTables  = 16
	maxExports = 10_000
)

// kindName names what an import or export is.
func kindName(kind byte) string {
	names := [...]string{"function", "table", "memory", "global", "tag"}
	if int(kind) < len(names) {
		return names[kind]
	}
	return fmt.Sprintf("thing of kind %d", kind)
}

// readModule reads the sections that the checks need and steps over the others.
// It does not validate code: the compiler does that.
func readModule(wasm []byte) (*module, error) {
	m := &module{exports: make(map[string]exportEntry)}
	var seen [sectionCount]bool
	err := plugin.Sections(wasm, func(s plugin.RawSection) error {
		if s.ID == sectionCustom {
			return nil
		}
		if int(s.ID) >= len(seen) {
			return fmt.Errorf("malformed wasm module: expected sections 0 to %d, found section %d", len(seen)-1, s.ID)
		}
		if seen[s.ID] {
			return fmt.Errorf("malformed wasm module: expected section %d once, found it again", s.ID)
		}
		seen[s.ID] = true
		return m.readSection(s)
	})
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (m *module) readSection(s plugin.RawSection) error {
	r := &reader{data: s.Body}
	exact := true
	switch s.ID {
	case sectionType:
		r.vector("types", maxTypes, func() { m.types = append(m.types, r.funcType()) })
	case sectionImport:
		r.vector("imports", maxImports, func() { m.readImport(r) })
	case sectionFunc:
		r.vector("functions", maxFuncs, func() { m.funcs = append(m.funcs, r.u32()) })
	case sectionTable:
		r.vector("tables", maxTables, func() { m.tables = append(m.tables, r.table()) })
	case sectionMemory:
		r.vector("memories", 1, func() { m.memories = append(m.memories, r.limits()) })
	case sectionExport:
		r.vector("exports", maxExports, func() { m.readExport(r) })
	case sectionStart:
		m.start = true
		exact = false
	case sectionCode:
		r.vector("function bodies", maxFuncs, func() { m.largest = max(m.largest, r.skipBody()) })
	default:
		exact = false
	}
	if r.err == nil && exact && r.pos != len(r.data) {
		r.fail("expected the section to end at its byte %d, found %d more bytes", r.pos, len(r.data)-r.pos)
	}
	if r.err != nil {
		return fmt.Errorf("malformed wasm module: section %d at byte %d: %w", s.ID, s.Start, r.err)
	}
	return nil
}

func (m *module) readImport(r *reader) {
	e := importEntry{module: r.name(), name: r.name(), kind: r.byte()}
	switch e.kind {
	case kindFunc:
		e.typ = r.u32()
		m.funcs = append(m.funcs, e.typ)
	case kindTable:
		r.table()
	case kindMemory:
		r.limits()
	case 3: // global: type and mutability
		r.byte()
		r.byte()
	case 4: // tag: attribute and type
		r.byte()
		r.u32()
	default:
		r.fail("expected an import of kind 0 to 4, found %d", e.kind)
	}
	m.imports = append(m.imports, e)
}

func (m *module) readExport(r *reader) {
	name := r.name()
	e := exportEntry{kind: r.byte(), index: r.u32()}
	if _, twice := m.exports[name]; twice {
		r.fail("expected each export once, found %q twice", cut(name))
	}
	m.exports[name] = e
}

// funcType returns the signature of the function with this index.
func (m *module) funcType(index uint32) (abi.Func, error) {
	if uint64(index) >= uint64(len(m.funcs)) {
		return abi.Func{}, fmt.Errorf("function %d does not exist", index)
	}
	return m.typeAt(m.funcs[index])
}

func (m *module) typeAt(typ uint32) (abi.Func, error) {
	if uint64(typ) >= uint64(len(m.types)) {
		return abi.Func{}, fmt.Errorf("type %d does not exist", typ)
	}
	return m.types[typ], nil
}

// errEnd is the error for data that ends too early.
var errEnd = errors.New("expected more bytes, found the end of the section")

// reader decodes the content of one section. After an error it yields zeros;
// the first error stays in err.
type reader struct {
	data []byte
	pos  int
	err  error
}

func (r *reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf(format, args...)
	}
}

func (r *reader) byte() byte {
	if r.err != nil || r.pos >= len(r.data) {
		r.fail("%w", errEnd)
		return 0
	}
	r.pos++
	return r.data[r.pos-1]
}

func (r *reader) u32() uint32 {
	if r.err != nil {
		return 0
	}
	v, n := plugin.Uint32(r.data[r.pos:])
	if n == 0 {
		r.fail("expected an unsigned 32-bit number at its byte %d, found none", r.pos)
		return 0
	}
	r.pos += n
	return v
}

func (r *reader) bytes(n uint32) []byte {
	if r.err != nil || uint64(n) > uint64(len(r.data)-r.pos) {
		r.fail("%w", errEnd)
		return nil
	}
	r.pos += int(n)
	return r.data[r.pos-int(n) : r.pos]
}

func (r *reader) name() string { return string(r.bytes(r.u32())) }

// vector reads a count and calls one for each element.
func (r *reader) vector(what string, most uint32, one func()) {
	n := r.u32()
	if r.err == nil && n > most {
		r.fail("expected at most %d %s, found %d", most, what, n)
	}
	for range n {
		if r.err != nil {
			return
		}
		one()
	}
}

func (r *reader) funcType() abi.Func {
	if form := r.byte(); r.err == nil && form != 0x60 {
		r.fail("expected a function type (0x60), found form %#x", form)
	}
	var f abi.Func
	r.vector("parameters", maxValues, func() { f.Params = append(f.Params, abi.ValueType(r.byte())) })
	r.vector("results", maxValues, func() { f.Results = append(f.Results, abi.ValueType(r.byte())) })
	return f
}

func (r *reader) table() bounds {
	elem := r.byte()
	if r.err == nil && elem != 0x70 && elem != 0x6f {
		r.fail("expected a table of funcref (0x70) or externref (0x6f), found type %#x", elem)
	}
	b := r.limits()
	b.elem = elem
	return b
}

func (r *reader) limits() bounds {
	var b bounds
	flags := r.byte()
	if r.err == nil && flags > 1 {
		r.fail("expected limits with flags 0 or 1 (neither shared nor 64-bit), found %d", flags)
	}
	b.min = r.u32()
	if flags == 1 {
		b.max, b.hasMax = r.u32(), true
	}
	return b
}

// skipBody steps over a function body and returns its size.
func (r *reader) skipBody() int64 {
	n := r.u32()
	r.bytes(n)
	return int64(n)
}

// cut shortens text that comes from a plugin, for messages.
func cut(s string) string {
	const most = 80
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
