package main

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"math/rand/v2"
	"strings"
	"time"
)

// way is how a file reaches the store.
type way int

const (
	overHTTP way = iota
	overTLS
	fromDisk
)

// file is one item of the manifest.
type file struct {
	name string
	key  string
	data []byte
	way  way
}

// fileTime is the files' time of change, the same for each run.
var fileTime = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

// hashes are the algorithms that keys can have.
var hashes = map[string]func() hash.Hash{
	"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New,
}

// makeFiles makes files of one byte to 16 MB, the same in each run.
func makeFiles() []file {
	sizes := []int{1, 100, 4096, 50_000, 300_000, 1_000_000, 70_001, 2_500_000}
	algorithms := []string{"sha256", "sha256", "sha256", "sha512", "sha1", "sha256", "sha384", "md5"}
	random := rand.NewChaCha8(sha256.Sum256([]byte("sourcehost demo")))
	var files []file
	for i := range 40 {
		f := file{name: fmt.Sprintf("package-%02d.x86_64.rpm", i), way: overHTTP}
		size := sizes[i%len(sizes)]
		switch {
		case i == 12:
			f.name, size = "kernel-core.x86_64.rpm", 16_000_000
		case i == 20:
			f.name = "libstdc++ with a space.rpm"
		case i%7 == 3:
			f.way = overTLS
		case i == 39:
			f.name, f.way = "local-file.img", fromDisk
		}
		f.data = make([]byte, size)
		random.Read(f.data)
		f.key = key(algorithms[i*3/8%len(algorithms)], f.data)
		files = append(files, f)
	}
	return files
}

// key is the name that content has in the store.
func key(algorithm string, data []byte) string {
	h := hashes[algorithm]()
	h.Write(data)
	return algorithm + ":" + hex.EncodeToString(h.Sum(nil))
}

// manifest is an osbuild manifest of format version 2 without any pipeline.
func (d *demo) manifest() []byte {
	items := map[string]any{}
	for _, f := range d.files {
		switch f.way {
		case overHTTP:
			items[f.key] = d.plain.url + "/" + f.name
		case overTLS:
			items[f.key] = map[string]any{
				"url":     d.tls.url + "/" + f.name,
				"secrets": map[string]any{"name": "org.osbuild.mtls"},
			}
		case fromDisk:
			items[f.key] = "file:" + d.path(f.name)
		}
	}
	sources := d.images.sources()
	sources["org.osbuild.curl"] = map[string]any{"items": items}
	text, err := json.MarshalIndent(map[string]any{
		"version":   "2",
		"pipelines": []any{},
		"sources":   sources,
	}, "", "  ")
	if err != nil { // maps of strings always encode
		panic(err)
	}
	return text
}

// brokenManifest has one mistake of each common sort; brokenPlaces is what a
// report on it must mention.
var brokenManifest = `{
  "version": "2",
  "sources": {
    "org.osbuild.curl": {
      "items": {
        "sha256:` + strings.Repeat("0", 64) + `": {"urll": "https://example.com/a.rpm"},
        "sha256:` + strings.Repeat("1", 64) + `": {"url": "https://example.com/b.rpm", "insecure": "yes"},
        "../../etc/passwd": "https://example.com/c.rpm"
      }
    },
    "org.osbuild.curly": {"items": {}}
  }
}
`

var brokenPlaces = []string{"urll", "/insecure", "passwd", "org.osbuild.curly"}
