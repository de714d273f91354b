package osbuild

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkMessages measures what the protocol adds to a request of 2,000 items
// that are all in the store.
func BenchmarkMessages(b *testing.B) {
	var items []string
	for i := range 2000 {
		items = append(items, fmt.Sprintf(`"sha256:%064x":{"url":"http://127.0.0.1/%0100d"}`, i, i))
	}
	request := method("download", `{"items":{`+strings.Join(items, ",")+`},"cache":"/c"}`)
	p := start(b, 0, &fake{run: cached}, nil)
	b.SetBytes(int64(len(request)))
	for b.Loop() {
		p.raise(len(request))
		if err := p.sendmsg([]byte(request), nil); err != nil {
			b.Fatal(err)
		}
		pk, err := p.receive()
		if err != nil {
			b.Fatal(err)
		}
		pk.close()
	}
}
