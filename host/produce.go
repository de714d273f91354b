package host

import (
	"fmt"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"

	"golang.org/x/net/http/httpguts"

	"github.com/sourcehost/sourcehost/host/download"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// maxURLs bounds how many URLs one item may be tried from.
const maxURLs = 100

// maxURLBytes and maxHeaderBytes bound what one item may send: the length of a
// URL, and of all names and values of its header together. Servers refuse more.
const (
	maxURLBytes    = 8 << 10
	maxHeaderBytes = 64 << 10
)

// download accepts a producing call: it checks everything that can be checked
// before a byte moves, so that the plugin learns of a mistake at once.
func (c *caller) download(raw []byte) (abi.Status, []byte, error) {
	d, err := abi.DecodeDownload(raw)
	if err != nil {
		return abi.Invalid, nil, err
	}
	it, err := c.producing(abi.OpDownload, d.Key, plugin.ProducesFile)
	if err != nil {
		return abi.Invalid, nil, err
	}
	if len(d.URLs) == 0 || len(d.URLs) > maxURLs {
		return abi.Invalid, nil, fmt.Errorf("the item has %d urls, but needs 1 to %d", len(d.URLs), maxURLs)
	}
	req := download.Request{Name: d.Key, URLs: d.URLs, Insecure: d.Insecure}
	req.CheckURL = func(source string, u *url.URL) error { return c.allowURL(it, source, u.String()) }
	for _, raw := range d.URLs {
		if len(raw) > maxURLBytes {
			return abi.Invalid, nil, fmt.Errorf("a url has %d bytes, but may have %d", len(raw), maxURLBytes)
		}
		if err := c.allowURL(it, raw, raw); err != nil {
			return abi.Denied, nil, err
		}
	}
	if status, err := c.headers(&req, it, d.Headers); err != nil {
		return status, nil, err
	}
	if err := c.tlsFiles(&req, it, d.TLS); err != nil {
		return abi.Denied, nil, err
	}
	if d.ProxyEnv != "" {
		if err := c.allow(it, plugin.CapEnv, d.ProxyEnv); err != nil {
			return abi.Denied, nil, err
		}
		req.Proxy, _ = c.run.host.cfg.Environ(d.ProxyEnv)
	}
	c.page.jobs[it] = &job{item: it, producer: &downloading{req}}
	return abi.OK, nil, nil
}

// responsible is the policy that decides about a reference: that of the chained
// plugin which has put it into the description, else that of the plugin which
// asks for the item.
func (c *caller) responsible(it *item, capability, value string) *policy {
	if p := it.adopted[reference{capability, value}]; p != nil {
		return p
	}
	return c.plugin.policy
}

func (c *caller) allow(it *item, capability, value string) error {
	return c.responsible(it, capability, value).allow(capability, value)
}

// allowURL decides about a URL of the item, and about every one that redirects
// from there lead to. It keeps credentials of the URL out of the denial.
func (c *caller) allowURL(it *item, source, raw string) error {
	p := c.responsible(it, plugin.CapDownload, source)
	return p.allowShown(plugin.CapDownload, raw, download.CleanURL(raw))
}

// reservedHeaders belong to the download engine: a plugin that set them would
// change what the bytes mean or where the request goes.
var reservedHeaders = []string{
	"Accept-Encoding", "Connection", "Content-Length", "Host", "If-Range",
	"Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Range", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade",
}

// headers checks the fields and splits them into plain and sealed ones.
func (c *caller) headers(req *download.Request, it *item, fields []abi.Header) (abi.Status, error) {
	size := 0
	for _, f := range fields {
		if size += len(f.Name) + len(f.Value) + len(f.Prefix); size > maxHeaderBytes {
			return abi.Invalid, fmt.Errorf("the headers have more than %d bytes", maxHeaderBytes)
		}
		name := textproto.CanonicalMIMEHeaderKey(f.Name)
		if !httpguts.ValidHeaderFieldName(f.Name) || slices.Contains(reservedHeaders, name) {
			return abi.Invalid, fmt.Errorf("a download must not set the header %s", plain(f.Name, 60))
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
		if err := c.allow(it, plugin.CapSecrets, f.Secret); err != nil {
			return abi.Denied, err
		}
		if req.Insecure {
			return abi.Denied, fmt.Errorf("the secret %s must not be sent: the item turns the verification of the server's certificate off", plain(f.Secret, 60))
		}
		req.Sealed = append(req.Sealed, c.seal(name, f.Prefix, f.Secret))
	}
	return abi.OK, nil
}

// seal makes a header whose value is resolved when a request goes out.
func (c *caller) seal(name, prefix, secretName string) download.SealedHeader {
	return download.SealedHeader{Name: name, Fill: func(u *url.URL) (string, error) {
		host := u.Host
		if u.Port() == "" {
			host += ":" + port(u)
		}
		if u.Scheme != "https" {
			host = "http://" + host
		}
		value, err := c.run.host.secrets.For(secretName, host)
		if err != nil {
			return "", err
		}
		return prefix + value, nil
	}}
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
