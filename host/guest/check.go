package guest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// pageBytes is the unit of linear memory (WebAssembly core specification, 4.2.8).
const pageBytes = 64 << 10

// checkModule compares a module with the contract and with what its plugin
// manifest declares. Nothing of the module is run or compiled. All that is
// wrong is reported at once.
func checkModule(m *module, man *plugin.Manifest, l Limits) error {
	errs := append(checkImports(m), checkExports(m, man)...)
	errs = append(errs, checkSizes(m, l)...)
	if m.start {
		errs = append(errs, fmt.Errorf("expected no start section, found one: the host calls %q instead", abi.InitExport))
	}
	return errors.Join(errs...)
}

func checkImports(m *module) (errs []error) {
	for _, imp := range m.imports {
		where := fmt.Sprintf("import %q.%q", cut(imp.module), cut(imp.name))
		if imp.kind != kindFunc {
			errs = append(errs, fmt.Errorf("%s: expected a function, found a %s", where, kindName(imp.kind)))
			continue
		}
		want, problem := knownImport(imp)
		if problem != "" {
			errs = append(errs, fmt.Errorf("%s: %s", where, problem))
			continue
		}
		errs = append(errs, compare(where, want, m.typeAt, imp.typ))
	}
	return errs
}

// knownImport returns the signature of an import that the host offers, or what
// is wrong with its name.
func knownImport(imp importEntry) (abi.Func, string) {
	switch imp.module {
	case abi.Module:
		i := slices.IndexFunc(abi.Imports, func(f abi.Func) bool { return f.Name == imp.name })
		if i >= 0 {
			return abi.Imports[i], ""
		}
		var all []string
		for _, f := range abi.Imports {
			all = append(all, f.Name)
		}
		return abi.Func{}, "expected one of " + strings.Join(all, ", ") + ", found a name that this host does not know"
	case abi.WASIModule:
		if f, ok := wasiFunc(imp.name); ok {
			return f, ""
		}
		return abi.Func{}, "expected a function of WASI preview 1, found another name"
	}
	return abi.Func{}, fmt.Sprintf("expected the module %q or %q, found another one", abi.Module, abi.WASIModule)
}

func checkExports(m *module, man *plugin.Manifest) (errs []error) {
	required := []abi.Func{{Name: abi.VersionExport}}
	for _, h := range man.Hooks {
		required = append(required, abi.HookFunc(h))
	}
	for _, want := range required {
		where := fmt.Sprintf("export %q", want.Name)
		e, ok := m.exports[want.Name]
		switch {
		case !ok && want.Name == abi.VersionExport:
			errs = append(errs, fmt.Errorf("%s: expected a function %s, found %s", where, signature(want), otherVersions(m)))
		case !ok:
			errs = append(errs, fmt.Errorf("%s: expected a function %s because the plugin manifest declares the hook, found none", where, signature(want)))
		case e.kind != kindFunc:
			errs = append(errs, fmt.Errorf("%s: expected a function %s, found a %s", where, signature(want), kindName(e.kind)))
		default:
			errs = append(errs, compare(where, want, m.funcType, e.index))
		}
	}
	if e, ok := m.exports[abi.InitExport]; ok {
		where := fmt.Sprintf("export %q", abi.InitExport)
		if e.kind != kindFunc {
			errs = append(errs, fmt.Errorf("%s: expected a function, found a %s", where, kindName(e.kind)))
		} else {
			errs = append(errs, compare(where, abi.Func{}, m.funcType, e.index))
		}
	}
	if e, ok := m.exports[abi.MemoryExport]; !ok || e.kind != kindMemory {
		found := "none"
		if ok {
			found = "a " + kindName(e.kind)
		}
		errs = append(errs, fmt.Errorf("export %q: expected the linear memory, found %s", abi.MemoryExport, found))
	}
	return errs
}

// otherVersions tells which other version of the contract a module exports.
func otherVersions(m *module) string {
	prefix := strings.TrimSuffix(abi.VersionExport, "1")
	var found []string
	for name := range m.exports {
		if strings.HasPrefix(name, prefix) {
			found = append(found, fmt.Sprintf("%q", cut(name)))
		}
	}
	if len(found) == 0 {
		return "none"
	}
	slices.Sort(found)
	return strings.Join(found, ", ") + ": the plugin was built for another version of sourcehost"
}

func checkSizes(m *module, l Limits) (errs []error) {
	if len(m.memories) != 1 {
		errs = append(errs, fmt.Errorf("expected one linear memory, found %d", len(m.memories)))
	}
	for _, b := range m.memories {
		if size := int64(b.min) * pageBytes; size > l.MemoryBytes {
			errs = append(errs, fmt.Errorf("memory: expected at most %d bytes at the start, found %d", l.MemoryBytes, size))
		}
	}
	entries := int64(0)
	for _, b := range m.tables {
		entries += int64(b.min)
	}
	if entries > l.TableEntries {
		errs = append(errs, fmt.Errorf("tables: expected at most %d entries in all, found %d", l.TableEntries, entries))
	}
	if m.largest > l.FunctionBytes {
		errs = append(errs, fmt.Errorf("functions: expected bodies of at most %d bytes, found one of %d", l.FunctionBytes, m.largest))
	}
	return errs
}

// compare reports a signature that differs from the expected one.
func compare(where string, want abi.Func, at func(uint32) (abi.Func, error), index uint32) error {
	got, err := at(index)
	if err != nil {
		return fmt.Errorf("%s: expected a function %s, but its %w", where, signature(want), err)
	}
	if !slices.Equal(want.Params, got.Params) || !slices.Equal(want.Results, got.Results) {
		return fmt.Errorf("%s: expected the signature %s, found %s", where, signature(want), signature(got))
	}
	return nil
}

// signature writes a function type as the wasm text format does, for example
// "(i32, i32) -> i64".
func signature(f abi.Func) string {
	list := func(types []abi.ValueType) string {
		const most = 16
		var s []string
		for _, t := range types[:min(len(types), most)] {
			s = append(s, t.String())
		}
		if len(types) > most {
			s = append(s, "...")
		}
		return strings.Join(s, ", ")
	}
	if len(f.Results) == 0 {
		return "(" + list(f.Params) + ") -> ()"
	}
	return "(" + list(f.Params) + ") -> " + list(f.Results)
}
