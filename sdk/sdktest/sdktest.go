// Package sdktest runs a plugin's hooks in ordinary Go tests, without wasm and
// without a host.
//
//	host := &sdktest.Host{Env: map[string]string{"TOKEN_URL": "https://x"}}
//	item := sdktest.Item{Key: "sha256:...", Desc: `"https://mirror/a.rpm"`}
//	got := sdktest.Prepare(t, plugin, host, item)
//	// got.Desc is the new description, got.Err the item's error
package sdktest

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/sdk"
)

// Host is a fake host: it answers from canned files and variables and records
// what it was asked for. Its zero value has no file and no variable.
type Host struct {
	// FS has the files of the host. The absolute path /etc/x is looked up as
	// etc/x, so that os.DirFS("testdata/root") and fstest.MapFS both fit.
	FS fs.FS
	// Env are the environment variables that are set.
	Env map[string]string
	// Deny, when not nil, is asked for each operation, with its path, variable
	// or key; true makes the operation end as if it were not granted.
	Deny func(op, what string) bool

	// Format is the form in which images are to be stored.
	Format string
	// Exec answers for programs that are run while a hook waits; nil knows none.
	Exec func(e sdk.Exec) ([]byte, error)

	// HTTP answers requests of the plugin's own with a status, headers and a body;
	// nil, or an error, stands for a server that cannot be reached.
	HTTP func(q sdk.HTTPRequest) (*sdk.HTTPResponse, error)
	// Probe answers for the time that connecting to a server takes; nil knows none.
	Probe func(url string) int64
	// Secrets are the secrets that sign; no plugin sees them.
	Secrets map[string]string
	// Downloads, Images and Runs are what FetchOne asked for, each in order.
	Downloads []sdk.Download
	Images    []sdk.CopyImage
	Runs      []sdk.Run
	// Puts is the content that FetchOne has handed over, by key.
	Puts map[string][]byte
	// Logs are the lines that were logged.
	Logs []string
	// Calls are all operations, each as its name, a space and the path,
	// variable or key: "read/v1 /etc/x".
	Calls []string
}

// Call answers one operation.
func (h *Host) Call(op string, req []byte) (abi.Status, []byte) {
	switch op {
	case abi.OpDownload:
		return h.download(req)
	case abi.OpCopyImage, abi.OpRun, abi.OpPut, abi.OpExec:
		return h.produce(op, req)
	case abi.OpHTTP:
		return h.http(req)
	case abi.OpHMAC:
		return h.hmac(req)
	case abi.OpProbe:
		return h.probe(req)
	case abi.OpEnv:
		n, err := abi.DecodeEnvName(req)
		if err != nil {
			return refuse(abi.Invalid, err)
		}
		if h.denied(op, n.Name) {
			return refuse(abi.Denied, errors.New("the test denies the variable "+n.Name))
		}
		value, set := h.Env[n.Name]
		return abi.OK, (&abi.EnvValue{Set: set, Value: value}).Append(nil)
	case abi.OpRead, abi.OpStat, abi.OpList:
		p, err := abi.DecodePath(req)
		if err != nil {
			return refuse(abi.Invalid, err)
		}
		if h.denied(op, p.Path) {
			return refuse(abi.Denied, errors.New("the test denies the path "+p.Path))
		}
		return h.file(op, p.Path)
	}
	return abi.Unsupported, nil
}

// Log records a line.
func (h *Host) Log(_ sdk.Level, line string) { h.Logs = append(h.Logs, line) }

// denied records an operation and asks the test about it.
func (h *Host) denied(op, what string) bool {
	h.Calls = append(h.Calls, op+" "+what)
	return h.Deny != nil && h.Deny(op, what)
}

func (h *Host) download(req []byte) (abi.Status, []byte) {
	d, err := abi.DecodeDownload(req)
	switch {
	case err != nil:
		return refuse(abi.Invalid, err)
	case h.denied(abi.OpDownload, d.Key):
		return refuse(abi.Denied, errors.New("the test denies the download of "+d.Key))
	case len(d.URLs)+len(d.Mirrors) == 0 && (d.Group == "" || d.Path == ""):
		return refuse(abi.Invalid, errors.New("a download without urls"))
	}
	h.Downloads = append(h.Downloads, d)
	return abi.OK, nil
}

// file answers the operations on paths.
func (h *Host) file(op, path string) (abi.Status, []byte) {
	name, absolute := strings.CutPrefix(path, "/")
	if !absolute || !fs.ValidPath(name) {
		return refuse(abi.Invalid, errors.New("not a clean absolute path: "+path))
	}
	if op == abi.OpStat {
		info := h.stat(name)
		return abi.OK, info.Append(nil)
	}
	if h.FS == nil {
		return refuse(abi.NotFound, errors.New(path+" does not exist"))
	}
	var data []byte
	var err error
	if op == abi.OpRead {
		data, err = fs.ReadFile(h.FS, name)
	} else {
		var names abi.Names
		names.Names, err = h.list(name)
		data = names.Append(nil)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refuse(abi.NotFound, err)
	case err != nil:
		return refuse(abi.Failed, err)
	}
	return abi.OK, data
}

func (h *Host) stat(name string) abi.FileInfo {
	if h.FS == nil {
		return abi.FileInfo{Type: abi.TypeNone}
	}
	info, err := fs.Stat(h.FS, name)
	switch {
	case err != nil:
		return abi.FileInfo{Type: abi.TypeNone}
	case info.IsDir():
		return abi.FileInfo{Type: abi.TypeDir}
	case info.Mode().IsRegular():
		return abi.FileInfo{Type: abi.TypeFile, Size: info.Size()}
	}
	return abi.FileInfo{Type: abi.TypeOther}
}

func (h *Host) list(name string) ([]string, error) {
	entries, err := fs.ReadDir(h.FS, name)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names, err
}

// refuse is the answer to an operation that is not done.
func refuse(status abi.Status, err error) (abi.Status, []byte) {
	return status, (&abi.Error{Message: err.Error()}).Append(nil)
}
