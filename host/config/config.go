// Package config reads sourcehost's configuration file and the drop-in files
// beside it: TOML, strict, with every mistake reported at once, each with its line
// and column. Everything works without a file: the zero File is the default
// configuration.
package config

import (
	"encoding/json"
	"time"
)

// File is a configuration file. Zero values mean the defaults, which belong to
// the packages that use them.
type File struct {
	// Path is where the file was read from; empty when there is none.
	Path string
	// Files are all files that were read, in order: the file, if it is there, and
	// its drop-in files. Relative paths of plugins, secrets, the cache folder and
	// the root have been resolved against the folder of the file that has them.
	Files []string
	// Places tells where each key of the effective configuration stands.
	Places Places
	// Workers ("workers") is how many items are fetched at once, at least 1.
	// Zero means the host's default.
	Workers int
	// CacheDir ("cache_dir") is the folder for compiled plugins. Empty means the
	// user's cache folder.
	CacheDir string
	// Root ("root") is the folder beneath which plugins' file paths are looked
	// up. Empty means "/".
	Root string
	// Download ("[download]") tunes the download engine.
	Download Download
	// Limits ("[limits]") bound what plugins may use.
	Limits Limits
	// Container ("[container]") is how container images are copied.
	Container Container
	// Source ("[source.NAME]") is what is set for one source.
	Source map[string]Source
	// Plugin ("[plugin.NAME]") are plugins beside the built-in ones. Under the
	// name of a built-in one only Config is set.
	Plugin map[string]Plugin
	// Program ("[program.NAME]") are programs that plugins name by a plain name.
	Program map[string]Program
	// Secret ("[secret.NAME]") are values that plugins can refer to by name.
	Secret map[string]Secret
}

// Download is the table [download].
type Download struct {
	// UserAgent ("user_agent") is sent to servers. Empty means one that names
	// sourcehost and osbuild.
	UserAgent string
	// MaxAttempts ("max_attempts") is how often an item is tried, at least 1.
	// Zero means the engine's default.
	MaxAttempts int
	// ConnectTimeout ("connect_timeout", for example "30s") is how long making a
	// connection may take. Zero means the engine's default.
	ConnectTimeout time.Duration
	// TLSTimeout ("tls_timeout") limits a TLS handshake. Zero means the engine's
	// default.
	TLSTimeout time.Duration
	// HeaderTimeout ("header_timeout") limits the wait for the header of a
	// response. Zero means the engine's default.
	HeaderTimeout time.Duration
	// HTTP2 ("http2") offers HTTP/2 to https servers.
	HTTP2 bool
	// StallTimeout ("stall_timeout") is how long a transfer may stay below
	// StallBytesPerSecond before it is given up. Zero means the engine's default.
	StallTimeout time.Duration
	// StallBytesPerSecond ("stall_bytes_per_second", a size) is the rate below
	// which a transfer counts as stalled. Zero means the engine's default.
	StallBytesPerSecond int64
	// PerHost ("per_host") is how many connections to one host are open at once,
	// at least 1. Zero means the engine's default.
	PerHost int
	// MaxRedirects ("max_redirects") is how many redirects a request may follow,
	// at least 1. Zero means the engine's default.
	MaxRedirects int
	// AllowDowngrade ("allow_downgrade") lets redirects lead from https to http.
	AllowDowngrade bool
	// AllowLinkLocal ("allow_link_local") lets downloads connect to link-local
	// addresses, the metadata services of clouds among them.
	AllowLinkLocal bool
	// BackoffBase ("backoff_base") is the pause before the first retry, doubled
	// for each further one. Zero means the engine's default.
	BackoffBase time.Duration
	// BackoffMax ("backoff_max") is the longest pause. Zero means the engine's
	// default.
	BackoffMax time.Duration
	// RetryAfterMax ("retry_after_max") caps the pause that a server asks for.
	// Zero means the engine's default.
	RetryAfterMax time.Duration
}

// Limits is the table [limits]. The zero value of each means the default that
// docs/abi.md states.
type Limits struct {
	// PageItems ("page_items") is how many items a hook gets at once, at most.
	PageItems int
	// LoadTimeout ("load_timeout", for example "60s") is how long compiling a
	// plugin may take.
	LoadTimeout time.Duration
	// HookTimeout ("hook_timeout", for example "60s") is how long one call of a
	// hook may take.
	HookTimeout time.Duration
	// MemoryBytes ("memory", for example "256MiB") is the largest linear memory
	// of an instance.
	MemoryBytes int64
	// OutputBytes ("output", a size) is the largest output of one call.
	OutputBytes int64
	// ResultBytes ("result", a size) is the largest result of one operation.
	ResultBytes int64
	// RequestBytes ("request", a size) is the largest request of one operation.
	RequestBytes int64
	// LogLines ("log_lines") is how many lines one call may log.
	LogLines int
	// LogLineBytes ("log_line", a size) is where a log line is cut.
	LogLineBytes int64
	// PutBytes ("put", a size) is the largest item that a plugin may hand over
	// itself.
	PutBytes int64
	// ProgramTimeout ("program_timeout", for example "2h") is how long a program
	// that an item needs may run.
	ProgramTimeout time.Duration
	// Calls ("calls") is how many operations one call may ask for.
	Calls int
	// ModuleBytes ("module", a size) is the largest plugin file.
	ModuleBytes int64
	// FunctionBytes ("function", a size) is the largest body of one function.
	FunctionBytes int64
	// TableEntries ("table_entries") is the largest table of a plugin.
	TableEntries int
}

// Container is the table [container]. The meaning of the zero values is that of
// host/container's configuration.
type Container struct {
	// Engine ("engine") is "embedded" or "skopeo". Empty means the embedded one.
	Engine string
	// Format ("format") is "dir" or "docker-archive". Empty means "dir".
	Format string
	// Policy ("policy") is "accept-anything". Empty means the policy file's.
	Policy string
	// PolicyFile ("policy_file"), AuthFile ("auth_file"), RegistriesConf
	// ("registries_conf"), RegistriesDir ("registries_dir") and CertsDir
	// ("certs_dir") are paths of the usual files of container tools. Empty means
	// the usual places.
	PolicyFile, AuthFile, RegistriesConf, RegistriesDir, CertsDir string
	// MaxAttempts ("max_attempts") is how often the copy of an image is begun, at
	// least 1. Zero means the engine's default.
	MaxAttempts int
	// Skopeo ("skopeo") is the absolute path of the program. Empty means
	// "[program.skopeo]", then the usual folders.
	Skopeo string
}

// Program is a table [program.NAME].
type Program struct {
	// Path ("path", required) is the absolute path of the program.
	Path string
	// SetUserID ("set_user_id") lets it gain rights by set-user-ID programs also when
	// a plugin that is not built in runs it.
	SetUserID bool
	// Writable ("writable") are absolute paths to which, and beneath which, it may
	// write, beside its scratch folder and /dev. Nil means that nothing confines it.
	Writable []string
}

// Source is a table [source.NAME].
type Source struct {
	// Prepare ("prepare") names the plugins whose prepare hook runs before the
	// source's own, in this order. Each is a built-in plugin or has a table
	// [plugin.NAME].
	Prepare []string
	// Plugin ("plugin") names the plugin that serves this source in place of the
	// built-in one. Empty means the plugin whose manifest names the source.
	Plugin string
}

// RegistryScheme begins the path of a plugin that is in an OCI registry.
const RegistryScheme = "oci://"

// Plugin is a table [plugin.NAME].
type Plugin struct {
	// Path ("path", required unless the plugin is built in) is the .wasm file, or where
	// a registry has it: oci://REGISTRY/REPOSITORY@sha256:DIGEST.
	Path string
	// SHA256 ("sha256") is the digest that the file must have, 64 hexadecimal
	// digits, in lower case after reading. Empty means that any file is taken.
	SHA256 string
	// Grant ("[plugin.NAME.grant]") is what the plugin is allowed.
	Grant Grant
	// Config ("[plugin.NAME.config]") is handed to the plugin. It holds nothing
	// but what JSON knows: strings, int64, float64, bool, []any, map[string]any;
	// dates have become strings (RFC 3339). Nil when there is no such table.
	Config map[string]any
}

// ConfigJSON returns Config as a JSON object with sorted keys, the same bytes
// for the same configuration, or nil when there is none.
func (p Plugin) ConfigJSON() (json.RawMessage, error) {
	if p.Config == nil {
		return nil, nil
	}
	return json.Marshal(p.Config)
}

// Grant is a table [plugin.NAME.grant]: what the operator allows a plugin. It
// gets what it requests and is granted here, never more.
type Grant struct {
	// Download ("download") are URL prefixes that items may be downloaded from;
	// "*" means any.
	Download []string
	// HTTP ("http") are URL prefixes that the plugin itself may send requests to.
	HTTP []string
	// Read ("read") are absolute paths of files that it may read; one that ends
	// in "/" stands for everything beneath it.
	Read []string
	// Stat ("stat") are paths, in the same form, that it may look for and list.
	Stat []string
	// TLS ("tls") are paths, in the same form, of certificates and keys that it
	// may refer to without reading them.
	TLS []string
	// Env ("env") are names of environment variables that it may read.
	Env []string
	// Secrets ("secrets") are names of secrets that it may refer to. Each has a
	// table [secret.NAME], or is a provider of certificates that manifests know:
	// "org.osbuild.rhsm", "org.osbuild.mtls".
	Secrets []string
	// Exec ("exec") are programs that it may run, by plain name or absolute path.
	Exec []string
	// Image ("image") are container images that it may have copied:
	// "docker://REGISTRY/PREFIX", "containers-storage:", or "*" for any.
	Image []string
	// Clock ("clock") gives it the real time instead of a fixed one.
	Clock bool
	// Random ("random") gives it real random numbers instead of fixed ones.
	Random bool
}

// Secret is a table [secret.NAME]. Exactly one of File, Env and Command is set.
type Secret struct {
	// File ("file") holds the value.
	File string
	// Env ("env") is the name of an environment variable that holds the value.
	Env string
	// Command ("command") is a program, by its absolute path, that prints the
	// value, and its arguments.
	Command []string
	// Hosts ("hosts", required) are the servers that the value may be sent to:
	// "host", "host:port", "*.suffix" or an IP address.
	Hosts []string
}
