package main

import "github.com/sourcehost/sourcehost/sdk"

// resolve asks the provider that a description names for certificates, and
// puts their paths in its place. Certificates that are there already, from a
// plugin that ran before, stay: such a plugin knows more than we do.
func (c *curl) resolve(ctx *sdk.Context, remote *sdk.Remote) error {
	if remote.Secrets == "" {
		return nil
	}
	if there := remote.TLS; there.Cert == "" && there.Key == "" && there.CertSecret == "" && there.KeySecret == "" {
		tls, err := c.providers.Certificates(ctx, remote.Secrets, remote.URLs)
		if err != nil {
			return err
		}
		if there.CA != "" {
			tls.CA = there.CA
		}
		remote.TLS = tls
	}
	remote.Secrets = ""
	return nil
}
