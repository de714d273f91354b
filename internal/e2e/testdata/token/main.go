// Token is a Prepare plugin for tests, as a third party would write one: it
// takes a URL prefix and a mirror from its section of the configuration, has
// the mirror tried first, and adds a header with a secret.
package main

import (
	"strings"

	"github.com/sourcehost/sourcehost/sdk"
)

var _ = sdk.Register(sdk.Plugin{Prepare: prepare})

func main() {} // never runs: a plugin is a WASI reactor

func prepare(ctx *sdk.Context, item *sdk.Item) error {
	prefix, err := ctx.Config.Text("prefix")
	if err != nil {
		return err
	}
	mirror, err := ctx.Config.Text("mirror")
	if err != nil {
		return err
	}
	remote, err := item.Remote()
	if err != nil {
		return err
	}
	provider, err := ctx.Config.Text("provider")
	if err != nil {
		return err
	}
	if provider != "" {
		remote.Secrets = provider
		item.SetRemote(remote)
		return nil
	}
	if path, ours := strings.CutPrefix(remote.URL(), prefix); ours {
		remote.AddURLFirst(mirror + path)
		remote.AddSecretHeader("X-Token", "Token ", "vault")
		item.SetRemote(remote)
	}
	return nil
}
