// Skopeo is the plugin of the source org.osbuild.skopeo: container images, each
// named by the digest of its config.
package main

import "github.com/sourcehost/sourcehost/sdk"

var _ = sdk.Register(newPlugin())

func main() {} // never runs: a plugin is a WASI reactor

func newPlugin() sdk.Plugin { return sdk.Plugin{FetchOne: fetchOne} }

// fetchOne asks the host to copy the image in the format that the operator wants.
func fetchOne(ctx *sdk.Context, item *sdk.Item) error {
	image, err := item.Image()
	if err != nil {
		return err
	}
	request := image.CopyImage(item.Key)
	request.Format = ctx.Format
	// An archive has no place for signatures: they are verified, and not kept. The
	// format is docker's, so that the image has the id which "podman pull" gives it.
	request.RemoveSignatures = ctx.Format == sdk.FormatDockerArchive
	return ctx.CopyImage(request)
}
