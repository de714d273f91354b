package hosttest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Protocol is what a Server speaks.
type Protocol string

const (
	// HTTP is HTTP/1.1 without TLS.
	HTTP Protocol = "http"
	// HTTPS1 is HTTP/1.1 with TLS.
	HTTPS1 Protocol = "https1"
	// HTTPS2 is HTTP/2 with TLS.
	HTTPS2 Protocol = "https2"
)

// Protocols are all protocols, for tests that run over each.
var Protocols = []Protocol{HTTP, HTTPS1, HTTPS2}

// Options configures a Server. The zero value is plain HTTP/1.1 on a free port
// of 127.0.0.1.
type Options struct {
	Protocol Protocol
	// Addr is where to listen. Default "127.0.0.1:0".
	Addr string
	// Certificate is the server's; needed for https.
	Certificate *Pair
	// ClientCA, unless nil, makes a client certificate of this authority a must.
	ClientCA *CA
	// DripEvery is the pause after each byte of the "drip" fault. Default 1 s.
	DripEvery time.Duration
}

// File is what a Server serves under a path.
type File struct {
	Content []byte
	// ETag, with its quotes, is sent when set.
	ETag string
	// Modified is sent as Last-Modified when set.
	Modified time.Time
}

// Entry is a request that a Server got.
type Entry struct {
	Method, URI, Path, Host, Proto, Remote string
	Header                                 http.Header
	Client                                 string // common name of the client's certificate
	Time                                   time.Time
}

// Server serves files, and misbehaves where it is told to.
type Server struct {
	opts     Options
	listener net.Listener
	http     *http.Server
	done     chan struct{}

	mu      sync.Mutex
	files   map[string]File
	scripts map[string][]Behaviour
	counts  map[string]int
	log     []Entry
	peer    *Server
}

// Start starts a server that ends with the test.
func Start(tb testing.TB, opts Options) *Server {
	tb.Helper()
	s, err := New(opts)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(s.Close)
	return s
}

// New starts a server. Close must be called.
func New(opts Options) (*Server, error) {
	if opts.Addr == "" {
		opts.Addr = "127.0.0.1:0"
	}
	if opts.Protocol == "" {
		opts.Protocol = HTTP
	}
	if opts.DripEvery == 0 {
		opts.DripEvery = time.Second
	}
	listener, err := net.Listen("tcp", opts.Addr)
	if err != nil {
		return nil, err
	}
	s := &Server{
		opts: opts, listener: listener, done: make(chan struct{}),
		files: map[string]File{}, scripts: map[string][]Behaviour{}, counts: map[string]int{},
	}
	s.http = &http.Server{
		Handler:     s,
		ErrorLog:    log.New(io.Discard, "", 0),
		ConnContext: func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
	}
	if opts.Protocol == HTTP {
		go s.http.Serve(listener)
		return s, nil
	}
	if opts.Certificate == nil {
		listener.Close()
		return nil, errors.New("an https server needs Options.Certificate")
	}
	s.http.TLSConfig = s.tlsConfig()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(opts.Protocol == HTTPS1)
	protocols.SetHTTP2(opts.Protocol == HTTPS2)
	s.http.Protocols = protocols
	if opts.ClientCA != nil {
		listener = lingering{listener}
	}
	go s.http.ServeTLS(listener, "", "")
	return s, nil
}

func (s *Server) tlsConfig() *tls.Config {
	conf := &tls.Config{Certificates: []tls.Certificate{s.opts.Certificate.TLS}}
	if s.opts.ClientCA != nil {
		conf.ClientAuth, conf.ClientCAs = tls.RequireAndVerifyClientCert, s.opts.ClientCA.Pool
	}
	return conf
}

// lingering has connections closed so that the client reads what was sent last, such as
// the alert that its certificate is missing: were they closed while the request is there
// unread, the kernel would reset them.
type lingering struct{ net.Listener }

// Accept implements net.Listener.
func (l lingering) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return lingeringConn{conn.(*net.TCPConn)}, nil
}

type lingeringConn struct{ *net.TCPConn }

// Close implements net.Conn.
func (c lingeringConn) Close() error {
	err := errors.Join(c.CloseWrite(), c.SetDeadline(time.Now().Add(patience)))
	go func() {
		_, _ = io.Copy(io.Discard, c.TCPConn) // to the client's end, or the deadline
		c.TCPConn.Close()
	}()
	return err
}

type connKey struct{}

// Close ends the server and every request at hand.
func (s *Server) Close() {
	select {
	case <-s.done:
		return
	default:
	}
	close(s.done)
	s.http.Close()
}

// Addr is the server's host and port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Port is the server's port.
func (s *Server) Port() string {
	_, port, _ := net.SplitHostPort(s.Addr())
	return port
}

// URL returns the URL of a path.
func (s *Server) URL(path string) string {
	scheme := "https"
	if s.opts.Protocol == HTTP {
		scheme = "http"
	}
	return scheme + "://" + s.Addr() + path
}

// FaultURL returns the URL under which the file at path is served with a
// behaviour of Faults: the first n times, or always with n = 0.
func (s *Server) FaultURL(fault string, n int, path string) string {
	if n > 0 {
		fault += ":" + strconv.Itoa(n)
	}
	return s.URL("/fault/" + fault + path)
}

// Put serves f under path.
func (s *Server) Put(path string, f File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = f
}

// Script sets how the requests of a path are treated, one after another; the
// last behaviour stays.
func (s *Server) Script(path string, behaviours ...Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scripts[path] = behaviours
	s.counts[path] = 0
}

// SetPeer names the other server that the faults "redirect-away" and
// "redirect-down" lead to.
func (s *Server) SetPeer(peer *Server) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.peer = peer
}

// Log returns the requests so far.
func (s *Server) Log() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Entry(nil), s.log...)
}

// Count returns how many requests of a path there were.
func (s *Server) Count(path string) int {
	n := 0
	for _, e := range s.Log() {
		if e.Path == path {
			n++
		}
	}
	return n
}

// ServeHTTP logs the request, and does what the path asks for.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := s.exchange(w, r)
	switch {
	case x.behaviour != nil:
		x.behaviour(x)
	case !x.Found:
		http.NotFound(w, r)
	default:
		Good(x)
	}
}

// exchange logs the request, and finds its file and behaviour.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request) *Exchange {
	s.mu.Lock()
	defer s.mu.Unlock()
	entry := Entry{Method: r.Method, URI: r.RequestURI, Path: r.URL.Path, Host: r.Host, Proto: r.Proto,
		Remote: r.RemoteAddr, Header: r.Header.Clone(), Time: time.Now()}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		entry.Client = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	s.log = append(s.log, entry)
	x := &Exchange{W: w, R: r, N: s.counts[r.URL.Path], server: s}
	s.counts[r.URL.Path]++
	path := r.URL.Path
	if name, file, ok := splitFault(path); ok {
		x.behaviour = faultAt(name, x.N)
		path = file
	}
	if script := s.scripts[r.URL.Path]; len(script) > 0 {
		x.behaviour = script[min(x.N, len(script)-1)]
	}
	x.File, x.Found = s.files[path]
	x.Path = path
	return x
}

// splitFault splits /fault/NAME/FILE.
func splitFault(path string) (name, file string, ok bool) {
	rest, ok := strings.CutPrefix(path, "/fault/")
	if !ok {
		return "", "", false
	}
	name, file, ok = strings.Cut(rest, "/")
	return name, "/" + file, ok
}

// faultAt returns the behaviour of a name, with its optional count, for the
// n-th request, from 0 on; nil means good behaviour.
func faultAt(name string, n int) Behaviour {
	base, count, limited := strings.Cut(name, ":")
	limit, err := strconv.Atoi(count)
	b := Faults()[base]
	switch {
	case b != nil && (!limited || err == nil && n < limit):
		return b
	case b != nil && err == nil:
		return nil
	}
	return func(x *Exchange) { http.Error(x.W, fmt.Sprintf("no such fault: %q", name), http.StatusTeapot) }
}
