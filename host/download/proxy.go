package download

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// proxyEnv is what the usual variables say about proxies.
type proxyEnv struct {
	byScheme map[string]proxyVar
	no       []string // rules of no_proxy
}

type proxyVar struct{ name, value string }

// readProxyEnv reads the variables as curl does: lower case before upper case,
// all_proxy for what has no variable of its own.
func readProxyEnv(get func(string) string) proxyEnv {
	first := func(names ...string) proxyVar {
		for _, name := range names {
			if value := strings.TrimSpace(get(name)); value != "" {
				return proxyVar{name, value}
			}
		}
		return proxyVar{}
	}
	separator := func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }
	return proxyEnv{
		byScheme: map[string]proxyVar{
			"http":  first("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"),
			"https": first("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"),
		},
		no: strings.FieldsFunc(first("no_proxy", "NO_PROXY").value, separator),
	}
}

// proxyFor returns the proxy for u, nil for a direct connection. no_proxy holds
// for the request's own proxy too. Addresses of the loopback go through the
// proxy like others unless no_proxy names them.
func (f *fetch) proxyFor(u *url.URL) (*url.URL, *fault) {
	env := f.e.proxyEnv()
	chosen := env.byScheme[u.Scheme]
	if f.req.Proxy != "" {
		chosen = proxyVar{"", f.req.Proxy}
	}
	if chosen.value == "" || bypasses(env.no, u) {
		return nil, nil
	}
	proxy, err := parseProxy(chosen.value)
	if err != nil {
		if chosen.name != "" {
			err = fmt.Errorf("%w (from the variable %s)", err, chosen.name)
		}
		return nil, &fault{kind: KindInvalid, err: err, final: true,
			hint: "write proxies as http://host:port, https://host:port or socks5://host:port"}
	}
	return proxy, nil
}

// parseProxy parses the URL of a proxy; without a scheme it is an http proxy.
func parseProxy(value string) (*url.URL, error) {
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	proxy, err := url.Parse(value)
	if err != nil || proxy.Hostname() == "" {
		return nil, fmt.Errorf("the proxy %s is not a URL", CleanURL(value))
	}
	switch proxy.Scheme {
	case "http", "https", "socks5", "socks5h":
	default:
		return nil, fmt.Errorf("the proxy %s has the unknown scheme %q", CleanURL(value), proxy.Scheme)
	}
	return &url.URL{Scheme: proxy.Scheme, User: proxy.User, Host: hostPort(proxy)}, nil
}

// bypasses reports whether a rule of no_proxy matches u: "*", a host or domain
// (with or without a leading dot or "*."), an address or a prefix of
// addresses, each of the first ones with an optional port.
func bypasses(rules []string, u *url.URL) bool {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	_, port, _ := net.SplitHostPort(hostPort(u))
	ip, ipErr := netip.ParseAddr(host)
	for _, rule := range rules {
		if rule == "*" {
			return true
		}
		if prefix, err := netip.ParsePrefix(rule); err == nil {
			if ipErr == nil && prefix.Contains(ip.Unmap()) {
				return true
			}
			continue
		}
		name, rulePort := splitRule(rule)
		if rulePort != "" && rulePort != port {
			continue
		}
		if addr, err := netip.ParseAddr(name); err == nil {
			if ipErr == nil && addr.Unmap() == ip.Unmap() {
				return true
			}
			continue
		}
		if host == name || ipErr != nil && strings.HasSuffix(host, "."+name) {
			return true
		}
	}
	return false
}

// splitRule takes the port off a rule, and what may stand before a domain.
func splitRule(rule string) (name, port string) {
	rule = strings.ToLower(rule)
	if _, err := netip.ParseAddr(rule); err == nil {
		return rule, ""
	}
	if host, p, err := net.SplitHostPort(rule); err == nil {
		rule, port = host, p
	}
	rule = strings.Trim(rule, "[]")
	rule = strings.TrimPrefix(rule, "*")
	return strings.Trim(rule, "."), port
}

// proxyStatus is a proxy's refusal to connect.
type proxyStatus int

func (s proxyStatus) Error() string {
	return fmt.Sprintf("the proxy answered %d %s", int(s), http.StatusText(int(s)))
}

// connectResponse turns the proxy's answer to CONNECT into an error that keeps
// the status.
func connectResponse(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return proxyStatus(resp.StatusCode)
}

// proxyStatusFault says what a proxy's refusal means.
func proxyStatusFault(proxy *url.URL, code int) *fault {
	flt := &fault{kind: KindNetwork, err: viaProxy(proxy, proxyStatus(code))}
	switch {
	case code == http.StatusProxyAuthRequired || code == http.StatusUnauthorized: // tinyproxy says 401
		flt.kind, flt.final = KindDenied, true
		flt.hint = "put the user name and password into the proxy's URL: http://user:password@host:port"
	case code == http.StatusForbidden || code == http.StatusMethodNotAllowed:
		flt.kind, flt.final = KindDenied, true
		flt.hint = "the proxy does not allow this host or port: ask who runs it, or name the host in no_proxy"
	case code == http.StatusGatewayTimeout || code == http.StatusRequestTimeout:
		flt.kind = KindTimeout
	default:
		flt.final = code < 500 && code != http.StatusTooManyRequests
	}
	return flt
}

// viaProxy names the proxy in an error.
func viaProxy(proxy *url.URL, err error) error {
	if proxy == nil {
		return err
	}
	return fmt.Errorf("through the proxy %s: %w", CleanURL(proxy.String()), err)
}

// isProxyDial reports whether err happened on the way to the proxy. net/http
// marks such errors with these operations.
func isProxyDial(err error) bool {
	for {
		var op *net.OpError
		if !errors.As(err, &op) {
			return false
		}
		if op.Op == "proxyconnect" || strings.HasPrefix(op.Op, "socks") {
			return true
		}
		err = op.Err
	}
}
