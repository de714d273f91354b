package host_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/builtin"
)

// A program fetches one file by its checksum, with the plugin that serves
// org.osbuild.curl, and then finds it cached.
func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "the content of a package")
	}))
	defer server.Close()
	store, err := os.MkdirTemp("", "store-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(store)

	plugins, err := builtin.Plugins() // or read a .wasm file of your own
	if err != nil {
		log.Fatal(err)
	}
	var cfg host.Config
	for _, p := range plugins {
		cfg.Plugins = append(cfg.Plugins, host.Plugin{Name: p.Name, Wasm: p.Wasm, Builtin: true})
	}
	h, err := host.New(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()

	req := host.Request{
		Source: "org.osbuild.curl",
		Items: []host.Item{{
			Key:  fmt.Sprintf("sha256:%x", sha256.Sum256([]byte("the content of a package"))),
			Desc: json.RawMessage(`{"url": "` + server.URL + `/package.rpm"}`),
		}},
		Store: store,
	}
	for range 2 {
		result, err := h.Run(context.Background(), req)
		if err != nil {
			log.Fatal(err)
		}
		for _, item := range result.Items {
			fmt.Println(item.State, item.Key[:15], item.Bytes, "bytes")
		}
	}
	// Output:
	// fetched sha256:4546c255 24 bytes
	// cached sha256:4546c255 0 bytes
}
