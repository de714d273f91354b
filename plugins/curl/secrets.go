package main

import "github.com/sourcehost/sourcehost/sdk"

// The providers of client certificates.
const (
	providerRHSM = "org.osbuild.rhsm"
	providerMTLS = "org.osbuild.mtls"
)

// The variables of the provider org.osbuild.mtls.
const (
	clientKeyEnv  = "OSBUILD_SOURCES_CURL_SSL_CLIENT_KEY"
	clientCertEnv = "OSBUILD_SOURCES_CURL_SSL_CLIENT_CERT"
	caCertEnv     = "OSBUILD_SOURCES_CURL_SSL_CA_CERT"
)

// resolve asks the provider that a description names for certificates, and
// puts their paths in its place. Certificates that are there already, from a
// plugin that ran before, stay: such a plugin knows more than we do.
func (c *curl) resolve(ctx *sdk.Context, remote *sdk.Remote) error {
	if remote.Secrets == "" {
		return nil
	}
	if remote.TLS.Cert == "" && remote.TLS.Key == "" {
		tls, err := c.certificates(ctx, remote)
		if err != nil {
			return err
		}
		if remote.TLS.CA != "" {
			tls.CA = remote.TLS.CA
		}
		remote.TLS = tls
	}
	remote.Secrets = ""
	return nil
}

// certificates returns what the provider has for the description's URLs.
func (c *curl) certificates(ctx *sdk.Context, remote *sdk.Remote) (sdk.TLS, error) {
	switch remote.Secrets {
	case providerRHSM:
		if c.rhsm == nil {
			s, err := readSubscriptions(ctx)
			if err != nil {
				return sdk.TLS{}, err
			}
			c.rhsm = s
		}
		return c.rhsm.certificates(remote.URLs)
	case providerMTLS:
		if c.mtls == nil {
			tls, err := readMTLS(ctx)
			if err != nil {
				return sdk.TLS{}, err
			}
			c.mtls = &tls
		}
		return *c.mtls, nil
	}
	return sdk.TLS{}, &sdk.Error{
		Kind:    sdk.ErrInvalid,
		Message: "unknown provider of secrets " + string(sdk.Quote(remote.Secrets)),
		Hint:    "known are " + providerMTLS + " and " + providerRHSM,
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
			Message: providerMTLS + " needs both " + clientKeyEnv + " and " + clientCertEnv + " in the environment, but " + missing(tls),
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
