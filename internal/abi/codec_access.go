package abi

import "github.com/sourcehost/sourcehost/internal/rawjson"

// AppendHeaders encodes an array of headers.
func AppendHeaders(dst []byte, headers []Header) []byte {
	dst = append(dst, '[')
	for i := range headers {
		if i > 0 {
			dst = append(dst, ',')
		}
		h := &headers[i]
		dst = appendText(append(dst, '{'), "name", h.Name)
		dst = appendText(dst, "value", h.Value)
		dst = appendText(dst, "secret", h.Secret)
		dst = append(appendText(dst, "prefix", h.Prefix), '}')
	}
	return append(dst, ']')
}

// ReadHeaders reads an array of headers and appends them to dst.
func ReadHeaders(r *rawjson.Reader, dst *[]Header) error {
	return r.Array(func(int) error {
		*dst = append(*dst, Header{})
		return (*dst)[len(*dst)-1].read(r)
	})
}

func (h *Header) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "name":
			return readText(r, &h.Name)
		case "value":
			return readText(r, &h.Value)
		case "secret":
			return readText(r, &h.Secret)
		case "prefix":
			return readText(r, &h.Prefix)
		}
		return r.Skip()
	})
}

// Append encodes the TLS settings.
func (t *TLS) Append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "ca", t.CA)
	dst = appendText(dst, "cert", t.Cert)
	dst = appendText(dst, "key", t.Key)
	dst = appendText(dst, "cert_secret", t.CertSecret)
	return append(appendText(dst, "key_secret", t.KeySecret), '}')
}

// Read reads TLS settings.
func (t *TLS) Read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "ca":
			return readText(r, &t.CA)
		case "cert":
			return readText(r, &t.Cert)
		case "key":
			return readText(r, &t.Key)
		case "cert_secret":
			return readText(r, &t.CertSecret)
		case "key_secret":
			return readText(r, &t.KeySecret)
		}
		return r.Skip()
	})
}

// Append encodes the credentials.
func (a *Auth) Append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "user", a.User)
	return append(appendText(dst, "secret", a.Secret), '}')
}

// Read reads credentials.
func (a *Auth) Read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "user":
			return readText(r, &a.User)
		case "secret":
			return readText(r, &a.Secret)
		}
		return r.Skip()
	})
}

// AppendParams encodes an array of parameters.
func AppendParams(dst []byte, params []Param) []byte {
	dst = append(dst, '[')
	for i := range params {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(append(dst, '{'), "name", params[i].Name)
		dst = append(appendText(dst, "secret", params[i].Secret), '}')
	}
	return append(dst, ']')
}

// ReadParams reads an array of parameters and appends them to dst.
func ReadParams(r *rawjson.Reader, dst *[]Param) error {
	return r.Array(func(int) error {
		*dst = append(*dst, Param{})
		p := &(*dst)[len(*dst)-1]
		return r.Object(func(key []byte) error {
			switch string(key) {
			case "name":
				return readText(r, &p.Name)
			case "secret":
				return readText(r, &p.Secret)
			}
			return r.Skip()
		})
	})
}
