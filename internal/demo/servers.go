package main

import (
	"crypto/tls"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
)

// server serves files on the loopback interface.
type server struct {
	url  string
	http *http.Server

	mu       sync.Mutex
	seen     map[string]bool // paths that were asked for
	requests int
	refused  int
}

// refuseEach is how many new paths it takes for one to be refused at first.
const refuseEach = 5

// serve starts a server, with TLS when there are settings for it.
func serve(content http.Handler, settings *tls.Config) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + l.Addr().String(), seen: map[string]bool{}}
	handler := content
	if settings == nil {
		handler = s.failFirst(content)
	} else {
		s.url = "https://" + l.Addr().String()
		l = tls.NewListener(l, settings)
		handler = s.counted(content)
	}
	s.http = &http.Server{Handler: handler, ErrorLog: log.New(io.Discard, "", 0)}
	go s.http.Serve(l)
	return s, nil
}

// failFirst answers the first request for each fifth path with 503, as a busy
// mirror does.
func (s *server) failFirst(next http.Handler) http.Handler {
	return s.counted(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		refuse := !s.seen[r.URL.Path] && len(s.seen)%refuseEach == 0
		s.seen[r.URL.Path] = true
		if refuse {
			s.refused++
		}
		s.mu.Unlock()
		if refuse {
			http.Error(w, "busy, try again", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	}))
}

func (s *server) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests++
		s.mu.Unlock()
		next.ServeHTTP(w, r)
	})
}

// counts returns how many requests came, and how many were refused with 503.
func (s *server) counts() (requests, refused int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests, s.refused
}

func (s *server) stop() { s.http.Close() }
