package sourcehost

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const securityDoc = "docs/security.md"

// TestSecurityDocument compares docs/security.md with the tests of the module.
func TestSecurityDocument(t *testing.T) {
	text, err := os.ReadFile(securityDoc)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := readTests(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range compareSecurity(string(text), tests) {
		t.Error(problem)
	}
}

// testFunc is a test or fuzz function of the module.
type testFunc struct {
	ids []string // of its comment
	// words are the texts and numbers of its package's tests, as names of subtests.
	words map[string]bool
}

// readTests finds the test functions beneath root by "package.Function".
func readTests(root string) (map[string]*testFunc, error) {
	tests, words := map[string]*testFunc{}, map[string]map[string]bool{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if words[dir] == nil {
			words[dir] = map[string]bool{}
		}
		collect(file, dir, tests, words[dir])
		return err
	})
	return tests, err
}

// collect adds what one file has. An id stands in the comment of a test function and
// nowhere else; those elsewhere belong to the function "", which no table can name.
func collect(file *ast.File, dir string, tests map[string]*testFunc, words map[string]bool) {
	atTest := map[*ast.CommentGroup]bool{}
	for _, decl := range file.Decls {
		fn, ok := decl.(*ast.FuncDecl)
		if ok && fn.Recv == nil && testName.MatchString(fn.Name.Name) {
			atTest[fn.Doc] = true
			tests[dir+"."+fn.Name.Name] = &testFunc{idsOf(fn.Doc), words}
		}
	}
	for _, c := range file.Comments {
		if ids := idsOf(c); len(ids) > 0 && !atTest[c] {
			tests[dir+"."] = &testFunc{ids, words}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok {
			word := lit.Value
			if plain, err := strconv.Unquote(word); err == nil {
				word = plain
			}
			words[strings.ReplaceAll(word, " ", "_")] = true
		}
		return true
	})
}

var (
	testName  = regexp.MustCompile(`^(Test|Fuzz)[A-Z]`)
	marker    = regexp.MustCompile(`(?m)^adversary: (.*)$`)
	row       = regexp.MustCompile(`(?m)^\| ([ABC]\d+[a-z]?) \|(.*)\|$`)
	reference = regexp.MustCompile("`([a-z0-9/_-]+)\\.((?:Test|Fuzz)\\w+)((?:/[^`/]+)*)`")
	idParts   = regexp.MustCompile(`^([ABC])(\d+)([a-z]?)$`)
)

func idsOf(c *ast.CommentGroup) (ids []string) {
	if c == nil {
		return nil
	}
	for _, line := range marker.FindAllStringSubmatch(c.Text(), -1) {
		ids = append(ids, strings.Split(line[1], ", ")...)
	}
	return ids
}

// compareSecurity says where document and tests disagree.
func compareSecurity(doc string, tests map[string]*testFunc) (problems []string) {
	say := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	for _, ref := range reference.FindAllStringSubmatch(doc, -1) {
		fn := tests[ref[1]+"."+ref[2]]
		if fn == nil {
			say("%s names the test %s.%s, which does not exist", securityDoc, ref[1], ref[2])
			continue
		}
		for _, sub := range strings.Split(ref[3], "/")[1:] {
			if sub != "." && !fn.words[sub] {
				say("%s names the subtest %s of %s.%s, and no test there is called so", securityDoc, sub, ref[1], ref[2])
			}
		}
	}
	shown := map[string]map[string]bool{} // by test, then by id
	var ids []string
	for _, line := range row.FindAllStringSubmatch(doc, -1) {
		id := line[1]
		ids = append(ids, id)
		refs := reference.FindAllStringSubmatch(line[2], -1)
		if len(refs) == 0 {
			say("%s: the row %s names no test", securityDoc, id)
		}
		for _, ref := range refs {
			name := ref[1] + "." + ref[2]
			if shown[name] == nil {
				shown[name] = map[string]bool{}
			}
			shown[name][id] = true
			if fn := tests[name]; fn != nil && !slices.Contains(fn.ids, id) {
				say("%s: the row %s names %s, which has no comment // adversary: %s", securityDoc, id, name, id)
			}
		}
	}
	problems = append(problems, incomplete(ids)...)
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		for _, id := range tests[name].ids {
			if !shown[name][id] {
				say("%s has the comment // adversary: %s, and the row %s does not name it", name, id, id)
			}
		}
		if strings.Contains(name, ".Fuzz") && !strings.Contains(doc, "`"+name+"`") {
			say("%s does not list the fuzz target %s", securityDoc, name)
		}
	}
	return problems
}

// incomplete says which ids are missing: of each section the numbers, and of each
// number the letters, are to be without a gap and in order.
func incomplete(ids []string) (problems []string) {
	next := map[string]string{} // what may follow, by section
	for _, id := range ids {
		p := idParts.FindStringSubmatch(id)
		n, err := strconv.Atoi(p[2])
		if err != nil {
			return []string{err.Error()}
		}
		allowed := strings.Fields(next[p[1]])
		if len(allowed) == 0 {
			allowed = []string{p[1] + "1", p[1] + "1a"}
		}
		if !slices.Contains(allowed, id) {
			problems = append(problems, fmt.Sprintf("%s: the row %s stands where %s is expected", securityDoc, id, strings.Join(allowed, " or ")))
		}
		next[p[1]] = fmt.Sprintf("%s%d %[1]s%[2]da", p[1], n+1)
		if p[3] != "" {
			next[p[1]] += fmt.Sprintf(" %s%d%c", p[1], n, p[3][0]+1)
		}
	}
	for _, section := range []string{"A", "B", "C"} {
		if next[section] == "" {
			problems = append(problems, fmt.Sprintf("%s has no row of section %s", securityDoc, section))
		}
	}
	return problems
}

// TestSecurityComparison: what disagrees is found.
func TestSecurityComparison(t *testing.T) {
	const good = "| A1a | x | `p.TestOne/sub_test` |\n| A1b | y | `p.TestOne/./7`, `p.TestTwo` |\n| B1 | z | `p.TestTwo` |\n| C1 | z | `p.TestTwo` |\n`p.FuzzIt`"
	const code = "package p\n\n// One is one.\n//\n// adversary: A1a, A1b\nfunc TestOne(t *testing.T) { t.Run(\"sub test\", 7) }\n\n" +
		"// adversary: A1b, B1, C1\nfunc TestTwo(t *testing.T) {}\n\nfunc FuzzIt(f *testing.F) {}\n"
	for _, c := range []struct{ what, from, to, want string }{
		{"all agree", "", "", ""},
		{"no such test", "`p.TestOne/sub_test`", "`p.TestOne/sub_test`, `p.TestGone`", "names the test p.TestGone, which does not exist"},
		{"no such package", "`p.FuzzIt`", "`p.FuzzIt` `q.TestOne`", "names the test q.TestOne"},
		{"no such subtest", "sub_test", "other_test", "names the subtest other_test of p.TestOne"},
		{"row without tests", "| `p.TestTwo` |\n| C1", "| |\n| C1", "the row B1 names no test"},
		{"row without comment", "// adversary: A1a, A1b", "// adversary: A1a", "the row A1b names p.TestOne, which has no comment"},
		{"comment without row", "// adversary: A1b, B1", "// adversary: A1b, A2, B1", "p.TestTwo has the comment // adversary: A2"},
		{"comment at no test", "func FuzzIt", "// adversary: B1\nvar x = 1\n\nfunc FuzzIt", "p. has the comment // adversary: B1"},
		{"comment too far away", "B1, C1\n", "B1, C1\n\n", "the row B1 names p.TestTwo, which has no comment"},
		{"letter left out", "A1b", "A1c", "the row A1c stands where A2 or A2a or A1b is expected"},
		{"number left out", "B1", "B2", "the row B2 stands where B1 or B1a is expected"},
		{"row twice", "| B1 |", "| C1 |", "the row C1 stands where C2"},
		{"section left out", "| C1 | z |", "| - | z |", "has no row of section C"},
		{"fuzz target left out", "`p.FuzzIt`", "", "does not list the fuzz target p.FuzzIt"},
	} {
		replace := strings.NewReplacer(c.from, c.to)
		if c.from == "" {
			replace = strings.NewReplacer()
		}
		dir := t.TempDir()
		if err := errors.Join(os.Mkdir(filepath.Join(dir, "p"), 0o755), os.WriteFile(filepath.Join(dir, "p", "p_test.go"), []byte(replace.Replace(code)), 0o644)); err != nil {
			t.Fatal(err)
		}
		tests, err := readTests(dir)
		if err != nil {
			t.Fatal(err)
		}
		problems := compareSecurity(replace.Replace(good), tests)
		if c.want == "" && len(problems) > 0 || c.want != "" && !strings.Contains(strings.Join(problems, "\n"), c.want) {
			t.Errorf("%s: found %q, want %q", c.what, problems, c.want)
		}
	}
}
