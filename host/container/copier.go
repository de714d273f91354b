package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"
)

// Copier copies images with one of two engines. Its methods may be called from
// several goroutines.
type Copier struct {
	cfg      Config
	embedded Engine
	skopeo   Engine
}

// New returns a Copier. Either engine may be nil; a request that needs the
// missing one fails.
func New(cfg Config, embedded, skopeo Engine) *Copier {
	return &Copier{cfg: cfg.withDefaults(), embedded: embedded, skopeo: skopeo}
}

// Copy fills r.Dest with the image, verified: the manifest's digest is that
// which was asked for, each blob is the one that the manifest names, and the
// config's digest is r.ID. Faults that can pass are tried again. After an error,
// which is an *Error, r.Dest is empty, unless it was not so before.
func (c *Copier) Copy(ctx context.Context, r Request) (Info, error) {
	r.redact = c.cfg.Redact
	if err := r.check(); err != nil {
		return Info{}, &Error{Kind: KindInvalid, Name: r.Name, Err: err}
	}
	engine, err := c.engine(&r)
	if err == nil {
		err = empty(r.Dest)
	}
	if err != nil {
		e := classify(context.WithoutCancel(ctx), err, &r)
		e.Name, e.Image = r.Name, r.reference()
		return Info{}, e
	}
	info, e := c.try(ctx, engine, r)
	if e != nil {
		if err := removeContent(r.Dest, ""); err != nil {
			c.cfg.Logger.Warn("cannot remove what is left of an image", "folder", r.Dest, "error", err)
		}
		e.Name, e.Image = r.Name, r.reference()
		return Info{}, e
	}
	return info, nil
}

// try makes as many attempts as it takes.
func (c *Copier) try(ctx context.Context, engine Engine, r Request) (Info, *Error) {
	var bytes int64
	for attempt := 1; ; attempt++ {
		info, err := once(ctx, engine, r)
		bytes += info.Bytes
		if err == nil {
			return Info{Bytes: bytes, Attempts: attempt, Image: r.reference()}, nil
		}
		e := classify(ctx, err, &r)
		e.Attempts = attempt
		if e.Hint == hintAuth {
			e.Hint = c.cfg.authHint()
		}
		if attempt >= min(e.tries, c.cfg.MaxAttempts) {
			return Info{}, e
		}
		pause := c.pause(attempt)
		c.cfg.Logger.Info("copying an image failed, it is tried again",
			"image", r.reference(), "attempt", attempt, "pause", pause, "error", e.Err)
		if err := removeContent(r.Dest, scratchName); err != nil {
			return Info{}, &Error{Kind: KindDisk, Err: err, Attempts: attempt}
		}
		select {
		case <-ctx.Done():
			e = classify(ctx, ctx.Err(), &r)
			e.Attempts = attempt
			return Info{}, e
		case <-time.After(pause):
		}
	}
}

// once makes one attempt.
func once(ctx context.Context, engine Engine, r Request) (Info, error) {
	if err := r.startGuard(ctx, engine); err != nil {
		return Info{}, err
	}
	defer r.guard.close()
	info, err := engine.Copy(ctx, r)
	if err != nil {
		return info, r.guard.explain(err)
	}
	if err := verify(ctx, engine, &r); err != nil {
		return info, r.guard.explain(err)
	}
	return info, finish(&r)
}

// startGuard has an engine that can be guarded respect the rules for addresses.
func (r *Request) startGuard(ctx context.Context, engine Engine) (err error) {
	if g, ok := engine.(guarded); ok && r.Addresses != nil && !r.storage() {
		r.guard, err = g.newGuard(ctx, r)
	}
	return err
}

// engine chooses the engine of a request.
func (c *Copier) engine(r *Request) (Engine, error) {
	if err := c.cfg.checkPolicy(); err != nil {
		return nil, err
	}
	switch name := c.cfg.Engine; {
	case name != "" && name != Embedded && name != Skopeo:
		return nil, invalid("the container engine %q is not known: use %s or %s", name, Embedded, Skopeo)
	case c.skopeo == nil && r.storage():
		return nil, &Error{Kind: KindInvalid, Err: errors.New("only skopeo can copy an image out of the containers-storage, and the program was not found"),
			Hint: "install the package skopeo"}
	case c.skopeo == nil && name == Skopeo:
		return nil, &Error{Kind: KindInvalid, Err: errors.New("the container engine skopeo was chosen, and the program was not found"),
			Hint: "install the package skopeo, or choose the engine " + Embedded}
	case r.storage() || name == Skopeo || name == "" && c.embedded == nil && c.skopeo != nil:
		return c.skopeo, nil
	case c.embedded == nil:
		return nil, &Error{Kind: KindInvalid, Err: ErrNotBuilt, Hint: "or install the package skopeo and choose the engine " + Skopeo}
	}
	return c.embedded, nil
}

// pause is how long to wait after an attempt.
func (c *Copier) pause(attempt int) time.Duration {
	d := c.cfg.BackoffMax
	if shift := attempt - 1; shift < 16 {
		d = min(d, c.cfg.BackoffBase<<shift)
	}
	return d - rand.N(d/2+1)
}

// empty refuses a folder that has something in it, which a failed copy would
// remove.
func empty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return diskError(err)
	}
	if len(entries) > 0 {
		return invalid("the destination %s is not empty", dir)
	}
	return nil
}

// removeContent removes what is in a folder, but for one name.
func removeContent(dir, keep string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == keep {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// The modes of what is stored, whatever the umask and the engine.
const (
	fileMode fs.FileMode = 0o644
	dirMode  fs.FileMode = 0o755
)

// finish leaves in Dest what was asked for, and nothing else.
func finish(r *Request) error {
	err := os.RemoveAll(r.scratch())
	if err == nil && r.IndexOnly {
		err = keepIndex(r)
	}
	if err == nil {
		err = fixModes(r.Dest)
	}
	if err != nil {
		return diskError(err)
	}
	return nil
}

func keepIndex(r *Request) error {
	if err := os.Rename(filepath.Join(r.image(), manifestFile), filepath.Join(r.Dest, IndexFile)); err != nil {
		return err
	}
	return os.RemoveAll(r.image())
}

func fixModes(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || path == dir:
			return err
		case d.IsDir():
			return os.Chmod(path, dirMode)
		case d.Type().IsRegular():
			return os.Chmod(path, fileMode)
		}
		return fmt.Errorf("%s is neither a file nor a folder", path)
	})
}
