package download

import (
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// readBuffer holds a small file with its header, so that it comes in one
	// read. Larger reads go past it.
	readBuffer = 32 << 10
	// tlsReadBuffer holds a record of TLS, more than which no read brings.
	tlsReadBuffer = 16 << 10
	// maxIdle bounds the idle connections of one transport over all hosts: each
	// is an open file.
	maxIdle = 128
	// idleTime is how long a connection is kept that nobody uses.
	idleTime = 60 * time.Second
	// pingTime is how long an HTTP/2 connection may be silent before it is
	// probed: a dead one would otherwise get every retry.
	pingTime = 10 * time.Second
	// h2Frame is the largest frame that servers may send: fewer, larger ones
	// cost less.
	h2Frame = 256 << 10
	// sessionCache is how many TLS sessions are kept for quicker handshakes.
	sessionCache = 64
)

// settings are all that connections depend on. Two requests share connections
// only when their settings are equal.
type settings struct {
	tls   tlsSettings // zero for http
	proxy string      // URL with userinfo; empty: direct
	addr  *AddrRule   // of direct connections
}

// transports holds one http.Transport for each different settings.
type transports struct {
	cfg *Config
	mu  sync.Mutex
	all map[settings]*http.Transport
	// here tells of servers, by host and port, whether the last connection to them
	// stayed on this machine.
	here map[string]bool
}

// roundTripper returns what sends a request for u, and the proxy it goes
// through. When the chain has left the source's origin, the client's
// certificate stays behind.
func (f *fetch) roundTripper(u *url.URL, left bool, rule *AddrRule) (http.RoundTripper, *url.URL, *fault) {
	proxy, flt := f.proxyFor(u)
	if flt != nil {
		return nil, nil, flt
	}
	s := settings{addr: rule}
	if proxy != nil {
		s = settings{proxy: proxy.String()}
		if flt := f.e.literalAllowed(u, rule); flt != nil {
			return nil, nil, flt
		}
	}
	if u.Scheme == "https" || proxy != nil && proxy.Scheme == "https" {
		if s.tls, flt = f.tlsFor(u, left); flt != nil {
			return nil, nil, flt
		}
	}
	t, err := f.e.trans.get(s, proxy)
	if err != nil {
		return nil, nil, &fault{kind: KindTLS, err: err, final: true}
	}
	return t, proxy, nil
}

// get returns the transport for s, made on first use.
func (t *transports) get(s settings, proxy *url.URL) (*http.Transport, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if found := t.all[s]; found != nil {
		return found, nil
	}
	made, err := t.make(s, proxy)
	if err != nil {
		return nil, err
	}
	if t.all == nil {
		t.all = make(map[settings]*http.Transport)
	}
	t.all[s] = made
	return made, nil
}

func (t *transports) make(s settings, proxy *url.URL) (*http.Transport, error) {
	cfg := t.cfg
	dialer := cfg.dialer(s.addr)
	conf, err := s.tls.config()
	if err != nil {
		return nil, err
	}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(cfg.HTTP2 == On)
	tr := &http.Transport{
		DialContext:            t.dial(dialer),
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    cfg.TLSTimeout,
		ResponseHeaderTimeout:  cfg.HeaderTimeout,
		DisableCompression:     true,
		MaxConnsPerHost:        cfg.PerHost,
		MaxIdleConnsPerHost:    cfg.PerHost,
		MaxIdleConns:           maxIdle,
		IdleConnTimeout:        idleTime,
		ReadBufferSize:         readBuffer,
		MaxResponseHeaderBytes: 256 << 10,
		Protocols:              &protocols,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:  pingTime,
			PingTimeout:      pingTime,
			MaxReadFrameSize: h2Frame,
		},
	}
	if s.tls != (tlsSettings{}) {
		tr.ReadBufferSize = tlsReadBuffer
	}
	return tr, useProxy(tr, proxy, dialer)
}

// useProxy sends what goes through tr through a proxy, unless that is nil.
func useProxy(tr *http.Transport, proxy *url.URL, dialer *net.Dialer) error {
	if proxy == nil {
		return nil
	}
	tr.DialContext = dialer.DialContext
	if strings.HasPrefix(proxy.Scheme, "socks") {
		dial, err := socksDial(dialer, proxy)
		tr.DialContext = dial
		return err
	}
	tr.Proxy = http.ProxyURL(proxy)
	tr.OnProxyConnectResponse = connectResponse
	if proxy.Scheme == "https" {
		tr.DialTLSContext = proxyTLSDial(dialer, tr.TLSClientConfig, proxy.Hostname(), tr.TLSHandshakeTimeout)
	}
	return nil
}

// close closes idle connections and forgets the transports.
func (t *transports) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, tr := range t.all {
		tr.CloseIdleConnections()
	}
	t.all = nil
}
