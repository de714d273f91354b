// Skopeo-index is the plugin of the source org.osbuild.skopeo-index: lists of
// container images, each a file named by its own digest.
package main

import "github.com/sourcehost/sourcehost/sdk"

var _ = sdk.Register(newPlugin())

func main() {} // never runs: a plugin is a WASI reactor

func newPlugin() sdk.Plugin { return sdk.Plugin{FetchOne: fetchOne} }

// fetchOne asks the host for the list alone.
func fetchOne(ctx *sdk.Context, item *sdk.Item) error {
	image, err := item.Image()
	if err != nil {
		return err
	}
	request := image.CopyImage(item.Key)
	request.Index = true
	return ctx.CopyImage(request)
}
