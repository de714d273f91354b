package e2e

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// items are the items of org.osbuild.curl: a URL or an object under each key.
type items map[string]any

// manifestOf returns a manifest of format version 2.
func manifestOf(curl items) []byte {
	data, err := json.Marshal(map[string]any{
		"version": "2", "sources": map[string]any{"org.osbuild.curl": map[string]any{"items": curl}}})
	if err != nil {
		panic(err)
	}
	return data
}

// key is the key of a content.
func key(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// content returns bytes that are different for each name.
func content(name string, size int) []byte {
	data := make([]byte, size)
	rand.NewChaCha8(sha256.Sum256([]byte(name))).Read(data)
	return data
}

// sandbox is a place in which the program runs with an environment of its own.
// When the test ends it checks that nothing was left where temporary files go.
type sandbox struct {
	t      *testing.T
	dir    string
	store  string
	config string
	env    []string
}

// quick makes failures take little time. What a busy machine may be slow with has a lot:
// no test waits for it.
const quick = `[download]
max_attempts = 4
backoff_base = "5ms"
backoff_max = "10ms"
connect_timeout = "10m"
header_timeout = "10m"
stall_timeout = "10m"
per_host = 64
http2 = true
`

// hasty gives servers up that take too long, for tests that have some; the others must
// have answered by then.
var hasty = strings.ReplaceAll(quick, `"10m"`, `"3s"`)

func newSandbox(t *testing.T) *sandbox {
	t.Helper()
	s := &sandbox{t: t, dir: t.TempDir()}
	s.store, s.config = filepath.Join(s.dir, "store"), filepath.Join(s.dir, "sourcehost.toml")
	for _, sub := range []string{"home", "tmp", "cwd"} {
		if err := os.Mkdir(filepath.Join(s.dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(s.dir, "home"), "TMPDIR=" + filepath.Join(s.dir, "tmp"),
		"SOURCEHOST_CACHE=" + built.cache, "SOURCEHOST_CONFIG=" + s.config,
	}
	s.configure(quick)
	t.Cleanup(s.clean)
	return s
}

// clean checks that the program has left no file behind but its store.
func (s *sandbox) clean() {
	for _, sub := range []string{"home", "tmp", "cwd"} {
		filepath.WalkDir(filepath.Join(s.dir, sub), func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				s.t.Error(err)
			} else if path != filepath.Join(s.dir, sub) {
				s.t.Errorf("the program has left %s behind", path)
			}
			return nil
		})
	}
}

// configure writes the configuration file.
func (s *sandbox) configure(toml string) {
	s.t.Helper()
	s.write(s.config, []byte(toml))
}

func (s *sandbox) write(path string, data []byte) string {
	s.t.Helper()
	if !filepath.IsAbs(path) {
		path = filepath.Join(s.dir, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// manifest writes a manifest and returns its path.
func (s *sandbox) manifest(curl items) string {
	s.t.Helper()
	return s.write("manifest.json", manifestOf(curl))
}

func (s *sandbox) files() string { return filepath.Join(s.store, "sources", "org.osbuild.files") }

// entries returns the names in the store, sorted, each checked: a regular file
// of mode 0644 whose content is what its name says.
func (s *sandbox) entries() []string {
	s.t.Helper()
	all, err := os.ReadDir(s.files())
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	var names []string
	for _, e := range all {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		names = append(names, e.Name())
		info, err := e.Info()
		if err != nil {
			s.t.Fatal(err)
		}
		if info.Mode() != 0o644 {
			s.t.Errorf("the entry %s has mode %v, want 0644", e.Name(), info.Mode())
			continue
		}
		data, err := os.ReadFile(filepath.Join(s.files(), e.Name()))
		if err != nil {
			s.t.Fatal(err)
		}
		if got := key(data); got != e.Name() {
			s.t.Errorf("WRONG BYTES: the entry %s holds %s (%d bytes)", e.Name(), got, len(data))
		}
	}
	return names
}

// holds checks that the entries of the store are these and no others.
func (s *sandbox) holds(keys ...string) {
	s.t.Helper()
	want := slices.Clone(keys)
	slices.Sort(want)
	want = slices.Compact(want) // short random files may be equal
	if diff := cmp.Diff(want, s.entries(), cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("the store does not have what it should (-) or has what it should not (+):\n%s", tail(diff))
	}
}

// staged returns what is in folders of the store that are hidden.
func (s *sandbox) staged() map[string]int64 {
	s.t.Helper()
	found := map[string]int64{}
	err := filepath.WalkDir(s.store, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.Contains(strings.TrimPrefix(path, s.store), "/.") {
			return err
		}
		if info, err := e.Info(); err == nil { // else it went away meanwhile
			found[e.Name()] = info.Size()
		}
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	return found
}

// nothingStaged checks that no part of a download is left.
func (s *sandbox) nothingStaged() {
	s.t.Helper()
	if found := s.staged(); len(found) > 0 {
		s.t.Errorf("left in the staging folder: %v", found)
	}
}

// partial returns the size of the largest staged file.
func (s *sandbox) partial() (size int64) {
	s.t.Helper()
	for name, n := range s.staged() {
		if strings.HasSuffix(name, ".part") {
			size = max(size, n)
		}
	}
	return size
}

// contains fails the test unless text has each of the parts.
func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !bytes.Contains([]byte(text), []byte(part)) {
			t.Errorf("it does not say %q:\n%s", part, text)
		}
	}
}
