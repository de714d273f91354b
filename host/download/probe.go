package download

import (
	"context"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// probes is how many servers are connected to at once.
	probes = 32
	// probeTime is how long a server has to accept a connection.
	probeTime = 4 * time.Second
)

// Probe measures how long it takes to connect to the servers of some URLs, and
// returns that in their order: the resolution of the name and one round trip. It is
// negative where that failed or a proxy stands between. A server is connected to
// once, however many URLs it has. The rule may be nil.
func (e *Engine) Probe(ctx context.Context, urls []string, rule *AddrRule) []time.Duration {
	servers := make([]string, len(urls))
	took := map[string]time.Duration{}
	for i, raw := range urls {
		if servers[i] = e.direct(raw); servers[i] != "" {
			took[servers[i]] = -1
		}
	}
	var all []string
	for server := range took {
		all = append(all, server)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, probes)
	for _, server := range all {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			d := e.probe(ctx, server, rule)
			mu.Lock()
			took[server] = d
			mu.Unlock()
		})
	}
	wg.Wait()
	result := make([]time.Duration, len(urls))
	for i, server := range servers {
		result[i] = -1
		if server != "" {
			result[i] = took[server]
		}
	}
	return result
}

// direct returns the host and port of a URL that is requested without a proxy, and
// "" for any other.
func (e *Engine) direct(raw string) string {
	u, err := url.Parse(QuotePath(raw))
	if err != nil || u.Hostname() == "" {
		return ""
	}
	if u.Scheme = strings.ToLower(u.Scheme); u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	f := &fetch{e: e, req: &Request{}}
	if proxy, flt := f.proxyFor(u); proxy != nil || flt != nil {
		return ""
	}
	return hostPort(u)
}

// probe connects once.
func (e *Engine) probe(ctx context.Context, server string, rule *AddrRule) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	start := time.Now()
	conn, err := e.cfg.dialer(rule).DialContext(ctx, "tcp", server)
	if err != nil {
		return -1
	}
	took := time.Since(start)
	conn.Close()
	return took
}
