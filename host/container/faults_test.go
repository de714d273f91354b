package container_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/hosttest"
)

// answer is a way to answer a request in the place of the registry.
type answer func(w http.ResponseWriter, r *http.Request)

func status(code int) answer {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// halfway sends half of the data and resets the connection.
func halfway(data []byte) answer {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.Write(data[:len(data)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

func send(media string, data []byte) answer {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.Header().Set("Content-Length", strconv.Itoa(len(data)))
		w.Write(data)
	}
}

// always is more often than anybody asks.
const always = 1 << 20

// adversary: B39
func TestFaults(t *testing.T) {
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	l := gzipLayer(t, dockerLayer, "layer", 50000)
	img := newImage(t, dockerManifest, "faulty", "amd64", l)
	other := newImage(t, dockerManifest, "other", "amd64", l)
	img.push(t, registry+"/faulty:latest", "--dest-tls-verify=false")
	wrong := append([]byte(nil), l.blob...)
	wrong[len(wrong)/2] ^= 1
	layer, config, manifest := "/blobs/"+digestOf(l.blob), "/blobs/"+img.id(), "/manifests/"
	limited := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusTooManyRequests)
	}
	tests := map[string]struct {
		path  string
		times int
		do    answer
		kind  container.Kind // "" for success
		text  string
	}{
		"manifest 503 twice": {manifest, 2, status(503), "", ""},
		"layer 503 twice":    {layer, 2, status(503), "", ""},
		"config 500 once":    {config, 1, status(500), "", ""},
		"layer 429 twice":    {layer, 2, limited, "", ""},
		"reset in mid-blob":  {layer, 2, halfway(l.blob), "", ""},
		"wrong blob once":    {layer, 1, send("application/octet-stream", wrong), "", ""},
		"503 always":         {manifest, always, status(503), container.KindNetwork, "3 attempts"},
		"404":                {manifest, always, status(404), container.KindNotFound, "1 attempt"},
		"wrong blob":         {layer, always, send("application/octet-stream", wrong), container.KindMismatch, "2 attempts"},
		"longer blob":        {layer, always, send("application/octet-stream", append(l.blob, l.blob...)), container.KindMismatch, "2 attempts"},
		"wrong manifest":     {manifest, always, send(dockerManifest, other.manifest), container.KindMismatch, img.digest()},
		"wrong config":       {config, always, send("application/octet-stream", other.config), container.KindMismatch, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachEngine(t, func(t *testing.T, engine string) {
				front := newFront(t, registry, func(w http.ResponseWriter, r *http.Request, n int) bool {
					if !strings.Contains(r.URL.Path, test.path) || n >= test.times {
						return false
					}
					test.do(w, r)
					return true
				})
				cfg := anything
				cfg.MaxAttempts = 3
				cfg.BlobDir = t.TempDir()
				r := request(t, front.addr+"/faulty", img)
				_, err := newCopier(t, engine, cfg).Copy(t.Context(), r)
				if test.kind != "" {
					wantError(t, r, err, test.kind, test.text, "docker://"+front.addr+"/faulty@"+img.digest(), "item")
				} else if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestRefused: a registry that is not there may come back.
//
// adversary: B39
func TestRefused(t *testing.T) {
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 10))
	addr := hosttest.Refused(t)
	eachEngine(t, func(t *testing.T, engine string) {
		cfg := anything
		cfg.MaxAttempts = 2
		r := request(t, addr+"/x", img)
		_, err := newCopier(t, engine, cfg).Copy(t.Context(), r)
		wantError(t, r, err, container.KindNetwork, "refused", "2 attempts")
	})
}

// TestOtherID: the image is what its manifest says, and not what the item says.
//
// adversary: A12c
func TestOtherID(t *testing.T) {
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	l := gzipLayer(t, dockerLayer, "layer", 50)
	img, other := newImage(t, dockerManifest, "x", "amd64", l), newImage(t, dockerManifest, "y", "amd64", l)
	img.push(t, registry+"/x:latest", "--dest-tls-verify=false")
	eachEngine(t, func(t *testing.T, engine string) {
		for _, format := range []container.Format{container.Dir, container.DockerArchive} {
			r := request(t, registry+"/x", img)
			r.ID, r.Format = other.id(), format
			_, err := newCopier(t, engine, anything).Copy(t.Context(), r)
			wantError(t, r, err, container.KindMismatch, registry+"/x", img.id(), other.id(), "1 attempt")
		}
	})
}

// TestCancel: the end of a context ends a copy within a second, in the middle
// of a blob.
func TestCancel(t *testing.T) {
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	l := gzipLayer(t, dockerLayer, "layer", 500000)
	img := newImage(t, dockerManifest, "x", "amd64", l)
	img.push(t, registry+"/x:latest", "--dest-tls-verify=false")
	for _, format := range []container.Format{container.Dir, container.DockerArchive} {
		eachEngine(t, func(t *testing.T, engine string) {
			ctx, cancel := context.WithCancel(t.Context())
			begun := make(chan struct{})
			front := newFront(t, registry, func(w http.ResponseWriter, r *http.Request, n int) bool {
				if !strings.HasSuffix(r.URL.Path, digestOf(l.blob)) {
					return false
				}
				w.Header().Set("Content-Length", strconv.Itoa(len(l.blob)))
				w.Write(l.blob[:len(l.blob)/2])
				http.NewResponseController(w).Flush()
				close(begun)
				<-r.Context().Done()
				return true
			})
			r := request(t, front.addr+"/x", img)
			r.Format = format
			ended := make(chan error, 1)
			go func() {
				_, err := newCopier(t, engine, anything).Copy(ctx, r)
				ended <- err
			}()
			<-begun
			cancel()
			select {
			case err := <-ended:
				wantError(t, r, err, container.KindCanceled)
				if !errors.Is(err, context.Canceled) {
					t.Errorf("%v is not context.Canceled", err)
				}
			case <-time.After(time.Minute): // less than a second; this is for a machine at its limit
				t.Error("the copy goes on after it was cancelled")
			}
		})
	}
}
