package download

import (
	"net"
	"net/url"
	"strings"
)

// hostPort returns the host and port of u, in lower case and with the default
// port of its scheme filled in.
func hostPort(u *url.URL) string {
	return net.JoinHostPort(strings.ToLower(u.Hostname()), portOf(u))
}

// portOf returns the port of u, the default one of its scheme where it has none.
func portOf(u *url.URL) string {
	if port := u.Port(); port != "" {
		return port
	}
	return defaultPort(u.Scheme)
}

func defaultPort(scheme string) string {
	switch scheme {
	case "https":
		return "443"
	case "socks5", "socks5h":
		return "1080"
	}
	return "80"
}
