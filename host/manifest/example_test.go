package manifest_test

import (
	"errors"
	"fmt"
	"strings"

	"github.com/sourcehost/sourcehost/host/manifest"
)

func Example() {
	schema, err := manifest.CompileSchema("curl", []byte(`{
		"properties": {"items": {
			"patternProperties": {"^sha256:[0-9a-f]{64}$": {"type": "string"}},
			"additionalProperties": false
		}},
		"required": ["items"]
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	text := strings.NewReader(`{"version": "2", "sources": {"org.osbuild.curl": {
		"items": {"sha256:abc": "https://mirror.example/a.rpm", "md5:0": 5},
		"optoins": {}
	}}}`)

	m, err := manifest.Read(text, manifest.Options{})
	var problems manifest.Problems
	if err != nil && !errors.As(err, &problems) {
		fmt.Println(err) // the text could not be read at all
		return
	}
	if m != nil { // the sources that are in order so far
		for i := range m.Sources {
			problems = append(problems, schema.CheckSource(&m.Sources[i])...)
		}
	}
	for _, p := range problems {
		fmt.Println(p)
	}
	// Output:
	// /sources/org.osbuild.curl/optoins: unknown property "optoins"; known are items
	// /sources/org.osbuild.curl/items/sha256:abc: key "sha256:abc" is not ALGO:HEX: sha256 takes 64 hexadecimal digits, found 3
	// /sources/org.osbuild.curl/items/md5:0: key "md5:0" is not ALGO:HEX: the algorithm is "md5", expected sha256
}
