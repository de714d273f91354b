package e2e

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/sampleimage"
)

// TestOsbuildOstree has each version of osbuild pull commits through the service,
// twice, from a server and with another place for content.
func TestOsbuildOstree(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newCA(t, "ca"))
	r := newOstreeRepo(t, filepath.Join(n.root, "repo"))
	one, two := r.commit("one"), r.commit("two")
	missing := strings.Repeat("ab", 32)
	for _, v := range osbuildVersions {
		t.Run(fmt.Sprint("v", v), func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t)
			s.t = t
			url := n.url(n.plain, "repo")
			good := s.download(items{
				one: object{"remote": object{"url": url}},
				two: object{"remote": object{"url": url, "contenturl": url}},
			})
			bad := s.download(items{missing: object{"remote": object{"url": url}}})
			session := s.osbuild(v, "org.osbuild.ostree", s.download(items{}), good, good, bad, bad, good)
			session.succeeded(0, 1, 2, 5)
			session.failed(3, v, "404", url)
			session.failed(4, v, "404", url)
			s.soundRepo(one, two)
		})
	}
}

// TestOsbuildInline stores content in both encodings, twice.
func TestOsbuildInline(t *testing.T) {
	t.Parallel()
	hello, empty, wrong := key([]byte("hello\n")), key(nil), key([]byte("wrong"))
	xz := "/Td6WFoAAATm1rRGAgAhARYAAAB0L+WjAQAFaGVsbG8KAAAApWCX8ZT2/eAAAR4GwS+kHR+2830BAAAAAARZWg=="
	for _, v := range osbuildVersions {
		t.Run(fmt.Sprint("v", v), func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t)
			s.t = t
			good := s.download(items{hello: object{"encoding": "lzma+base64", "data": xz}, empty: object{"encoding": "base64", "data": "\n"}})
			bad := s.download(items{wrong: object{"encoding": "base64", "data": base64.StdEncoding.EncodeToString([]byte("other"))}})
			session := s.osbuild(v, "org.osbuild.inline", good, good, bad)
			session.succeeded(0, 1)
			session.failed(2, v, "does not match its key")
			s.holds(hello, empty)
		})
	}
}

// call is a download of the source.
func (r *librepoSource) call(s *sandbox) object {
	all := items{}
	for key, desc := range r.Items {
		all[key] = desc
	}
	call := s.download(all)
	call["options"] = object{"mirrors": r.Options.Mirrors}
	return call
}

// TestOsbuildLibrepo fetches from each kind of mirrors, one and two, in each version,
// twice, and what none of them has.
func TestOsbuildLibrepo(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newCA(t, "ca"))
	one, two := n.url(n.plain, "one/"), n.url(n.plain, "two/")
	first, second := content("first", 4000), content("second", 3000)
	n.put("one/first.rpm", first)
	n.put("two/first.rpm", content("changed", 4000))
	n.put("two/second.rpm", second)
	for kind, list := range listKinds {
		n.put(kind, list(one))
		n.put(kind+"2", list(one, two))
		n.put(kind+"-swapped", list(two, one))
	}
	for _, v := range osbuildVersions {
		t.Run(fmt.Sprint("v", v), func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t)
			s.t = t
			calls, fails := []object{newLibrepoSource().call(s)}, map[int][]string{}
			for kind := range listKinds {
				good := newLibrepoSource().mirror("m", kind, n.url(n.plain, kind+"2")).mirror("s", kind, n.url(n.plain, kind+"-swapped"))
				good.item("s", "first.rpm", first) // of which the first mirror has another
				good.item("m", "second.rpm", second)
				lost := newLibrepoSource().mirror("m", kind, n.url(n.plain, kind+"2"))
				lost.item("m", "lost.rpm", []byte("lost"))
				nowhere := newLibrepoSource().mirror("m", kind, n.url(n.plain, "nowhere"))
				nowhere.item("m", "first.rpm", []byte(kind))
				calls = append(calls, good.call(s), good.call(s), lost.call(s), lost.call(s), nowhere.call(s))
				fails[len(calls)-3] = []string{one + "lost.rpm", two + "lost.rpm", "404"}
				fails[len(calls)-2] = fails[len(calls)-3]
				fails[len(calls)-1] = []string{n.url(n.plain, "nowhere"), "404"}
			}
			base := newLibrepoSource().mirror("m", "baseurl", one)
			base.item("m", "first.rpm", first)
			wrong := newLibrepoSource().mirror("m", "baseurl", one)
			wrong.item("m", "first.rpm", []byte("wrong"))
			unknown := newLibrepoSource().mirror("m", "baseurl", one)
			unknown.item("other", "first.rpm", []byte("unknown"))
			calls = append(calls, base.call(s), wrong.call(s), unknown.call(s))
			fails[len(calls)-2] = []string{one + "first.rpm", "does not match its key"}
			fails[len(calls)-1] = []string{"other", "options.mirrors"}
			session := s.osbuild(v, "org.osbuild.librepo", calls...)
			for i := range calls {
				if parts, failing := fails[i]; failing {
					session.failed(i, v, parts...)
				} else {
					session.succeeded(i)
				}
			}
			s.holds(key(first), key(second))
			session.told("Downloaded "+one+"first.rpm", 1)
			session.told("Downloaded "+two+"second.rpm", 1)
		})
	}
}

// TestOsbuildIndex copies a list of images, twice, and what is none.
func TestOsbuildIndex(t *testing.T) {
	t.Parallel()
	image := newImage(t, "listed", []byte("listed"))
	list, err := sampleimage.List(image)
	if err != nil {
		t.Fatal(err)
	}
	repository, _ := serveImages(t, nil, image, list)
	s := imageSandbox(t)
	good := s.download(items{list.Digest(): described(repository, list)})
	none := s.download(items{image.Digest(): described(repository, list)})
	lost := s.download(items{key([]byte("lost")): described(repository, list)})
	for _, v := range osbuildVersions {
		r := s.osbuild(v, "org.osbuild.skopeo-index", s.download(items{}), good, good, none, none, lost, lost)
		r.succeeded(0, 1, 2)
		for i := 3; i < 7; i++ {
			r.failed(i, v, repository, map[bool]string{true: "not a manifest list", false: "404"}[i < 5])
		}
	}
	s.holds(list.Digest())
}

// TestOsbuildCopy copies what each source has in the store to another one, twice.
func TestOsbuildCopy(t *testing.T) {
	t.Parallel()
	s, _, file, image, commit := mixed(t)
	to := filepath.Join(s.dir, "copy")
	for source, key := range map[string]string{
		"org.osbuild.inline": file, "org.osbuild.curl": file, "org.osbuild.skopeo": image, "org.osbuild.ostree": commit, "org.osbuild.containers-storage": image,
	} {
		call := object{"method": "copy", "items": items{key: object{}}, "options": object{}, "cache": filepath.Join(s.store, "sources"), "dst_cache": filepath.Join(to, "sources")}
		lost := object{"method": "copy", "items": items{strings.Replace(key, key[len(key)-5:], "00000", 1): object{}}, "options": object{}, "cache": filepath.Join(s.store, "sources"), "dst_cache": filepath.Join(to, "sources")}
		session := s.osbuild(191, source, call, call, lost)
		session.succeeded(0, 1)
		if source != "org.osbuild.containers-storage" {
			session.failed(2, 191, "is not in the store")
		}
	}
	s.verifying(to).ends(0)
	s.store = to
	s.soundRepo(commit)
	s.holds(file)
}
