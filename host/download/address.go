package download

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"syscall"

	"github.com/sourcehost/sourcehost/internal/special"
)

// AddrRule decides which addresses of servers a request may connect to. Requests
// share connections only when they have the same rule: one that may not connect
// somewhere must not find a connection there either.
type AddrRule struct {
	// Allow is asked after name resolution, for the very address that is connected
	// to. It is not asked for a proxy's. An error denies the connection.
	Allow func(at netip.AddrPort) error
}

// allow asks the rule, which may be nil.
func (r *AddrRule) allow(at netip.AddrPort) error {
	if r == nil {
		return nil
	}
	return r.Allow(at)
}

// rules returns the rules for a URL of the request.
func (r *Request) rules(source string) (first, redirected *AddrRule) {
	if r.AddrRules == nil {
		return nil, nil
	}
	return r.AddrRules(source)
}

// dialer returns what connects to servers that a rule allows, or to a proxy.
func (c *Config) dialer(rule *AddrRule) *net.Dialer {
	return &net.Dialer{Timeout: c.ConnectTimeout, Resolver: c.Resolver, ControlContext: c.control(rule)}
}

// control returns the hook that asks policy and rule for the address that is really
// connected to: after name resolution, so that no second answer of a name server can
// slip another one in.
func (c *Config) control(rule *AddrRule) func(context.Context, string, string, syscall.RawConn) error {
	if c.AddrPolicy == nil && rule == nil {
		return nil
	}
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return &addrDenied{err: err}
		}
		return c.allow(at, rule)
	}
}

// allow asks policy and rule for an address.
func (c *Config) allow(at netip.AddrPort, rule *AddrRule) error {
	at = netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
	if c.AddrPolicy != nil {
		if err := c.AddrPolicy(at.Addr()); err != nil {
			return &addrDenied{ip: at.Addr(), err: err}
		}
	}
	if err := rule.allow(at); err != nil {
		return &addrDenied{ip: at.Addr(), err: err}
	}
	return nil
}

// addrDenied is the refusal of an address.
type addrDenied struct {
	ip  netip.Addr
	err error
}

func (e *addrDenied) Error() string {
	return fmt.Sprintf("connecting to the address %v is not allowed: %v", e.ip, e.err)
}

func (e *addrDenied) Unwrap() error { return e.err }

// literalAllowed asks for a host that is an address, where the connection goes to a
// proxy instead.
func (e *Engine) literalAllowed(u *url.URL, rule *AddrRule) *fault {
	at, ok := literal(u)
	if !ok {
		return nil
	}
	if err := e.cfg.allow(at, rule); err != nil {
		return deniedFault(err)
	}
	return nil
}

// literal returns the address that a URL names without any name server.
func literal(u *url.URL) (netip.AddrPort, bool) {
	ip, ok := special.Literal(u.Hostname())
	port, err := strconv.ParseUint(portOf(u), 10, 16)
	return netip.AddrPortFrom(ip, uint16(port)), ok && err == nil
}

// dial returns a dialer's function that notes whether a server is on this machine.
func (t *transports) dial(d *net.Dialer) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		at, _ := conn.RemoteAddr().(*net.TCPAddr)
		t.note(addr, at != nil && at.IP.IsLoopback())
		return conn, nil
	}
}

// note records where a server was found.
func (t *transports) note(addr string, here bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.here[addr] == here {
		return
	}
	if t.here == nil {
		t.here = make(map[string]bool)
	}
	t.here[addr] = here
}

// onThisMachine reports whether the server that has just answered is on this
// machine. What is behind a proxy only its URL can tell.
func (c *chain) onThisMachine() bool {
	if c.proxy != nil {
		at, ok := literal(c.url)
		return ok && at.Addr().IsLoopback()
	}
	t := &c.f.e.trans
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.here[hostPort(c.url)]
}
