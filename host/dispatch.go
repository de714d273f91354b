package host

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"sync"

	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// caller answers what one plugin asks for while one of its hooks runs. It
// decodes, asks the policy, calls, encodes; nothing else happens here.
type caller struct {
	run    *run
	plugin *loaded
	hook   abi.Hook
	page   *page // nil in setup
	asked  int   // the bytes of the requests for items that were accepted

	mu   sync.Mutex // over what is left
	puts map[*item]*putting
	over bool // nothing is put any more
}

// Call performs an operation. Denials are logged; the plugin decides whether it
// can go on without.
func (c *caller) Call(ctx context.Context, op string, req []byte) (abi.Status, []byte) {
	status, result, err := c.dispatch(ctx, op, req)
	if err == nil {
		return status, result
	}
	if status == abi.Denied {
		c.run.denials.log(c.run.host.log, c.plugin.Name, c.hook, plain(op, 60), err)
	}
	e := &abi.Error{Kind: status.Kind(), Message: err.Error()}
	errors.As(err, &e) // with a kind and a hint of its own
	return status, e.Append(nil)
}

// dispatch has one case for each operation of the contract.
func (c *caller) dispatch(ctx context.Context, op string, req []byte) (abi.Status, []byte, error) {
	switch op {
	case abi.OpDownload:
		return c.bounded(req, c.download)
	case abi.OpRead:
		return c.read(req)
	case abi.OpStat:
		return c.stat(req)
	case abi.OpList:
		return c.list(req)
	case abi.OpEnv:
		return c.env(req)
	case abi.OpCopyImage:
		return c.bounded(req, c.copyImage)
	case abi.OpPut:
		return c.put(req)
	case abi.OpRun:
		return c.bounded(req, c.runSteps)
	case abi.OpExec:
		return c.exec(ctx, req)
	case abi.OpHTTP:
		return c.http(ctx, req)
	case abi.OpHMAC:
		return c.hmac(req)
	case abi.OpProbe:
		return c.probe(ctx, req)
	}
	return abi.Unsupported, nil, errors.New("this host does not know the operation " + plain(op, 60))
}

// Log passes a plugin's line on, at the level it chose.
func (c *caller) Log(level abi.Level, line string) {
	levels := [...]slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError}
	if int(level) >= len(levels) {
		level = abi.LevelError
	}
	c.run.host.log.Log(context.Background(), levels[level], line, "plugin", c.plugin.Name, "source", c.run.req.Source)
}

func (c *caller) read(req []byte) (abi.Status, []byte, error) {
	p, err := abi.DecodePath(req)
	if err != nil {
		return abi.Invalid, nil, err
	}
	if err := c.plugin.policy.allow(plugin.CapRead, p.Path); err != nil {
		return abi.Denied, nil, err
	}
	data, err := c.plugin.policy.readFile(p.Path, resultLimit(c.run.host.cfg.Limits))
	if err != nil {
		return statusOfFile(err), nil, err
	}
	return abi.OK, data, nil
}

func (c *caller) stat(req []byte) (abi.Status, []byte, error) {
	p, err := abi.DecodePath(req)
	if err != nil {
		return abi.Invalid, nil, err
	}
	if err := c.plugin.policy.allow(plugin.CapStat, p.Path); err != nil {
		return abi.Denied, nil, err
	}
	info, err := c.plugin.policy.stat(p.Path)
	if err != nil {
		return statusOfFile(err), nil, err
	}
	return abi.OK, info.Append(nil), nil
}

func (c *caller) list(req []byte) (abi.Status, []byte, error) {
	p, err := abi.DecodePath(req)
	if err != nil {
		return abi.Invalid, nil, err
	}
	if err := c.plugin.policy.allow(plugin.CapStat, p.Path); err != nil {
		return abi.Denied, nil, err
	}
	names, err := c.plugin.policy.list(p.Path)
	if err != nil {
		return statusOfFile(err), nil, err
	}
	result := abi.Names{Names: names}
	return abi.OK, result.Append(nil), nil
}

// statusOfFile is the status of an error of the file system. A link that leads
// out of the granted folder is a denial, which os.Root reports in words only.
func statusOfFile(err error) abi.Status {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return abi.NotFound
	case errors.Is(err, errTooLarge):
		return abi.Limit
	case strings.Contains(err.Error(), "path escapes from parent"):
		return abi.Denied
	}
	return abi.Failed
}

func (c *caller) env(req []byte) (abi.Status, []byte, error) {
	n, err := abi.DecodeEnvName(req)
	if err != nil {
		return abi.Invalid, nil, err
	}
	if err := c.plugin.policy.allow(plugin.CapEnv, n.Name); err != nil {
		return abi.Denied, nil, err
	}
	value, set := c.run.host.cfg.Environ(n.Name)
	c.run.host.passwords.ofURL(value, 0)
	result := abi.EnvValue{Set: set, Value: value}
	return abi.OK, result.Append(nil), nil
}

func resultLimit(l guest.Limits) int64 {
	if l.ResultBytes > 0 {
		return l.ResultBytes
	}
	return abi.DefaultResultBytes
}
