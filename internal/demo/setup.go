package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// demo is what the scenes work on.
type demo struct {
	dir   string // everything is in here
	bin   string
	files []file
	plain *server // http
	tls   *server // https, with a CA of its own, asks for a client certificate
	certs certFiles
	*images
}

func prepare(dir, bin string) (*demo, error) {
	d := &demo{dir: dir, bin: bin, files: makeFiles()}
	authority, err := newAuthority()
	if err != nil {
		return nil, err
	}
	if d.certs, err = authority.writeFiles(filepath.Join(dir, "certs")); err != nil {
		return nil, err
	}
	if d.plain, err = serve(d.content(overHTTP), nil); err != nil {
		return nil, err
	}
	settings, err := authority.serverConfig()
	if err != nil {
		return nil, err
	}
	if d.tls, err = serve(d.content(overTLS), settings); err != nil {
		return nil, err
	}
	if d.images, err = serveImages(); err != nil {
		return nil, err
	}
	for _, f := range d.files {
		if f.way == fromDisk {
			if err := os.WriteFile(filepath.Join(dir, f.name), f.data, 0o644); err != nil {
				return nil, err
			}
		}
	}
	// Settings of the demo's own, whatever this machine has in /etc.
	if err := os.WriteFile(d.path("sourcehost.toml"), []byte("workers = 16\n"), 0o644); err != nil {
		return nil, err
	}
	if err := d.trustImages(); err != nil {
		return nil, err
	}
	if err := os.WriteFile(d.path("manifest.json"), d.manifest(), 0o644); err != nil {
		return nil, err
	}
	return d, os.WriteFile(d.path("broken.json"), []byte(brokenManifest), 0o644)
}

func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }

func (d *demo) stop() {
	d.plain.stop()
	d.tls.stop()
	d.images.http.Close()
}

// trustImages writes the user's signature policy (containers-policy.json(5)): the
// demo's images are not signed.
func (d *demo) trustImages() error {
	dir := d.path("home/.config/containers")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "policy.json"), []byte(`{"default": [{"type": "insecureAcceptAnything"}]}`), 0o644)
}

// content serves the files that come by this way.
func (d *demo) content(w way) http.Handler {
	byPath := map[string]file{}
	for _, f := range d.files {
		if f.way == w {
			byPath["/"+f.name] = f
		}
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		f, ok := byPath[r.URL.Path]
		if !ok {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("ETag", `"`+f.key[strings.Index(f.key, ":")+1:]+`"`)
		http.ServeContent(rw, r, "", fileTime, strings.NewReader(string(f.data)))
	})
}

// introduce says what is about to be fetched.
func (d *demo) introduce() {
	count := map[way]int{}
	var bytes int64
	for _, f := range d.files {
		count[f.way]++
		bytes += int64(len(f.data))
	}
	fmt.Printf("A manifest of %d files, %.1f MB, for the source org.osbuild.curl, and of a container\nimage and its list, for org.osbuild.skopeo and org.osbuild.skopeo-index:\n\n", len(d.files), float64(bytes)/1e6)
	fmt.Printf("  %-26s %2d files; answers the first request for every fifth with 503\n", d.plain.url, count[overHTTP])
	fmt.Printf("  %-26s %2d files; own CA, wants a client certificate\n", d.tls.url, count[overTLS])
	fmt.Printf("  %-26s %2d file\n", "file:"+d.dir, count[fromDisk])
	fmt.Printf("  %-26s  a registry\n", d.images.addr)
}
