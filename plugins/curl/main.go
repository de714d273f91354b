// Curl is the plugin of the source org.osbuild.curl: files that are downloaded
// from URLs, with client certificates from Red Hat subscriptions
// (org.osbuild.rhsm) or from the environment (org.osbuild.mtls).
package main

import (
	"github.com/sourcehost/sourcehost/plugins/internal/certs"
	"github.com/sourcehost/sourcehost/sdk"
)

var _ = sdk.Register(newPlugin())

func main() {} // never runs: a plugin is a WASI reactor

// proxyEnv is the variable that sets the proxy of every item.
const proxyEnv = "OSBUILD_SOURCES_CURL_PROXY"

// curl is the state of one instance.
type curl struct{ providers certs.Providers }

// newPlugin returns the plugin with a state of its own.
func newPlugin() sdk.Plugin {
	c := &curl{}
	return sdk.Plugin{Prepare: c.prepare, FetchOne: c.fetchOne}
}

// prepare checks a description and replaces the name of a provider of client
// certificates by the certificates' paths. It leaves other descriptions as they
// are, since fetchOne reads all their forms: what is not sent back to the host
// costs nothing.
func (c *curl) prepare(ctx *sdk.Context, item *sdk.Item) error {
	remote, err := remoteOf(item)
	if err != nil || remote.Secrets == "" {
		return err
	}
	if err := c.resolve(ctx, remote); err != nil {
		return err
	}
	item.SetRemote(remote)
	return nil
}

// fetchOne asks the host to download the item.
func (c *curl) fetchOne(ctx *sdk.Context, item *sdk.Item) error {
	remote, err := remoteOf(item)
	if err != nil {
		return err
	}
	if err := c.resolve(ctx, remote); err != nil {
		return err
	}
	if remote.ProxyEnv == "" {
		remote.ProxyEnv = proxyEnv
	}
	return ctx.Download(remote.Download(item.Key))
}

// remoteOf returns the item's description, which must name a URL.
func remoteOf(item *sdk.Item) (*sdk.Remote, error) {
	remote, err := item.Remote()
	if err != nil {
		return nil, err
	}
	for _, url := range remote.URLs {
		if url == "" {
			return nil, &sdk.Error{Kind: sdk.ErrInvalid, Message: "the description has an empty url"}
		}
	}
	if len(remote.URLs) == 0 {
		return nil, &sdk.Error{Kind: sdk.ErrInvalid, Message: "the description has no url"}
	}
	return remote, nil
}
