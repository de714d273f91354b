package main

import (
	"fmt"
	"time"
)

// benchCase is one thing to fetch, in one way.
type benchCase struct {
	load  workload
	proto protocol
	rtt   time.Duration
	mode  mode
}

// mode says what is special about the runs of a case.
type mode int

const (
	plainRun   mode = iota
	cachedRun       // everything is in the store
	firstRun        // no plugin was compiled before
	durableRun      // against the same program without any sync
)

type protocol string

// The protocols; a server of http2 offers HTTP/1.1 too, and each contender takes
// what it likes.
const (
	overHTTP  protocol = "http"
	overHTTP1 protocol = "https1"
	overHTTP2 protocol = "https2"
)

func (p protocol) String() string {
	switch p {
	case overHTTP1:
		return "https, HTTP/1.1"
	case overHTTP2:
		return "https, HTTP/2 and HTTP/1.1 on offer"
	}
	return "http"
}

func allCases() []benchCase {
	var all []benchCase
	for _, load := range []workload{small, medium, large} {
		for _, proto := range []protocol{overHTTP, overHTTP1, overHTTP2} {
			all = append(all, benchCase{load: load, proto: proto})
		}
		for _, proto := range []protocol{overHTTP, overHTTP2} {
			for _, rtt := range []time.Duration{20, 100} {
				all = append(all, benchCase{load: load, proto: proto, rtt: rtt * time.Millisecond})
			}
		}
	}
	for _, proto := range []protocol{overHTTP, overHTTP1, overHTTP2} {
		all = append(all, benchCase{load: realistic, proto: proto})
	}
	return append(all,
		benchCase{load: small, proto: overHTTP, mode: cachedRun},
		benchCase{load: small, proto: overHTTP, mode: firstRun},
		benchCase{load: small, proto: overHTTP, mode: durableRun},
		benchCase{load: medium, proto: overHTTP, mode: durableRun},
		benchCase{load: large, proto: overHTTP, mode: durableRun},
	)
}

func (c benchCase) name() string {
	s := c.load.name + "/" + string(c.proto)
	if c.rtt > 0 {
		s += "/" + c.rtt.String()
	}
	switch c.mode {
	case cachedRun:
		return c.load.name + "/cached"
	case firstRun:
		return c.load.name + "/first"
	case durableRun:
		return c.load.name + "/durable"
	}
	return s
}

func (c benchCase) title() string {
	switch c.mode {
	case cachedRun:
		return c.load.title + ", all in the store"
	case firstRun:
		return c.load.title + ", the plugin not compiled before"
	case durableRun:
		return c.load.title + ", with and without syncs"
	}
	s := fmt.Sprintf("%s over %v", c.load.title, c.proto)
	if c.rtt > 0 {
		s += fmt.Sprintf(", round trips of %v", c.rtt)
	}
	return s
}

// contenders are who takes part in a case; the first is measured against the
// others.
func (c benchCase) contenders(b *bench) []*contender {
	var in []*contender
	for _, p := range b.peers {
		if p.missing == "" && p.takesPart(c) {
			in = append(in, p)
		}
	}
	return in
}
