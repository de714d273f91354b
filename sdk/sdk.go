// Package sdk is for authors of sourcehost plugins in Go. A plugin is a main
// package that registers plain functions, one per hook it has, each called for
// one item at a time:
//
//	var plugin = sdk.Register(sdk.Plugin{Prepare: prepare})
//
//	func main() {} // never runs: a plugin is a WASI reactor
//
//	func prepare(ctx *sdk.Context, item *sdk.Item) error {
//		remote, err := item.Remote()
//		if err != nil {
//			return err
//		}
//		remote.AddSecretHeader("Authorization", "Bearer ", "acme-token")
//		item.SetRemote(remote)
//		return nil
//	}
//
// It is built with the stock toolchain,
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o plugin.wasm .
//
// and needs a plugin manifest, which says which hooks the host shall call and
// what the plugin asks to be allowed. Natively the same package builds without
// any host, and package sdktest runs its hooks in unit tests.
//
// A plugin whose wasm shall stay small and start fast does without fmt,
// encoding/json, reflect, regexp and net/url.
package sdk

import (
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// Plugin is what a plugin does: its hooks, each nil where the plugin has none.
// Which of them the host calls is said by the plugin manifest; calling one that is
// nil is an error.
//
// An error that a hook returns makes that item fail, and no other; *Error gives
// it a kind and a hint. Setup's error fails the whole run. A hook that panics
// costs the instance.
type Plugin struct {
	// Setup runs once for each new instance, before any other hook.
	Setup func(*Context) error
	// Filter may call Item.Skip for an item that need not be fetched.
	Filter func(*Context, *Item) error
	// Prepare may change the description of an item: Item.SetRemote,
	// Item.SetDesc.
	Prepare func(*Context, *Item) error
	// FetchOne asks the host to produce the item: Context.Download, CopyImage, Put
	// or Run.
	FetchOne func(*Context, *Item) error
}

// Register makes p the plugin that this program is, and returns it, so that
// one line declares it for the host and names it for tests:
//
//	var plugin = sdk.Register(sdk.Plugin{...})
func Register(p Plugin) Plugin {
	register(p)
	return p
}

// The types of the contract, under their names here.
type (
	// Hook is the name of a hook.
	Hook = abi.Hook
	// Kind classifies an error.
	Kind = abi.Kind
	// Error is an error with a kind and a hint for the user.
	Error = abi.Error
	// Status is the outcome of an operation; 0 means that it was done.
	Status = abi.Status
	// Level is the severity of a log line.
	Level = abi.Level
	// Header is a field of an HTTP request: a value, or a reference to a secret
	// that the host fills in.
	Header = abi.Header
	// Auth is a user name with a secret as its password.
	Auth = abi.Auth
	// Param is a parameter of a URL's query whose value is a secret.
	Param = abi.Param
	// HMAC asks for a signature with a secret.
	HMAC = abi.HMAC
	// HTTPRequest is a small request of the plugin's own.
	HTTPRequest = abi.HTTPRequest
	// TLS names certificate files of the host by absolute path.
	TLS = abi.TLS
	// Download asks for an item to be downloaded.
	Download = abi.Download
	// CopyImage asks for a container image to be copied.
	CopyImage = abi.CopyImage
	// Exec asks for a program to be run.
	Exec = abi.Exec
	// Run asks for an item to be produced by programs.
	Run = abi.Run
	// RunFile is a file that programs of a Run read.
	RunFile = abi.RunFile
	// FileInfo says what a path is.
	FileInfo = abi.FileInfo
	// Reader reads JSON in a single pass, without reflection.
	Reader = rawjson.Reader
)

// The hooks.
const (
	Setup    = abi.Setup
	Filter   = abi.Filter
	Prepare  = abi.Prepare
	FetchOne = abi.FetchOne
)

// The kinds of errors.
const (
	ErrFailed   = abi.ErrFailed
	ErrInvalid  = abi.ErrInvalid
	ErrNotFound = abi.ErrNotFound
	ErrDenied   = abi.ErrDenied
	ErrTLS      = abi.ErrTLS
	ErrTimeout  = abi.ErrTimeout
	ErrMismatch = abi.ErrMismatch
	ErrNetwork  = abi.ErrNetwork
	ErrDisk     = abi.ErrDisk
	ErrPlugin   = abi.ErrPlugin
)

// The levels of log lines.
const (
	LevelDebug = abi.LevelDebug
	LevelInfo  = abi.LevelInfo
	LevelWarn  = abi.LevelWarn
	LevelError = abi.LevelError
)

// The values of FileInfo.Type.
const (
	TypeFile  = abi.TypeFile
	TypeDir   = abi.TypeDir
	TypeOther = abi.TypeOther
	TypeNone  = abi.TypeNone
)

// The values of CopyImage.Transport and CopyImage.Format.
const (
	TransportDocker     = abi.TransportDocker
	TransportStorage    = abi.TransportStorage
	FormatDir           = abi.FormatDir
	FormatDockerArchive = abi.FormatDockerArchive
)

// The placeholders in the arguments of Run's steps, and the names beneath the
// scratch folder where those leave the item.
const (
	ScratchDir  = abi.ScratchDir
	ContentDir  = abi.ContentDir
	ScratchFile = abi.ScratchFile
	ScratchRepo = abi.ScratchRepo
)
