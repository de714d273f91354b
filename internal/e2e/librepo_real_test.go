package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// realLibrepo downloads the source with the library that other programs use, and
// returns the errors of the items that it could not get.
func realLibrepo(t *testing.T, r *librepoSource, folder string) map[string]string {
	t.Helper()
	const python = "/usr/bin/python3" // Debian's, which has Debian's modules
	if err := exec.Command(python, "-c", "import librepo").Run(); err != nil {
		text := "the Python module librepo is missing: install the Debian package python3-librepo"
		if os.Getenv("CI") != "" {
			t.Fatal(text)
		}
		t.Skip(text)
	}
	input, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "testdata/reallibrepo.py", folder)
	cmd.Stdin = bytes.NewReader(input)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errOut.String())
	}
	var said map[string]*string
	if err := json.Unmarshal(out, &said); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	failed := map[string]string{}
	for key, text := range said {
		if text != nil && *text != "Already downloaded" {
			failed[key] = *text
		}
	}
	return failed
}

// choices are the places that were asked for each file, in the order in which they
// were asked first, from a log.
func choices(t *testing.T, log []request) map[string][]string {
	t.Helper()
	asked := map[string][]string{}
	for _, r := range log {
		path, err := url.PathUnescape(r.uri)
		if err != nil {
			t.Fatal(err)
		}
		place, file, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		if file != "" && !slices.Contains(asked[file], place) { // else it is a list
			asked[file] = append(asked[file], place)
		}
	}
	return asked
}

// orderly puts the mirrors of a metalink in the order of preference, as mirror
// managers do: librepo goes by their order, whatever their preference is.
func orderly(list []byte) []byte {
	all := strings.SplitAfter(string(list), "\n")
	if i := slices.IndexFunc(all, func(s string) bool { return strings.Contains(s, "<url protocol=\"http\"") }); i >= 0 {
		slices.Reverse(all[i : i+3])
	}
	return []byte(strings.Join(all, ""))
}

// TestLibrepoLikeTheRealOne: the same files come from the same mirrors as with
// librepo itself, in the order in which that asks them.
func TestLibrepoLikeTheRealOne(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"metalink", "mirrorlist", "baseurl"} {
		n := startNginx(t, newCA(t, "ca"))
		r := newLibrepoSource()
		var keys, lost []string
		file := func(path string, places ...string) {
			data := content(kind+path, 2000)
			for _, place := range places {
				wrong := strings.HasSuffix(place, "!")
				bytes := data
				if place = strings.TrimSuffix(place, "!"); wrong {
					bytes = content("wrong"+path, 2000)
				}
				n.put(place+"/"+path, bytes)
			}
			// librepo remembers which mirrors have failed, and in which order is its own
			// matter. What a fresh one does is determined.
			id := fmt.Sprint("mirror", len(r.Items))
			k := r.item(id, path, data)
			if kind == "baseurl" {
				r.mirror(id, kind, n.url(n.plain, "one/"))
			} else {
				r.mirror(id, kind, n.url(n.plain, "list"))
			}
			if len(places) == 0 || strings.HasSuffix(places[len(places)-1], "!") {
				lost = append(lost, k)
			} else {
				keys = append(keys, k)
			}
		}
		file("Packages/a/a-1.0-1.x86_64.rpm", "one", "two", "three")
		file("Packages/b/b-1.0~rc1^git.noarch.rpm", "one")
		file("Packages/g/gcc-c++-13.rpm", "one")
		if kind != "baseurl" {
			file("b.rpm", "two", "three")
			file("c.rpm", "three")
			file("d.rpm", "one!", "two")
		}
		file("lost.rpm")
		if kind != "baseurl" {
			n.put("list", orderly(listKinds[kind](n.url(n.plain, "one/"), n.url(n.plain, "two/"), n.url(n.plain, "three/"))))
		}

		s := newSandbox(t)
		s.configure("[download]\nbackoff_base = \"5ms\"\n")
		s.fetch(r.write(s), "--workers", "1").ends(1).counts(len(keys), 0, len(lost))
		s.holds(keys...)
		ours := n.log(len(keys))

		folder := t.TempDir()
		failed := realLibrepo(t, r, folder)
		if len(failed) != len(lost) || failed[lost[0]] == "" {
			t.Errorf("%s: librepo failed with %v, want %v", kind, failed, lost)
		}
		for _, k := range keys {
			a, err1 := os.ReadFile(filepath.Join(folder, k))
			b, err2 := os.ReadFile(filepath.Join(s.files(), k))
			if err1 != nil || err2 != nil || !bytes.Equal(a, b) {
				t.Errorf("%s: %s is not the same: %v, %v", kind, k, err1, err2)
			}
		}
		real := n.log(len(ours) + len(keys))[len(ours):]
		if diff := cmp.Diff(choices(t, real), choices(t, ours)); diff != "" {
			t.Errorf("%s: other mirrors were asked (-librepo +sourcehost)\n%s", kind, diff)
		}
		if !slices.Contains(n.uris(0), "/one/Packages/a/a-1.0-1.x86_64.rpm") {
			t.Errorf("nobody asked for the first file: %q", n.uris(0))
		}
	}
}
