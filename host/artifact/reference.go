// Package artifact keeps plugins in OCI registries, in the layout that the CNCF has
// given WebAssembly modules (https://tag-runtime.cncf.io/wgs/wasm/deliverables/wasm-oci-artifact/).
package artifact

import (
	"fmt"
	"net"
	"strings"

	"github.com/opencontainers/go-digest"
	"oras.land/oras-go/v2/registry"
)

// Scheme begins a reference to a plugin in a registry.
const Scheme = "oci://"

// Reference names a plugin in a registry.
type Reference struct {
	ref registry.Reference
	// Digest is that of the artifact's manifest, "sha256:" and 64 hexadecimal
	// digits; empty when only a tag names it.
	Digest digest.Digest
	// Tag may be empty. Beside a digest it is for people only.
	Tag string
}

// Is reports whether a text is meant as a reference.
func Is(text string) bool { return strings.HasPrefix(text, Scheme) }

// Parse reads oci://REGISTRY/REPOSITORY, followed by :TAG, @DIGEST or both.
func Parse(text string) (Reference, error) {
	fail := func(why string) (Reference, error) {
		return Reference{}, fmt.Errorf("%q: %s; expected oci://REGISTRY/REPOSITORY:TAG or oci://REGISTRY/REPOSITORY@sha256:DIGEST", shorten(text), why)
	}
	rest, ok := strings.CutPrefix(text, Scheme)
	if !ok {
		return fail("it does not begin with " + Scheme)
	}
	if strings.ContainsAny(rest, "?# ") || strings.Contains(rest[:len(rest)-len(afterHost(rest))], "@") {
		return fail("it has more than a registry, a repository and a tag or digest")
	}
	name, sum, pinned := strings.Cut(rest, "@")
	r := Reference{}
	if pinned {
		r.Digest = digest.Digest(sum)
		if r.Digest.Validate() != nil || r.Digest.Algorithm() != digest.SHA256 {
			return fail("the digest is not sha256: and 64 hexadecimal digits")
		}
	}
	ref, err := registry.ParseReference(name)
	if err != nil {
		return fail(strings.TrimPrefix(err.Error(), "invalid reference: "))
	}
	r.ref, r.Tag = ref, ref.Reference
	if r.Tag == "" && !pinned {
		return fail("it has neither a tag nor a digest")
	}
	return r, nil
}

// afterHost is what follows the first slash, with it.
func afterHost(rest string) string {
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		return rest[i:]
	}
	return ""
}

// String is the reference as Parse reads it.
func (r Reference) String() string {
	s := Scheme + r.ref.Registry + "/" + r.ref.Repository
	if r.Tag != "" {
		s += ":" + r.Tag
	}
	if r.Digest != "" {
		s += "@" + string(r.Digest)
	}
	return s
}

// Pinned is the reference by digest alone.
func (r Reference) Pinned(d digest.Digest) Reference {
	r.Tag, r.Digest = "", d
	return r
}

// name is what a registry is asked for.
func (r Reference) name() string {
	if r.Digest != "" {
		return string(r.Digest)
	}
	return r.Tag
}

// loopback reports whether a host, with or without a port, is this machine.
func loopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = strings.Trim(host, "[]")
	}
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

func shorten(s string) string {
	const most = 200
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
