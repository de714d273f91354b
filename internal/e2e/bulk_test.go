package e2e

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// standIn reads one of the real manifests and serves content of its own under
// the paths of its URLs: the keys become those of the content, hosts become the
// server.
func standIn(t *testing.T, name string, server *hosttest.Server) items {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("..", "..", "testdata", "manifests", name))
	if err != nil {
		t.Fatal(err)
	}
	var outer struct {
		Manifest struct {
			Sources map[string]struct {
				Items map[string]struct{ URL string }
			}
		}
	}
	if err := json.Unmarshal(data, &outer); err != nil {
		t.Fatal(err)
	}
	all := items{}
	for _, it := range outer.Manifest.Sources["org.osbuild.curl"].Items {
		u, err := url.Parse(it.URL)
		if err != nil {
			t.Fatal(err)
		}
		body := content(u.Path, 200+len(u.Path)*7)
		server.Put(u.Path, hosttest.File{Content: body, ETag: `"1"`})
		all[key(body)] = map[string]string{"url": strings.Replace(it.URL, u.Scheme+"://"+u.Host, server.URL(""), 1)}
	}
	return all
}

// TestLargestManifest fetches the 1,965 items of a real manifest, and then finds
// them all in the store without asking anybody.
func TestLargestManifest(t *testing.T) {
	t.Parallel()
	server := hosttest.Start(t, hosttest.Options{})
	all := standIn(t, "fedora_39-live_installer.json", server)
	if len(all) != 1965 {
		t.Fatalf("the manifest has %d items, want 1965", len(all))
	}
	var keys []string
	for k := range all {
		keys = append(keys, k)
	}
	s := newSandbox(t)
	m := s.manifest(all)
	o := s.fetch(m).ends(0).counts(1965, 0, 0)
	for _, it := range o.items {
		if it.Attempts != 1 || it.Bytes == 0 || it.URL == "" {
			t.Fatalf("an item's result is %+v", it)
		}
	}
	s.holds(keys...)
	s.nothingStaged()
	if n := len(server.Log()); n != 1965 {
		t.Errorf("%d requests for 1965 items", n)
	}
	server.Close()
	s.fetch(m).ends(0).counts(0, 1965, 0)
	s.fetch(m, "--verify").ends(0).counts(0, 1965, 0)
	s.holds(keys...)
}

// TestManifestAsItIs plans the fetch of the same manifest with its own URLs: a
// dry run asks nobody and leaves no trace.
func TestManifestAsItIs(t *testing.T) {
	t.Parallel()
	path, err := filepath.Abs(filepath.Join("..", "..", "testdata", "manifests", "fedora_39-live_installer.json"))
	if err != nil {
		t.Fatal(err)
	}
	s := newSandbox(t)
	o := s.fetch(path, "--source", "org.osbuild.curl", "--dry-run").ends(0)
	if o.doc.Counts.Planned != 1965 {
		t.Errorf("%d items would be fetched, want 1965", o.doc.Counts.Planned)
	}
	if _, err := os.Stat(s.store); !os.IsNotExist(err) {
		t.Errorf("a dry run has made the store: %v", err)
	}
}
