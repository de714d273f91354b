package main

import (
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/sdk"
)

// origin is where an item comes from, as far as its description tells.
type origin struct {
	urls, hosts []string
	insecure    bool
}

// originOf reads the descriptions of all sources: of files, images, commits, and of
// items that a mirror of the options has.
func originOf(options sdk.Value, item *sdk.Item) (*origin, error) {
	o := &origin{}
	r := item.Desc().Reader()
	if r.Kind() == '"' {
		url, err := r.String()
		o.add(url)
		return o, err
	}
	if err := o.collect(r, options); err != nil {
		return nil, &sdk.Error{Kind: sdk.ErrInvalid, Message: err.Error()}
	}
	return o, nil
}

// collect takes the next value. It looks at any depth, since a rule that does not
// see a URL would let it pass.
func (o *origin) collect(r *sdk.Reader, options sdk.Value) error {
	switch r.Kind() {
	case '[':
		return r.Array(func(int) error { return o.collect(r, options) })
	case '{':
		return r.Object(func(key []byte) error { return o.member(r, string(key), options) })
	}
	return r.Skip()
}

func (o *origin) member(r *sdk.Reader, name string, options sdk.Value) error {
	switch kind := r.Kind(); {
	case (name == "url" || name == "contenturl") && kind == '"':
		url, err := r.String()
		o.add(url)
		return err
	case name == "urls" && kind == '[':
		return r.Array(func(int) error {
			url, err := r.String()
			o.add(url)
			return err
		})
	case name == "insecure" && kind == 't', name == "tls-verify" && kind == 'f':
		o.insecure = true
	case name == "image" && kind == '{':
		return r.Object(func(key []byte) error {
			if string(key) == "name" && r.Kind() == '"' {
				name, err := r.String()
				o.image(name)
				return err
			}
			return o.member(r, string(key), options)
		})
	case name == "mirror" && kind == '"' && len(options) > 0:
		id, err := r.String()
		if err != nil {
			return err
		}
		mirrors, err := options.Field("mirrors")
		if err != nil {
			return err
		}
		mirror, err := sdk.Value(mirrors).Field(id)
		if err != nil || len(mirror) == 0 {
			return err
		}
		return o.collect(sdk.Value(mirror).Reader(), nil)
	}
	return o.collect(r, options)
}

// add notes a URL and its host.
func (o *origin) add(url string) {
	url = strings.TrimPrefix(url, "mirrorlist=") // as remotes of ostree may have
	o.urls = append(o.urls, url)
	if host := hostOf(url); host != "" && !slices.Contains(o.hosts, host) {
		o.hosts = append(o.hosts, host)
	}
}

// image notes the registry of an image: what stands before the first slash, if it
// looks like a host, as container tools decide it.
func (o *origin) image(name string) {
	registry, _, found := strings.Cut(name, "/")
	if !found || !strings.ContainsAny(registry, ".:") && registry != "localhost" {
		registry = "docker.io"
	}
	o.add("docker://" + registry + "/" + name)
}

// hostOf returns the host of a URL in lower case, without user and port.
func hostOf(url string) string {
	_, rest, found := strings.Cut(url, "://")
	if !found {
		return ""
	}
	if end := strings.IndexAny(rest, "/?#\\"); end >= 0 {
		rest = rest[:end]
	}
	host := strings.ToLower(rest[strings.LastIndexByte(rest, '@')+1:])
	if strings.HasPrefix(host, "[") {
		end := strings.IndexByte(host, ']')
		return host[:max(end+1, 0)]
	}
	host, _, _ = strings.Cut(host, ":")
	return strings.TrimSuffix(host, ".")
}

// withoutCredentials shows a URL without user, query and fragment.
func withoutCredentials(url string) string {
	scheme, rest, found := strings.Cut(url, "://")
	if !found {
		return url
	}
	if end := strings.IndexAny(rest, "?#"); end >= 0 {
		rest = rest[:end]
	}
	authority, path, _ := strings.Cut(rest, "/")
	return scheme + "://" + authority[strings.LastIndexByte(authority, '@')+1:] + "/" + path
}
