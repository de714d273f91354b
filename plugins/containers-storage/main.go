// Containers-storage is the plugin of the source org.osbuild.containers-storage:
// container images that are in the storage of the host, and stay there.
package main

import (
	"strings"

	"github.com/sourcehost/sourcehost/sdk"
)

var _ = sdk.Register(newPlugin())

func main() {} // never runs: a plugin is a WASI reactor

// plugin is the state of one instance: the storage, once it was looked up.
type plugin struct{ storage *storage }

func newPlugin() sdk.Plugin {
	p := &plugin{}
	return sdk.Plugin{FetchOne: p.fetchOne}
}

// fetchOne has the storage asked for the image's config, whose digest is the
// image's id and so the item's key. The host compares the two.
func (p *plugin) fetchOne(ctx *sdk.Context, item *sdk.Item) error {
	id, ok := strings.CutPrefix(item.Key, "sha256:")
	if !ok {
		return &sdk.Error{Kind: sdk.ErrInvalid, Message: "an image in the storage is named by sha256:HEX"}
	}
	if p.storage == nil {
		s, err := findStorage(ctx)
		if err != nil {
			return err
		}
		p.storage = s
	}
	reference := p.storage.reference() + "@" + id
	return explain(ctx.Run(&sdk.Run{
		Key:  item.Key,
		From: reference,
		Steps: []sdk.Exec{{
			Program: "skopeo",
			Args:    []string{"inspect", "--raw", "--config", reference},
			Env:     []string{"PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME"},
		}},
	}))
}

// explain says what to do when the program is not there.
func explain(err error) error {
	if err == nil || sdk.KindOf(err) != sdk.ErrNotFound {
		return err
	}
	return &sdk.Error{
		Kind:    sdk.ErrNotFound,
		Message: "the program skopeo, which looks into the storage of the host, is not installed",
		Hint:    "install the package skopeo, or name the program's path under [program.skopeo] in the configuration",
	}
}
