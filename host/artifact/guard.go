package artifact

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/sourcehost/sourcehost/internal/special"
)

// guard sends requests. Where a registry sends its client on, by a redirect or the realm
// of a token, is the registry's choice: it must lead neither to services of this machine
// nor to where a cloud hands out credentials.
type guard struct {
	transport *http.Transport
	host      string // the registry's own, which the user has named
}

// elsewhere marks the context of a request that goes to another host, without a proxy.
type elsewhere struct{}

// newGuard takes over how the transport connects. here says that the registry is on this
// machine, where others are, too.
func newGuard(transport *http.Transport, host string, here bool) *guard {
	const dialTime = 30 * time.Second
	transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		d := net.Dialer{Timeout: dialTime}
		if ctx.Value(elsewhere{}) != nil {
			d.Control = func(_, address string, _ syscall.RawConn) error { return refuseSpecial(address, here) }
		}
		return d.DialContext(ctx, network, addr)
	}
	return &guard{transport: transport, host: host}
}

// RoundTrip makes it an http.RoundTripper.
func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Host != g.host {
		var proxy *url.URL
		if g.transport.Proxy != nil {
			proxy, _ = g.transport.Proxy(req) // its error is the transport's to tell
		}
		if proxy == nil {
			req = req.WithContext(context.WithValue(req.Context(), elsewhere{}, true))
		}
	}
	return g.transport.RoundTrip(req)
}

// refuseSpecial is asked for the very address that is connected to.
func refuseSpecial(address string, here bool) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := at.Addr()
	switch {
	case special.OfTheLink(ip):
		return fmt.Errorf("the registry leads to %s, a link-local or metadata address", ip)
	case special.OfThisMachine(ip) && !here:
		return fmt.Errorf("the registry leads to %s, an address of this machine", ip)
	}
	return nil
}
