package host_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/internal/sampleimage"
)

// listOf serves a list of images, and has its manifests redirected to the server at to,
// if that is not empty. The item is the list.
func listOf(t *testing.T) (item host.Item, serve func(to string) (addr string)) {
	t.Helper()
	image, err := sampleimage.New("x", []byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := sampleimage.List(image)
	if err != nil {
		t.Fatal(err)
	}
	registry := sampleimage.NewRegistry()
	registry.Add("team/list", list)
	return host.Item{Key: list.Digest()}, func(to string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if to != "" && strings.Contains(r.URL.Path, "/manifests/") {
				http.Redirect(w, r, "http://"+to+r.URL.Path, http.StatusTemporaryRedirect)
				return
			}
			registry.ServeHTTP(w, r)
		}))
		t.Cleanup(server.Close)
		return server.Listener.Addr().String()
	}
}

// An image comes from a special address only where that is granted by address, whatever
// name or registry leads there. A built-in plugin may use registries of this machine.
//
// adversary: A10d
func TestImageAddresses(t *testing.T) {
	if _, err := container.NewEmbedded(container.Config{}); err != nil {
		t.Skip(err)
	}
	item, serve := listOf(t)
	plain := serve("")
	_, port, _ := strings.Cut(plain, ":")
	here, link := serve(plain), serve("169.254.169.254")
	for name, c := range map[string]struct {
		registry string
		grant    []string // nil for a built-in plugin
		want     string
	}{
		"anything":              {plain, []string{"*"}, `add image = ["docker://` + plain + `"]`},
		"by address":            {plain, []string{"docker://" + plain + "/team"}, ""},
		"by name":               {"localhost:" + port, []string{"docker://localhost:" + port}, ""},
		"redirected":            {here, []string{"docker://" + here}, "an address of this machine, which the plugin test is not granted"},
		"redirected to granted": {here, []string{"docker://" + here, "docker://" + plain}, ""},
		"to the link":           {link, []string{"docker://" + link, "*"}, "a link-local or metadata address, which the plugin test is not granted"},
		"built in":              {plain, nil, ""},
		"built in, redirected":  {here, nil, ""},
		"built in, to the link": {link, nil, "169.254.169.254 is a link-local or metadata address"},
	} {
		t.Run(name, func(t *testing.T) {
			request := abi.CopyImage{Key: item.Key, Name: c.registry + "/team/list", Index: true, Insecure: true}
			kind := func(p host.Plugin, _ plugin.Manifest) host.Plugin {
				p.Builtin, p.Grant.Image = c.grant == nil, c.grant
				return p
			}
			caps := []plugin.Capability{{Name: "image", Values: []string{"*"}, Reason: "to fetch"}}
			h := callingAs(t, kind, plugin.ProducesFile, caps, func(cfg *host.Config) {
				cfg.Container.Policy, cfg.Container.Engine = container.AcceptAnything, container.Embedded
			}, abi.OpCopyImage+" "+string(request.Append(nil)))
			fetchedUnlessDenied(t, h, item, c.want)
		})
	}
}
