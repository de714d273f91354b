package sdk

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// TestDirectives compares the directives of wasm.go, which can hold literals
// only, with the tables of the contract.
func TestDirectives(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "wasm.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	imports, exports := map[string]abi.Func{}, map[string]abi.Func{}
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if !ok || fn.Doc == nil {
			continue
		}
		for _, c := range fn.Doc.List {
			words := strings.Fields(c.Text)
			switch words[0] {
			case "//go:wasmimport":
				if words[1] != abi.Module {
					t.Errorf("%s imports from the module %s, want %s", fn.Name, words[1], abi.Module)
				}
				imports[words[2]] = signature(t, words[2], fn.Type)
			case "//go:wasmexport":
				exports[words[1]] = signature(t, words[1], fn.Type)
			}
		}
	}
	wantImports, wantExports := map[string]abi.Func{}, map[string]abi.Func{abi.VersionExport: {Name: abi.VersionExport}}
	for _, f := range abi.Imports {
		wantImports[f.Name] = f
	}
	for _, h := range abi.Hooks {
		wantExports[string(h)] = abi.HookFunc(h)
	}
	if !reflect.DeepEqual(imports, wantImports) {
		t.Errorf("imports:\n got %v\nwant %v", imports, wantImports)
	}
	if !reflect.DeepEqual(exports, wantExports) {
		t.Errorf("exports:\n got %v\nwant %v", exports, wantExports)
	}
}

// signature is a Go function's in wasm.
func signature(t *testing.T, name string, fn *ast.FuncType) abi.Func {
	return abi.Func{Name: name, Params: valueTypes(t, name, fn.Params), Results: valueTypes(t, name, fn.Results)}
}

func valueTypes(t *testing.T, name string, fields *ast.FieldList) []abi.ValueType {
	if fields == nil {
		return nil
	}
	var types []abi.ValueType
	for _, f := range fields.List {
		var v abi.ValueType
		switch typ := f.Type.(type) {
		case *ast.SelectorExpr: // unsafe.Pointer
			v = abi.I32
		case *ast.Ident:
			v = map[string]abi.ValueType{"uint32": abi.I32, "uint64": abi.I64}[typ.Name]
		}
		if v == 0 {
			t.Fatalf("%s has a type that this test does not know", name)
		}
		for range max(len(f.Names), 1) {
			types = append(types, v)
		}
	}
	return types
}
