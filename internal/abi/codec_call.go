package abi

import "github.com/sourcehost/sourcehost/internal/rawjson"

// Append encodes the request.
func (d *Download) Append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "key", d.Key)
	dst = appendTexts(dst, "urls", d.URLs)
	if len(d.Headers) > 0 {
		dst = AppendHeaders(appendName(dst, "headers"), d.Headers)
	}
	dst = appendTrue(dst, "insecure", d.Insecure)
	if !d.TLS.IsZero() {
		dst = d.TLS.Append(appendName(dst, "tls"))
	}
	dst = appendText(dst, "proxy_env", d.ProxyEnv)
	return append(dst, '}')
}

// DecodeDownload decodes a request of OpDownload.
func DecodeDownload(data []byte) (Download, error) {
	var d Download
	err := decode(data, &d)
	return d, err
}

func (d *Download) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "key":
			return readText(r, &d.Key)
		case "urls":
			return readTexts(r, &d.URLs)
		case "headers":
			return ReadHeaders(r, &d.Headers)
		case "insecure":
			return readBool(r, &d.Insecure)
		case "tls":
			return d.TLS.Read(r)
		case "proxy_env":
			return readText(r, &d.ProxyEnv)
		}
		return r.Skip()
	})
}

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
	return append(appendText(dst, "key", t.Key), '}')
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
		}
		return r.Skip()
	})
}

// Append encodes the request.
func (p *Path) Append(dst []byte) []byte {
	return append(appendText(append(dst, '{'), "path", p.Path), '}')
}

// DecodePath decodes a request of OpRead, OpStat or OpList.
func DecodePath(data []byte) (Path, error) {
	var p Path
	err := decode(data, &p)
	return p, err
}

func (p *Path) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		if string(key) == "path" {
			return readText(r, &p.Path)
		}
		return r.Skip()
	})
}

// Append encodes the result.
func (i *FileInfo) Append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "type", i.Type)
	return append(appendInt(dst, "size", i.Size), '}')
}

// DecodeFileInfo decodes a result of OpStat.
func DecodeFileInfo(data []byte) (FileInfo, error) {
	var i FileInfo
	err := decode(data, &i)
	return i, err
}

func (i *FileInfo) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) (err error) {
		switch string(key) {
		case "type":
			return readText(r, &i.Type)
		case "size":
			i.Size, err = r.Int64()
			return err
		}
		return r.Skip()
	})
}

// Append encodes the result.
func (n *Names) Append(dst []byte) []byte {
	return append(appendTexts(append(dst, '{'), "names", n.Names), '}')
}

// DecodeNames decodes a result of OpList.
func DecodeNames(data []byte) (Names, error) {
	var n Names
	err := decode(data, &n)
	return n, err
}

func (n *Names) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		if string(key) == "names" {
			return readTexts(r, &n.Names)
		}
		return r.Skip()
	})
}

// Append encodes the request.
func (n *EnvName) Append(dst []byte) []byte {
	return append(appendText(append(dst, '{'), "name", n.Name), '}')
}

// DecodeEnvName decodes a request of OpEnv.
func DecodeEnvName(data []byte) (EnvName, error) {
	var n EnvName
	err := decode(data, &n)
	return n, err
}

func (n *EnvName) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		if string(key) == "name" {
			return readText(r, &n.Name)
		}
		return r.Skip()
	})
}

// Append encodes the result.
func (v *EnvValue) Append(dst []byte) []byte {
	dst = appendTrue(append(dst, '{'), "set", v.Set)
	return append(appendText(dst, "value", v.Value), '}')
}

// DecodeEnvValue decodes a result of OpEnv.
func DecodeEnvValue(data []byte) (EnvValue, error) {
	var v EnvValue
	err := decode(data, &v)
	return v, err
}

func (v *EnvValue) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "set":
			return readBool(r, &v.Set)
		case "value":
			return readText(r, &v.Value)
		}
		return r.Skip()
	})
}
