package main

import (
	"strings"

	"github.com/sourcehost/sourcehost/sdk"
)

// The providers of client certificates.
const (
	providerRHSM = "org.osbuild.rhsm.consumer"
	providerMTLS = "org.osbuild.mtls"
)

// The certificate that identifies a subscribed system.
const (
	consumerKey  = "/etc/pki/consumer/key.pem"
	consumerCert = "/etc/pki/consumer/cert.pem"
)

// osbuild's variables. Those of the proxy and of insecure count for every item.
const (
	clientKeyEnv  = "OSBUILD_SOURCES_OSTREE_SSL_CLIENT_KEY"
	clientCertEnv = "OSBUILD_SOURCES_OSTREE_SSL_CLIENT_CERT"
	caCertEnv     = "OSBUILD_SOURCES_OSTREE_SSL_CA_CERT"
	proxyEnv      = "OSBUILD_SOURCES_OSTREE_PROXY"
	insecureEnv   = "OSBUILD_SOURCES_OSTREE_INSECURE"
)

// connection returns how the remote is connected to.
func (r *remote) connection(ctx *sdk.Context) ([]setting, error) {
	settings, err := r.certificates(ctx)
	if err != nil {
		return nil, err
	}
	proxy, _, err := ctx.Env(proxyEnv)
	if err != nil {
		return nil, err
	}
	insecure, _, err := ctx.Env(insecureEnv)
	if err != nil {
		return nil, err
	}
	settings = append(settings, setting{"proxy", proxy})
	switch strings.ToLower(insecure) {
	case "true", "yes", "1":
		settings = append(settings, setting{"tls-permissive", "true"})
	}
	return settings, nil
}

// certificates asks the provider that the description names.
func (r *remote) certificates(ctx *sdk.Context) ([]setting, error) {
	switch r.secrets {
	case "":
		return nil, nil
	case providerRHSM:
		return consumer(ctx)
	case providerMTLS:
		return mtls(ctx)
	}
	return nil, &sdk.Error{
		Kind:    sdk.ErrInvalid,
		Message: "unknown provider of secrets " + string(sdk.Quote(r.secrets)),
		Hint:    "known are " + providerMTLS + " and " + providerRHSM,
	}
}

// consumer is the provider org.osbuild.rhsm.consumer.
func consumer(ctx *sdk.Context) ([]setting, error) {
	for _, path := range []string{consumerKey, consumerCert} {
		info, err := ctx.Stat(path)
		if err != nil {
			return nil, err
		}
		if info.Type != sdk.TypeFile {
			return nil, &sdk.Error{
				Kind:    sdk.ErrNotFound,
				Message: providerRHSM + " needs " + consumerKey + " and " + consumerCert + ", but there is no file " + path,
				Hint:    "register the system with subscription-manager",
			}
		}
	}
	return []setting{{"tls-client-key-path", consumerKey}, {"tls-client-cert-path", consumerCert}}, nil
}

// mtls is the provider org.osbuild.mtls. A variable that is empty counts as not set.
func mtls(ctx *sdk.Context) ([]setting, error) {
	var settings []setting
	set := map[string]bool{}
	for _, v := range []struct{ env, name string }{
		{clientKeyEnv, "tls-client-key-path"}, {clientCertEnv, "tls-client-cert-path"}, {caCertEnv, "tls-ca-path"},
	} {
		path, _, err := ctx.Env(v.env)
		if err != nil {
			return nil, err
		}
		if path == "" {
			continue
		}
		if path[0] != '/' {
			return nil, &sdk.Error{
				Kind:    sdk.ErrInvalid,
				Message: v.env + " holds a relative path: " + string(sdk.Quote(path)),
				Hint:    "set it to an absolute path",
			}
		}
		set[v.env] = true
		settings = append(settings, setting{v.name, path})
	}
	if set[clientKeyEnv] && set[clientCertEnv] {
		return settings, nil
	}
	missing := clientCertEnv + " is not set"
	if !set[clientKeyEnv] {
		missing = clientKeyEnv + " is not set"
		if !set[clientCertEnv] {
			missing = "neither is set"
		}
	}
	return nil, &sdk.Error{
		Kind:    sdk.ErrNotFound,
		Message: providerMTLS + " needs both " + clientKeyEnv + " and " + clientCertEnv + " in the environment, but " + missing,
		Hint:    "set them to the absolute paths of the client's key and certificate",
	}
}
