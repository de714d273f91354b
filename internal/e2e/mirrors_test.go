package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestMirrorFaults: whatever is wrong with the mirror that the plugin put first,
// the origin is asked at once. When it lacks the file too, both are named.
func TestMirrorFaults(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.wire(c.pin, granted, c.origin.Addr(), c.mirror.Addr())
	all, keys := items{}, []string{}
	for i, b := range []hosttest.Behaviour{
		hosttest.Status(404), hosttest.Status(403), hosttest.Status(503), hosttest.RetryAfter(503, "60"), hosttest.WrongBytes,
		hosttest.Truncated, hosttest.ResetHalfway, hosttest.Hangup, hosttest.Stalled, hosttest.BrokenFraming,
		hosttest.NotHTTP, hosttest.Redirect(302, "file:///etc/passwd"),
	} {
		path := fmt.Sprintf("/mirrored/%d", i)
		data := content(path, 30_000)
		for _, server := range []*hosttest.Server{c.origin, c.mirror} {
			server.Put(path, hosttest.File{Content: data, ETag: `"1"`})
		}
		c.mirror.Script(path, b)
		all[key(data)] = c.origin.URL(path)
		keys = append(keys, key(data))
	}
	lost := content("lost", 100)
	c.mirror.Script("/lost", hosttest.Status(410))
	all[key(lost)] = c.origin.URL("/lost")
	o := c.fetch(c.sandbox.manifest(all)).ends(1).counts(len(keys), 0, 1)
	for i, k := range keys {
		if it := o.items[k]; it.Attempts != 2 || !strings.HasPrefix(it.URL, c.origin.URL("/")) {
			t.Errorf("item %d came from %s in %d attempts, want the origin in the second", i, it.URL, it.Attempts)
		}
	}
	o.failed(key(lost), "not found", c.origin.URL("/lost"), "404", c.mirror.URL("/lost"), "410", "2 attempts")
	c.holds(keys...)
	c.nothingStaged()
}
