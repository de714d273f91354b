package abi

import "github.com/sourcehost/sourcehost/internal/rawjson"

// Append encodes the request.
func (d *Download) Append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "key", d.Key)
	dst = appendTexts(dst, "urls", d.URLs)
	dst = appendTexts(dst, "mirrors", d.Mirrors)
	dst = appendText(dst, "path", d.Path)
	dst = appendTrue(dst, "foreign", d.Foreign)
	dst = appendText(dst, "group", d.Group)
	dst = appendInt(dst, "parallel", d.Parallel)
	dst = d.access().append(dst)
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
		case "mirrors":
			return readTexts(r, &d.Mirrors)
		case "path":
			return readText(r, &d.Path)
		case "foreign":
			return readBool(r, &d.Foreign)
		case "group":
			return readText(r, &d.Group)
		case "parallel":
			return readInt(r, &d.Parallel)
		}
		return d.access().read(r, key)
	})
}

func (d *Download) access() access {
	return access{&d.Headers, &d.Auth, &d.Query, &d.Insecure, &d.TLS, &d.ProxyEnv}
}

// Append encodes the request.
func (q *HTTPRequest) Append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "method", q.Method)
	dst = appendText(dst, "url", q.URL)
	dst = appendText(dst, "body", q.Body)
	dst = q.access().append(dst)
	dst = appendInt(dst, "timeout", q.Timeout)
	dst = appendTrue(dst, "once", q.Once)
	return append(appendTrue(dst, "start", q.Start), '}')
}

// DecodeHTTPRequest decodes a request of OpHTTP.
func DecodeHTTPRequest(data []byte) (HTTPRequest, error) {
	var q HTTPRequest
	err := decode(data, &q)
	return q, err
}

func (q *HTTPRequest) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "method":
			return readText(r, &q.Method)
		case "url":
			return readText(r, &q.URL)
		case "body":
			return readText(r, &q.Body)
		case "timeout":
			return readInt(r, &q.Timeout)
		case "once":
			return readBool(r, &q.Once)
		case "start":
			return readBool(r, &q.Start)
		}
		return q.access().read(r, key)
	})
}

func (q *HTTPRequest) access() access {
	return access{&q.Headers, &q.Auth, &q.Query, &q.Insecure, &q.TLS, &q.ProxyEnv}
}

// access are the fields that Download and HTTPRequest share: how a server is
// spoken to.
type access struct {
	headers  *[]Header
	auth     *Auth
	query    *[]Param
	insecure *bool
	tls      *TLS
	proxyEnv *string
}

func (a access) append(dst []byte) []byte {
	if len(*a.headers) > 0 {
		dst = AppendHeaders(appendName(dst, "headers"), *a.headers)
	}
	if *a.auth != (Auth{}) {
		dst = a.auth.Append(appendName(dst, "auth"))
	}
	if len(*a.query) > 0 {
		dst = AppendParams(appendName(dst, "query"), *a.query)
	}
	dst = appendTrue(dst, "insecure", *a.insecure)
	if !a.tls.IsZero() {
		dst = a.tls.Append(appendName(dst, "tls"))
	}
	return appendText(dst, "proxy_env", *a.proxyEnv)
}

func (a access) read(r *rawjson.Reader, key []byte) error {
	switch string(key) {
	case "headers":
		return ReadHeaders(r, a.headers)
	case "auth":
		return a.auth.Read(r)
	case "query":
		return ReadParams(r, a.query)
	case "insecure":
		return readBool(r, a.insecure)
	case "tls":
		return a.tls.Read(r)
	case "proxy_env":
		return readText(r, a.proxyEnv)
	}
	return r.Skip()
}

// Append encodes the result up to the line feed that the body follows, without
// that.
func (p *HTTPResponse) Append(dst []byte) []byte {
	dst = appendInt(append(dst, '{'), "status", p.Status)
	dst = appendText(dst, "url", p.URL)
	if len(p.Headers) > 0 {
		dst = AppendHeaders(appendName(dst, "headers"), p.Headers)
	}
	dst = appendInt(dst, "millis", p.Millis)
	return append(appendTrue(dst, "local", p.Local), '}')
}

// DecodeHTTPResponse decodes what stands before the line feed in a result of
// OpHTTP.
func DecodeHTTPResponse(data []byte) (HTTPResponse, error) {
	var p HTTPResponse
	err := decode(data, &p)
	return p, err
}

func (p *HTTPResponse) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "status":
			return readInt(r, &p.Status)
		case "url":
			return readText(r, &p.URL)
		case "headers":
			return ReadHeaders(r, &p.Headers)
		case "millis":
			return readInt(r, &p.Millis)
		case "local":
			return readBool(r, &p.Local)
		}
		return r.Skip()
	})
}

// Append encodes the request.
func (p *Probe) Append(dst []byte) []byte {
	return append(appendTexts(append(dst, '{'), "urls", p.URLs), '}')
}

// DecodeProbe decodes a request of OpProbe.
func DecodeProbe(data []byte) (Probe, error) {
	var p Probe
	err := decode(data, &p)
	return p, err
}

func (p *Probe) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		if string(key) == "urls" {
			return readTexts(r, &p.URLs)
		}
		return r.Skip()
	})
}

// Append encodes the result.
func (p *ProbeResult) Append(dst []byte) []byte {
	return append(appendInts(append(dst, '{'), "millis", p.Millis), '}')
}

// DecodeProbeResult decodes a result of OpProbe.
func DecodeProbeResult(data []byte) (ProbeResult, error) {
	var p ProbeResult
	err := decode(data, &p)
	return p, err
}

func (p *ProbeResult) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		if string(key) == "millis" {
			return r.Array(func(int) error {
				n, err := r.Int64()
				p.Millis = append(p.Millis, n)
				return err
			})
		}
		return r.Skip()
	})
}
