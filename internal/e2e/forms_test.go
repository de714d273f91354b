package e2e

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha512"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestAllAlgorithms fetches one content under the keys of all algorithms, over
// http and from the file system.
func TestAllAlgorithms(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	server := hosttest.Start(t, hosttest.Options{})
	data := content("digests", 12_345)
	server.Put("/file", hosttest.File{Content: data})
	all := items{
		fmt.Sprintf("md5:%x", md5.Sum(data)):          server.URL("/file"),
		fmt.Sprintf("sha1:%x", sha1.Sum(data)):        server.URL("/file"),
		key(data):                                     server.URL("/file"),
		fmt.Sprintf("sha384:%x", sha512.Sum384(data)): server.URL("/file"),
		fmt.Sprintf("sha512:%x", sha512.Sum512(data)): "file:" + s.write("a file", data),
	}
	m := s.manifest(all)
	s.fetch(m).ends(0).counts(5, 0, 0)
	for k := range all {
		got, err := os.ReadFile(filepath.Join(s.files(), k))
		if err != nil || string(got) != string(data) {
			t.Errorf("%s: other bytes, or %v", k, err)
		}
	}
	s.fetch(m, "--verify").ends(0).counts(0, 5, 0)
}

// TestOldManifests fetches from manifests of all forms.
func TestOldManifests(t *testing.T) {
	t.Parallel()
	server := hosttest.Start(t, hosttest.Options{})
	data := content("old", 1000)
	server.Put("/file", hosttest.File{Content: data})
	item := map[string]any{key(data): map[string]any{"url": server.URL("/file")}}
	type object = map[string]any
	for name, m := range map[string]any{
		"version 1":          object{"pipeline": object{}, "sources": object{"org.osbuild.files": object{"urls": item}}},
		"version 1, items":   object{"version": "1", "sources": object{"org.osbuild.curl": object{"items": item}}},
		"version 2":          object{"version": "2", "pipelines": []any{}, "sources": object{"org.osbuild.curl": object{"items": item}}},
		"version 2, alias":   object{"version": "2", "sources": object{"org.osbuild.curl": object{"urls": item}}},
		"bare":               object{"sources": object{"org.osbuild.curl": object{"items": item}}},
		"in an outer object": object{"manifest": object{"version": "2", "sources": object{"org.osbuild.curl": object{"items": item}}}},
	} {
		s := newSandbox(t)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if o := s.fetch(s.write("manifest.json", text)); o.code != 0 {
			t.Errorf("%s: exit status %d: %s", name, o.code, o.errOut)
		}
		s.holds(key(data))
	}
}
