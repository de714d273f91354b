package host

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/sourcehost/sourcehost/host/download"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// access is how a plugin wants servers to be spoken to: what abi.Download and
// abi.HTTPRequest have in common.
type access struct {
	Headers  []abi.Header
	Auth     abi.Auth
	Query    []abi.Param
	Insecure bool
	TLS      abi.TLS
	ProxyEnv string
}

// access checks all of it and puts it into the request.
func (c *caller) access(req *download.Request, it *item, a *access) (abi.Status, error) {
	req.Insecure = a.Insecure
	if status, err := c.headers(req, it, a.Headers); err != nil {
		return status, err
	}
	if status, err := c.credentials(req, it, a); err != nil {
		return status, err
	}
	if err := c.tlsFiles(req, it, a.TLS); err != nil {
		return abi.Denied, err
	}
	if a.ProxyEnv != "" {
		if err := c.allow(it, plugin.CapEnv, a.ProxyEnv); err != nil {
			return abi.Denied, err
		}
		req.Proxy, _ = c.run.host.cfg.Environ(a.ProxyEnv)
		c.run.host.passwords.ofURL(req.Proxy, 0)
	}
	return abi.OK, nil
}

// reservedHeaders belong to the download engine: a plugin that set them would
// change what the bytes mean or where the request goes.
var reservedHeaders = []string{
	"Accept-Encoding", "Connection", "Content-Length", "Host", "If-Range",
	"Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Range", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade",
}

// maxHeaderBytes bounds all names and values of a header together. Servers refuse
// more.
const maxHeaderBytes = 64 << 10

// headers checks the fields and splits them into plain and sealed ones.
func (c *caller) headers(req *download.Request, it *item, fields []abi.Header) (abi.Status, error) {
	size := 0
	for _, f := range fields {
		if size += len(f.Name) + len(f.Value) + len(f.Prefix); size > maxHeaderBytes {
			return abi.Invalid, fmt.Errorf("the headers have more than %d bytes", maxHeaderBytes)
		}
		name := textproto.CanonicalMIMEHeaderKey(f.Name)
		if !httpguts.ValidHeaderFieldName(f.Name) || slices.Contains(reservedHeaders, name) {
			return abi.Invalid, fmt.Errorf("a request must not set the header %s", plain(f.Name, 60))
		}
		if !httpguts.ValidHeaderFieldValue(f.Value) || !httpguts.ValidHeaderFieldValue(f.Prefix) {
			return abi.Invalid, fmt.Errorf("the value of the header %s holds characters that HTTP does not allow", name)
		}
		if f.Secret == "" {
			if req.Header == nil {
				req.Header = http.Header{}
			}
			req.Header.Add(name, f.Value)
			continue
		}
		if err := c.maySend(req, it, f.Secret); err != nil {
			return abi.Denied, err
		}
		reveal := c.reveal(f.Secret)
		req.Sealed = append(req.Sealed, download.SealedHeader{Name: name, Fill: func(u *url.URL) (string, error) {
			value, err := reveal(u)
			return f.Prefix + value, err
		}})
	}
	return abi.OK, nil
}

// maySend decides whether a request may refer to a secret.
func (c *caller) maySend(req *download.Request, it *item, secretName string) error {
	if err := c.allow(it, plugin.CapSecrets, secretName); err != nil {
		return err
	}
	if req.Insecure {
		return fmt.Errorf("the secret %s must not be sent: the verification of the server's certificate is turned off", plain(secretName, 60))
	}
	return nil
}

// reveal returns a function that resolves a secret when a request goes out to u.
func (c *caller) reveal(secretName string) func(u *url.URL) (string, error) {
	return func(u *url.URL) (string, error) {
		host := u.Host
		if u.Port() == "" {
			host += ":" + port(u)
		}
		if u.Scheme != "https" {
			host = "http://" + host
		}
		return c.run.host.secrets.For(secretName, host)
	}
}

// credentials checks what else refers to secrets: Basic authentication, parameters
// of the query, and certificates.
func (c *caller) credentials(req *download.Request, it *item, a *access) (abi.Status, error) {
	if a.Auth != (abi.Auth{}) {
		if strings.Contains(a.Auth.User, ":") || a.Auth.Secret == "" {
			return abi.Invalid, errors.New("auth needs a secret, and a user without a colon")
		}
		if err := c.maySend(req, it, a.Auth.Secret); err != nil {
			return abi.Denied, err
		}
		reveal := c.reveal(a.Auth.Secret)
		req.Sealed = append(req.Sealed, download.SealedHeader{Name: "Authorization", Fill: func(u *url.URL) (string, error) {
			password, err := reveal(u)
			if err != nil {
				return "", err
			}
			credentials := base64.StdEncoding.EncodeToString([]byte(a.Auth.User + ":" + password))
			c.run.host.secrets.Hide(a.Auth.Secret, credentials)
			return "Basic " + credentials, nil
		}})
	}
	for _, p := range a.Query {
		if p.Name == "" || p.Secret == "" {
			return abi.Invalid, errors.New("a parameter of query needs a name and a secret")
		}
		if err := c.maySend(req, it, p.Secret); err != nil {
			return abi.Denied, err
		}
		req.Query = append(req.Query, download.SealedHeader{Name: p.Name, Fill: c.reveal(p.Secret)})
	}
	for _, pem := range []struct {
		name string
		dst  *func(*url.URL) (string, error)
	}{{a.TLS.CertSecret, &req.SealedCert}, {a.TLS.KeySecret, &req.SealedKey}} {
		if pem.name == "" {
			continue
		}
		if err := c.maySend(req, it, pem.name); err != nil {
			return abi.Denied, err
		}
		*pem.dst = c.reveal(pem.name)
	}
	return abi.OK, nil
}

// tlsFiles checks the paths of certificates and keys and finds them beneath the
// root folder. The plugin never reads them.
func (c *caller) tlsFiles(req *download.Request, it *item, t abi.TLS) error {
	for _, file := range []struct {
		path string
		dst  *string
	}{{t.CA, &req.CA}, {t.Cert, &req.Cert}, {t.Key, &req.Key}} {
		if file.path == "" {
			continue
		}
		if err := c.allow(it, plugin.CapTLS, file.path); err != nil {
			return err
		}
		*file.dst = c.plugin.policy.rooted(file.path)
	}
	return nil
}
