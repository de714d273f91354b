package guest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// compiling is a compilation that several callers wait for.
type compiling struct {
	done chan struct{} // closed when eng and err are set
	eng  *engine
	err  error
}

// engineFor returns the compiled plugin. The first caller starts compiling; all
// wait for it, as long as their context and the deadline for compiling allow.
func (p *Plugin) engineFor(ctx context.Context) (*engine, error) {
	p.mu.Lock()
	c := p.startCompiling()
	p.mu.Unlock()
	if c == nil {
		return nil, p.refused(ErrClosed)
	}
	t := time.NewTimer(p.limits.LoadTime)
	defer t.Stop()
	select {
	case <-c.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("plugin %s: compiling: %w", p.src.Name, context.Cause(ctx))
	case <-t.C:
		return nil, &Error{Plugin: p.src.Name, Cause: Deadline, Err: fmt.Errorf("compiling took longer than %v", p.limits.LoadTime)}
	}
	if c.err != nil {
		return nil, p.refused(c.err)
	}
	return c.eng, nil
}

// startCompiling returns the compilation, begun unless it was before; nil when the
// plugin is closed. The caller holds the lock.
func (p *Plugin) startCompiling() *compiling {
	if p.closed {
		return nil
	}
	if p.compiling != nil {
		return p.compiling
	}
	c := &compiling{done: make(chan struct{})}
	p.compiling = c
	go func() {
		defer close(c.done)
		c.eng, c.err = p.compile()
	}()
	return c
}

func (p *Plugin) refused(err error) error {
	return &Error{Plugin: p.src.Name, Cause: Refused, Err: err}
}

// compile makes the engine, from the disk cache where that is possible. Faults
// of the cache are logged and otherwise cost time only.
func (p *Plugin) compile() (*engine, error) {
	ctx, cancel := context.WithTimeout(context.Background(), p.limits.LoadTime)
	defer cancel()
	if p.src.Trusted {
		if err := p.checkCode(); err != nil {
			return nil, err
		}
	}
	wasm := codeOf(p.src.Wasm, p.module, p.limits.TableEntries)
	dir := p.runtime.cfg.CacheDir
	if dir == "" {
		return newEngine(ctx, wasm, p.src.Trusted, "")
	}
	log := p.runtime.log.With("plugin", p.src.Name)
	build, err := openCache(dir)
	if err != nil {
		log.Warn("the cache of compiled plugins is not used", "folder", dir, "reason", err)
		return newEngine(ctx, wasm, p.src.Trusted, "")
	}
	entry := filepath.Join(build, entryName(wasm, p.src.Trusted))
	if eng := fromCache(ctx, wasm, p.src.Trusted, build, entry, log); eng != nil {
		return eng, nil
	}
	eng, err := intoCache(ctx, wasm, p.src.Trusted, build, entry, log)
	var fault *cacheError
	if errors.As(err, &fault) {
		log.Warn("the compiled plugin could not be kept", "folder", dir, "reason", err)
		return newEngine(ctx, wasm, p.src.Trusted, "")
	}
	prune(dir, time.Now())
	return eng, err
}

// entryName names what the machine code depends on.
func entryName(wasm []byte, trusted bool) string {
	sum := sha256.Sum256(wasm)
	kind := "untrusted"
	if trusted {
		kind = "trusted"
	}
	return hex.EncodeToString(sum[:]) + "-" + kind
}

// fromCache returns the engine of an intact entry, or nil. A bad entry is
// removed.
func fromCache(ctx context.Context, wasm []byte, trusted bool, build, entry string, log *slog.Logger) *engine {
	if _, err := os.Lstat(entry); err != nil {
		return nil
	}
	err := verifyEntry(entry)
	if err == nil {
		var eng *engine
		if eng, err = newEngine(ctx, wasm, trusted, filepath.Join(entry, entryFolder)); err == nil {
			// The time of the last use is what prune goes by.
			now := time.Now()
			_ = os.Chtimes(entry, now, now)
			return eng
		}
	}
	log.Warn("a file of the cache of compiled plugins is damaged: the plugin is compiled anew", "entry", entry, "reason", err)
	if err := discard(build, entry); err != nil {
		log.Warn("the damaged file could not be removed", "entry", entry, "reason", err)
	}
	return nil
}

// intoCache compiles into a new entry. The error is a *cacheError when only
// the cache is at fault.
func intoCache(ctx context.Context, wasm []byte, trusted bool, build, entry string, log *slog.Logger) (*engine, error) {
	part, err := os.MkdirTemp(build, partPrefix)
	if err != nil {
		return nil, &cacheError{err}
	}
	defer os.RemoveAll(part)
	if err := os.Mkdir(filepath.Join(part, entryFolder), 0o700); err != nil {
		return nil, &cacheError{err}
	}
	eng, err := newEngine(ctx, wasm, trusted, filepath.Join(part, entryFolder))
	if err != nil {
		return nil, asCacheError(err)
	}
	if err := publish(part, entry); err != nil {
		log.Warn("the compiled plugin could not be kept", "entry", entry, "reason", err)
	}
	return eng, nil
}

// asCacheError marks errors of the file system: a module cannot cause them.
func asCacheError(err error) error {
	var pathErr *os.PathError
	var linkErr *os.LinkError
	if errors.As(err, &pathErr) || errors.As(err, &linkErr) {
		return &cacheError{err}
	}
	return err
}
