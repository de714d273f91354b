package sdk

import "github.com/sourcehost/sourcehost/internal/rawjson"

// Item is one item of a manifest: a key, under which it will lie in the store,
// and a description. A hook may use it during its call only.
type Item struct {
	// Key is the item's name in the store, for example "sha256:<64 hex>".
	// Changing it here changes nothing: no plugin can change a key.
	Key string

	desc    Value
	reader  rawjson.Reader
	remote  Remote
	skip    string
	changed bool
}

// Desc returns the description as it stands.
func (it *Item) Desc() Value { return it.desc }

// SetDesc replaces the description. An error means that desc is not JSON, and
// that nothing was changed.
func (it *Item) SetDesc(desc Value) error {
	if err := rawjson.Valid(desc); err != nil {
		return &Error{Kind: ErrPlugin, Message: "the new description is not JSON: " + err.Error()}
	}
	it.desc, it.changed = desc, true
	return nil
}

// Skip says why the item need not be fetched, in Filter only.
func (it *Item) Skip(reason string) { it.skip = reason }

// Remote returns the description of an item that is downloaded, whichever way
// it is written: see Remote. The result belongs to the item; SetRemote makes
// its changes count.
func (it *Item) Remote() (*Remote, error) {
	if err := it.remote.decode(&it.reader, it.desc); err != nil {
		return nil, invalid(err)
	}
	return &it.remote, nil
}

// SetRemote makes r the item's description.
func (it *Item) SetRemote(r *Remote) {
	it.desc, it.changed = r.append(make([]byte, 0, len(it.desc)+64)), true
}
