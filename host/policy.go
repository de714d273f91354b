package host

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/internal/plugin"
)

// Grant is what an operator allows a plugin to use. A plugin gets what it
// requests in its manifest and what is granted here: a use must be covered by
// both lists. Nothing is granted by default.
type Grant struct {
	// Download are the URLs that items may be downloaded from. Each entry is a
	// prefix that ends at a path segment ("https://host/dir/"), a scheme and
	// host ("https://host"), or "*" for any.
	Download []string
	// HTTP are the URLs that the plugin itself may request, in the same form.
	HTTP []string
	// Read are absolute paths of files that the plugin may read; one that ends
	// in "/" covers what is beneath it.
	Read []string
	// Stat are paths that the plugin may list or ask about, without reading
	// files, in the same form.
	Stat []string
	// TLS are paths of certificates and keys that downloads may use, in the same
	// form. The plugin cannot read them.
	TLS []string
	// Env are names of environment variables.
	Env []string
	// Secrets are names of secrets that the plugin may refer to.
	Secrets []string
	// Exec are programs that the plugin may run: plain names or absolute paths.
	Exec []string
	// Image are the container images that items may be copied from:
	// "docker://REGISTRY" with or without a path, "containers-storage:", or "*".
	Image []string
	// Clock gives the plugin the real time, Random real random numbers.
	Clock, Random bool
}

// anything is the value that covers every URL.
const anything = "*"

// lists returns the grant by capability. Clock and random have the one value
// "*" when they are granted.
func (g Grant) lists() map[string][]string {
	flag := func(on bool) []string {
		if on {
			return []string{anything}
		}
		return nil
	}
	return map[string][]string{
		plugin.CapDownload: g.Download, plugin.CapHTTP: g.HTTP, plugin.CapRead: g.Read, plugin.CapStat: g.Stat,
		plugin.CapTLS: g.TLS, plugin.CapEnv: g.Env, plugin.CapSecrets: g.Secrets, plugin.CapExec: g.Exec,
		plugin.CapImage: g.Image,
		plugin.CapClock: flag(g.Clock), plugin.CapRandom: flag(g.Random),
	}
}

// policy decides what one plugin may use: the place where requests and grants
// meet. Every capability asks it before it does anything.
type policy struct {
	plugin    string
	builtin   bool
	howTo     func(capability, value string) string
	requested map[string][]string
	granted   map[string][]string
	// root is where absolute paths are looked up.
	root string
	// addrs decide about the addresses of servers; see addresses.go.
	addrs addrRules
}

func newPolicy(p Plugin, root string) *policy {
	howTo := p.HowToGrant
	if howTo == nil {
		howTo = func(capability, value string) string {
			return fmt.Sprintf("add %s = [%q] to [plugin.%s.grant] in the configuration", capability, value, p.Name)
		}
	}
	return &policy{plugin: p.Name, builtin: p.Builtin, granted: p.Grant.lists(), root: root, howTo: howTo}
}

// request sets what the plugin's manifest requests. A built-in plugin is granted
// just that.
func (p *policy) request(caps []plugin.Capability) {
	p.requested = map[string][]string{}
	for _, c := range caps {
		values := c.Values
		if len(values) == 0 {
			values = []string{anything}
		}
		p.requested[c.Name] = append(p.requested[c.Name], values...)
	}
	if p.builtin {
		p.granted = p.requested
	}
}

// deniedError is a use of a capability that was not requested or not granted.
type deniedError struct{ text string }

func (e *deniedError) Error() string { return e.text }

// allow returns nil when the plugin requested and was granted this use of a
// capability. Its errors say which of the two is missing.
func (p *policy) allow(capability, value string) error {
	return p.allowShown(capability, value, value)
}

// allowShown is allow with another text for the value in its errors.
func (p *policy) allowShown(capability, value, shown string) error {
	if !p.requests(capability, value) {
		return &deniedError{fmt.Sprintf("the plugin %s does not request %s %q in its manifest", p.plugin, capability, shorten(shown, 200))}
	}
	if !covers(capability, p.granted[capability], value) {
		return &deniedError{fmt.Sprintf("the plugin %s is not granted %s %q: if it should be, %s",
			p.plugin, capability, shorten(shown, 200), p.howTo(capability, shorten(grantFor(capability, shown), 200)))}
	}
	return nil
}

// requests reports whether the plugin's manifest asks for this use. It may ask for
// any secret, where the operator names them; a grant of any there is not.
func (p *policy) requests(capability, value string) bool {
	list := p.requested[capability]
	return covers(capability, list, value) || capability == plugin.CapSecrets && slices.Contains(list, anything)
}

// refersToSecrets reports whether a plugin that is not built in may refer to secrets.
func (p *policy) refersToSecrets() bool {
	return !p.builtin && len(p.requested[plugin.CapSecrets]) > 0 && len(p.granted[plugin.CapSecrets]) > 0
}

// grantFor is the entry that would allow a value: for a URL its whole server.
func grantFor(capability, value string) string {
	if u, err := url.Parse(value); err == nil && (capability == plugin.CapDownload || capability == plugin.CapHTTP) && u.Host != "" {
		return u.Scheme + "://" + u.Host + "/"
	}
	return value
}

// granting reports whether a requested value is granted; of a request for any
// value, whether at least one is. It is partly granted when some uses that it
// covers are granted and others not.
func (p *policy) granting(capability, value string) (granted, partly bool) {
	if covers(capability, p.granted[capability], value) {
		return true, false
	}
	if value == anything {
		some := len(p.granted[capability]) > 0
		return some, some
	}
	return false, slices.ContainsFunc(p.granted[capability], func(entry string) bool {
		return covers(capability, []string{value}, strings.TrimSuffix(entry, "/"))
	})
}

// unrequested lists the grants that no request asks for, not even for a part of
// them.
func (p *policy) unrequested() []string {
	var list []string
	for capability, values := range p.granted {
		asked := p.requested[capability]
		for _, v := range values {
			within := func(request string) bool {
				return request == v || request == anything || covers(capability, []string{v}, strings.TrimSuffix(request, "/"))
			}
			if !slices.ContainsFunc(asked, within) && !covers(capability, asked, strings.TrimSuffix(v, "/")) {
				list = append(list, capability+" "+v)
			}
		}
	}
	slices.Sort(list)
	return list
}

// covers reports whether one entry of the list covers the value.
func covers(capability string, list []string, value string) bool {
	match := func(entry string) bool { return entry == value }
	switch capability {
	case plugin.CapDownload, plugin.CapHTTP:
		match = func(entry string) bool { return entry == anything || coversURL(entry, value) }
	case plugin.CapRead, plugin.CapStat, plugin.CapTLS:
		match = func(entry string) bool { return coversPath(entry, value) }
	case plugin.CapImage:
		match = func(entry string) bool { return entry == anything || coversImage(entry, value) }
	}
	return slices.ContainsFunc(list, match)
}

// coversImage reports whether the image is the entry's, or lies beneath it.
func coversImage(entry, value string) bool {
	entry = strings.TrimSuffix(entry, "/")
	return entry == value || strings.HasPrefix(entry, "docker://") && strings.HasPrefix(value, entry+"/")
}

// coversURL reports whether the URL has the scheme, host and port of the prefix
// and lies beneath its path. A prefix without a path covers the whole host.
func coversURL(prefix, raw string) bool {
	p, err := url.Parse(prefix)
	if err != nil {
		return false
	}
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	if p.Scheme != u.Scheme || !strings.EqualFold(p.Hostname(), u.Hostname()) || port(p) != port(u) {
		return false
	}
	dir := p.EscapedPath()
	if dir == "" || dir == "/" {
		return true
	}
	at := u.EscapedPath()
	if readsOtherwise(at) {
		return false
	}
	return at == strings.TrimSuffix(dir, "/") || strings.HasPrefix(at, strings.TrimSuffix(dir, "/")+"/")
}

// readsOtherwise reports whether a server or a file system may see another path than
// stands there: dot segments, also with parameters as in "..;x", which some servers cut
// off; doubled slashes; and slashes, backslashes or dots that are encoded, or twice.
// No prefix covers such a path.
func readsOtherwise(escaped string) bool {
	low := strings.ReplaceAll(strings.ToLower(escaped), "%25", "%")
	for _, code := range []string{"%2f", "%2e", "%5c"} {
		if strings.Contains(low, code) {
			return true
		}
	}
	for segment := range strings.SplitSeq(strings.ReplaceAll(low, "%3b", ";"), "/") {
		name, _, _ := strings.Cut(segment, ";")
		if name == "." || name == ".." {
			return true
		}
	}
	return path.Clean(escaped) != strings.TrimSuffix(escaped, "/")
}

// port is the port that a URL names or its scheme implies.
func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	case u.Scheme == "http":
		return "80"
	}
	return ""
}

// coversPath reports whether the entry is the path, or, if it ends in "/", lies
// above it. Both must be absolute and clean.
func coversPath(entry, value string) bool {
	if !path.IsAbs(value) || path.Clean(value) != strings.TrimSuffix(value, "/") && value != "/" {
		return false
	}
	if strings.ContainsRune(value, 0) {
		return false
	}
	if dir, ok := strings.CutSuffix(entry, "/"); ok {
		value = strings.TrimSuffix(value, "/")
		return value == dir || strings.HasPrefix(value, dir+"/")
	}
	return entry == value
}

// pathEntry returns the granted entry that covers a path, for the folder that a
// path must not leave. It is the operator's entry and not the plugin's request,
// which could name a link as the folder.
func (p *policy) pathEntry(capability, value string) string {
	for _, entry := range p.granted[capability] {
		if coversPath(entry, value) {
			return entry
		}
	}
	return value
}
