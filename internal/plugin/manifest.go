// Package plugin reads and writes the plugin manifest: the JSON document in a
// custom section of a plugin's wasm file that says what the plugin is, which
// hooks it has and which capabilities it requests. Nothing here runs a plugin.
package plugin

import (
	"encoding/json"
	"slices"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// Manifest is what a plugin says about itself. docs/abi.md describes each
// field.
type Manifest struct {
	// ABI is the version of the contract that the plugin was built for.
	ABI int `json:"abi"`
	// Name names the plugin in messages and in the configuration.
	Name string `json:"name"`
	// Version is the plugin's own version; the host only shows it.
	Version string `json:"version"`
	// Summary is one line about what the plugin does.
	Summary string `json:"summary,omitempty"`
	// Description is further text, one paragraph or line per entry.
	Description []string `json:"description,omitempty"`
	// Sources are the names of the sources that the plugin serves. It is empty
	// for a plugin that is only chained in front of others.
	Sources []string `json:"sources,omitempty"`
	// ItemsAlias are old names of "items" in manifests, for example "urls".
	ItemsAlias []string `json:"items_alias,omitempty"`
	// Hooks are the hooks that the host calls. Exports of other names are never
	// called.
	Hooks []abi.Hook `json:"hooks,omitempty"`
	// Produces is what the plugin's items become: one of the Produces
	// constants. It is required together with the hook fetch_one.
	Produces string `json:"produces,omitempty"`
	// ContentType is the folder of the store that receives the items. It is
	// required together with fetch_one, unless Produces is "none".
	ContentType string `json:"content_type,omitempty"`
	// Formats are the forms in which items that are images can be stored, the
	// default first. It is required when Produces is "image".
	Formats []Format `json:"formats,omitempty"`
	// Schema is the JSON Schema (draft 4) of the source object, that is
	// {"items": ..., "options": ...}. It is required together with sources.
	Schema json.RawMessage `json:"schema,omitempty"`
	// ManifestVersions are the format versions of osbuild manifests that Schema is
	// for. Empty means all of them.
	ManifestVersions []int `json:"manifest_versions,omitempty"`
	// Prepared is the JSON Schema of one item's description as Prepare hooks
	// may return it. Without it any value may be returned.
	Prepared json.RawMessage `json:"prepared,omitempty"`
	// Config is the JSON Schema of the plugin's section of the configuration.
	// Without it the plugin takes no configuration of a particular shape.
	Config json.RawMessage `json:"config,omitempty"`
	// Capabilities are what the plugin requests of the operator.
	Capabilities []Capability `json:"capabilities,omitempty"`
	// MaxInstances is how many instances may work at once; 0 means 1.
	MaxInstances int `json:"max_instances,omitempty"`
}

// Format is a form in which an item can be stored.
type Format struct {
	// Name is how the operator chooses it, for example "docker-archive".
	Name string `json:"name"`
	// Part is the name, inside the item's folder in the store, whose presence
	// means that the item is there in this form.
	Part string `json:"part"`
}

// Capability is one request of a plugin to be allowed something.
type Capability struct {
	// Name is one of the Cap constants.
	Name string `json:"name"`
	// Values say what exactly is requested; their meaning depends on Name.
	Values []string `json:"values,omitempty"`
	// Reason tells the operator why, in one sentence.
	Reason string `json:"reason"`
}

// The names of the capabilities that a plugin can request.
const (
	// CapDownload asks to hand over downloads; values are URL prefixes or "*".
	CapDownload = "download"
	// CapRead asks to read files; values are absolute paths, and a trailing
	// slash means everything beneath.
	CapRead = "read"
	// CapStat asks for stat and list; values as for CapRead.
	CapStat = "stat"
	// CapTLS asks to name certificate and key files in downloads, which the
	// host then reads; values as for CapRead.
	CapTLS = "tls"
	// CapEnv asks to read environment variables; values are their names.
	CapEnv = "env"
	// CapSecrets asks to refer to secrets; values are their names.
	CapSecrets = "secrets"
	// CapImage asks to hand over container images to be copied; values are
	// "docker://" and a registry with or without a path, "containers-storage:", or
	// "*".
	CapImage = "image"
	// CapExec asks to run programs; values are their plain names or absolute paths.
	CapExec = "exec"
	// CapHTTP asks to make requests of the plugin's own; values as for CapDownload.
	CapHTTP = "http"
	// CapClock asks for the real clock; it has no values.
	CapClock = "clock"
	// CapRandom asks for real random numbers; it has no values.
	CapRandom = "random"
)

// The values of Format.Part.
const (
	// PartImage is a folder in the form of "dir:" of containers-transports(5).
	PartImage = "image"
	// PartArchive is a file in the form of "docker-archive:".
	PartArchive = "container-image.tar"
)

// The values of Manifest.Produces.
const (
	// ProducesFile means one file per item, named by its checksum.
	ProducesFile = "file"
	// ProducesImage means one container image per item, named by its image id.
	ProducesImage = "image"
	// ProducesCommit means one ostree commit per item.
	ProducesCommit = "commit"
	// ProducesNone means that nothing is placed in the store.
	ProducesNone = "none"
)

// Part returns the part of an entry that a format consists of; the first format's
// when name is empty. The second result is false for a format that is not known.
func (m *Manifest) Part(name string) (string, bool) {
	for _, f := range m.Formats {
		if name == "" || f.Name == name {
			return f.Part, true
		}
	}
	return "", false
}

// ServesVersion reports whether the source can stand in manifests of this format
// version.
func (m *Manifest) ServesVersion(version int) bool {
	return len(m.ManifestVersions) == 0 || slices.Contains(m.ManifestVersions, version)
}

// Has reports whether the plugin declares the hook.
func (m *Manifest) Has(h abi.Hook) bool {
	for _, have := range m.Hooks {
		if have == h {
			return true
		}
	}
	return false
}

// Instances returns how many instances may work at once, at least 1.
func (m *Manifest) Instances() int {
	return max(m.MaxInstances, 1)
}
