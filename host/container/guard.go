package container

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"sync"
	"syscall"
	"time"

	"github.com/sourcehost/sourcehost/internal/special"
)

// guard is a SOCKS5 proxy for one attempt to copy one image. The container library
// takes no dialer, but it takes a proxy: here the rules for addresses are asked, for
// the very address that is connected to. TLS is between the library and the server.
type guard struct {
	rules    Addresses
	listener net.Listener
	password string
	ctx      context.Context
	cancel   context.CancelFunc
	serving  sync.WaitGroup

	mu     sync.Mutex
	named  map[string]namedBy // by HOST:PORT
	failed map[string]error   // why a HOST:PORT was not reached
	open   map[net.Conn]bool  // connections of both sides
	// Where the servers that are named were found.
	here, elsewhere bool
}

// namedBy says who has named a server.
type namedBy int

const (
	byNobody namedBy = iota
	byRequest
	byOperator
)

const (
	guardUser   = "sourcehost"
	connectTime = 30 * time.Second // as in the container library
)

// newGuard starts a guard for a request with rules.
func newGuard(r *Request) (*guard, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		if listener, err = net.Listen("tcp", "[::1]:0"); err != nil {
			return nil, fmt.Errorf("cannot listen on this machine, for the check of addresses: %w", err)
		}
	}
	g := &guard{
		rules: *r.Addresses, listener: listener, password: rand.Text(),
		named: map[string]namedBy{}, failed: map[string]error{}, open: map[net.Conn]bool{},
	}
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.name(byRequest, targets(r.registry())...)
	g.serving.Go(g.serve)
	return g, nil
}

// name notes servers that a request, or the operator, has named.
func (g *guard) name(by namedBy, targets ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, t := range targets {
		if g.named[t] == byNobody {
			g.named[t] = by
		}
	}
}

// close ends all connections.
func (g *guard) close() {
	if g == nil {
		return
	}
	g.cancel()
	g.listener.Close()
	g.mu.Lock()
	for conn := range g.open {
		conn.Close()
	}
	g.mu.Unlock()
	g.serving.Wait()
}

// url is the proxy's.
func (g *guard) url() *url.URL {
	return &url.URL{Scheme: "socks5", User: url.UserPassword(guardUser, g.password), Host: g.listener.Addr().String()}
}

// proxy returns what chooses the proxy of a request: the operator's, and where there
// is none, the guard. Names are resolved by the operator's proxy, so that only
// addresses can be judged then. What is named by an address needs no guard: no name
// server can answer differently afterwards.
func (g *guard) proxy(operators func(*url.URL) (*url.URL, error)) func(*url.URL) (*url.URL, error) {
	if g == nil {
		return operators
	}
	return func(u *url.URL) (*url.URL, error) {
		proxy, err := operators(u)
		if err != nil {
			return nil, err
		}
		target := targetOf(u)
		if at, ok := literal(target); ok {
			if err := g.allow(target, at); err != nil {
				return nil, err
			}
			if _, err := netip.ParseAddr(u.Hostname()); err == nil && proxy == nil {
				g.found(target, at.Addr())
				return nil, nil
			}
		}
		if proxy == nil {
			return g.url(), nil
		}
		return proxy, nil
	}
}

// allow decides about an address of a server.
func (g *guard) allow(target string, at netip.AddrPort) error {
	g.mu.Lock()
	by, home := g.named[target], g.here && !g.elsewhere
	g.mu.Unlock()
	if _, ok := literal(target); ok && by == byOperator {
		return nil
	}
	if by != byNobody || home {
		return ask(g.rules.Named, at)
	}
	return ask(g.rules.Led, at)
}

// dial connects to a server that the rules allow.
func (g *guard) dial(target string) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: connectTime, Control: func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return g.allow(target, at)
	}}
	conn, err := d.DialContext(g.ctx, "tcp", target)
	if err != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.failed[target] = err
		return nil, err
	}
	tcp := conn.(*net.TCPConn)
	g.found(target, tcp.RemoteAddr().(*net.TCPAddr).AddrPort().Addr())
	return tcp, nil
}

// found notes where a server is, when it is one that was named.
func (g *guard) found(target string, ip netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.named[target] != byNobody {
		here := special.OfThisMachine(ip)
		g.here, g.elsewhere = g.here || here, g.elsewhere || !here
	}
}

// socksError is what Go's client of the guard says in place of the reason.
var socksError = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`socks connect tcp \S+?->(\S+): unknown error (?:general SOCKS server failure|connection not allowed by ruleset)`)
})

// explain puts the reasons for which servers were not reached into an error.
func (g *guard) explain(err error) error {
	if g == nil || err == nil {
		return err
	}
	if known, ok := errors.AsType[*Error](err); ok && known.Kind != KindInternal {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	_, denied := errors.AsType[*refused](err)
	text := socksError().ReplaceAllStringFunc(err.Error(), func(found string) string {
		why := g.failed[socksError().FindStringSubmatch(found)[1]]
		if why == nil {
			return found
		}
		if no, ok := errors.AsType[*refused](why); ok {
			denied = true
			return no.Error()
		}
		return why.Error()
	})
	if denied {
		return &Error{Kind: KindDenied, Err: &cleaned{text, err}}
	}
	if text != err.Error() {
		return &cleaned{text, err}
	}
	return err
}
