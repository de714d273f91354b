package download

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
)

// classify says what an error before the body means: of the dialer, the TLS
// handshake, a proxy, or the wait for the header.
func classify(err error, u, proxy *url.URL) *fault {
	var denied *addrDenied
	if errors.As(err, &denied) {
		return deniedFault(denied)
	}
	var status proxyStatus
	if errors.As(err, &status) {
		return proxyStatusFault(proxy, int(status))
	}
	flt := tlsFault(err)
	if flt == nil {
		flt = netFault(err, u)
	}
	flt.unreached = isDial(err)
	if proxy != nil {
		flt.err = viaProxy(proxy, flt.err)
		if isProxyDial(err) {
			flt.hint = "the proxy itself could not be reached: check its address"
		}
	}
	return flt
}

// isDial reports whether err is from resolving a name or from connecting.
func isDial(err error) bool {
	var dns *net.DNSError
	var op *net.OpError
	return errors.As(err, &dns) || isProxyDial(err) || errors.As(err, &op) && op.Op == "dial"
}

// netFault is for everything that is not TLS.
func netFault(err error, u *url.URL) *fault {
	flt := &fault{kind: KindNetwork, err: err}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		flt.err = fmt.Errorf("the host name %s could not be resolved: %w", dns.Name, err)
		flt.hint = "check the host's name and this machine's name servers"
		if dns.IsNotFound {
			flt.tries = unknownHostTries
		}
		if dns.IsTimeout {
			flt.kind = KindTimeout
		}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, errProxyHandshake),
		errors.As(err, &timeout) && timeout.Timeout():
		flt.kind = KindTimeout
		flt.err = fmt.Errorf("the server did not answer in time: %w", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		flt.hint = "no server listens at that address and port"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		flt.hint = "check this machine's network, or set a proxy"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		flt.err = fmt.Errorf("the server closed the connection without an answer: %w", err)
	case strings.Contains(err.Error(), "malformed HTTP") && u.Scheme == "http":
		flt.hint = "the server does not speak HTTP there: is it an https port?"
	}
	return flt
}

// tlsFault returns nil when err has nothing to do with TLS.
func tlsFault(err error) *fault {
	flt := &fault{kind: KindTLS, err: err, final: true}
	var (
		invalid  x509.CertificateInvalidError
		name     x509.HostnameError
		unknown  x509.UnknownAuthorityError
		verify   *tls.CertificateVerificationError
		noRecord tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		flt.hint = "the certificate is expired or not valid yet: check this machine's clock, or tell who runs the server"
	case errors.As(err, &unknown):
		flt.hint = "add the server's certificate authority to the system's, or set a CA file for this item"
	case errors.As(err, &name):
		flt.hint = "the certificate is for another host: check the URL"
	case errors.As(err, &invalid), errors.As(err, &verify):
	case errors.As(err, &noRecord):
		flt.hint = "the server does not speak TLS there: is it an http port?"
	default:
		return alertFault(err)
	}
	return flt
}

// alertFault is for alerts: what the server says about our side of a
// handshake. crypto/tls marks them with this operation only.
func alertFault(err error) *fault {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" && op.Op != "local error" {
		if !strings.Contains(err.Error(), "tls: ") {
			return nil
		}
		return &fault{kind: KindTLS, err: err, final: true}
	}
	flt := &fault{kind: KindTLS, err: fmt.Errorf("the server ended the TLS handshake: %w", err), final: true}
	text := op.Err.Error()
	switch {
	case op.Op == "local error":
		flt.err = err
	case strings.Contains(text, "certificate required"), strings.Contains(text, "handshake failure"):
		flt.hint = "the server wants a client certificate: check the item's secrets"
	case strings.Contains(text, "certificate"):
		flt.hint = "the server does not accept the client certificate: check that it is valid and meant for this server"
	case strings.Contains(text, "internal error"), strings.Contains(text, "bad record MAC"):
		flt.final = false
	}
	return flt
}
