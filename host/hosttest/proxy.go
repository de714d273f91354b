package hosttest

import (
	"encoding/base64"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"testing"
)

// ProxyOptions configures a Proxy. The zero value forwards what it is asked to.
type ProxyOptions struct {
	// User and Password, when set, must be given.
	User, Password string
	// Refuse, when not 0, is the status of every answer.
	Refuse int
	// Certificate makes it a proxy that is spoken to over TLS.
	Certificate *Pair
}

// Proxy forwards plain requests and makes tunnels for CONNECT.
type Proxy struct {
	opts     ProxyOptions
	listener net.Listener
	http     *http.Server

	mu  sync.Mutex
	log []Entry
}

// StartProxy starts a proxy that ends with the test.
func StartProxy(tb testing.TB, opts ProxyOptions) *Proxy {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &Proxy{opts: opts, listener: listener}
	p.http = &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	p.http.Protocols = protocols
	if opts.Certificate == nil {
		go p.http.Serve(listener)
	} else {
		go p.http.ServeTLS(listener, opts.Certificate.Cert, opts.Certificate.Key)
	}
	tb.Cleanup(func() { p.http.Close() })
	return p
}

// URL is the proxy's URL, with the user and password that it wants.
func (p *Proxy) URL() string {
	user := ""
	if p.opts.User != "" {
		user = p.opts.User + ":" + p.opts.Password + "@"
	}
	scheme := "http://"
	if p.opts.Certificate != nil {
		scheme = "https://"
	}
	return scheme + user + p.Addr()
}

// Addr is the proxy's host and port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Log returns the requests so far. Host is what they were for.
func (p *Proxy) Log() []Entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Entry(nil), p.log...)
}

// ServeHTTP forwards or refuses.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.log = append(p.log, Entry{Method: r.Method, URI: r.RequestURI, Host: r.Host, Proto: r.Proto,
		Remote: r.RemoteAddr, Header: r.Header.Clone()})
	p.mu.Unlock()
	switch {
	case p.opts.Refuse != 0:
		http.Error(w, "refused", p.opts.Refuse)
	case !p.authorized(r):
		w.Header().Set("Proxy-Authenticate", `Basic realm="test"`)
		http.Error(w, "who are you?", http.StatusProxyAuthRequired)
	case r.Method == http.MethodConnect:
		p.tunnel(w, r)
	default:
		p.forward(w, r)
	}
}

func (p *Proxy) authorized(r *http.Request) bool {
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte(p.opts.User+":"+p.opts.Password))
	return p.opts.User == "" || r.Header.Get("Proxy-Authorization") == want
}

func (p *Proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	out, err := net.Dial("tcp", r.Host)
	if err != nil {
		http.Error(w, "cannot connect", http.StatusBadGateway)
		return
	}
	defer out.Close()
	in, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer in.Close()
	io.WriteString(in, "HTTP/1.1 200 Connection established\r\n\r\n")
	pipe(in, buffered, out)
}

// pipe copies both ways until one side ends.
func pipe(in net.Conn, from io.Reader, out net.Conn) {
	done := make(chan struct{}, 2)
	go func() { io.Copy(out, from); done <- struct{}{} }()
	go func() { io.Copy(in, out); done <- struct{}{} }()
	<-done
}

func (p *Proxy) forward(w http.ResponseWriter, r *http.Request) {
	out := r.Clone(r.Context())
	out.RequestURI = ""
	out.Header.Del("Proxy-Authorization")
	resp, err := (&http.Transport{DisableKeepAlives: true, DisableCompression: true}).RoundTrip(out)
	if err != nil {
		http.Error(w, "cannot connect", http.StatusBadGateway)
		return
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	io.Copy(w, resp.Body)
}
