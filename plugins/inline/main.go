// Inline is the plugin of the source org.osbuild.inline: files whose content stands
// in the manifest itself, encoded.
package main

import (
	"io"

	"github.com/sourcehost/sourcehost/sdk"
)

var _ = sdk.Register(newPlugin())

func main() {} // never runs: a plugin is a WASI reactor

func newPlugin() sdk.Plugin {
	d := &decompressor{}
	return sdk.Plugin{FetchOne: func(ctx *sdk.Context, item *sdk.Item) error { return fetchOne(ctx, item, d) }}
}

// The encodings.
const (
	plain      = "base64"
	compressed = "lzma+base64"
)

// fetchOne hands the decoded content over, piece by piece: the host refuses more
// than it is configured to take, before all of a bomb was decoded.
func fetchOne(ctx *sdk.Context, item *sdk.Item, d *decompressor) error {
	encoding, err := item.Desc().Text("encoding")
	if err != nil {
		return err
	}
	if encoding != plain && encoding != compressed {
		return invalid("the encoding " + string(sdk.Quote(encoding)) + " is unknown: it must be " + plain + " or " + compressed)
	}
	text, err := item.Desc().Text("data")
	if err != nil {
		return err
	}
	data, err := decodeBase64(text)
	if err != nil {
		return invalid("the data is not base64: " + err.Error())
	}
	content := ctx.Putter(item.Key)
	if encoding == plain {
		_, err = content.Write(data)
	} else {
		err = d.decompress(sink{content}, data)
	}
	if err != nil {
		return err
	}
	return content.Close()
}

func invalid(message string) error { return &sdk.Error{Kind: sdk.ErrInvalid, Message: message} }

// sink tells errors of what takes the content apart from those of the content.
type sink struct{ io.Writer }

// sinkError is an error of writing.
type sinkError struct{ error }

func (e *sinkError) Unwrap() error { return e.error }

func (s sink) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	if err != nil {
		err = &sinkError{err}
	}
	return n, err
}
