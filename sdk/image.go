package sdk

import "github.com/sourcehost/sourcehost/internal/rawjson"

// Image is the description of an item that is a container image, or a list of
// images: in JSON an object with the member "image", an object with the fields
// below. Fields that are not listed here are kept as they are.
type Image struct {
	// Name ("name") is the repository with its registry.
	Name string
	// Digest ("digest") is that of the manifest; "" for a list, which its key names.
	Digest string
	// Insecure ("tls-verify", inverted) accepts any certificate, and plain http.
	Insecure bool
	// Transport ("containers-transport") is TransportDocker or TransportStorage; ""
	// means TransportDocker.
	Transport string
	// Storage ("storage-location") is the absolute path of another storage than the
	// host's own.
	Storage string

	// rest and imageRest are the other fields of the two objects, each with a
	// comma after it.
	rest, imageRest []byte
}

// CopyImage returns what copies the item of this key.
func (i *Image) CopyImage(key string) *CopyImage {
	return &CopyImage{
		Key: key, Transport: i.Transport, Name: i.Name, Digest: i.Digest, Storage: i.Storage, Insecure: i.Insecure,
	}
}

// Image returns the description of an item that is a container image. SetImage
// makes changes count.
func (it *Item) Image() (*Image, error) {
	i := &Image{}
	it.reader.Reset(it.desc)
	in := &it.reader
	err := in.Object(func(key []byte) error {
		if string(key) == "image" {
			return in.Object(func(key []byte) error { return i.read(in, key) })
		}
		return keep(&i.rest, in, key)
	})
	if err == nil {
		err = in.End()
	}
	if err != nil {
		return nil, invalid(err)
	}
	if i.Name == "" {
		return nil, &Error{Kind: ErrInvalid, Message: "the description names no image"}
	}
	return i, nil
}

// SetImage makes i the item's description.
func (it *Item) SetImage(i *Image) {
	it.desc, it.changed = i.append(make([]byte, 0, len(it.desc)+64)), true
}

func (i *Image) read(in *rawjson.Reader, key []byte) (err error) {
	switch string(key) {
	case "name":
		i.Name, err = in.String()
	case "digest":
		i.Digest, err = in.String()
	case "tls-verify":
		var verify bool
		verify, err = in.Bool()
		i.Insecure = !verify
	case "containers-transport":
		i.Transport, err = in.String()
	case "storage-location":
		i.Storage, err = in.String()
	default:
		err = keep(&i.imageRest, in, key)
	}
	return err
}

// keep adds a member that nobody knows to rest, with a comma after it.
func keep(rest *[]byte, in *rawjson.Reader, key []byte) error {
	raw, err := in.Raw()
	*rest = append(rawjson.AppendString(*rest, string(key)), ':')
	*rest = append(append(*rest, raw...), ',')
	return err
}

func (i *Image) append(dst []byte) []byte {
	dst = append(append(append(dst, '{'), i.rest...), `"image":{`...)
	for _, f := range []struct{ name, value string }{
		{"name", i.Name}, {"digest", i.Digest}, {"containers-transport", i.Transport}, {"storage-location", i.Storage},
	} {
		if f.value != "" {
			dst = append(rawjson.AppendString(dst, f.name), ':')
			dst = append(rawjson.AppendString(dst, f.value), ',')
		}
	}
	if i.Insecure {
		dst = append(dst, `"tls-verify":false,`...)
	}
	dst = append(dst, i.imageRest...)
	if dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	return append(dst, "}}"...)
}
