//go:build containers_image_openpgp

package container

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/sirupsen/logrus"
	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
)

// embedded is the engine on the library that skopeo and podman are made of.
type embedded struct {
	cfg    Config
	shared *blobs // nil: nothing is shared
	proxy  func(*url.URL) (*url.URL, error)
}

// NewEmbedded returns the engine that is part of this program.
func NewEmbedded(cfg Config) (Engine, error) {
	cfg = cfg.withDefaults()
	e := &embedded{cfg: cfg, proxy: proxyFunc(cfg)}
	if cfg.BlobDir != "" {
		e.shared = newBlobs(cfg.BlobDir)
	}
	// The library logs to stderr, which belongs to the program.
	logrus.SetOutput(logWriter{cfg.Logger})
	return e, nil
}

func (e *embedded) Name() string { return Embedded }

// isOwn makes it a blobWriter.
func (e *embedded) isOwn(digest string, info os.FileInfo) bool {
	return e.shared != nil && e.shared.isOwn(digest, info)
}

// logWriter hands the library's lines on.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(line []byte) (int, error) {
	w.log.Debug("container library", "line", cleanText(strings.TrimSpace(string(line))))
	return len(line), nil
}

// system translates the configuration for the library.
func (e *embedded) system(r *Request) (*types.SystemContext, error) {
	authFile, err := e.cfg.authFile()
	if err != nil {
		return nil, err
	}
	sys := &types.SystemContext{
		SignaturePolicyPath:      e.cfg.PolicyFile,
		RegistriesDirPath:        e.cfg.RegistriesDir,
		SystemRegistriesConfPath: e.cfg.registriesConf(),
		AuthFilePath:             authFile,
		DockerPerHostCertDirPath: e.cfg.CertsDir,
		DockerProxy:              r.guard.proxy(e.proxy),
		BigFilesTemporaryDir:     r.scratch(),
		// No file can be made there, so that the library keeps what it knows of
		// blobs in memory: it would only serve copies between registries.
		BlobInfoCacheDir: "/dev/null/none",
	}
	if r.Image.SkipTLSVerify {
		sys.DockerInsecureSkipTLSVerify = types.OptionalBoolTrue
	}
	return sys, nil
}

// policy returns the signature policy; it must be destroyed.
func (e *embedded) policy(sys *types.SystemContext) (*signature.PolicyContext, error) {
	policy := acceptAnything()
	if e.cfg.Policy != AcceptAnything {
		var err error
		if policy, err = signature.DefaultPolicy(sys); err != nil {
			return nil, &Error{Kind: KindInvalid, Err: fmt.Errorf("loading the signature policy: %w", err), Hint: hintPolicy}
		}
	}
	return signature.NewPolicyContext(policy)
}

func acceptAnything() *signature.Policy {
	return &signature.Policy{Default: signature.PolicyRequirements{signature.NewPRInsecureAcceptAnything()}}
}

// Copy loads the image's blobs itself, several at once and none that another
// image brought, and lets the library do the rest.
func (e *embedded) Copy(ctx context.Context, r Request) (Info, error) {
	s, err := e.open(ctx, &r)
	if err != nil {
		return Info{}, err
	}
	defer s.close()
	if r.IndexOnly {
		return s.copyIndex(ctx)
	}
	if err := s.allowed(ctx); err != nil {
		return Info{}, err
	}
	img, err := image.FromUnparsedImage(ctx, s.sys, s.unparsed)
	if err != nil {
		return Info{}, err
	}
	if err := s.load(ctx, img); err != nil {
		return s.info(), err
	}
	if r.Format == DockerArchive {
		return s.info(), s.copyArchive(ctx)
	}
	return s.info(), s.copyDir(ctx, img)
}

// rawManifest reads the manifest that r names.
func (e *embedded) rawManifest(ctx context.Context, r Request) ([]byte, error) {
	s, err := e.open(ctx, &r)
	if err != nil {
		return nil, err
	}
	defer s.close()
	raw, _, err := s.src.GetManifest(ctx, nil)
	return raw, err
}

// session is one attempt to copy one image.
type session struct {
	r        *Request
	sys      *types.SystemContext
	policy   *signature.PolicyContext
	ref      types.ImageReference
	src      types.ImageSource
	unparsed *image.UnparsedImage // the image of this machine, if src is a list
	blobs    *blobs
	progress *progress
}

func (e *embedded) open(ctx context.Context, r *Request) (*session, error) {
	s := &session{r: r, blobs: e.shared, progress: newProgress(r.Progress, nil)}
	if s.blobs == nil {
		s.blobs = newBlobs(filepath.Join(r.scratch(), "blobs"))
	}
	if err := os.MkdirAll(r.scratch(), 0o700); err != nil {
		return nil, diskError(err)
	}
	var err error
	if s.sys, err = e.system(r); err != nil {
		return nil, err
	}
	if s.policy, err = e.policy(s.sys); err != nil {
		return nil, err
	}
	if s.ref, err = docker.ParseReference("//" + r.named()); err != nil {
		s.policy.Destroy()
		return nil, invalid("%w", err)
	}
	if err = s.nameServers(); err != nil {
		s.policy.Destroy()
		return nil, err
	}
	if s.src, err = s.ref.NewImageSource(ctx, s.sys); err != nil {
		s.policy.Destroy()
		return nil, err
	}
	if err = s.choose(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *session) close() {
	s.src.Close()
	s.policy.Destroy()
}

// choose finds the image that skopeo would take from a list.
func (s *session) choose(ctx context.Context) error {
	s.unparsed = image.UnparsedInstance(s.src, nil)
	if s.r.IndexOnly {
		return nil
	}
	raw, mime, err := s.unparsed.Manifest(ctx)
	if err != nil || !manifest.MIMETypeIsMultiImage(mime) {
		return err
	}
	list, err := manifest.ListFromBlob(raw, mime)
	if err != nil {
		return err
	}
	chosen, err := list.ChooseInstance(s.sys)
	if err != nil {
		return err
	}
	s.unparsed = image.UnparsedInstance(s.src, &chosen)
	return nil
}

// allowed applies the signature policy before the layers are loaded.
func (s *session) allowed(ctx context.Context) error {
	ok, err := s.policy.IsRunningImageAllowed(ctx, s.unparsed)
	if err == nil && ok {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("source image rejected: %w", err)
}

func (s *session) info() Info {
	return Info{Bytes: s.progress.loaded.Load(), Image: s.r.reference()}
}

// copyIndex copies a manifest list without its images, and nothing else.
func (s *session) copyIndex(ctx context.Context) (Info, error) {
	raw, _, err := s.src.GetManifest(ctx, nil)
	if err != nil {
		return Info{}, err
	}
	m, err := parseManifest(raw)
	if err != nil {
		return Info{}, err
	}
	if !m.isList() {
		return Info{}, notList(s.r, m)
	}
	s.progress.loaded.Add(int64(len(raw)))
	to, err := dirDestination(s.r.image(), nil)
	if err != nil {
		return Info{}, err
	}
	return s.info(), s.run(ctx, s.policy, to, s.source(s.src), copy.CopySpecificImages)
}

// run calls the library.
func (s *session) run(ctx context.Context, policy *signature.PolicyContext, to, from types.ImageReference, which copy.ImageListSelection) error {
	_, err := copy.Image(ctx, policy, to, from, &copy.Options{
		RemoveSignatures:   s.r.RemoveSignatures,
		SourceCtx:          s.sys,
		DestinationCtx:     s.sys,
		ImageListSelection: which,
		ReportWriter:       io.Discard,
	})
	return err
}
