package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/sourcehost/sourcehost/host/command"
	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/store"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/internal/regular"
)

// copyImage accepts a producing call.
func (c *caller) copyImage(raw []byte) (abi.Status, []byte, error) {
	req, err := abi.DecodeCopyImage(raw)
	if err != nil {
		return abi.Invalid, nil, err
	}
	kind := plugin.ProducesImage
	if req.Index {
		kind = plugin.ProducesFile
	}
	it, err := c.producing(abi.OpCopyImage, req.Key, kind)
	if err != nil {
		return abi.Invalid, nil, err
	}
	image := container.Request{
		Name: req.Key, ID: req.Key, IndexOnly: req.Index, RemoveSignatures: req.RemoveSignatures,
		Format: container.Format(req.Format),
		Image: container.Image{
			Transport: req.Transport, Name: req.Name, Digest: req.Digest,
			StorageLocation: req.Storage, SkipTLSVerify: req.Insecure,
		},
	}
	if err := image.Check(); err != nil {
		return abi.Invalid, nil, err
	}
	if want := c.run.format; !req.Index && string(image.Format) != want {
		return abi.Invalid, nil, fmt.Errorf("the image is asked for in the format %s, but is to be stored in the format %s", image.Format, want)
	}
	by := c.responsible(it, plugin.CapImage, imageReference(&image.Image))
	if err := by.allow(plugin.CapImage, imageReference(&image.Image)); err != nil {
		return abi.Denied, nil, err
	}
	image.Addresses = by.imageAddresses()
	c.page.jobs[it] = &job{item: it, producer: &copying{image}}
	return abi.OK, nil, nil
}

// imageReference is what the capability "image" is granted for: the image's name
// in a registry, or any image of a storage.
func imageReference(i *container.Image) string {
	if i.Transport == container.ContainersStorage {
		return container.ContainersStorage + ":"
	}
	return "docker://" + i.Name
}

// copying is a producer of images and of lists of images.
type copying struct{ req container.Request }

func (p *copying) from() string { return p.req.Reference() }

func (p *copying) produce(ctx context.Context, r *run, it *item) (staged, error) {
	part := r.part
	if p.req.IndexOnly {
		part = store.PartScratch
	}
	stage, err := r.trees.Stage(ctx, it.key, part)
	if err != nil {
		return nil, err
	}
	if p.req.IndexOnly {
		defer stage.Close()
	}
	copier, err := r.images.copier(ctx, r)
	if err != nil {
		stage.Close()
		return nil, err
	}
	r.notifyStart(it)
	req := p.req
	req.Dest, req.Progress = stage.Dir(), r.progress(it.result.Key, it.result.URL)
	info, err := copier.Copy(ctx, req)
	if err != nil {
		stage.Close()
		return nil, r.imageError(it, err)
	}
	it.result.Attempts, it.result.Bytes = info.Attempts, info.Bytes
	if p.req.IndexOnly {
		return r.stageFile(ctx, it, filepath.Join(stage.Dir(), container.IndexFile))
	}
	return stage, nil
}

// stageFile makes a file of the scratch folder the content of the item. What programs
// have left there may be anything: a link would lead elsewhere, a FIFO has no end.
func (r *run) stageFile(ctx context.Context, it *item, path string) (staged, error) {
	f, _, err := regular.OpenUnlinked(path)
	if errors.Is(err, regular.ErrNotRegular) {
		e := r.itemError(it, nil, "", abi.ErrFailed, fmt.Errorf("the programs have left %s, which is %w", filepath.Base(path), regular.ErrNotRegular))
		e.URL, e.Attempts = it.result.URL, it.result.Attempts
		return nil, e
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return r.stageContent(ctx, it, f, -1)
}

// stageContent makes what in gives the content of the item, verified.
func (r *run) stageContent(ctx context.Context, it *item, in io.Reader, size int64) (staged, error) {
	stage, err := r.files.Stage(ctx, it.key)
	if err != nil {
		return nil, err
	}
	if err = stage.Reset(size, ""); err == nil {
		it.result.Bytes, err = io.Copy(stage, untilDone{ctx, in})
	}
	if err == nil {
		err = stage.Verify()
	}
	if err == nil {
		return stage, nil
	}
	stage.Close()
	it.result.Bytes = 0
	var mismatch *store.MismatchError
	if errors.As(err, &mismatch) {
		e := r.itemError(it, nil, "", abi.ErrMismatch, mismatch)
		e.URL = it.result.URL
		return nil, e
	}
	return nil, err
}

// untilDone is a reader that fails once ctx is done: a sparse file can be larger than
// anybody waits for.
type untilDone struct {
	ctx context.Context
	in  io.Reader
}

func (u untilDone) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.in.Read(p)
}

// imageError turns the error of a copy into one of the host.
func (r *run) imageError(it *item, err error) *Error {
	e := r.itemError(it, nil, "", abi.ErrFailed, err)
	e.URL = it.result.URL
	var c *container.Error
	if errors.As(err, &c) {
		e.Kind, e.Attempts = abi.KnownKind(abi.Kind(c.Kind)), c.Attempts
		e.Hint = r.host.secrets.Redact(c.Hint)
		text := *c
		text.Name, text.Hint = "", ""
		e.Message = r.host.secrets.Redact(text.Error())
	}
	return e
}

// images copies the images of one run, which share their blobs.
type images struct {
	once    sync.Once
	copying *container.Copier
	shared  *store.Scratch
	err     error
}

// copier returns the run's copier, made with the first image.
func (i *images) copier(ctx context.Context, r *run) (*container.Copier, error) {
	i.once.Do(func() {
		if i.shared, i.err = r.trees.Scratch(ctx); i.err == nil {
			i.copying, i.err = r.host.newCopier(i.shared.Dir())
		}
	})
	return i.copying, i.err
}

func (i *images) close(log *slog.Logger) {
	if i.shared == nil {
		return
	}
	if err := i.shared.Close(); err != nil {
		log.Warn("cannot remove a folder of this run", "folder", i.shared.Dir(), "error", err.Error())
	}
}

// newCopier returns a copier whose engines are those of this program and machine.
func (h *Host) newCopier(shared string) (*container.Copier, error) {
	cfg := h.cfg.Container
	cfg.BlobDir, cfg.Environ = filepath.Join(shared, "blobs"), h.cfg.Environ
	cfg.Redact = h.secrets.Redact
	for _, password := range cfg.Passwords() {
		h.passwords.hide("of a registry", 0, password)
	}
	if cfg.Logger == nil {
		cfg.Logger = h.log
	}
	embedded, err := container.NewEmbedded(cfg)
	if errors.Is(err, container.ErrNotBuilt) {
		embedded, err = nil, nil
	}
	if err != nil {
		return nil, &Error{Kind: abi.ErrInvalid, Message: h.secrets.Redact(err.Error()), Err: err}
	}
	var skopeo container.Engine
	if program, err := h.program(container.Skopeo); err == nil {
		skopeo = container.NewSkopeo(cfg, program, h.runProgram)
	}
	return container.New(cfg, embedded, skopeo), nil
}

// runProgram is a container.Runner, which runs skopeo.
func (h *Host) runProgram(ctx context.Context, program string, args, env []string, dir string, progress func(string)) ([]byte, error) {
	result, err := command.Run(ctx, command.Spec{
		Program: program, Args: args, Env: env, Dir: dir, Progress: progress,
		Timeout: h.cfg.ProgramTimeout, Redact: h.secrets.Redact, Writable: h.cfg.ProgramRules[container.Skopeo].Writable,
	})
	return result.Stdout, err
}
