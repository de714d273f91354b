package sdktest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

// recorder takes the errors of a test.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestDeclared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plugin.json")
	if err := os.WriteFile(path, []byte(`{"hooks": ["setup", "prepare"]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	setup := func(*sdk.Context) error { return nil }
	item := func(*sdk.Context, *sdk.Item) error { return nil }
	for _, c := range []struct {
		plugin sdk.Plugin
		want   []string
	}{
		{sdk.Plugin{Setup: setup, Prepare: item}, nil},
		{sdk.Plugin{Prepare: item}, []string{path + " declares the hook setup, which the plugin does not implement"}},
		{sdk.Plugin{Setup: setup, Prepare: item, FetchOne: item}, []string{
			"the plugin implements the hook fetch_one, which " + path + " does not declare, so that it is never called",
		}},
	} {
		r := &recorder{TB: t}
		sdktest.Declared(r, c.plugin, path)
		if !slices.Equal(r.errors, c.want) {
			t.Errorf("got %q, want %q", r.errors, c.want)
		}
	}
}
