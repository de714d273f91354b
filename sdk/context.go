package sdk

import "github.com/sourcehost/sourcehost/internal/abi"

// Host is what a plugin can ask for: the imports of the wasm build, or a fake
// in tests (package sdktest). Plugins use Context, not this.
type Host interface {
	// Call performs an operation of the contract. The result is valid until the
	// next call.
	Call(op string, req []byte) (abi.Status, []byte)
	// Log writes one line.
	Log(level Level, line string)
}

// Context is what a hook knows beside its item, and what it can ask of the
// host. Each request needs a capability that the plugin manifest requests; one
// that the operator has not granted is an error of the kind ErrDenied. A
// Context is valid during the call of the hook.
type Context struct {
	// Source is the name of the source, for example "org.osbuild.curl".
	Source string
	// Options are the source's options as the manifest gives them.
	Options Value
	// Config is the plugin's section of the host's configuration.
	Config Value
	// Format is the form in which the operator wants images to be stored, one of
	// the plugin manifest's formats; "" when it has none.
	Format string

	host Host
	req  []byte
}

// call performs an operation on something named what, for errors.
func (c *Context) call(op, what string) ([]byte, error) {
	status, result := c.host.Call(op, c.req)
	if status != abi.OK {
		return nil, statusError(op, what, status, result)
	}
	return result, nil
}

// Call performs an operation of the contract as it stands, for one that the
// methods below do not have. The result is valid until the next request.
func (c *Context) Call(op string, request []byte) (Status, []byte) { return c.host.Call(op, request) }

// Read returns the content of a file of the host, which may be small only: 16
// MiB unless the operator says otherwise.
func (c *Context) Read(path string) ([]byte, error) {
	c.req = (&abi.Path{Path: path}).Append(c.req[:0])
	result, err := c.call(abi.OpRead, path)
	if err != nil {
		return nil, err
	}
	return append(make([]byte, 0, len(result)), result...), nil
}

// Stat says what is at an absolute path. One where there is nothing has
// TypeNone, and is no error.
func (c *Context) Stat(path string) (FileInfo, error) {
	c.req = (&abi.Path{Path: path}).Append(c.req[:0])
	result, err := c.call(abi.OpStat, path)
	if err != nil {
		return FileInfo{}, err
	}
	return abi.DecodeFileInfo(result)
}

// List returns the names in a folder, sorted.
func (c *Context) List(path string) ([]string, error) {
	c.req = (&abi.Path{Path: path}).Append(c.req[:0])
	result, err := c.call(abi.OpList, path)
	if err != nil {
		return nil, err
	}
	names, err := abi.DecodeNames(result)
	return names.Names, err
}

// Env returns the value of an environment variable of the host, and whether it
// is set.
func (c *Context) Env(name string) (value string, set bool, err error) {
	c.req = (&abi.EnvName{Name: name}).Append(c.req[:0])
	result, err := c.call(abi.OpEnv, name)
	if err != nil {
		return "", false, err
	}
	v, err := abi.DecodeEnvValue(result)
	return v.Value, v.Set, err
}

// Download hands an item over to be downloaded; only FetchOne may call it, once
// for each item. The host downloads after the hook has returned, verifies what
// arrives against the key and retries where that can help, so nil means only
// that the request was accepted.
func (c *Context) Download(d *Download) error {
	c.req = d.Append(c.req[:0])
	_, err := c.call(abi.OpDownload, d.Key)
	return err
}

// CopyImage hands an item over to be copied from a registry or storage, as
// Download does with one that is to be downloaded.
func (c *Context) CopyImage(i *CopyImage) error {
	c.req = i.Append(c.req[:0])
	_, err := c.call(abi.OpCopyImage, i.Key)
	return err
}

// Run hands an item over to be produced by programs, as Download does with one
// that is to be downloaded.
func (c *Context) Run(r *Run) error {
	c.req = r.Append(c.req[:0])
	_, err := c.call(abi.OpRun, r.Key)
	return err
}

// putBytes is how much content Put hands over in one call: half of what a
// request may have by default.
const putBytes = abi.DefaultRequestBytes / 2

// Put hands over the content of an item itself; only FetchOne may call it, once
// for each item. The host verifies the content against the key.
func (c *Context) Put(key string, content []byte) error {
	w := c.Putter(key)
	if _, err := w.Write(content); err != nil {
		return err
	}
	return w.Close()
}

// Putter returns what hands over the content of an item that is written to it,
// piece by piece. The content counts when Close returns nil; without that the item
// has not been asked for.
func (c *Context) Putter(key string) *Putter { return &Putter{ctx: c, key: key} }

// Putter takes the content of one item. See Context.Putter.
type Putter struct {
	ctx *Context
	key string
	buf []byte
}

// Write adds to the content.
func (p *Putter) Write(content []byte) (int, error) {
	for done := 0; done < len(content); {
		n := min(putBytes-len(p.buf), len(content)-done)
		p.buf = append(p.buf, content[done:done+n]...)
		done += n
		if len(p.buf) == putBytes {
			if err := p.flush(true); err != nil {
				return done, err
			}
		}
	}
	return len(content), nil
}

// Flush hands over what was written so far. Write does so by itself as often as
// it has to.
func (p *Putter) Flush() error { return p.flush(true) }

// Close ends the content.
func (p *Putter) Close() error { return p.flush(false) }

func (p *Putter) flush(more bool) error {
	req := (&abi.Put{Key: p.key, More: more}).Append(p.ctx.req[:0])
	p.ctx.req = append(append(req, '\n'), p.buf...)
	p.buf = p.buf[:0]
	_, err := p.ctx.call(abi.OpPut, p.key)
	return err
}

// Exec runs a program to its end and returns what it wrote to its standard
// output. The hook's deadline is the program's.
func (c *Context) Exec(e *Exec) ([]byte, error) {
	c.req = e.Append(c.req[:0])
	result, err := c.call(abi.OpExec, e.Program)
	if err != nil {
		return nil, err
	}
	return append(make([]byte, 0, len(result)), result...), nil
}

// Log writes a line to the host's log.
func (c *Context) Log(level Level, line string) { c.host.Log(level, line) }
