package sdk

import (
	"slices"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// Remote is the description of an item that is downloaded. In JSON it is a URL
// or an object with any of the fields below; fields that are not listed here
// are kept as they are.
type Remote struct {
	// URLs are tried in order. In JSON they are the array "urls", followed by
	// the string "url" unless that is empty or the array has it.
	URLs []string
	// Insecure turns the verification of the server's certificate off.
	Insecure bool
	// Secrets names the provider of the client certificate: {"name": ...}.
	Secrets string
	// Headers are sent with the requests, but to no other host that a redirect
	// leads to.
	Headers []Header
	// Auth, with a user and a secret, is Basic authentication.
	Auth Auth
	// Query are parameters that the host adds to the URLs.
	Query []Param
	// TLS names certificate files of the host.
	TLS TLS
	// ProxyEnv, "proxy_env" in JSON, names the environment variable that holds
	// the URL of a proxy.
	ProxyEnv string

	// rest are the other fields, each with a comma after it.
	rest []byte
}

// URL returns the first URL, or "" when there is none.
func (r *Remote) URL() string {
	if len(r.URLs) == 0 {
		return ""
	}
	return r.URLs[0]
}

// AddURLFirst makes url the one that is tried first, and those there were so far
// its fall-backs.
func (r *Remote) AddURLFirst(url string) { r.URLs = slices.Insert(r.URLs, 0, url) }

// AddHeader adds a header with a value.
func (r *Remote) AddHeader(name, value string) {
	r.Headers = append(r.Headers, Header{Name: name, Value: value})
}

// AddSecretHeader adds a header whose value is the prefix and then a secret of
// the host's configuration, by name. The host puts the secret in when the
// request goes out, and the plugin never sees it.
func (r *Remote) AddSecretHeader(name, prefix, secret string) {
	r.Headers = append(r.Headers, Header{Name: name, Secret: secret, Prefix: prefix})
}

// Download returns what downloads the item of this key.
func (r *Remote) Download(key string) *Download {
	return &Download{Key: key, URLs: r.URLs, Headers: r.Headers, Auth: r.Auth, Query: r.Query, Insecure: r.Insecure, TLS: r.TLS, ProxyEnv: r.ProxyEnv}
}

// decode reads a description into r, whose memory is used again, as is that of
// the reader.
func (r *Remote) decode(in *rawjson.Reader, desc Value) error {
	*r = Remote{URLs: r.URLs[:0], Headers: r.Headers[:0], Query: r.Query[:0], rest: r.rest[:0]}
	in.Reset(desc)
	var url string
	var err error
	if in.Kind() == '"' {
		url, err = in.String()
	} else {
		err = in.Object(func(key []byte) (err error) {
			if string(key) == "url" {
				url, err = in.String()
				return err
			}
			return r.read(in, key)
		})
	}
	if url != "" && !slices.Contains(r.URLs, url) {
		r.URLs = append(r.URLs, url)
	}
	return err
}

// read reads the field of this name.
func (r *Remote) read(in *rawjson.Reader, key []byte) (err error) {
	switch string(key) {
	case "urls":
		return in.Array(func(int) error {
			url, err := in.String()
			r.URLs = append(r.URLs, url)
			return err
		})
	case "insecure":
		r.Insecure, err = in.Bool()
	case "secrets":
		return in.Object(func(key []byte) (err error) {
			if string(key) == "name" {
				r.Secrets, err = in.String()
			}
			return err
		})
	case "headers":
		return abi.ReadHeaders(in, &r.Headers)
	case "auth":
		return r.Auth.Read(in)
	case "query":
		return abi.ReadParams(in, &r.Query)
	case "tls":
		return r.TLS.Read(in)
	case "proxy_env":
		r.ProxyEnv, err = in.String()
	default:
		err = keep(&r.rest, in, key)
	}
	return err
}

// append encodes r as an object.
func (r *Remote) append(dst []byte) []byte {
	dst = append(dst, '{')
	if r.URL() != "" && len(r.URLs) == 1 {
		dst = rawjson.AppendString(append(dst, `"url":`...), r.URLs[0])
		dst = append(dst, ',')
	} else if len(r.URLs) > 0 {
		dst = append(dst, `"urls":[`...)
		for _, url := range r.URLs {
			dst = append(rawjson.AppendString(dst, url), ',')
		}
		dst = append(dst[:len(dst)-1], "],"...)
	}
	if r.Insecure {
		dst = append(dst, `"insecure":true,`...)
	}
	if r.Secrets != "" {
		dst = rawjson.AppendString(append(dst, `"secrets":{"name":`...), r.Secrets)
		dst = append(dst, "},"...)
	}
	if len(r.Headers) > 0 {
		dst = append(abi.AppendHeaders(append(dst, `"headers":`...), r.Headers), ',')
	}
	if r.Auth != (Auth{}) {
		dst = append(r.Auth.Append(append(dst, `"auth":`...)), ',')
	}
	if len(r.Query) > 0 {
		dst = append(abi.AppendParams(append(dst, `"query":`...), r.Query), ',')
	}
	if !r.TLS.IsZero() {
		dst = append(r.TLS.Append(append(dst, `"tls":`...)), ',')
	}
	if r.ProxyEnv != "" {
		dst = append(rawjson.AppendString(append(dst, `"proxy_env":`...), r.ProxyEnv), ',')
	}
	dst = append(dst, r.rest...)
	if dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	return append(dst, '}')
}
