//go:build containers_image_openpgp

package container

import (
	"context"
	"fmt"
	"io"
	"os"

	"go.podman.io/image/v5/copy"
	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/signature"
	"go.podman.io/image/v5/types"
	"golang.org/x/sync/errgroup"
)

// parallelBlobs is how many blobs of one image are loaded at once.
const parallelBlobs = 4

// load brings the layers of the image into the folder of blobs. The config is
// small, belongs to this image alone, and is read by the library.
func (s *session) load(ctx context.Context, img types.Image) error {
	var infos []types.BlobInfo
	var sizes []int64
	seen := map[string]bool{}
	for _, b := range img.LayerInfos() {
		digest := b.Digest.String()
		if seen[digest] {
			continue
		}
		if !isDigest(digest) {
			return mismatch("the manifest names a layer by %q, which is not sha256:HEX", digest)
		}
		seen[digest] = true
		infos, sizes = append(infos, b), append(sizes, b.Size)
	}
	s.progress = newProgress(s.r.Progress, sizes)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallelBlobs)
	for _, b := range infos {
		group.Go(func() error { return s.loadBlob(ctx, b) })
	}
	return group.Wait()
}

func (s *session) loadBlob(ctx context.Context, b types.BlobInfo) error {
	var got int64
	loaded, err := s.blobs.get(ctx, b.Digest.String(), func(w io.Writer) error {
		body, _, err := s.src.GetBlob(ctx, b, none.NoCache)
		if err != nil {
			return err
		}
		defer body.Close()
		var from io.Reader = ctxReader{ctx, body}
		if b.Size >= 0 { // one byte more is enough to tell that it is another blob
			from = io.LimitReader(from, b.Size+1)
		}
		got, err = io.CopyBuffer(w, s.progress.reader(from), make([]byte, bufferSize))
		return err
	})
	switch {
	case err != nil:
		s.progress.add(-got)
	case !loaded:
		s.progress.add(max(b.Size, 0))
	}
	return err
}

// opened is a reference whose source and destination are made by functions.
type opened struct {
	types.ImageReference
	source      func() types.ImageSource
	destination func(ctx context.Context, sys *types.SystemContext) (types.ImageDestination, error)
}

func (o opened) NewImageSource(ctx context.Context, sys *types.SystemContext) (types.ImageSource, error) {
	if o.source == nil {
		return o.ImageReference.NewImageSource(ctx, sys)
	}
	return o.source(), nil
}

func (o opened) NewImageDestination(ctx context.Context, sys *types.SystemContext) (types.ImageDestination, error) {
	if o.destination == nil {
		return o.ImageReference.NewImageDestination(ctx, sys)
	}
	return o.destination(ctx, sys)
}

// source is the image's reference over a source that is open already, so that
// nothing is asked for twice. A registry's source may be closed twice, and is
// handed on as it is: a wrapper would hide its Sigstore signatures.
func (s *session) source(src types.ImageSource) types.ImageReference {
	return opened{ImageReference: s.ref, source: func() types.ImageSource { return src }}
}

// dirDestination is a folder in the format Dir. prepare, unless nil, is called
// when the library has emptied the folder: a blob that it finds there
// afterwards it does not load.
func dirDestination(path string, prepare func() error) (types.ImageReference, error) {
	ref, err := directory.NewReference(path)
	if err != nil {
		return nil, diskError(err)
	}
	return opened{ImageReference: ref, destination: func(ctx context.Context, sys *types.SystemContext) (types.ImageDestination, error) {
		dest, err := ref.NewImageDestination(ctx, sys)
		if err != nil || prepare == nil {
			return dest, err
		}
		if err := prepare(); err != nil {
			dest.Close()
			return nil, err
		}
		return dest, nil
	}}, nil
}

func (s *session) copyDir(ctx context.Context, img types.Image) error {
	to, err := dirDestination(s.r.image(), func() error {
		for _, layer := range img.LayerInfos() {
			if err := s.blobs.link(layer.Digest.String(), s.r.image()); err != nil && !os.IsExist(err) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.run(ctx, s.policy, to, s.source(s.src), copy.CopySystemImage)
}

// copyArchive writes the archive from the blobs. The library refuses paths with
// a colon, which keys of a store have, so that the folder goes by its number.
func (s *session) copyArchive(ctx context.Context) error {
	dir, err := os.Open(s.r.Dest)
	if err != nil {
		return diskError(err)
	}
	defer dir.Close()
	to, err := archive.NewReference(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), ArchiveFile), nil)
	if err != nil {
		return err
	}
	// The policy has been applied, to a source that this one wraps.
	policy, err := signature.NewPolicyContext(acceptAnything())
	if err != nil {
		return err
	}
	defer policy.Destroy()
	return s.run(ctx, policy, to, s.source(cachedSource{s.src, s.blobs}), copy.CopySystemImage)
}

// cachedSource reads blobs from the folder.
type cachedSource struct {
	types.ImageSource
	blobs *blobs
}

func (c cachedSource) GetBlob(ctx context.Context, b types.BlobInfo, cache types.BlobInfoCache) (io.ReadCloser, int64, error) {
	f, err := os.Open(c.blobs.path(b.Digest.String()))
	if err != nil {
		return c.ImageSource.GetBlob(ctx, b, cache)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}
