package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"time"
)

// rolePrefix, as the first argument, makes the program one of its own helpers,
// each a process of its own so that nothing of it is counted as a contender's.
const rolePrefix = "-role"

// roleOf returns what the program is to be instead of the benchmark, or nil.
func roleOf(args []string) func() error {
	if len(args) < 3 || args[1] != rolePrefix {
		return nil
	}
	switch role, rest := args[2], args[3:]; {
	case role == "generate" && len(rest) == 3:
		return func() error {
			scale, err := strconv.ParseFloat(rest[1], 64)
			if err != nil {
				return err
			}
			for _, w := range []workload{small, medium, large, realistic} {
				if w.name == rest[0] {
					return generate(w, scale, rest[2])
				}
			}
			return fmt.Errorf("there is no workload %q", rest[0])
		}
	case role == "delay" && len(rest) == 3:
		return func() error {
			rtt, err := time.ParseDuration(rest[2])
			if err != nil {
				return err
			}
			return delay(rest[0], rest[1], rtt)
		}
	case role == "serve" && len(rest) == 6:
		return func() error { return serve(rest[0], rest[1], rest[2], rest[3:]) }
	}
	return func() error { return fmt.Errorf("there is no role %q", args[2:]) }
}

// serve serves a folder on three ports, where there is no nginx.
func serve(dir, cert, key string, ports []string) error {
	failed := make(chan error)
	for i, port := range ports {
		s := &http.Server{Addr: net.JoinHostPort("127.0.0.1", port), Handler: http.FileServer(http.Dir(dir)), ErrorLog: log.New(io.Discard, "", 0)}
		if i == 1 {
			s.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){} // HTTP/1.1 only
		}
		go func() {
			if i == 0 {
				failed <- s.ListenAndServe()
			} else {
				failed <- s.ListenAndServeTLS(cert, key)
			}
		}()
	}
	return <-failed
}
