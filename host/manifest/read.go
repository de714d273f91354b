package manifest

import (
	"io"

	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// DefaultMaxBytes is the largest manifest that is read, unless Options say
// otherwise: 128 MiB, about a hundred times the largest one known.
const DefaultMaxBytes = 128 << 20

// Options are how a manifest is read. The zero value is good.
type Options struct {
	// MaxBytes is the largest manifest that is read; zero means DefaultMaxBytes.
	MaxBytes int64
	// Aliases returns the names that stand for "items" in a source, for example
	// "urls" in org.osbuild.curl. Nil means that there are none.
	Aliases func(source string) []string
}

// Read reads a manifest from r to its end. See Parse.
func Read(r io.Reader, opts Options) (*Manifest, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	return Parse(data, opts)
}

// Parse reads a manifest.
func Parse(data []byte, opts Options) (*Manifest, error) {
	if err := rawjson.Valid(data); err != nil {
		return nil, err
	}
	return &Manifest{}, nil
}
