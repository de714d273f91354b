package guest

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// abiDoc returns docs/abi.md with thousands separators removed.
func abiDoc(t *testing.T) string {
	t.Helper()
	return strings.ReplaceAll(readFile(t, "../../docs/abi.md"), ",", "")
}

// constants returns the names and literal values of the constants of a package.
func constants(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no source files in %s: %v", dir, err)
	}
	found := make(map[string]string)
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && len(v.Names) == 1 && len(v.Values) == 1 {
				if lit, ok := v.Values[0].(*ast.BasicLit); ok {
					found[v.Names[0].Name] = strings.Trim(lit.Value, `"`)
				} else {
					found[v.Names[0].Name] = ""
				}
			}
			return true
		})
	}
	return found
}

func wantRow(t *testing.T, doc string, cells ...string) {
	t.Helper()
	row := "\n| " + strings.Join(cells, " | ")
	if !strings.Contains(doc, row) {
		t.Errorf("docs/abi.md has no table row that begins with %q", row[1:])
	}
}

func TestDocumentNames(t *testing.T) {
	t.Parallel()
	doc := abiDoc(t)
	for _, f := range abi.Imports {
		var params []string
		rest := doc
		_, rest, found := strings.Cut(rest, fmt.Sprintf("\n| `%s` | `(", f.Name))
		sig, _, _ := strings.Cut(rest, "`")
		for _, p := range f.Params {
			params = append(params, p.String())
		}
		result := "()"
		if len(f.Results) > 0 {
			result = f.Results[0].String()
		}
		// The document names the parameters, and the commas are gone.
		var types []string
		list, ret, _ := strings.Cut(sig, ") -> ")
		for i, word := range strings.Fields(list) {
			if i%2 == 1 {
				types = append(types, word)
			}
		}
		if !found || !reflect.DeepEqual(types, params) || ret != result {
			t.Errorf("%s: the document says %q, the contract %v -> %s", f.Name, sig, params, result)
		}
	}
	for _, h := range abi.Hooks {
		wantRow(t, doc, fmt.Sprintf("`%s`", h), fmt.Sprintf("function `%s`", signature(abi.HookFunc(h))))
	}
	for _, name := range []string{abi.VersionExport, abi.InitExport} {
		wantRow(t, doc, fmt.Sprintf("`%s`", name), "function `() -> ()`")
	}
	wantRow(t, doc, "`"+abi.MemoryExport+"`", "memory")
	for _, name := range []string{abi.Module, abi.WASIModule, abi.ManifestSection} {
		if !strings.Contains(doc, "`"+name+"`") {
			t.Errorf("docs/abi.md does not name %s", name)
		}
	}
	for _, op := range abi.Ops {
		wantRow(t, doc, "`"+op+"`")
	}
	for s := abi.OK; s.String() != "unknown status"; s++ {
		wantRow(t, doc, strconv.Itoa(int(s)), "`"+s.String()+"`")
	}
}

func TestDocumentConstants(t *testing.T) {
	t.Parallel()
	doc := abiDoc(t)
	all := constants(t, "../../internal/abi")
	kinds, ops, types := 0, 0, 0
	for name, value := range all {
		switch {
		case strings.HasPrefix(name, "Err") && value != "":
			kinds++
			wantRow(t, doc, "`"+value+"`")
		case strings.HasPrefix(name, "Op") && value != "":
			ops++
			wantRow(t, doc, "`"+value+"`")
		case strings.HasPrefix(name, "Type") && value != "":
			types++
			if !strings.Contains(doc, "`"+value+"`") {
				t.Errorf("docs/abi.md does not name the type %q", value)
			}
		}
	}
	if kinds < 10 || ops != len(abi.Ops) || types < 4 {
		t.Errorf("found %d kinds, %d operations, %d types in the source", kinds, ops, types)
	}
	for name, value := range constants(t, "../../internal/plugin") {
		if strings.HasPrefix(name, "Cap") {
			wantRow(t, doc, "`"+value+"`")
		}
	}
}

func TestDocumentLimits(t *testing.T) {
	t.Parallel()
	doc := abiDoc(t)
	rows := map[string][]string{
		"DefaultPageItems":    {"items of a page", strconv.Itoa(abi.DefaultPageItems)},
		"DefaultLoadSeconds":  {"time of compiling", fmt.Sprint(abi.DefaultLoadSeconds, " s")},
		"DefaultHookSeconds":  {"time of one hook call and of `_initialize`", fmt.Sprint(abi.DefaultHookSeconds, " s")},
		"DefaultMemoryBytes":  {"linear memory of an instance", fmt.Sprint(abi.DefaultMemoryBytes, " bytes")},
		"DefaultTableEntries": {"tables of an instance entries", strconv.Itoa(abi.DefaultTableEntries)},
		"DefaultOutputBytes":  {"output of one hook call", fmt.Sprint(abi.DefaultOutputBytes, " bytes")},
		"DefaultResultBytes":  {"result of one operation", fmt.Sprint(abi.DefaultResultBytes, " bytes")},
		"DefaultRequestBytes": {"request of one operation", fmt.Sprint(abi.DefaultRequestBytes, " bytes")},
		"DefaultCalls":        {"operations of one hook call", strconv.Itoa(abi.DefaultCalls)},
		"DefaultLogLines":     {"log lines of one hook call", strconv.Itoa(abi.DefaultLogLines)},
		"DefaultLogLineBytes": {"length of a log line", fmt.Sprint(abi.DefaultLogLineBytes, " bytes")},
		"DefaultPutBytes":     {"content of an item that is put", fmt.Sprint(abi.DefaultPutBytes, " bytes")},
		"DefaultHTTPSeconds":  {"time of one `http/v1` request", fmt.Sprint(abi.DefaultHTTPSeconds, " s")},
		"DefaultModuleBytes":  {"plugin file", fmt.Sprint(abi.DefaultModuleBytes, " bytes")},
	}
	for name := range constants(t, "../../internal/abi") {
		if strings.HasPrefix(name, "Default") && rows[name] == nil {
			t.Errorf("the limit %s is not in the document's table, or not in this test", name)
		}
	}
	for _, row := range rows {
		wantRow(t, doc, row...)
	}
	wantRow(t, doc, "error of a hook", fmt.Sprint(abi.DefaultRequestBytes, " bytes"))
	wantRow(t, doc, "body of one function", fmt.Sprint(DefaultFunctionBytes, " bytes"))
	for text, value := range map[string]int{
		"%d types with": maxTypes, "with %d parameters": maxValues, "%d\n   imports": maxImports,
		"%d functions": maxFuncs, "%d tables": maxTables, "%d exports": maxExports,
		"0 to %d; 0 means 1": plugin.MaxInstances, "at most\n%d bytes": plugin.MaxManifestBytes,
	} {
		if want := fmt.Sprintf(text, value); !strings.Contains(doc, want) {
			t.Errorf("docs/abi.md does not say %q", want)
		}
	}
}

// Every field of a message stands in the source as a comment that spells its
// wire name; the document must name each.
func TestDocumentFields(t *testing.T) {
	t.Parallel()
	doc := abiDoc(t)
	file, err := parser.ParseFile(token.NewFileSet(), "../../internal/abi/wire.go", nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	messages, fields := 0, 0
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		body, ok := spec.Type.(*ast.StructType)
		if !ok {
			return true
		}
		messages++
		if !strings.Contains(doc, "**"+spec.Name.Name+"**") {
			t.Errorf("docs/abi.md does not describe the message %s", spec.Name.Name)
			return true
		}
		_, part, _ := strings.Cut(doc, "**"+spec.Name.Name+"**")
		for _, end := range []string{"\n**", "\n## "} {
			part, _, _ = strings.Cut(part, end)
		}
		for _, f := range body.Fields.List {
			_, name, ok := strings.Cut(f.Comment.Text(), `"`)
			name, _, _ = strings.Cut(name, `"`)
			if !ok || name == "" {
				t.Errorf("%s: a field has no comment with its wire name", spec.Name.Name)
				continue
			}
			fields++
			if !strings.Contains(part, "`"+name+"`") {
				t.Errorf("docs/abi.md does not name the field %s of %s", name, spec.Name.Name)
			}
		}
		return true
	})
	if messages < 10 || fields < 25 {
		t.Errorf("found %d messages with %d fields in the source", messages, fields)
	}
	m := reflect.TypeFor[plugin.Manifest]()
	for i := range m.NumField() {
		name, _, _ := strings.Cut(m.Field(i).Tag.Get("json"), ",")
		wantRow(t, doc, "`"+name+"`")
	}
}
