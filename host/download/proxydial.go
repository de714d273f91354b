package download

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"time"

	socks "golang.org/x/net/proxy"
)

// proxyTLSDial connects to a proxy over TLS. It has a configuration of its own,
// because the client's certificate and "insecure" are meant for servers, and
// HTTP/2 cannot be spoken to it.
func proxyTLSDial(d *net.Dialer, conf *tls.Config, host string, timeout time.Duration) func(context.Context, string, string) (net.Conn, error) {
	own := conf.Clone()
	own.GetClientCertificate = nil
	own.InsecureSkipVerify = false
	own.NextProtos = nil
	own.ServerName = host
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeoutCause(ctx, timeout, errProxyHandshake)
		defer cancel()
		secure := tls.Client(conn, own)
		if err := secure.HandshakeContext(ctx); err != nil {
			conn.Close()
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
			return nil, err
		}
		return secure, nil
	}
}

var errProxyHandshake = errors.New("the TLS handshake with the proxy timed out")

// socksDial connects through a SOCKS5 proxy, which resolves names itself. Not
// left to net/http, because that sets no limit to the proxy's answer.
func socksDial(d *net.Dialer, proxy *url.URL) (func(context.Context, string, string) (net.Conn, error), error) {
	var auth *socks.Auth
	if proxy.User != nil {
		password, _ := proxy.User.Password()
		auth = &socks.Auth{User: proxy.User.Username(), Password: password}
	}
	through, err := socks.SOCKS5("tcp", proxy.Host, auth, d)
	if err != nil {
		return nil, err
	}
	dialer, ok := through.(socks.ContextDialer)
	if !ok {
		return nil, errors.New("the SOCKS5 client takes no context")
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, d.Timeout)
		defer cancel()
		return dialer.DialContext(ctx, network, addr)
	}, nil
}
