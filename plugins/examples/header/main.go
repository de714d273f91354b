// Header is an example of a plugin that is chained in front of a source's own
// Prepare: it adds an authorization header, with a secret that the host fills
// in, and has a mirror tried before the original server.
package main

import (
	"strings"

	"github.com/sourcehost/sourcehost/sdk"
)

var plugin = sdk.Register(sdk.Plugin{Prepare: prepare})

func main() {} // never runs: a plugin is a WASI reactor

const origin, mirror = "https://rpms.acme.example/", "https://mirror.acme.example/rpms/"

func prepare(_ *sdk.Context, item *sdk.Item) error {
	remote, err := item.Remote()
	if err != nil {
		return err
	}
	if path, ours := strings.CutPrefix(remote.URL(), origin); ours {
		remote.AddURLFirst(mirror + path)
		remote.AddSecretHeader("Authorization", "Bearer ", "acme-token")
		item.SetRemote(remote)
	}
	return nil
}
