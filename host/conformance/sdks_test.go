package conformance

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/sdk"
)

// reach says by what of an SDK each capability is used: operations, which have functions
// of their names, or "time" and "random".
var reach = map[string][]string{
	plugin.CapDownload: {abi.OpDownload},
	plugin.CapRead:     {abi.OpRead},
	plugin.CapStat:     {abi.OpStat, abi.OpList},
	plugin.CapTLS:      {abi.OpDownload},
	plugin.CapEnv:      {abi.OpEnv},
	plugin.CapSecrets:  {abi.OpHMAC, abi.OpDownload},
	plugin.CapImage:    {abi.OpCopyImage},
	plugin.CapHTTP:     {abi.OpHTTP, abi.OpProbe},
	plugin.CapExec:     {abi.OpExec, abi.OpRun},
	plugin.CapClock:    {"time"},
	plugin.CapRandom:   {"random"},
}

// capabilities are those of the contract's table in docs/abi.md.
func capabilities(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(root + "docs/abi.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n| capability | values | allows |\n|---|---|---|\n")
	table, _, ended := strings.Cut(table, "\n\n")
	if !found || !ended {
		t.Fatal("docs/abi.md has no table of capabilities")
	}
	var names []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\|").FindAllStringSubmatch(table, -1) {
		names = append(names, row[1])
	}
	if len(names) != strings.Count(table, "\n")+1 {
		t.Fatalf("some rows of the table are not understood: %q", names)
	}
	return names
}

// TestReach: no capability is left out below.
func TestReach(t *testing.T) {
	table := slices.Sorted(slices.Values(capabilities(t)))
	if known := slices.Sorted(maps.Keys(reach)); !slices.Equal(known, table) {
		t.Errorf("the contract has the capabilities %q, and this test knows %q", table, known)
	}
	var used []string
	for _, names := range reach {
		used = append(used, names...)
	}
	for _, op := range abi.Ops {
		if !slices.Contains(used, op) && op != abi.OpPut { // which needs none
			t.Errorf("no capability is for %s", op)
		}
	}
}

// offered are the declarations that an SDK has for a name of the contract, "copy-image" for
// example, as patterns. One of them is enough.
var offered = map[string]func(words []string) []string{
	"c/sourcehost.h":               func(w []string) []string { return []string{`SH__FN \w+ sh_` + strings.Join(w, "_") + `\(`} },
	"rust/sourcehost.rs":           func(w []string) []string { return []string{`pub fn ` + strings.Join(w, "_") + `[<(]`} },
	"assemblyscript/sourcehost.ts": func(w []string) []string { return []string{`export function (?i:` + strings.Join(w, "") + `)\(`} },
}

// TestSDKsOfferEverything: each SDK has a function for each operation of the contract, by
// its name, and for what plugins have by WASI. Whoever adds an operation adds functions.
func TestSDKsOfferEverything(t *testing.T) {
	for file, declarations := range offered {
		text, err := os.ReadFile(root + "sdk/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range append(slices.Clone(abi.Ops), "now", "random") {
			name, _, isOp := strings.Cut(op, "/")
			for _, pattern := range declarations(strings.Split(name, "-")) {
				if !regexp.MustCompile(pattern).Match(text) {
					t.Errorf("sdk/%s has no function for %s: expected %s", file, op, pattern)
				}
			}
			if isOp && !strings.Contains(string(text), `"`+op+`"`) {
				t.Errorf("sdk/%s does not name %s", file, op)
			}
		}
	}
	methods := reflect.TypeFor[*sdk.Context]()
	for _, op := range abi.Ops { // time and random numbers are in Go's library
		name, _, _ := strings.Cut(op, "/")
		has := false
		for method := range methods.Methods() {
			has = has || strings.EqualFold(method.Name, strings.ReplaceAll(name, "-", ""))
		}
		if !has {
			t.Errorf("sdk.Context has no method for %s", op)
		}
	}
}

// TestKitReachesEverything: the kit has a case for each operation that is not asked for by
// its name alone, and for time and random numbers.
func TestKitReachesEverything(t *testing.T) {
	asked := map[string]bool{}
	for _, c := range cases() {
		for _, x := range c.calls {
			asked[x.op] = asked[x.op] || !strings.Contains(c.items[0].desc, `"do":"call"`)
		}
		for _, it := range c.items {
			asked["time"] = asked["time"] || it.want.like == likeTime
			asked["random"] = asked["random"] || it.want.like == likeRandom
		}
	}
	for _, name := range append(slices.Clone(abi.Ops), "time", "random") {
		if !asked[name] {
			t.Errorf("no case of the kit has a guest use %s", name)
		}
	}
}

// TestGuestsUseTheirSDK: no guest spells an operation, so that what the kit finds is what
// the SDK does.
func TestGuestsUseTheirSDK(t *testing.T) {
	for _, file := range []string{"go/operations.go", "go/main.go", "c/conformance.c", "rust/conformance.rs", "assemblyscript/conformance.ts"} {
		text, err := os.ReadFile(root + "testdata/guests/conformance/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range abi.Ops {
			if strings.Contains(string(text), `"`+op+`"`) {
				t.Errorf("%s asks for %s without a function of the SDK", file, op)
			}
		}
	}
}
