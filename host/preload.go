package host

import (
	"github.com/sourcehost/sourcehost/host/store"
)

// preloadProbes is how many items are looked for in the store to guess whether
// anything is missing.
const preloadProbes = 4

// Preload begins to load the plugin of a source in the background when the store
// seems to lack items of it. Run does so too; who has something to do before Run
// with a request, such as checking it, saves that time. It changes nothing else,
// and what is wrong with the request is for Run to say.
func (h *Host) Preload(req Request) {
	l := h.serves[req.Source]
	if l == nil || len(req.Items) == 0 || !lacks(req, l.manifest.ContentType) {
		return
	}
	for _, chained := range h.chain(req.Source) {
		chained.guest.Preload()
	}
	l.guest.Preload()
}

// lacks tells whether some of a request's items, spread over all of them, are not
// in the store.
func lacks(req Request, contentType string) bool {
	s, err := store.OpenExisting(req.Store)
	if err != nil {
		return false
	}
	defer s.Close()
	files, err := s.Files(contentType)
	if err != nil {
		return false
	}
	var keys []store.Key
	for i := range preloadProbes {
		key, err := store.ParseKey(req.Items[i*(len(req.Items)-1)/(preloadProbes-1)].Key)
		if err != nil {
			return false
		}
		keys = append(keys, key)
	}
	present, err := files.Present(keys)
	for _, there := range present {
		if err == nil && !there {
			return true
		}
	}
	return false
}
