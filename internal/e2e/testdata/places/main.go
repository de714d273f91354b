// Places is a Prepare plugin for tests: it puts a reference to a secret wherever one
// can stand. An item's path says where, and which secret: /PLACE/SECRET/REST.
package main

import (
	"errors"
	"net/url"
	"strings"

	"github.com/sourcehost/sourcehost/sdk"
)

var _ = sdk.Register(sdk.Plugin{Prepare: prepare})

func main() {} // never runs: a plugin is a WASI reactor

func prepare(ctx *sdk.Context, item *sdk.Item) error {
	remote, err := item.Remote()
	if err != nil {
		return err
	}
	u, err := url.Parse(remote.URL())
	if err != nil {
		return err
	}
	parts := strings.SplitN(u.Path, "/", 4)
	if len(parts) < 4 {
		return nil
	}
	secret := parts[2]
	switch parts[1] {
	case "header":
		remote.AddSecretHeader("X-Token", "Token ", secret)
	case "query":
		remote.Query = append(remote.Query, sdk.Param{Name: "t", Secret: secret})
	case "auth":
		remote.Auth = sdk.Auth{User: "builder", Secret: secret}
	case "tls":
		remote.TLS.KeySecret = secret
	case "http":
		return ask(ctx, remote.URL(), secret)
	default:
		return nil
	}
	item.SetRemote(remote)
	return nil
}

// ask makes a request of the plugin's own with the secret in all places, and says
// all that it has learned.
func ask(ctx *sdk.Context, at, secret string) error {
	r, err := ctx.HTTP(&sdk.HTTPRequest{
		URL: at, Timeout: 300, Auth: sdk.Auth{User: "builder", Secret: secret}, Query: []sdk.Param{{Name: "t", Secret: secret}},
		Headers: []sdk.Header{{Name: "X-Token", Secret: secret, Prefix: "Token "}},
	})
	if err != nil {
		ctx.Log(sdk.LevelWarn, "no answer: "+err.Error())
		return err
	}
	said := "answered " + r.URL + ": " + string(r.Body[:min(len(r.Body), 200)])
	for _, h := range r.Headers {
		said += " " + h.Name + "=" + h.Value
	}
	ctx.Log(sdk.LevelWarn, said)
	return errors.New(said)
}
