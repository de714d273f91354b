// Package manifest reads osbuild manifests, as far as their sources go, and
// checks them against the JSON Schemas of plugins. Whatever is wrong is
// reported with the source, a JSON pointer into the text as it was given, and
// a sentence.
package manifest

// Manifest is what sourcehost needs of an osbuild manifest: its sources.
type Manifest struct {
	// Version is the format version, 1 or 2.
	Version int
	// Sources are in the order of the text.
	Sources []Source
}

// Source is one member of the manifest's "sources".
type Source struct {
	// Name is the name of the source, for example "org.osbuild.curl".
	Name string
	// Pointer is the JSON pointer (RFC 6901) of the source object, counted from
	// the outermost value of the text.
	Pointer string
	// Raw is the whole source object as it stands in the text.
	Raw []byte
	// Items are in the order of the text.
	Items []Item
	// Options is a JSON object, or nil when there are none. In format version 1
	// it is the whole source object, as osbuild passes it on.
	Options []byte
	// ItemsField is the name under which the items stand: "items" or one of its
	// old aliases. It is empty for a source without items.
	ItemsField string
}

// ItemPointer returns the JSON pointer of the item with this key.
func (s *Source) ItemPointer(key string) string {
	return join(join(s.Pointer, s.ItemsField), key)
}

// Item is one item of a source.
type Item struct {
	// Key is the item's name, for example "sha256:<64 hex>".
	Key string
	// Desc is the item's description, any JSON value, as it stands in the text.
	Desc []byte
	// within is the JSON pointer of the object that the item is a member of.
	within string
}

// Pointer returns the item's JSON pointer.
func (i Item) Pointer() string { return join(i.within, i.Key) }
