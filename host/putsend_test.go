package host

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/sourcehost/sourcehost/host/store"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// putCaller is a caller in fetch_one with some items whose content can be put.
func putCaller(t *testing.T, items int) (c *caller, keys []string) {
	t.Helper()
	s, err := store.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	files, err := s.Files("org.osbuild.test")
	if err != nil {
		t.Fatal(err)
	}
	var list []*item
	for i := range items {
		it := &item{}
		it.result.Key = fmt.Sprintf("sha256:%064x", i)
		list, keys = append(list, it), append(keys, it.result.Key)
	}
	return &caller{
		run:    &run{host: &Host{}, files: files},
		plugin: &loaded{manifest: &plugin.Manifest{Produces: plugin.ProducesFile}},
		hook:   abi.FetchOne, page: newPage(list),
	}, keys
}

func putOf(key, content string, more bool) []byte {
	p := abi.Put{Key: key, More: more}
	return []byte(string(p.Append(nil)) + "\n" + content)
}

// A hook that was given up can be about to put something, at any instant: it must
// neither meet the end of the call half-way nor leave a file open.
//
// adversary: A1d
func TestPutsEndWithTheirHook(t *testing.T) {
	large := strings.Repeat("x", spoolFrom+1)
	for range 4 {
		c, keys := putCaller(t, 60)
		var begun, done sync.WaitGroup
		begun.Add(1)
		done.Go(func() {
			for i, key := range keys {
				c.put(putOf(key, large, i%2 == 0))
				if i == 20 {
					begun.Done()
				}
			}
		})
		begun.Wait()
		c.endPuts(true)
		done.Wait()
		if status, _, err := c.put(putOf(keys[0], "x", false)); status != abi.Invalid || err == nil {
			t.Errorf("a put after the end: %v, %v", status, err)
		}
		if len(c.puts) < 20 {
			t.Fatalf("only %d items were put", len(c.puts))
		}
		for _, body := range c.puts {
			if _, err := body.file.Seek(0, io.SeekStart); err == nil || !strings.Contains(err.Error(), os.ErrClosed.Error()) {
				t.Errorf("the content of an item is still open: %v", err)
			}
		}
	}
}

// A hook that ended well leaves what was completed.
func TestCompletePutsStay(t *testing.T) {
	c, keys := putCaller(t, 2)
	large := strings.Repeat("x", spoolFrom+1)
	c.put(putOf(keys[0], large, false))
	c.put(putOf(keys[1], large, true))
	c.endPuts(false)
	if body := c.puts[c.page.items[0]]; body.file == nil || body.file.Close() != nil {
		t.Error("the content that was completed is closed")
	}
	if body := c.puts[c.page.items[1]]; body.file == nil || body.file.Close() == nil {
		t.Error("the content that was not completed is still open")
	}
}
