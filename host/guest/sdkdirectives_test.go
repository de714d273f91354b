package guest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// directive is one //go:wasmimport or //go:wasmexport of the SDK.
type directive struct {
	module, name string // module is empty for an export
	fn           *ast.FuncType
}

// directives collects them from all source files of the SDK, whatever their
// build constraints: a Go compiler only accepts names that are written out, so
// that the SDK cannot take them from the tables.
func directives(t *testing.T) (imports, exports []directive) {
	t.Helper()
	files, err := filepath.Glob("../../sdk/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Doc == nil {
				continue
			}
			for _, c := range fn.Doc.List {
				words := strings.Fields(c.Text)
				switch {
				case words[0] == "//go:wasmimport" && len(words) == 3:
					imports = append(imports, directive{words[1], words[2], fn.Type})
				case words[0] == "//go:wasmexport" && len(words) == 2:
					exports = append(exports, directive{"", words[1], fn.Type})
				case strings.HasPrefix(words[0], "//go:wasm"):
					t.Errorf("%s: unexpected directive %q", name, c.Text)
				}
			}
		}
	}
	return imports, exports
}

// wasmSignature is how Go's compiler translates a function's type (go.dev/ref,
// "wasmimport": pointers and 32-bit numbers are i32, 64-bit numbers i64).
func wasmSignature(t *testing.T, fn *ast.FuncType) string {
	t.Helper()
	list := func(fields *ast.FieldList) (types []abi.ValueType) {
		if fields == nil {
			return nil
		}
		for _, f := range fields.List {
			typ := abi.I32
			switch e := f.Type.(type) {
			case *ast.StarExpr, *ast.SelectorExpr: // pointers and unsafe.Pointer
			case *ast.Ident:
				switch e.Name {
				case "int32", "uint32", "uintptr":
				case "int64", "uint64":
					typ = abi.I64
				default:
					t.Errorf("unexpected type %s in a directive's function", e.Name)
				}
			default:
				t.Errorf("unexpected type %T in a directive's function", e)
			}
			for range max(len(f.Names), 1) {
				types = append(types, typ)
			}
		}
		return types
	}
	return signature(abi.Func{Params: list(fn.Params), Results: list(fn.Results)})
}

func TestSDKDirectives(t *testing.T) {
	t.Parallel()
	imports, exports := directives(t)
	if len(imports) == 0 || len(exports) == 0 {
		t.Fatalf("found %d imports and %d exports in sdk/*.go: the test looks in the wrong place", len(imports), len(exports))
	}
	want := make(map[string]string)
	for _, f := range abi.Imports {
		want[abi.Module+"."+f.Name] = signature(f)
	}
	got := make(map[string]string)
	for _, d := range imports {
		got[d.module+"."+d.name] = wasmSignature(t, d.fn)
	}
	compareMaps(t, "import", got, want)

	want = map[string]string{abi.VersionExport: signature(abi.Func{})}
	for _, h := range abi.Hooks {
		want[string(h)] = signature(abi.HookFunc(h))
	}
	got = make(map[string]string)
	for _, d := range exports {
		got[d.name] = wasmSignature(t, d.fn)
	}
	compareMaps(t, "export", got, want)
}

func compareMaps(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got[name] != want[name] {
			t.Errorf("%s %s: the SDK has %q, the contract %q", what, name, got[name], want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		if _, ok := want[name]; !ok {
			t.Errorf("%s %s: the SDK has it, the contract does not", what, name)
		}
	}
}
