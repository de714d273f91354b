package sdktest

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/sdk"
)

// Declared fails the test unless the hooks that the plugin has are those that the
// plugin manifest at path declares: the host fails what is declared only, and never
// calls what is implemented only.
func Declared(t testing.TB, p sdk.Plugin, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct {
		Hooks []sdk.Hook `json:"hooks"`
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	has := map[sdk.Hook]bool{sdk.Setup: p.Setup != nil, sdk.Filter: p.Filter != nil, sdk.Prepare: p.Prepare != nil, sdk.FetchOne: p.FetchOne != nil}
	for _, hook := range abi.Hooks {
		switch declared := slices.Contains(manifest.Hooks, hook); {
		case declared && !has[hook]:
			t.Errorf("%s declares the hook %s, which the plugin does not implement", path, hook)
		case !declared && has[hook]:
			t.Errorf("the plugin implements the hook %s, which %s does not declare, so that it is never called", hook, path)
		}
	}
}
