// Package certs finds the client certificates of Red Hat subscriptions
// (org.osbuild.rhsm) and of osbuild's environment variables (org.osbuild.mtls), for
// plugins of sources that download over https.
package certs

import "github.com/sourcehost/sourcehost/sdk"

// The providers of client certificates.
const (
	RHSM = "org.osbuild.rhsm"
	MTLS = "org.osbuild.mtls"
)

// The variables of the provider org.osbuild.mtls.
const (
	clientKeyEnv  = "OSBUILD_SOURCES_CURL_SSL_CLIENT_KEY"
	clientCertEnv = "OSBUILD_SOURCES_CURL_SSL_CLIENT_CERT"
	caCertEnv     = "OSBUILD_SOURCES_CURL_SSL_CA_CERT"
)

// Providers are the providers as an instance of a plugin knows them: what was read
// of the host for the first item that needed it. The zero value is ready for use.
type Providers struct {
	mtls *sdk.TLS
	rhsm *subscriptions
}

// Certificates returns the files that a provider has for the first of some URLs that
// it knows.
func (p *Providers) Certificates(ctx *sdk.Context, provider string, urls []string) (sdk.TLS, error) {
	switch provider {
	case RHSM:
		if p.rhsm == nil {
			s, err := readSubscriptions(ctx)
			if err != nil {
				return sdk.TLS{}, err
			}
			p.rhsm = s
		}
		return p.rhsm.certificates(urls)
	case MTLS:
		if p.mtls == nil {
			tls, err := readMTLS(ctx)
			if err != nil {
				return sdk.TLS{}, err
			}
			p.mtls = &tls
		}
		return *p.mtls, nil
	}
	return sdk.TLS{}, &sdk.Error{
		Kind:    sdk.ErrInvalid,
		Message: "unknown provider of secrets " + string(sdk.Quote(provider)),
		Hint:    "known are " + MTLS + " and " + RHSM,
	}
}

// readMTLS reads the variables of org.osbuild.mtls. One that is empty counts as
// not set.
func readMTLS(ctx *sdk.Context) (tls sdk.TLS, err error) {
	for _, v := range []struct {
		name string
		dst  *string
	}{{clientKeyEnv, &tls.Key}, {clientCertEnv, &tls.Cert}, {caCertEnv, &tls.CA}} {
		if *v.dst, _, err = ctx.Env(v.name); err != nil {
			return sdk.TLS{}, err
		}
		if *v.dst != "" && (*v.dst)[0] != '/' {
			return sdk.TLS{}, &sdk.Error{
				Kind:    sdk.ErrInvalid,
				Message: v.name + " holds a relative path: " + string(sdk.Quote(*v.dst)),
				Hint:    "set it to an absolute path",
			}
		}
	}
	if tls.Key == "" || tls.Cert == "" {
		return sdk.TLS{}, &sdk.Error{
			Kind:    sdk.ErrNotFound,
			Message: MTLS + " needs both " + clientKeyEnv + " and " + clientCertEnv + " in the environment, but " + missing(tls),
			Hint:    "set them to the absolute paths of the client's key and certificate",
		}
	}
	return tls, nil
}

// missing says which of the two required variables is not set.
func missing(tls sdk.TLS) string {
	switch {
	case tls.Key == "" && tls.Cert == "":
		return "neither is set"
	case tls.Key == "":
		return clientKeyEnv + " is not set"
	}
	return clientCertEnv + " is not set"
}
