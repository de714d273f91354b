package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// job is an item that a plugin has asked for; it is performed after the hook
// has returned.
type job struct {
	item *item
	producer
	// group names jobs of which only some are performed at once.
	group group
}

// producer makes the content of one item.
type producer interface {
	// from is where the item comes from, without credentials, for people.
	from() string
	// produce makes the content, verifies it as far as that is possible before it
	// is stored, and returns what stores it, nil when there is nothing to store.
	// The error is an *Error, or one of the store.
	produce(ctx context.Context, r *run, it *item) (staged, error)
}

// staged is verified content that waits for its name in the store.
type staged interface {
	// Commit gives the content its name. It returns when that is on the disk.
	Commit(ctx context.Context) error
	// Close gives the content up, unless Commit succeeded.
	Close() error
}

// producing checks what every producing operation must satisfy and finds its
// item. kinds are what the operation can produce.
func (c *caller) producing(op, key string, kinds ...string) (*item, error) {
	if c.hook != abi.FetchOne {
		return nil, fmt.Errorf("%s can be called in the %s hook only", op, abi.FetchOne)
	}
	if produces := c.plugin.manifest.Produces; !slices.Contains(kinds, produces) {
		return nil, fmt.Errorf("%s makes items of the kind %s, and the plugin produces %q", op, strings.Join(kinds, " or "), produces)
	}
	it := c.page.find(key)
	if it == nil {
		return nil, errors.New("the page has no item " + plain(key, 160))
	}
	if c.page.jobs[it] != nil {
		return nil, errors.New("the item was asked for already: " + key)
	}
	return it, nil
}

// The jobs of several pages wait in memory: what a hook call asks for is bounded, by the
// number of items, and so that one of them may have the largest request.
const (
	askedPerItem = 64 << 10
	askedAtLeast = 1 << 20
)

// bounded performs a producing operation unless the hook call has asked for too much.
func (c *caller) bounded(req []byte, ask func([]byte) (abi.Status, []byte, error)) (abi.Status, []byte, error) {
	items := 0
	if c.page != nil {
		items = len(c.page.items)
	}
	if most := askedAtLeast + items*askedPerItem; c.asked+len(req) > most {
		return abi.Limit, nil, fmt.Errorf("the requests for the items of the page have more than %d bytes together", most)
	}
	status, result, err := ask(req)
	if status == abi.OK {
		c.asked += len(req)
	}
	return status, result, err
}

// canProduce tells whether the store knows what a plugin produces.
func canProduce(m *plugin.Manifest) bool {
	return slices.Contains([]string{plugin.ProducesFile, plugin.ProducesImage, plugin.ProducesCommit, plugin.ProducesNone}, m.Produces)
}
