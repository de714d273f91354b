package container

import (
	"archive/tar"
	"bufio"
	"bytes"
	"net"
	"slices"
	"strings"
	"testing"
)

// FuzzArchive: whatever is in an archive, it is refused or its config and layers
// are those of the id.
func FuzzArchive(f *testing.F) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for name, text := range map[string]string{"manifest.json": `[{"Config":"c.json","Layers":["l.tar"]}]`, "c.json": `{"rootfs":{"diff_ids":[]}}`, "l.tar": "x"} {
		w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text))})
		w.Write([]byte(text))
	}
	w.Close()
	f.Add(buf.Bytes())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		content, err := readArchive(t.Context(), bytes.NewReader(data))
		if err != nil {
			return
		}
		for name, digest := range content.digests {
			if !isDigest(digest) {
				t.Errorf("%q has the digest %q", name, digest)
			}
			if text, ok := content.texts[name]; ok && digestOf(text) != digest {
				t.Errorf("%q has another digest than its text", name)
			}
		}
	})
}

// FuzzManifest: every blob that is accepted has a name that stays in its folder.
func FuzzManifest(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":{"digest":"sha256:0"},"layers":[]}`))
	f.Add([]byte(`{"manifests":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := parseManifest(data)
		if err != nil {
			return
		}
		all, err := m.blobs()
		if err != nil {
			return
		}
		for _, b := range all {
			if !isHex(b.Digest[len("sha256:"):]) {
				t.Errorf("the blob %q was accepted", b.Digest)
			}
		}
	})
}

// FuzzSocks: nobody is connected anywhere without the password, whatever they say, and
// who has it is connected where they say.
func FuzzSocks(f *testing.F) {
	g := &guard{password: "password"}
	login := append([]byte{5, 1, 2, 1, byte(len(guardUser))}, guardUser+"\x08password"...)
	for _, request := range [][]byte{
		{5, 1, 0, 1, 127, 0, 0, 1, 0, 80}, {5, 1, 0, 3, 9, 'l', 'o', 'c', 'a', 'l', 'h', 'o', 's', 't', 1, 187},
		append(append([]byte{5, 1, 0, 4}, make([]byte, 16)...), 0, 80), {5, 2, 0, 1}, {},
	} {
		f.Add(append(slices.Clone(login), request...))
		f.Add(request)
	}
	f.Fuzz(func(t *testing.T, said []byte) {
		var answer bytes.Buffer
		target, err := g.greet(bufio.NewReader(bytes.NewReader(said)), &answer)
		if err != nil {
			return
		}
		if !bytes.Contains(said, []byte(guardUser+"\x08password")) {
			t.Errorf("%q: let in without the password", said)
		}
		if _, port, err := net.SplitHostPort(target); err != nil || strings.Trim(port, "0123456789") != "" {
			t.Errorf("%q leads to %q", said, target)
		}
	})
}
