package ostree

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// repository has the real ostree commit what needs every width of framing offsets:
// long targets of links, many and long names, and extended attributes.
func repository(t *testing.T) (objects string, commit string) {
	t.Helper()
	if _, err := exec.LookPath("ostree"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("ostree is missing: install the package ostree")
		}
		t.Skip("ostree is missing: install the package ostree")
	}
	dir := t.TempDir()
	tree, repo := filepath.Join(dir, "tree"), filepath.Join(dir, "repo")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(tree, "many"), 0o755))
	for i := range 1500 {
		must(os.WriteFile(filepath.Join(tree, "many", fmt.Sprintf("%04d-%s", i, strings.Repeat("n", 40))), []byte{byte(i % 7)}, 0o644))
	}
	must(os.Symlink(strings.Repeat("long/", 70), filepath.Join(tree, "long")))
	must(os.Symlink("short", filepath.Join(tree, "short")))
	must(os.WriteFile(filepath.Join(tree, "empty"), nil, 0o600))
	must(os.WriteFile(filepath.Join(tree, "zeros"), make([]byte, 1<<20), 0o755))
	for _, n := range []int{3, 300} { // where the file system has such attributes
		path := filepath.Join(tree, fmt.Sprint("attribute", n))
		must(os.WriteFile(path, []byte("a"), 0o644))
		_ = unix.Setxattr(path, "user.name", bytes.Repeat([]byte("v"), n), 0)
		_ = unix.Setxattr(path, "user.other", []byte{0, 1}, 0)
	}
	for _, args := range [][]string{{"init", "--mode=archive"}, {"commit", "--orphan", "-s", "subject", "--add-metadata-string=key=value", tree}} {
		out, err := exec.Command("ostree", append(args, "--repo="+repo)...).CombinedOutput()
		if err != nil {
			t.Fatalf("ostree %v: %v\n%s", args, err, out)
		}
		commit = strings.TrimSpace(string(out))
	}
	return filepath.Join(repo, "objects"), commit
}

// each calls fn with every object of a repository.
func each(t *testing.T, objects string, fn func(o Object, data []byte)) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(objects, "*", "*"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		o, ok := Parse(filepath.Base(filepath.Dir(path)), filepath.Base(path))
		if !ok {
			t.Errorf("%s is no object", path)
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		fn(o, data)
	}
}

// TestCheck accepts all that ostree has made, and follows it to every object.
func TestCheck(t *testing.T) {
	objects, commit := repository(t)
	found, named := map[Object]bool{}, map[Object]bool{{Sum: commit, Kind: Commit}: true}
	each(t, objects, func(o Object, data []byte) {
		found[o] = true
		refs, err := Check(o, bytes.NewReader(data))
		if err != nil {
			t.Errorf("%s: %v", o, err)
		}
		for _, ref := range refs {
			named[ref] = true
		}
	})
	for o := range found {
		if !named[o] {
			t.Errorf("nothing leads to %s", o)
		}
	}
	if len(named) != len(found) {
		t.Errorf("%d objects are named, %d are there", len(named), len(found))
	}
}

// TestCheckDamaged flips bits, cuts and lengthens: nothing of it may pass.
func TestCheckDamaged(t *testing.T) {
	objects, _ := repository(t)
	each(t, objects, func(o Object, data []byte) {
		if len(data) > 1000 {
			return
		}
		for i := range data {
			damaged := bytes.Clone(data)
			damaged[i] ^= 1 << (i % 8)
			if _, err := Check(o, bytes.NewReader(damaged)); err == nil && !inflatesSame(data, damaged, i) {
				t.Errorf("%s: a flipped bit at %d passes", o, i)
			} else if err != nil && !errors.As(err, new(*Error)) {
				t.Errorf("%s: error of the type %T", o, err)
			}
			if _, err := Check(o, bytes.NewReader(data[:i])); err == nil {
				t.Errorf("%s: the first %d bytes pass", o, i)
			}
		}
		if _, err := Check(o, bytes.NewReader(append(bytes.Clone(data), 0))); err == nil {
			t.Errorf("%s: a further byte passes", o)
		}
	})
}

// inflatesSame tells a flipped bit that changes nothing which the object stands for:
// the unused bits at the end of the deflated content.
func inflatesSame(data, damaged []byte, at int) bool {
	return at == len(data)-1 && len(data) == len(damaged)
}

// object makes a file in archive mode and its name.
func object(mode uint32, size uint64, target string, attributes, content []byte) (Object, []byte) {
	body := binary.BigEndian.AppendUint64(nil, size)
	for _, v := range []uint32{0, 0, mode, 0} {
		body = binary.BigEndian.AppendUint32(body, v)
	}
	body = append(append(body, target...), 0)
	end := len(body)
	body = append(append(body, attributes...), byte(end))
	h, err := parseHeader(body)
	sum := [32]byte{}
	if err == nil {
		sum = sha256.Sum256(prefixed(h.bare))
	}
	return Object{Sum: hex.EncodeToString(sum[:]), Kind: File}, append(prefixed(body), content...)
}

// TestHeaders refuses headers that ostree does not make.
func TestHeaders(t *testing.T) {
	for name, c := range map[string]struct {
		mode   uint32
		size   uint64
		target string
		attrs  []byte
		tail   []byte
		want   string
	}{
		"link":            {mode: 0o120777, target: "x"},
		"link with bytes": {mode: 0o120777, target: "x", tail: []byte("x"), want: "bytes after"},
		"link with size":  {mode: 0o120777, target: "x", size: 1, want: "header says"},
		"no target":       {mode: 0o120777, want: "target"},
		"file and target": {mode: 0o100644, target: "x", want: "target"},
		"folder":          {mode: 0o040755, want: "mode"},
		"device":          {mode: 0o060644, want: "mode"},
		"attributes":      {mode: 0o120777, target: "x", attrs: []byte("nonsense"), want: "normal form"},
		"no content":      {mode: 0o100644, want: "inflated"},
	} {
		o, data := object(c.mode, c.size, c.target, c.attrs, c.tail)
		_, err := Check(o, bytes.NewReader(data))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParse(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	for _, kind := range []Kind{Commit, CommitMeta, DirTree, DirMeta, File} {
		want := Object{Sum: sum, Kind: kind}
		if o, ok := Parse(want.Dir(), want.Name()); !ok || o != want {
			t.Errorf("Parse(%s) = %v, %v", want, o, ok)
		}
	}
	for _, c := range [][2]string{{"ab", "cd.commit"}, {"AB", sum[2:] + ".commit"}, {"ab", sum[2:] + ".file"}, {"ab", sum[2:]}, {"a", sum[1:] + ".filez"}, {"ab", sum[2:] + ".filez.tmp"}} {
		if o, ok := Parse(c[0], c[1]); ok {
			t.Errorf("Parse(%q) = %v", c, o)
		}
	}
}

// TestNames refuses what a checkout would make outside of its folder.
func TestNames(t *testing.T) {
	for _, name := range []string{"", ".", "..", "a/b", "a\x00b", "\xff"} {
		if err := checkEntryName(append([]byte(name), 0)); err == nil {
			t.Errorf("the name %q passes", name)
		}
	}
	if err := checkEntryName([]byte("no end")); err == nil {
		t.Error("a name without an end passes")
	}
}

// FuzzCheck feeds anything as each kind: no panic, and nothing passes but what its
// name says.
func FuzzCheck(f *testing.F) {
	_, file := object(0o120777, 0, "x", nil, nil)
	f.Add(file)
	f.Add([]byte("\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		sum := sha256.Sum256(data)
		for _, kind := range []Kind{Commit, CommitMeta, DirTree, DirMeta} { // whose digest is right
			_, _ = Check(Object{Sum: hex.EncodeToString(sum[:]), Kind: kind}, bytes.NewReader(data))
		}
		if _, err := Check(Object{Sum: strings.Repeat("00", 32), Kind: File}, bytes.NewReader(data)); err == nil {
			t.Error("it passes under a name that is not its own")
		}
		if h, err := parseHeader(data); err == nil {
			// What the digest covers is the same without the size, but for the last
			// bytes, which say where the target ends.
			if body := h.bare[:len(h.bare)-offsetSize(len(h.bare))]; !bytes.HasPrefix(data[8:], body) {
				t.Errorf("%x became %x", data, h.bare)
			}
		}
	})
}
