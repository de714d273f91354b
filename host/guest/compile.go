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
		return newEngine(ctx, wasm, "")
	}
	log := p.runtime.log.With("plugin", p.src.Name)
	build, err := openCache(dir)
	if err != nil {
		log.Warn("the cache of compiled plugins is not used", "folder", dir, "reason", err)
		return newEngine(ctx, wasm, "")
	}
	entry := filepath.Join(build, entryName(wasm, true))
	if eng := fromCache(ctx, wasm, build, entry, log); eng != nil {
		return eng, nil
	}
	eng, err := intoCache(ctx, wasm, build, entry, log)
	var fault *cacheError
	if errors.As(err, &fault) {
		log.Warn("the compiled plugin could not be kept", "folder", dir, "reason", err)
		return newEngine(ctx, wasm, "")
	}
	prune(dir, time.Now())
	return eng, err
}

// entryName names what the machine code depends on. What a plugin's process has
// compiled is never run in this one, whatever its bytes are.
func entryName(wasm []byte, trusted bool) string {
	sum := sha256.Sum256(wasm)
	kind := "worker"
	if trusted {
		kind = "trusted"
	}
	return hex.EncodeToString(sum[:]) + "-" + kind
}

// fromCache returns the engine of an intact entry, or nil. A bad entry is
// removed.
func fromCache(ctx context.Context, wasm []byte, build, entry string, log *slog.Logger) *engine {
	if !intact(build, entry, log) {
		return nil
	}
	eng, err := newEngine(ctx, wasm, filepath.Join(entry, entryFolder))
	if err != nil {
		damaged(build, entry, err, log)
		return nil
	}
	return eng
}

// intact reports whether there is an entry whose files are those that were written.
// A bad entry is removed.
func intact(build, entry string, log *slog.Logger) bool {
	if _, err := os.Lstat(entry); err != nil {
		return false
	}
	if err := verifyEntry(entry); err != nil {
		damaged(build, entry, err, log)
		return false
	}
	// The time of the last use is what prune goes by.
	now := time.Now()
	_ = os.Chtimes(entry, now, now)
	return true
}

// damaged tells of a bad entry and removes it.
func damaged(build, entry string, reason error, log *slog.Logger) {
	log.Warn("a file of the cache of compiled plugins is damaged: the plugin is compiled anew", "entry", entry, "reason", reason)
	if err := discard(build, entry); err != nil {
		log.Warn("the damaged file could not be removed", "entry", entry, "reason", err)
	}
}

// intoCache compiles into a new entry. The error is a *cacheError when only
// the cache is at fault.
func intoCache(ctx context.Context, wasm []byte, build, entry string, log *slog.Logger) (*engine, error) {
	part, err := newPart(build)
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(part)
	eng, err := newEngine(ctx, wasm, filepath.Join(part, entryFolder))
	if err != nil {
		return nil, asCacheError(err)
	}
	if err := publish(part, entry); err != nil {
		log.Warn("the compiled plugin could not be kept", "entry", entry, "reason", err)
	}
	return eng, nil
}

// newPart makes the folder of an entry that is not complete.
func newPart(build string) (string, error) {
	part, err := os.MkdirTemp(build, partPrefix)
	if err != nil {
		return "", &cacheError{err}
	}
	if err := os.Mkdir(filepath.Join(part, entryFolder), 0o700); err != nil {
		os.RemoveAll(part)
		return "", &cacheError{err}
	}
	return part, nil
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
