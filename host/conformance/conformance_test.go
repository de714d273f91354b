package conformance

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

const root = "../../"

// languages are those in which the guests of this repository are written.
var languages = []string{"go", "c", "c-libc", "rust", "assemblyscript"}

// built returns a guest that `make guests` has built, with a plugin manifest.
func built(t testing.TB, language, name, manifest string) []byte {
	t.Helper()
	path := filepath.Join(root, "dist/guests", language, name+".wasm")
	wasm, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		const hint = " is missing: run `make guests`, which says what to install"
		if os.Getenv("CI") != "" {
			t.Fatal(path + hint)
		}
		t.Skip(path + hint)
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(root + manifest)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := plugin.AppendSection(wasm, abi.ManifestSection, data)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func TestLanguages(t *testing.T) {
	t.Parallel()
	for _, language := range languages {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			wasm := built(t, language, "conformance", "testdata/guests/conformance/plugin.json")
			results, err := Run(context.Background(), config, language, wasm)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				if r.Err != nil {
					t.Errorf("%s, %s: %v", r.Hook, r.Name, r.Err)
				}
			}
		})
	}
}
