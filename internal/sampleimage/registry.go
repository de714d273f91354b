package sampleimage

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Registry serves images over the part of the OCI distribution specification that
// reading them needs. It may be used by several goroutines.
type Registry struct {
	mu        sync.Mutex
	manifests map[string]*Image // by NAME@DIGEST
	blobs     map[string][]byte // by NAME@DIGEST
	counts    map[string]int    // requests, by path
}

// NewRegistry returns an empty registry.
func NewRegistry() *Registry {
	return &Registry{manifests: map[string]*Image{}, blobs: map[string][]byte{}, counts: map[string]int{}}
}

// Add offers an image in a repository.
func (r *Registry) Add(name string, i *Image) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manifests[name+"@"+i.Digest()] = i
	for _, blob := range append([][]byte{i.Config}, i.Layers...) {
		r.blobs[name+"@"+Digest(blob)] = blob
	}
}

// Count returns how often a path was asked for.
func (r *Registry) Count(path string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[path]
}

// Total returns how many requests for content came.
func (r *Registry) Total() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	total := 0
	for _, n := range r.counts {
		total += n
	}
	return total
}

// ServeHTTP answers GET and HEAD for /v2/, manifests and blobs.
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	if req.Method == http.MethodGet {
		r.counts[req.URL.Path]++
	}
	r.mu.Unlock()
	path, v2 := strings.CutPrefix(req.URL.Path, "/v2/")
	if !v2 || req.Method != http.MethodGet && req.Method != http.MethodHead {
		http.NotFound(w, req)
		return
	}
	if path == "" {
		return
	}
	media, data := r.find(path)
	if data == nil {
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Content-Type", media)
	w.Header().Set("Docker-Content-Digest", Digest(data))
	http.ServeContent(w, req, "", time.Time{}, bytes.NewReader(data))
}

// find looks NAME/manifests/DIGEST and NAME/blobs/DIGEST up.
func (r *Registry) find(path string) (media string, data []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name, digest, ok := strings.Cut(path, "/manifests/"); ok {
		if i := r.manifests[name+"@"+digest]; i != nil {
			return i.Type, i.Manifest
		}
	}
	if name, digest, ok := strings.Cut(path, "/blobs/"); ok {
		return "application/octet-stream", r.blobs[name+"@"+digest]
	}
	return "", nil
}
