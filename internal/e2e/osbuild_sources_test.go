package e2e

import (
	"encoding/base64"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
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
