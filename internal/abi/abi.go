// Package abi is the contract between the host and its plugins: version,
// imports, exports, operations, statuses, limits and the messages that cross
// the boundary. Host and SDK are both built from it, and docs/abi.md is its
// text in prose. No other package spells one of these names.
//
// The package imports nothing but internal/rawjson and little of the standard
// library, because it is linked into every Go plugin.
package abi

import "slices"

// Version is the number of this contract. A plugin states it twice: in its
// plugin manifest ("abi") and by exporting VersionExport.
const Version = 1

const (
	// Module is the name of the wasm module from which a plugin imports the
	// functions listed in Imports.
	Module = "sourcehost_v1"
	// WASIModule is the only other module that a plugin may import from. Its
	// functions are those of WASI preview 1, without any file, argument or
	// environment variable behind them.
	WASIModule = "wasi_snapshot_preview1"
	// VersionExport is a function without parameters and results. It is never
	// called: that it is there says which contract the plugin was built for.
	VersionExport = "sourcehost_abi_v1"
	// InitExport is the WASI reactor's initialization function, called once for
	// each new instance before anything else. It may be missing.
	InitExport = "_initialize"
	// MemoryExport is the guest's linear memory, which it alone manages.
	MemoryExport = "memory"
	// ManifestSection is the name of the custom section that holds the plugin
	// manifest as JSON.
	ManifestSection = "sourcehost.plugin"
)

// ValueType is a wasm value type, in the encoding of the wasm binary format
// (WebAssembly core specification, 5.3.1).
type ValueType byte

const (
	// I32 is a 32-bit integer.
	I32 ValueType = 0x7f
	// I64 is a 64-bit integer.
	I64 ValueType = 0x7e
)

// String names the type as the wasm text format does.
func (t ValueType) String() string {
	switch t {
	case I32:
		return "i32"
	case I64:
		return "i64"
	case 0x7d:
		return "f32"
	case 0x7c:
		return "f64"
	case 0x7b:
		return "v128"
	case 0x70:
		return "funcref"
	case 0x6f:
		return "externref"
	}
	return "unknown type"
}

// Func is the signature of an imported or exported function.
type Func struct {
	Name    string
	Params  []ValueType
	Results []ValueType
}

// The names of the imports, for the tables below and for host and SDK.
const (
	ImportInputRead   = "input_read"
	ImportResultRead  = "result_read"
	ImportOutputWrite = "output_write"
	ImportErrorSet    = "error_set"
	ImportLog         = "log"
	ImportCall        = "call"
)

// Imports are the functions that the host offers under Module. A plugin may
// leave any of them out.
var Imports = []Func{
	// input_read(dst, off, cap) copies at most cap bytes of the running hook's
	// input, from offset off on, to dst and returns how many were copied.
	{Name: ImportInputRead, Params: []ValueType{I32, I32, I32}, Results: []ValueType{I32}},
	// result_read(dst, off, cap) does the same with the result of the last call.
	{Name: ImportResultRead, Params: []ValueType{I32, I32, I32}, Results: []ValueType{I32}},
	// output_write(ptr, len) appends to the running hook's output.
	{Name: ImportOutputWrite, Params: []ValueType{I32, I32}},
	// error_set(ptr, len) sets the hook's error, a JSON Error, replacing an
	// earlier one. It counts when the hook returns non-zero.
	{Name: ImportErrorSet, Params: []ValueType{I32, I32}},
	// log(level, ptr, len) writes one line of UTF-8 to the host's log.
	{Name: ImportLog, Params: []ValueType{I32, I32, I32}},
	// call(op, op_len, req, req_len) performs an operation and returns
	// status<<32 | length of the result, which result_read then copies.
	{Name: ImportCall, Params: []ValueType{I32, I32, I32, I32}, Results: []ValueType{I64}},
}

// Hook is the name of a function that the host calls in a plugin.
type Hook string

const (
	// Setup runs once for each new instance, before any other hook, and sees
	// the options of the request but no items.
	Setup Hook = "setup"
	// Filter may drop items that need not be fetched.
	Filter Hook = "filter"
	// Prepare may change the description of items, never their keys.
	Prepare Hook = "prepare"
	// FetchOne asks the host to produce each item.
	FetchOne Hook = "fetch_one"
)

// Hooks are all hooks, in the order in which the pipeline calls them.
var Hooks = []Hook{Setup, Filter, Prepare, FetchOne}

// HookFunc returns the signature that every hook has: hook(input_len) returns
// 0 for success, anything else for failure of the whole page.
func HookFunc(h Hook) Func {
	return Func{Name: string(h), Params: []ValueType{I32}, Results: []ValueType{I32}}
}

// Status is the outcome of an operation, as call returns it.
type Status uint32

const (
	// OK means done; for a producing operation: accepted.
	OK Status = 0
	// Unsupported means that this host does not know the operation.
	Unsupported Status = 1
	// Denied means that the operation, or this use of it, was not granted.
	Denied Status = 2
	// Invalid means that the request could not be understood.
	Invalid Status = 3
	// Failed means that the operation was tried and failed.
	Failed Status = 4
	// Limit means that a limit was reached, for example on the size of a result.
	Limit Status = 5
	// NotFound means that what the request names does not exist.
	NotFound Status = 6
)

// String returns the name of the status in docs/abi.md.
func (s Status) String() string {
	names := [...]string{"ok", "unsupported", "denied", "invalid", "failed", "limit", "not found"}
	if int(s) < len(names) {
		return names[s]
	}
	return "unknown status"
}

// The operations of call. The result of an operation that did not return OK is
// a JSON Error.
const (
	// OpDownload (request Download, no result) hands over an item that is to be
	// downloaded. It is a producing operation, for FetchOne only.
	OpDownload = "download/v1"
	// OpRead (request Path) returns the bytes of a small file.
	OpRead = "read/v1"
	// OpStat (request Path, result FileInfo) tells whether a path exists.
	OpStat = "stat/v1"
	// OpList (request Path, result Names) lists the names in a folder.
	OpList = "list/v1"
	// OpEnv (request EnvName, result EnvValue) reads an environment variable.
	OpEnv = "env/v1"
	// OpCopyImage (request CopyImage, no result) hands over an item that is to be
	// copied from a registry or storage. It is a producing operation.
	OpCopyImage = "copy-image/v1"
	// OpPut (request Put, a line feed and bytes; no result) hands over an item's
	// content itself, in one or several calls. It is a producing operation.
	OpPut = "put/v1"
	// OpRun (request Run, no result) hands over an item that programs produce. It
	// is a producing operation.
	OpRun = "run/v1"
	// OpExec (request Exec) runs a program to its end and returns what it wrote
	// to its standard output.
	OpExec = "exec/v1"
	// OpHTTP (request HTTPRequest) makes a small request of the plugin's own and
	// returns an HTTPResponse, a line feed and the body.
	OpHTTP = "http/v1"
	// OpProbe (request Probe, result ProbeResult) measures how long it takes to
	// connect to servers.
	OpProbe = "probe/v1"
	// OpHMAC (request HMAC, result HMACResult) signs with a secret that the plugin
	// does not see.
	OpHMAC = "hmac/v1"
)

// Ops are all operations of this version of the host.
var Ops = []string{OpDownload, OpRead, OpStat, OpList, OpEnv, OpCopyImage, OpPut, OpRun, OpExec, OpHTTP, OpProbe, OpHMAC}

// Level is the severity of a log line.
type Level uint32

const (
	// LevelDebug is for authors of plugins.
	LevelDebug Level = 0
	// LevelInfo is for operators.
	LevelInfo Level = 1
	// LevelWarn is for what operators should look at.
	LevelWarn Level = 2
	// LevelError is for what made an item or a page fail.
	LevelError Level = 3
)

// Kind classifies an error, for callers that branch on it. An Error with
// another kind than these is read as ErrFailed.
type Kind string

const (
	// ErrFailed is any failure that has no kind of its own.
	ErrFailed Kind = "failed"
	// ErrInvalid means that the item's description or the options are wrong.
	ErrInvalid Kind = "invalid"
	// ErrNotFound means that what was asked for does not exist there.
	ErrNotFound Kind = "not found"
	// ErrDenied means that somebody refused: the operator's grants or a server.
	ErrDenied Kind = "denied"
	// ErrTLS means that a certificate or a TLS handshake was not accepted.
	ErrTLS Kind = "tls"
	// ErrTimeout means that something took too long.
	ErrTimeout Kind = "timeout"
	// ErrMismatch means that what arrived is not what the key names.
	ErrMismatch Kind = "mismatch"
	// ErrNetwork means that a connection could not be made or broke.
	ErrNetwork Kind = "network"
	// ErrDisk means that the store could not be written or read.
	ErrDisk Kind = "disk"
	// ErrPlugin means that a plugin broke the contract.
	ErrPlugin Kind = "plugin"
	// ErrCanceled means that the run was stopped.
	ErrCanceled Kind = "canceled"
)

// Kind is how the status is reported where nothing more is known.
func (s Status) Kind() Kind {
	switch s {
	case Denied:
		return ErrDenied
	case Invalid:
		return ErrInvalid
	case NotFound:
		return ErrNotFound
	}
	return ErrFailed
}

// Kinds are all kinds of errors.
var Kinds = []Kind{ErrFailed, ErrInvalid, ErrNotFound, ErrDenied, ErrTLS, ErrTimeout, ErrMismatch, ErrNetwork, ErrDisk, ErrPlugin, ErrCanceled}

// KnownKind returns k, or ErrFailed when this version does not know it.
func KnownKind(k Kind) Kind {
	if slices.Contains(Kinds, k) {
		return k
	}
	return ErrFailed
}

// The default limits. Each can be set in the host's configuration, but for that of
// OpHTTP, which each request can set.
const (
	// DefaultPageItems is how many items a hook gets at once, at most.
	DefaultPageItems = 256
	// DefaultLoadSeconds is how long compiling a plugin may take.
	DefaultLoadSeconds = 60
	// DefaultHookSeconds is how long one call of a hook may take.
	DefaultHookSeconds = 60
	// DefaultMemoryBytes is the largest linear memory of an instance.
	DefaultMemoryBytes = 256 << 20
	// DefaultOutputBytes is the largest output of one call of a hook.
	DefaultOutputBytes = 64 << 20
	// DefaultResultBytes is the largest result of one operation.
	DefaultResultBytes = 16 << 20
	// DefaultRequestBytes is the largest request of one operation, and the
	// largest error that a hook may set.
	DefaultRequestBytes = 1 << 20
	// DefaultLogLines is how many lines one call of a hook may log.
	DefaultLogLines = 1000
	// DefaultLogLineBytes is where a log line is cut.
	DefaultLogLineBytes = 4096
	// DefaultCalls is how many operations one call of a hook may ask for.
	DefaultCalls = 100_000
	// DefaultModuleBytes is the largest plugin file.
	DefaultModuleBytes = 32 << 20
	// DefaultPutBytes is the largest item that a plugin may put.
	DefaultPutBytes = 256 << 20
	// DefaultHTTPSeconds is how long one request of OpHTTP may take, with all its
	// attempts, unless the request says otherwise.
	DefaultHTTPSeconds = 20
	// DefaultTableEntries is the largest table that a plugin may declare.
	DefaultTableEntries = 1 << 20
)
