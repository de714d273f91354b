package container_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestRegistriesConf: mirrors, insecure and blocked registries.
func TestRegistriesConf(t *testing.T) {
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 100))
	img.push(t, registry+"/x:latest", "--dest-tls-verify=false")
	dead := hosttest.Refused(t)
	conf := filepath.Join(t.TempDir(), "registries.conf")
	must(t, os.WriteFile(conf, fmt.Appendf(nil, `
[[registry]]
location = %q
[[registry.mirror]]
location = %q
insecure = true
[[registry]]
location = "blocked.example"
blocked = true
`, dead, registry), 0o600))
	eachEngine(t, func(t *testing.T, engine string) {
		for _, cfg := range []container.Config{
			{RegistriesConf: conf},
			{Environ: environ(map[string]string{"CONTAINERS_REGISTRIES_CONF": conf})},
		} {
			cfg.Policy = container.AcceptAnything
			copier := newCopier(t, engine, cfg)
			r := request(t, dead+"/x", img)
			r.Image.SkipTLSVerify = false
			if _, err := copier.Copy(t.Context(), r); err != nil {
				t.Error(err)
			}
			r = request(t, "blocked.example/x", img)
			_, err := copier.Copy(t.Context(), r)
			wantError(t, r, err, container.KindDenied, "blocked.example", "registries.conf", "1 attempt")
		}
	})
}
