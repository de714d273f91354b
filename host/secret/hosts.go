package secret

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// pattern is one parsed entry of Spec.Hosts.
type pattern struct {
	addr   netip.Addr // valid when the entry is an IP address
	name   string     // otherwise: lower case, without a dot at its end
	suffix bool       // name is ".suffix"
	port   string     // empty for any port
	plain  bool       // requests that are not encrypted may carry the secret too
}

// plainScheme stands before a host to which, or for whom, a request is not
// encrypted.
const plainScheme = "http://"

// target is the server of a request in the same form.
type target struct {
	addr netip.Addr
	name string
	port string
	// plain says that the request is not encrypted.
	plain bool
}

// match reports whether a request to t may carry the secret.
func (p pattern) match(t target) bool {
	if p.port != "" && p.port != t.port || t.plain && !p.plain {
		return false
	}
	switch {
	case p.addr.IsValid() || t.addr.IsValid():
		return p.addr == t.addr
	case p.suffix:
		return len(t.name) > len(p.name) && strings.HasSuffix(t.name, p.name)
	}
	return p.name == t.name
}

// parsePattern reads an entry of Spec.Hosts.
func parsePattern(s string) (pattern, error) {
	s, plain := strings.CutPrefix(s, plainScheme)
	rest, suffix := strings.CutPrefix(s, "*.")
	t, ok := parseTarget(rest)
	switch {
	case strings.Contains(s, "://") || strings.Contains(s, "/"):
		return pattern{}, fmt.Errorf("host %q is a URL or a path; write the host alone, for example registry.example or registry.example:5000, with http:// before it if it may be sent unencrypted", shorten(s))
	case s == "*":
		return pattern{}, fmt.Errorf("host %q would send the secret anywhere; name the hosts", s)
	case !ok || (suffix && t.addr.IsValid()):
		return pattern{}, fmt.Errorf("host %q is none of: host, host:port, *.suffix, IP address (names in ASCII, IPv6 with port as [addr]:port)", shorten(s))
	}
	p := pattern{addr: t.addr, name: t.name, suffix: suffix, port: t.port, plain: plain}
	if suffix {
		p.name = "." + p.name
	}
	return p, nil
}

// parseTarget splits and normalizes the host part of a URL.
func parseTarget(s string) (target, bool) {
	s, plain := strings.CutPrefix(s, plainScheme)
	t, ok := parseServer(s)
	t.plain = plain
	return t, ok
}

func parseServer(s string) (target, bool) {
	if addr, err := netip.ParseAddr(s); err == nil { // bare, IPv6 without brackets too
		return target{addr: addr.Unmap()}, addr.Zone() == ""
	}
	host, port, ok := splitPort(s)
	if !ok {
		return target{}, false
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		addr, err := netip.ParseAddr(host[1 : len(host)-1])
		return target{addr: addr.Unmap(), port: port}, err == nil && addr.Is6() && addr.Zone() == ""
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return target{addr: addr.Unmap(), port: port}, !addr.Is6()
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	return target{name: name, port: port}, validHost(name)
}

// splitPort cuts ":port" off. The port is normalized to decimal without leading
// zeros.
func splitPort(s string) (host, port string, ok bool) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || i < strings.LastIndexByte(s, ']') {
		return s, "", true
	}
	n, err := strconv.ParseUint(s[i+1:], 10, 16)
	if err != nil || n == 0 {
		return "", "", false
	}
	return s[:i], strconv.FormatUint(n, 10), true
}

// validHost reports whether a name is one that a resolver could know: labels of
// letters, digits, - and _ (RFC 1123; the underscore is in real use).
func validHost(name string) bool {
	if name == "" || len(name) > 253 {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}
