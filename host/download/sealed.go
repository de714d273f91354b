package download

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// tlsFor returns the TLS settings for a hop: the client's certificate is for the
// source's origin only.
func (f *fetch) tlsFor(u *url.URL, left bool) (tlsSettings, *fault) {
	req := f.req
	files := tlsFiles{ca: req.CA}
	var certPEM, keyPEM string
	if u.Scheme == "https" && !left {
		files.cert, files.key = req.Cert, req.Key
		files.sealed = req.SealedCert != nil || req.SealedKey != nil
		var flt *fault
		if certPEM, flt = unseal(req.SealedCert, u); flt != nil {
			return tlsSettings{}, flt
		}
		if keyPEM, flt = unseal(req.SealedKey, u); flt != nil {
			return tlsSettings{}, flt
		}
		// One text can hold both.
		if files.sealed && certPEM == "" && files.cert == "" {
			certPEM = keyPEM
		}
		if files.sealed && keyPEM == "" && files.key == "" {
			keyPEM = certPEM
		}
	}
	set, err := files.stat()
	if err != nil {
		return tlsSettings{}, &fault{kind: KindTLS, err: err, final: true}
	}
	set.certPEM, set.keyPEM, set.insecure = certPEM, keyPEM, req.Insecure
	return set, nil
}

// unseal asks for PEM text, where there is somebody to ask.
func unseal(fill func(*url.URL) (string, error), u *url.URL) (string, *fault) {
	if fill == nil {
		return "", nil
	}
	pem, err := fill(u)
	if err == nil && pem == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", deniedFault(fmt.Errorf("the client certificate cannot be filled in: %w", err))
	}
	return pem, nil
}

// withQuery returns u with the sealed parameters that it does not have yet. Only
// the request itself gets to see the result.
func (c *chain) withQuery(u *url.URL) (*url.URL, *fault) {
	sealed := c.f.req.Query
	if len(sealed) == 0 {
		return u, nil
	}
	there := u.Query()
	query := u.RawQuery
	for _, p := range sealed {
		if there.Has(p.Name) {
			continue
		}
		value, err := p.Fill(u)
		if err != nil {
			return nil, deniedFault(fmt.Errorf("the parameter %s cannot be filled in: %w", p.Name, err))
		}
		if query != "" {
			query += "&"
		}
		query += url.QueryEscape(p.Name) + "=" + url.QueryEscape(value)
		c.sealed = append(c.sealed, value)
	}
	full := *u
	full.RawQuery = query
	return &full, nil
}

// minSealed is the length from which on a part of a sealed value is looked for:
// shorter ones are words that any URL may have.
const minSealed = 8

// betrays reports whether a URL holds a value that was sealed for the origin, or a word
// of one, as it is or quoted: a server that repeats the query or a header in a redirect
// would have it sent on to another one.
func (c *chain) betrays(to *url.URL) bool {
	texts := []string{to.String()}
	for _, unquote := range []func(string) (string, error){url.PathUnescape, url.QueryUnescape} {
		if text, err := unquote(texts[0]); err == nil {
			texts = append(texts, text)
		}
	}
	for _, value := range c.sealed {
		for _, word := range append(strings.Fields(value), value) {
			if len(word) >= minSealed && slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, word) }) {
				return true
			}
		}
	}
	return false
}
