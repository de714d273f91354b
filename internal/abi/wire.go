package abi

// The messages that cross the boundary. All are JSON objects in UTF-8; fields
// that are absent have the zero value. Raw fields hold JSON as it stands and
// are passed through without being decoded.

// Page is the input of every hook: some items of one source.
type Page struct {
	// Source is the name of the source, for example "org.osbuild.curl".
	Source string // "source"
	// Options are the source's options as the manifest gives them, an object.
	Options []byte // "options", raw
	// Config is the plugin's own section of the host's configuration, an object.
	Config []byte // "config", raw
	// Format is the form in which the operator wants the source's items to be
	// stored: one of the plugin manifest's "formats", or "" when it has none.
	Format string // "format"
	// Items are empty for Setup.
	Items []Item // "items"
}

// Item is one item of a page.
type Item struct {
	// Key is the item's name in the store, for example "sha256:<64 hex>".
	Key string // "key"
	// Desc is the item's description, any JSON value.
	Desc []byte // "desc", raw
}

// Output is the output of every hook: what is to change. A hook that has
// nothing to say writes nothing at all, which means the same as {}.
type Output struct {
	Items []Outcome // "items"
}

// Outcome is what a hook says about one item of its page. Items that it does
// not name stay as they are. An item must be named at most once.
type Outcome struct {
	// Key names the item; it must be one of the page's.
	Key string // "key"
	// Desc is the item's new description. Only Prepare may set it.
	Desc []byte // "desc", raw
	// Skip is the reason why the item is not to be fetched. Only Filter may
	// set it.
	Skip string // "skip"
	// Error makes this item fail. Any hook but Setup may set it.
	Error *Error // "error"
}

// Error is a failure as it crosses the boundary.
type Error struct {
	Kind Kind // "kind"
	// Message says what happened, in one sentence without a full stop.
	Message string // "message"
	// Hint says what the user can do about it; it may be empty.
	Hint string // "hint"
}

// Error returns the message, and the hint after it.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + " (" + e.Hint + ")"
}

// Download asks for an item's bytes to be fetched from one of several URLs.
type Download struct {
	// Key is the item to produce; it must be one of the page's.
	Key string // "key"
	// URLs are tried in order: http, https or file.
	URLs []string // "urls"
	// Mirrors are base URLs, tried in order after URLs, each with Path beneath it.
	// One that keeps failing comes last for the rest of the run. None stands for
	// those that an earlier download of the same Group had, so that thousands of
	// items need not repeat them.
	Mirrors []string // "mirrors"
	// Path is where the item lies beneath each of Mirrors. It need not be quoted.
	Path string // "path"
	// Foreign says that URLs or mirrors were named by a server that is not on the
	// host's machine: as with its redirects, they must not lead to that machine.
	Foreign bool // "foreign"
	// Group names the downloads of which at most Parallel take place at once,
	// among those that the plugin asks for in a run.
	Group string // "group"
	// Parallel bounds the downloads of Group; 0 means no bound.
	Parallel int64 // "parallel"
	// Headers are sent with the requests, but not to another host that a
	// redirect leads to. The same holds for Auth and Query.
	Headers []Header // "headers"
	// Auth is sent as Basic authentication.
	Auth Auth // "auth"
	// Query are parameters that are added to the URLs when a request goes out.
	Query []Param // "query"
	// Insecure turns the verification of the server's certificate off.
	Insecure bool // "insecure"
	// TLS names certificate files of the host's file system, or secrets.
	TLS TLS // "tls"
	// ProxyEnv names an environment variable that holds the URL of a proxy. It
	// must be granted. When it is unset, or names none, the usual variables
	// (https_proxy, no_proxy, ...) decide.
	ProxyEnv string // "proxy_env"
}

// HTTPRequest asks for a small request of the plugin's own: a token, a list of
// mirrors, metadata.
type HTTPRequest struct {
	// Method is GET when it is empty.
	Method string // "method"
	// URL is http or https.
	URL string // "url"
	// Body is sent with the request, to no other origin than that of URL.
	Body string // "body"
	// Headers, Auth, Query, Insecure, TLS and ProxyEnv are as in Download.
	Headers  []Header // "headers"
	Auth     Auth     // "auth"
	Query    []Param  // "query"
	Insecure bool     // "insecure"
	TLS      TLS      // "tls"
	ProxyEnv string   // "proxy_env"
	// Timeout bounds the whole request, in milliseconds; 0 means DefaultHTTPSeconds.
	Timeout int64 // "timeout"
	// Once lets all equal requests of the plugin in a run share one response.
	Once bool // "once"
	// Start begins a request with Once and does not wait for it.
	Start bool // "start"
}

// HTTPResponse is the result of OpHTTP. A line feed and the body stand behind it.
type HTTPResponse struct {
	// Status is the code of the last response, whatever it is.
	Status int64 // "status"
	// URL is where redirects have led, without credentials.
	URL string // "url"
	// Headers are those of the last response, sorted by name.
	Headers []Header // "headers"
	// Millis is how long the request took.
	Millis int64 // "millis"
	// Local says that the server which has answered is on the host's machine.
	Local bool // "local"
}

// Probe is the request of OpProbe.
type Probe struct {
	// URLs name the servers: http or https.
	URLs []string // "urls"
}

// ProbeResult is the result of OpProbe.
type ProbeResult struct {
	// Millis are the times to connect in the order of the URLs, -1 where that
	// failed or a proxy stands between.
	Millis []int64 // "millis"
}

// HMAC is the request of OpHMAC. The first digest is that of Data[0] with Prefix and
// the secret as the key, each further one that of the next part with the digest
// before as the key.
type HMAC struct {
	// Secret is the name of a secret of the host's configuration.
	Secret string // "secret"
	// Prefix stands in front of the secret's value.
	Prefix string // "prefix"
	// URL is what is signed for: the secret must be bound to its server.
	URL string // "url"
	// Data are what is signed.
	Data []string // "data"
}

// HMACResult is the result of OpHMAC.
type HMACResult struct {
	// Digest is the last HMAC-SHA256, in lower-case hexadecimal.
	Digest string // "digest"
}

// Auth is a user name and, as the password, a secret of the host's configuration.
type Auth struct {
	User   string // "user"
	Secret string // "secret"
}

// Param is a parameter of a URL's query whose value is a secret.
type Param struct {
	Name   string // "name"
	Secret string // "secret"
}

// Header is one field of a request's header. Either Value or Secret is set.
type Header struct {
	Name  string // "name"
	Value string // "value"
	// Secret is the name of a secret of the host's configuration. The host
	// puts Prefix and the secret's value in, for hosts that the secret is bound
	// to; the guest never sees the value.
	Secret string // "secret"
	Prefix string // "prefix"
}

// TLS names files in PEM format by absolute path, or secrets that hold such text
// by name. Each may be empty.
type TLS struct {
	// CA is trusted in addition to the system's certificate authorities.
	CA string // "ca"
	// Cert and Key are the client's certificate and private key.
	Cert string // "cert"
	Key  string // "key"
	// CertSecret and KeySecret are secrets that hold them, in place of files.
	CertSecret string // "cert_secret"
	KeySecret  string // "key_secret"
}

// IsZero reports whether nothing is named.
func (t TLS) IsZero() bool { return t == TLS{} }

// Path is the request of OpRead, OpStat and OpList.
type Path struct {
	Path string // "path", absolute
}

// FileInfo is the result of OpStat. A path that does not exist is no error.
type FileInfo struct {
	// Type is "file", "dir", "other", or "none" for a path that does not exist.
	Type string // "type"
	// Size is in bytes.
	Size int64 // "size"
}

// The values of FileInfo.Type.
const (
	TypeFile  = "file"
	TypeDir   = "dir"
	TypeOther = "other"
	TypeNone  = "none"
)

// Names is the result of OpList, sorted.
type Names struct {
	Names []string // "names"
}

// EnvName is the request of OpEnv.
type EnvName struct {
	Name string // "name"
}

// EnvValue is the result of OpEnv.
type EnvValue struct {
	Set   bool   // "set"
	Value string // "value"
}

// CopyImage asks for a container image, or a list of images, to be copied.
type CopyImage struct {
	// Key is the item to produce; it must be one of the page's.
	Key string // "key"
	// Transport says where the image is: one of the Transport constants. "" means
	// TransportDocker.
	Transport string // "transport"
	// Name is the repository with its registry, without tag and digest.
	Name string // "name"
	// Digest is that of the image's manifest, or of a list that names it.
	Digest string // "digest"
	// Storage is the absolute path of another storage than the host's own, for
	// TransportStorage.
	Storage string // "storage"
	// Index asks for the list of images and none of its images; the item is the
	// list's file, and its key the list's digest.
	Index bool // "index"
	// Format is how the image is stored: one of the Format constants. "" means
	// FormatDir.
	Format string // "format"
	// RemoveSignatures leaves signatures away after the policy was applied to them.
	RemoveSignatures bool // "remove_signatures"
	// Insecure accepts any certificate of the registry, and plain http.
	Insecure bool // "insecure"
}

// The values of CopyImage.Transport.
const (
	// TransportDocker is a registry.
	TransportDocker = "docker"
	// TransportStorage is the storage that podman and others share.
	TransportStorage = "containers-storage"
)

// The values of CopyImage.Format.
const (
	// FormatDir is a folder as containers-transports(5) describes for "dir:".
	FormatDir = "dir"
	// FormatDockerArchive is a file as "docker save" writes it.
	FormatDockerArchive = "docker-archive"
)

// Put hands over an item's content: in the request of OpPut a line feed and the
// bytes stand behind it.
type Put struct {
	// Key is the item to produce; it must be one of the page's.
	Key string // "key"
	// More says that the content goes on in a further call.
	More bool // "more"
}

// Exec asks for a program to be run: without a shell, with nothing in its
// environment but what Env names, in a scratch folder of its own.
type Exec struct {
	// Program is a plain name that the operator's configuration or the usual
	// folders know, or an absolute path.
	Program string // "program"
	// Args are the arguments, without the program's own name.
	Args []string // "args"
	// Env names variables of the host's environment that the program gets.
	Env []string // "env"
	// Stdin is what the program reads from its standard input.
	Stdin string // "stdin"
}

// Run asks for an item to be produced by programs, one after the other, in a
// scratch folder of the item. In Args of its steps each ScratchDir stands for the
// path of that folder, and each ContentDir for that of the store's folder with
// the source's items.
type Run struct {
	// Key is the item to produce; it must be one of the page's.
	Key string // "key"
	// Files are written into the scratch folder first.
	Files []RunFile // "files"
	// Steps are run in order, until one fails.
	Steps []Exec // "steps"
	// Finally are run after that, whether a step failed or not.
	Finally []Exec // "finally"
	// From is where the item comes from, for progress and errors; it may be empty.
	From string // "from"
}

// RunFile is something that the programs of Run read and that is not to stand in
// their arguments, which everybody on the machine can see.
type RunFile struct {
	// Path is relative to the scratch folder. Its folder must be there: the scratch
	// folder itself, or one of the repository that the host makes for a commit.
	Path string // "path"
	// Content is added to what the host has put there, if anything.
	Content string // "content"
}

// The placeholders in the arguments of Run's steps.
const (
	ScratchDir = "{scratch}"
	ContentDir = "{content}"
)

// The names beneath the scratch folder where the steps of Run leave the item.
const (
	// ScratchFile is the content of an item that is a file.
	ScratchFile = "output"
	// ScratchRepo is an ostree repository that holds an item that is a commit.
	ScratchRepo = "repo"
)
