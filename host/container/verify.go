package container

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

const (
	manifestFile  = "manifest.json"
	versionFile   = "version"
	signatureName = "signature-"
	// maxManifest is the largest manifest that is read, in bytes: what
	// registries and the engine's library accept too.
	maxManifest = 4 << 20
)

// verify checks what an engine put into Dest against the request.
func verify(ctx context.Context, engine Engine, r *Request) error {
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
	got := digestOf(raw)
	if r.IndexOnly {
		if got != r.ID {
			return wrongID(r, got)
		}
		if !m.isList() {
			return notList(r, m)
		}
		return nil
	}
	// A storage keeps layers uncompressed and writes a manifest to match.
	if got != r.Image.Digest && !r.storage() {
		if err := verifyListed(ctx, engine, r, got); err != nil {
			return err
		}
	}
	own, _ := engine.(blobWriter)
	return verifyDir(ctx, r, m, own)
}

// blobWriter is an engine that takes the digest of a blob as it writes it.
type blobWriter interface {
	// isOwn reports whether a file is one of those, unchanged since.
	isOwn(digest string, info os.FileInfo) bool
}

// verifyListed accepts another manifest than the one that was asked for, if
// that one is a list which names it: the engine then chose the image of this
// machine's architecture.
func verifyListed(ctx context.Context, engine Engine, r *Request, got string) error {
	wrong := mismatch("%s: the manifest that came is %s", r.named(), got)
	reader, ok := engine.(rawReader)
	if !ok {
		return wrong
	}
	raw, err := reader.rawManifest(ctx, *r)
	if err != nil {
		return err
	}
	list, err := parseManifest(raw)
	if err != nil {
		return err
	}
	if digestOf(raw) != r.Image.Digest || !list.isList() || !list.lists(got) {
		return wrong
	}
	return nil
}

// wrongID is the error about another image, or list, than the item names.
func wrongID(r *Request, got string) error {
	if r.IndexOnly {
		return mismatch("%s is another manifest list: %s came, %s was expected", r.Image.Name, got, r.ID)
	}
	return mismatch("%s has another image id: %s came, %s was expected", r.named(), got, r.ID)
}

// verifyDir checks each file of the format Dir. own may be nil.
func verifyDir(ctx context.Context, r *Request, m *document, own blobWriter) error {
	blobs, err := m.blobs()
	if err != nil {
		return err
	}
	if m.Config.Digest != r.ID {
		return wrongID(r, m.Config.Digest)
	}
	known := map[string]bool{manifestFile: true, versionFile: true}
	for _, b := range blobs {
		name := strings.TrimPrefix(b.Digest, "sha256:")
		known[name] = true
		path := filepath.Join(r.image(), name)
		if info, err := os.Lstat(path); err == nil && own != nil && own.isOwn(b.Digest, info) {
			continue
		}
		got, err := digestOfFile(ctx, path)
		if err != nil {
			return err
		}
		if got != b.Digest {
			return &Error{Kind: KindMismatch, tries: mismatchTries,
				Err: fmt.Errorf("%s: a blob came as %s, and the manifest names %s", r.named(), got, b.Digest)}
		}
	}
	if r.storage() {
		if err := verifyDiffs(r, m); err != nil {
			return err
		}
	}
	return onlyKnown(r.image(), known)
}

// verifyDiffs checks the layers of an image out of a storage against its
// config, which names them by the digests of their uncompressed content.
func verifyDiffs(r *Request, m *document) error {
	data, err := readSmall(filepath.Join(r.image(), strings.TrimPrefix(m.Config.Digest, "sha256:")))
	if err != nil {
		return err
	}
	named, err := diffIDs(r, data)
	if err != nil {
		return err
	}
	same := slices.EqualFunc(named, m.Layers, func(id string, d descriptor) bool { return id == d.Digest })
	if !same {
		return mismatch("%s: the layers that came are not those which the image's config names", r.named())
	}
	return nil
}

// diffIDs are the layers as the image's config names them.
func diffIDs(r *Request, config []byte) ([]string, error) {
	var image struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(config, &image); err != nil {
		return nil, mismatch("%s: the image's config cannot be read: %w", r.named(), err)
	}
	return image.RootFS.DiffIDs, nil
}

// onlyKnown refuses files that belong to no image.
func onlyKnown(dir string, known map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return diskError(err)
	}
	for _, e := range entries {
		number, isSignature := strings.CutPrefix(e.Name(), signatureName)
		isSignature = isSignature && number != "" && strings.Trim(number, "0123456789") == ""
		if !e.Type().IsRegular() || !known[e.Name()] && !isSignature {
			return mismatch("the engine left %q in the image, which is none of its files", e.Name())
		}
	}
	return nil
}

// readSmall reads a regular file of at most maxManifest bytes.
func readSmall(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, diskError(err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxManifest {
		return nil, mismatch("%s is not a file of at most %d bytes", filepath.Base(path), maxManifest)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, diskError(err)
	}
	return data, nil
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// digestOfFile reads a regular file.
func digestOfFile(ctx context.Context, path string) (string, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", diskError(err)
	}
	if !info.Mode().IsRegular() {
		return "", mismatch("%s in the image is not a regular file", filepath.Base(path))
	}
	f, err := os.Open(path)
	if err != nil {
		return "", diskError(err)
	}
	defer f.Close()
	return digestOfReader(ctx, f)
}

// bufferSize is how much of a blob is read at once, in bytes.
const bufferSize = 256 << 10

func digestOfReader(ctx context.Context, r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.CopyBuffer(h, ctxReader{ctx, r}, make([]byte, bufferSize)); err != nil {
		return "", fmt.Errorf("cannot read a blob: %w", err)
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// ctxReader ends with an error once ctx is done.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (r ctxReader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
