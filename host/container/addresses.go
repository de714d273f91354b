package container

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/sourcehost/sourcehost/internal/special"
)

// Addresses are rules for the addresses of servers that an image comes from. A name
// can stand for any address, and a registry can lead to any server: by redirects of
// blobs, by the realm of its tokens, by URLs of layers. A nil rule allows all.
type Addresses struct {
	// Named is asked about the servers that the request names, and those that the
	// operator's registries.conf and registries.d name for it. What these two name
	// by its address is not asked about.
	Named func(at netip.AddrPort) error
	// Led is asked about every other server. It is Named instead where the registry
	// itself was found on this machine.
	Led func(at netip.AddrPort) error
	// Foreign says that nobody vouches for who asks. The program skopeo is then
	// led through a proxy that applies the rules, too, where no other proxy is set.
	Foreign bool
}

// refused is a server that a rule does not allow.
type refused struct {
	at  netip.AddrPort
	err error
}

func (e *refused) Error() string {
	return fmt.Sprintf("connecting to the address %v is not allowed: %v", e.at.Addr(), e.err)
}

func (e *refused) Unwrap() error { return e.err }

// ask asks a rule, which may be nil.
func ask(rule func(netip.AddrPort) error, at netip.AddrPort) error {
	if rule == nil {
		return nil
	}
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	if err := rule(at); err != nil {
		return &refused{at, err}
	}
	return nil
}

// literal is the address that HOST:PORT names without any name server.
func literal(target string) (netip.AddrPort, bool) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return netip.AddrPort{}, false
	}
	ip, ok := special.Literal(host)
	n, err := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(ip, uint16(n)), ok && err == nil
}

// targets are the HOST:PORT that a registry is asked at: over https, or over http.
func targets(registry string) []string {
	if registry == "docker.io" {
		registry = "registry-1.docker.io"
	}
	if host, port, err := net.SplitHostPort(registry); err == nil {
		return []string{net.JoinHostPort(host, port)}
	}
	host := strings.Trim(registry, "[]")
	return []string{net.JoinHostPort(host, "443"), net.JoinHostPort(host, "80")}
}

// targetOf is the HOST:PORT of a URL.
func targetOf(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "http":
		port = "80"
	default:
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// registry is the server that the request names.
func (r *Request) registry() string {
	registry, _, _ := strings.Cut(r.Image.Name, "/")
	return registry
}

// checkResolved asks about each address that the request's registry has now. The one
// that is connected to later may be another.
func (r *Request) checkResolved(ctx context.Context) error {
	for _, target := range targets(r.registry()) {
		ats, err := resolve(ctx, target)
		if err != nil {
			return nil // who connects will say so
		}
		for _, at := range ats {
			if err := ask(r.Addresses.Named, at); err != nil {
				return &Error{Kind: KindDenied, Err: err}
			}
		}
	}
	return nil
}

// resolve returns the addresses of HOST:PORT.
func resolve(ctx context.Context, target string) ([]netip.AddrPort, error) {
	if at, ok := literal(target); ok {
		return []netip.AddrPort{at}, nil
	}
	host, text, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", text)
	if err != nil {
		return nil, err
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	ats := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		ats[i] = netip.AddrPortFrom(ip, uint16(port))
	}
	return ats, err
}
