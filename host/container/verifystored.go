package container

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Verify checks an image that is stored already in dir, as Copy left it: the
// digest of its config against id, each blob against the manifest, and each layer,
// uncompressed, against the config, which alone the id vouches for. The error is
// an *Error; its kind is KindMismatch when the image is not what id names, or
// incomplete.
func Verify(ctx context.Context, dir string, format Format, id string) error {
	r := &Request{ID: id, Format: format, Dest: dir, Image: Image{Name: dir}}
	err := verifyStored(ctx, r)
	if errors.Is(err, fs.ErrNotExist) {
		return mismatch("the image is incomplete: %w", err)
	}
	if e := (*Error)(nil); err == nil || errors.As(err, &e) {
		return err
	}
	return classify(ctx, err, r)
}

func verifyStored(ctx context.Context, r *Request) error {
	if r.Format == DockerArchive {
		return verifyArchive(ctx, r)
	}
	raw, err := readSmall(filepath.Join(r.image(), manifestFile))
	if err != nil {
		return err
	}
	m, err := parseManifest(raw)
	if err != nil {
		return err
	}
	if err := verifyDir(ctx, r, m, nil); err != nil {
		return err
	}
	return verifyContents(ctx, r, m)
}

// verifyContents compares what the layers hold with what the config names. The
// config of something that is no image of a system names none.
func verifyContents(ctx context.Context, r *Request, m *document) error {
	config, err := readSmall(r.blob(m.Config.Digest))
	if err != nil {
		return err
	}
	ids, err := diffIDs(r, config)
	if err != nil || len(ids) == 0 {
		return err
	}
	if len(ids) != len(m.Layers) {
		return mismatch("%s: the manifest names %d layers, and the image's config %d", r.named(), len(m.Layers), len(ids))
	}
	for i, layer := range m.Layers {
		if strings.HasSuffix(layer.MediaType, encrypted) {
			continue
		}
		got, err := digestOfContent(ctx, r.blob(layer.Digest))
		if err != nil {
			return err
		}
		if got != "" && got != ids[i] {
			return mismatch("%s: the layer %s holds %s, and the image's config names %s", r.named(), layer.Digest, got, ids[i])
		}
	}
	return nil
}

// encrypted ends the media types of layers that only their recipients can read.
const encrypted = "+encrypted"

// blob is where the format Dir has a blob.
func (r *Request) blob(digest string) string {
	return filepath.Join(r.image(), strings.TrimPrefix(digest, "sha256:"))
}

// digestOfContent is the digest of a layer's content without its compression, ""
// for one that this program cannot read.
func digestOfContent(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", diskError(err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(ctxReader{ctx, f}, bufferSize)
	head, err := in.Peek(len(xzMagic))
	if err != nil && err != io.EOF {
		return "", diskError(err)
	}
	plain, done, err := decompress(in, head)
	if err != nil {
		return "", mismatch("the layer %s cannot be read: %w", filepath.Base(path), err)
	}
	if plain == nil {
		return "", nil
	}
	defer done()
	digest, err := digestOfReader(ctx, plain)
	if err != nil && ctx.Err() == nil {
		return "", mismatch("the layer %s cannot be read: %w", filepath.Base(path), err)
	}
	return digest, err
}

// xzMagic starts an .xz file, which some engines accept as a layer.
const xzMagic = "\xfd7zXZ\x00"

// decompress chooses by the first bytes; nil for what cannot be read here.
func decompress(in io.Reader, head []byte) (plain io.Reader, done func(), err error) {
	nothing := func() {}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(in)
		return z, nothing, err
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return nil, nothing, err
		}
		return z, z.Close, nil
	case bytes.HasPrefix(head, []byte("BZh")):
		return bzip2.NewReader(in), nothing, nil
	case string(head) == xzMagic:
		return nil, nothing, nil
	}
	return in, nothing, nil
}
