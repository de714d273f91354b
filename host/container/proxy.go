package container

import (
	"net/url"

	"golang.org/x/net/http/httpproxy"
)

// proxyFunc reads the usual variables from the configured environment; the
// standard library would read the process's, and only once.
func proxyFunc(cfg Config) func(*url.URL) (*url.URL, error) {
	first := func(names ...string) string {
		for _, n := range names {
			if v := cfg.env(n); v != "" {
				return v
			}
		}
		return ""
	}
	proxies := httpproxy.Config{
		HTTPProxy:  first("HTTP_PROXY", "http_proxy"),
		HTTPSProxy: first("HTTPS_PROXY", "https_proxy"),
		NoProxy:    first("NO_PROXY", "no_proxy"),
	}
	return proxies.ProxyFunc()
}
