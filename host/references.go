package host

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/download"
	"github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// turnedOff stands for the verification of servers' certificates, turned off.
// No plugin can be granted that: it is the manifest's to say.
const turnedOff = "insecure"

// reference is something outside of an item's description that the description
// names: using it takes a capability.
type reference struct{ capability, value string }

// references finds what a description refers to, by the names that the members
// of abi.Download have, at any depth: "url", "urls" and "mirrors", "tls",
// "insecure", "proxy_env" and "secret". So do some members of osbuild's manifests: "secrets",
// which name who provides certificates, "contenturl", "tls-verify", and "image" with
// its "name", "containers-transport" and "storage-location". A description that is
// a string is a URL.
func references(desc []byte) map[reference]bool {
	refs := map[reference]bool{}
	r := rawjson.NewReader(desc)
	// A description that is not JSON was refused before it came here.
	_ = collect(r, plugin.CapDownload, refs)
	return refs
}

// collect takes the next value. Strings in it are references that need the
// capability; "" means that they are none.
func collect(r *rawjson.Reader, capability string, refs map[reference]bool) error {
	switch r.Kind() {
	case '"':
		value, err := r.String()
		if err == nil && capability != "" {
			refs[reference{capability, value}] = true
		}
		return err
	case '[':
		return r.Array(func(int) error { return collect(r, capability, refs) })
	case '{':
		return r.Object(func(key []byte) error {
			switch member(key) {
			case "url", "urls", "mirrors", "contenturl":
				return collect(r, plugin.CapDownload, refs)
			case "image":
				return collectImage(r, refs)
			case "tls":
				return collectTLS(r, refs)
			case "insecure":
				return collectTrue(r, refs)
			case "proxy_env":
				return collect(r, plugin.CapEnv, refs)
			case "secrets": // the name of a provider of certificates
				return collectAll(r, plugin.CapSecrets, refs)
			case "secret":
				return collect(r, plugin.CapSecrets, refs)
			}
			return collect(r, "", refs)
		})
	}
	return r.Skip()
}

// member returns the name that a member is looked for by. Some libraries, that of Go
// among them, take members whose names differ in case only.
func member(key []byte) string {
	for _, name := range []string{
		"url", "urls", "mirrors", "contenturl", "image", "tls", "insecure", "proxy_env", "secrets", "secret",
		"cert_secret", "key_secret", "name", "containers-transport", "storage-location", "tls-verify",
	} {
		if strings.EqualFold(name, string(key)) {
			return name
		}
	}
	return ""
}

// collectTLS takes the files and the secrets that TLS settings name.
func collectTLS(r *rawjson.Reader, refs map[reference]bool) error {
	if r.Kind() != '{' {
		return collect(r, plugin.CapTLS, refs)
	}
	return r.Object(func(key []byte) error {
		switch member(key) {
		case "cert_secret", "key_secret":
			return collect(r, plugin.CapSecrets, refs)
		}
		return collect(r, plugin.CapTLS, refs)
	})
}

// collectAll takes every string of an object, whatever its member is called.
func collectAll(r *rawjson.Reader, capability string, refs map[reference]bool) error {
	if r.Kind() != '{' {
		return collect(r, capability, refs)
	}
	return r.Object(func([]byte) error { return collect(r, capability, refs) })
}

// collectImage notes which image an object names, and how it is asked for: every one,
// when it has members whose names differ in case only.
func collectImage(r *rawjson.Reader, refs map[reference]bool) error {
	if r.Kind() != '{' {
		return r.Skip()
	}
	var names, transports []string
	err := r.Object(func(key []byte) (err error) {
		value := ""
		switch name := member(key); {
		case name == "name" && r.Kind() == '"':
			value, err = r.String()
			names = append(names, value)
		case name == "containers-transport" && r.Kind() == '"':
			value, err = r.String()
			transports = append(transports, value)
		case name == "storage-location":
			refs[reference{plugin.CapImage, container.ContainersStorage + ":"}] = true
			err = r.Skip()
		case name == "tls-verify" && r.Kind() == 'f':
			refs[reference{turnedOff, "true"}] = true
			err = r.Skip()
		default:
			err = r.Skip()
		}
		return err
	})
	if len(names) == 0 {
		names = []string{""}
	}
	if len(transports) == 0 {
		transports = []string{container.Docker}
	}
	for _, name := range names {
		for _, transport := range transports {
			image := container.Image{Name: name, Transport: transport}
			refs[reference{plugin.CapImage, imageReference(&image)}] = true
		}
	}
	return err
}

// collectTrue notes that the next value is true.
func collectTrue(r *rawjson.Reader, refs map[reference]bool) error {
	if r.Kind() == 't' {
		refs[reference{turnedOff, "true"}] = true
	}
	return r.Skip()
}

// adopt checks what a chained plugin has made of a description. The source's
// own plugin may be allowed more than the chained one, so everything that the
// chained one has put in must be covered by its own requests and grants; what
// was there before may stay.
func (r *run) adopt(it *item, l *loaded, desc []byte) error {
	added, err := l.policy.adopts(it.desc, desc, r.host.secrets.Redact)
	if err != nil {
		return err
	}
	for _, ref := range added {
		if it.adopted == nil {
			it.adopted = map[reference]*policy{}
		}
		it.adopted[ref] = l.policy
	}
	return nil
}

// adopts returns the references that a chained plugin has added to a description,
// or an error that names the first one that it may not add.
func (p *policy) adopts(old, desc []byte, redact func(string) string) ([]reference, error) {
	before := references(old)
	var added []reference
	for _, ref := range sorted(references(desc)) {
		if before[ref] {
			continue
		}
		if ref.capability == turnedOff {
			return nil, &deniedError{"the description that it returned turns the verification of certificates off, which only the manifest can do"}
		}
		shown := redact(ref.value)
		if ref.capability == plugin.CapDownload {
			shown = download.CleanURL(shown)
		}
		if err := p.allowShown(ref.capability, ref.value, shown); err != nil {
			return nil, fmt.Errorf("the description that it returned is not allowed: %w", err)
		}
		added = append(added, ref)
	}
	return added, nil
}

// sorted brings references into an order, so that of several that are denied the
// same one is reported each time.
func sorted(refs map[reference]bool) []reference {
	return slices.SortedFunc(maps.Keys(refs), func(a, b reference) int {
		return cmp.Or(cmp.Compare(a.capability, b.capability), cmp.Compare(a.value, b.value))
	})
}
