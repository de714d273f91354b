package host

import (
	"fmt"
	"net/url"

	"github.com/sourcehost/sourcehost/host/download"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// maxURLs bounds how many URLs and mirrors one item may be tried from.
const maxURLs = 100

// maxURLBytes bounds the length of a URL. Servers refuse longer ones.
const maxURLBytes = 8 << 10

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
	req := download.Request{
		Name: d.Key, URLs: d.URLs, Mirrors: d.Mirrors, Path: d.Path, Record: c.run.record,
		CheckURL: func(source string, u *url.URL) error { return c.allowURL(it, source, u.String()) },
		AddrRules: func(source string) (first, redirected *download.AddrRule) {
			first, redirected = c.responsible(it, plugin.CapDownload, source).addrRules(plugin.CapDownload)
			if d.Foreign && redirected != nil {
				first = redirected
			}
			return first, redirected
		},
	}
	if len(req.Mirrors) == 0 && d.Path != "" {
		req.Mirrors = c.run.mirrors.of(d.Group)
	}
	if status, err := c.places(&req, it); err != nil {
		return status, nil, err
	}
	access := access{Headers: d.Headers, Auth: d.Auth, Query: d.Query, Insecure: d.Insecure, TLS: d.TLS, ProxyEnv: d.ProxyEnv}
	if status, err := c.access(&req, it, &access); err != nil {
		return status, nil, err
	}
	if d.Parallel < 0 || d.Parallel > 0 && d.Group == "" {
		return abi.Invalid, nil, fmt.Errorf("parallel is %d: expected the number of downloads of a group at once", d.Parallel)
	}
	req.Mirrors = c.run.mirrors.keep(d.Group, req.Mirrors)
	c.page.jobs[it] = &job{item: it, producer: &downloading{req}, group: group{d.Group, d.Parallel}}
	return abi.OK, nil, nil
}

// places checks where an item is to be downloaded from.
func (c *caller) places(req *download.Request, it *item) (abi.Status, error) {
	if n := len(req.URLs) + len(req.Mirrors); n == 0 || n > maxURLs {
		return abi.Invalid, fmt.Errorf("the item has %d urls and mirrors, but needs 1 to %d", n, maxURLs)
	}
	if len(req.Mirrors) > 0 && req.Path == "" {
		return abi.Invalid, fmt.Errorf("the item has mirrors, but no path beneath them")
	}
	for i := range len(req.URLs) + len(req.Mirrors) {
		source, raw := "", ""
		if i < len(req.URLs) {
			source, raw = req.URLs[i], req.URLs[i]
		} else {
			source = req.Mirrors[i-len(req.URLs)]
			raw = download.JoinMirror(source, req.Path)
		}
		if len(raw) > maxURLBytes {
			return abi.Invalid, fmt.Errorf("a url has %d bytes, but may have %d", len(raw), maxURLBytes)
		}
		if err := c.allowURL(it, source, raw); err != nil {
			return abi.Denied, err
		}
	}
	return abi.OK, nil
}

// responsible is the policy that decides about a reference: that of the chained
// plugin which has put it into the description, else that of the plugin which
// asks for the item.
func (c *caller) responsible(it *item, capability, value string) *policy {
	if it == nil { // it is the plugin's own request
		return c.plugin.policy
	}
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
