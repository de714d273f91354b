package cases

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// Traced is an operation with what it cost.
type Traced struct {
	Call
	// Hook is the one that asked.
	Hook abi.Hook
	// RequestBytes and ResultBytes are the sizes of what crossed the boundary.
	RequestBytes, ResultBytes int
	// Duration is how long answering took.
	Duration time.Duration
	// Problem is what the result said when the status is not ok.
	Problem string
}

// fake answers a plugin from a case. Its methods are called one at a time.
type fake struct {
	c        *Case
	manifest *plugin.Manifest
	rules    *host.Rules
	hook     abi.Hook
	keys     map[string]bool // the items of the page
	asked    map[string]bool // those that were asked for
	used     map[int]bool    // of c.Host.Calls
	usedHTTP map[int]bool    // of c.Host.HTTP
	calls    []Traced
	log      []string
}

// Call implements guest.Caller.
func (f *fake) Call(_ context.Context, op string, req []byte) (abi.Status, []byte) {
	start := time.Now()
	status, result, err := f.answer(op, req)
	if err != nil {
		e := abi.Error{Kind: status.Kind(), Message: err.Error()}
		result = e.Append(nil)
	}
	t := Traced{
		Call: newCall(op, req, status), Hook: f.hook, RequestBytes: len(req), ResultBytes: len(result), Duration: time.Since(start),
	}
	if status != abi.OK {
		if e, err := abi.DecodeError(result); err == nil {
			t.Problem = e.Message
		}
	}
	f.calls = append(f.calls, t)
	return status, result
}

// Log implements guest.Caller.
func (f *fake) Log(level abi.Level, line string) {
	names := levels()
	f.log = append(f.log, names[min(int(level), len(names)-1)]+" "+line)
}

// newCall is how a request is shown and compared.
func newCall(op string, req []byte, status abi.Status) Call {
	c := Call{Op: op, Status: statusName(status)}
	message := req
	if op == abi.OpPut {
		var content []byte
		message, content, _ = abi.CutBytes(req)
		c.Content = shownContent(content)
	}
	if !json.Valid(message) {
		message, _ = json.Marshal(strings.ToValidUTF8(string(message), "\uFFFD"))
	}
	c.Request = slices.Clone(message)
	return c
}

// maxShown is how much content a case file holds itself, in bytes.
const maxShown = 512

func shownContent(content []byte) string {
	if len(content) <= maxShown && utf8.Valid(content) {
		return string(content)
	}
	sum := sha256.Sum256(content)
	return fmt.Sprintf("%d bytes, sha256:%s", len(content), hex.EncodeToString(sum[:]))
}

// answer judges and answers an operation.
func (f *fake) answer(op string, req []byte) (abi.Status, []byte, error) {
	if status, err := f.rules.Check(op, req); err != nil {
		return status, nil, err
	}
	if err := f.producing(op, req); err != nil {
		return abi.Invalid, nil, err
	}
	if a := f.canned(op, req); a != nil {
		status, _ := statusOf(a.Status)
		result := []byte(a.Text)
		if len(a.Result) > 0 {
			result = a.Result
		}
		return status, result, nil
	}
	switch op {
	case abi.OpDownload, abi.OpCopyImage, abi.OpPut, abi.OpRun:
		return abi.OK, nil, nil
	case abi.OpRead, abi.OpStat, abi.OpList:
		p, _ := abi.DecodePath(req) // Check has read it
		return f.file(op, p.Path)
	case abi.OpEnv:
		n, _ := abi.DecodeEnvName(req)
		value, set := f.c.Host.Env[n.Name]
		return abi.OK, (&abi.EnvValue{Set: set, Value: value}).Append(nil), nil
	case abi.OpExec:
		e, _ := abi.DecodeExec(req)
		return f.exec(e)
	case abi.OpHTTP:
		return f.http(req)
	}
	if slices.Contains(abi.Ops, op) {
		return abi.Failed, nil, fmt.Errorf("the case has no answer for this: add one to host/calls, {\"op\": %q, ...}", op)
	}
	return abi.Unsupported, nil, errors.New("this host does not know the operation " + op)
}

// producing checks what holds for every producing operation.
func (f *fake) producing(op string, req []byte) error {
	var key string
	more := false
	switch op {
	case abi.OpDownload:
		d, _ := abi.DecodeDownload(req)
		key = d.Key
	case abi.OpCopyImage:
		i, _ := abi.DecodeCopyImage(req)
		key = i.Key
	case abi.OpRun:
		r, _ := abi.DecodeRun(req)
		key = r.Key
	case abi.OpPut:
		message, _, _ := abi.CutBytes(req)
		p, _ := abi.DecodePut(message)
		key, more = p.Key, p.More
	default:
		return nil
	}
	switch {
	case f.hook != abi.FetchOne:
		return fmt.Errorf("%s can be called in the %s hook only", op, abi.FetchOne)
	case !f.keys[key]:
		return fmt.Errorf("the page has no item %s", key)
	case f.asked[key]:
		return fmt.Errorf("the item was asked for already: %s", key)
	}
	f.asked[key] = !more
	return nil
}

// canned returns the case's own answer, or nil: of those that fit, the first that
// was not used yet, else the last.
func (f *fake) canned(op string, req []byte) *Answer {
	var found *Answer
	for i := range f.c.Host.Calls {
		a := &f.c.Host.Calls[i]
		if a.Op != op || !contains(req, a.Request) {
			continue
		}
		found = a
		if !f.used[i] {
			f.used[i] = true
			return a
		}
	}
	return found
}

// contains reports whether the JSON of a request has all that want has.
func contains(req, want []byte) bool {
	if len(want) == 0 {
		return true
	}
	message := req
	if !json.Valid(req) {
		message, _, _ = abi.CutBytes(req)
	}
	var have, must any
	if json.Unmarshal(message, &have) != nil || json.Unmarshal(want, &must) != nil {
		return false
	}
	return within(must, have)
}

func within(must, have any) bool {
	m, ok := must.(map[string]any)
	if !ok {
		return equal(must, have)
	}
	h, ok := have.(map[string]any)
	if !ok {
		return false
	}
	for name, v := range m {
		if other, ok := h[name]; !ok || !within(v, other) {
			return false
		}
	}
	return true
}

func (f *fake) exec(e abi.Exec) (abi.Status, []byte, error) {
	for _, p := range f.c.Host.Exec {
		if p.Program != e.Program || p.Args != nil && !slices.Equal(p.Args, e.Args) {
			continue
		}
		if p.Error != "" {
			return abi.Failed, nil, errors.New(p.Error)
		}
		return abi.OK, []byte(p.Stdout), nil
	}
	return abi.NotFound, nil, fmt.Errorf("the case has no program %s with these arguments: add it to host/exec", e.Program)
}

// file answers from the case's files.
func (f *fake) file(op, name string) (abi.Status, []byte, error) {
	content, isFile := f.c.Host.Files[name]
	names := f.names(name)
	switch {
	case op == abi.OpRead && isFile:
		return abi.OK, []byte(content), nil
	case op == abi.OpRead && names != nil:
		return abi.Failed, nil, fmt.Errorf("read %s: is a directory", name)
	case op == abi.OpStat:
		info := abi.FileInfo{Type: abi.TypeNone}
		if isFile {
			info = abi.FileInfo{Type: abi.TypeFile, Size: int64(len(content))}
		} else if names != nil {
			info.Type = abi.TypeDir
		}
		return abi.OK, info.Append(nil), nil
	case op == abi.OpList && names != nil:
		return abi.OK, (&abi.Names{Names: names}).Append(nil), nil
	}
	return abi.NotFound, nil, fmt.Errorf("open %s: no such file or directory", name)
}

// names lists what is in a folder; nil when there is none.
func (f *fake) names(dir string) []string {
	prefix := strings.TrimSuffix(path.Clean(dir), "/") + "/"
	var names []string
	for p := range f.c.Host.Files {
		if rest, ok := strings.CutPrefix(p, prefix); ok {
			name, _, _ := strings.Cut(rest, "/")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
