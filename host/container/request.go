package container

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// Format is how an image is laid out in Request.Dest.
type Format string

const (
	// Dir is the layout of containers-transports(5) "dir:", in the folder
	// image: manifest.json, version, a file for each blob named by its digest in
	// hex, and the image's signatures.
	Dir Format = "dir"
	// DockerArchive is what "docker save" writes, in the file
	// container-image.tar. It cannot hold signatures.
	DockerArchive Format = "docker-archive"
)

// The names that Dest holds after a successful Copy.
const (
	// ImageFolder holds the image in the format Dir.
	ImageFolder = "image"
	// ArchiveFile is the image in the format DockerArchive.
	ArchiveFile = "container-image.tar"
	// IndexFile is the manifest list of a request with IndexOnly, as it came.
	IndexFile = "index"
)

// The transports of Image.
const (
	// Docker is a registry.
	Docker = "docker"
	// ContainersStorage is the storage that podman and others share.
	ContainersStorage = "containers-storage"
)

// Image says where an image is.
type Image struct {
	// Transport is Docker or ContainersStorage. Default Docker.
	Transport string
	// Name is the repository with its registry, and no digest. Only in a storage
	// may it have a tag, as the names of local images often do: a registry is asked
	// for the digest alone.
	Name string
	// Digest is that of the image's manifest, sha256:HEX, or of a list that
	// names it. Ignored with Request.IndexOnly, where the item's ID is the digest.
	// A storage only looks the image up by it: what it gives has a manifest of
	// its own, and the layers are checked against the image's config.
	Digest string
	// StorageLocation is the absolute path of another storage than the host's
	// own. Only for ContainersStorage.
	StorageLocation string
	// SkipTLSVerify accepts any certificate, and plain http.
	SkipTLSVerify bool
}

// Request asks for one image.
type Request struct {
	// Name is the item, for errors.
	Name string
	// Image is what to copy.
	Image Image
	// Format is how. Default Dir. Ignored with IndexOnly.
	Format Format
	// IndexOnly asks for a manifest list and none of its images.
	IndexOnly bool
	// RemoveSignatures leaves the image's signatures away. The policy is applied
	// to them nevertheless.
	RemoveSignatures bool
	// ID is what must arrive, sha256:HEX: the digest of the image's config, or
	// that of the manifest list with IndexOnly.
	ID string
	// Dest is an existing, empty folder, best on the file system of the store.
	Dest string
	// Progress is told of bytes as they come; total is -1 while it is unknown.
	// It is called from several goroutines and must be quick. May be nil.
	Progress func(done, total int64)

	// Addresses are the rules for where servers may be; nil means none. Not for
	// ContainersStorage, which is on this machine.
	Addresses *Addresses

	// redact is that of the Copier's configuration; nil means none.
	redact func(string) string
	// guard applies Addresses during one attempt; nil means that nothing does.
	guard *guard
}

// Info tells how a copy went.
type Info struct {
	// Bytes is how much was loaded. Blobs that another image of the run brought
	// do not count.
	Bytes int64
	// Attempts is how often the copy was begun.
	Attempts int
	// Image is the reference that was copied.
	Image string
}

// Engine copies an image. It tries once and need not verify what comes: that
// is the Copier's part.
type Engine interface {
	// Name is what Config.Engine calls it.
	Name() string
	// Copy fills Request.Dest. It returns soon after ctx is done. Errors should
	// be of the type *Error where more is known than a text.
	Copy(ctx context.Context, r Request) (Info, error)
}

// rawReader is an engine that can also read a manifest as it is.
type rawReader interface {
	rawManifest(ctx context.Context, r Request) ([]byte, error)
}

// guarded is an engine that can respect Request.Addresses. The guard may be nil, where
// nothing but a check beforehand is possible.
type guarded interface {
	newGuard(ctx context.Context, r *Request) (*guard, error)
}

// image is the folder for the format Dir.
func (r *Request) image() string { return filepath.Join(r.Dest, ImageFolder) }

// archive is the file for the format DockerArchive.
func (r *Request) archive() string { return filepath.Join(r.Dest, ArchiveFile) }

// scratch is a folder for the engine's own files. It survives a failed attempt
// and goes with the last.
func (r *Request) scratch() string { return filepath.Join(r.Dest, scratchName) }

const scratchName = ".scratch"

// digest is that of the manifest to ask for.
func (r *Request) digest() string {
	if r.IndexOnly {
		return r.ID
	}
	return r.Image.Digest
}

// storage says whether the image is in a storage and not in a registry.
func (r *Request) storage() bool { return r.Image.Transport == ContainersStorage }

// named is the image's name with the digest.
func (r *Request) named() string {
	if r.digest() == "" { // an image that is stored already
		return r.Image.Name
	}
	return r.Image.Name + "@" + r.digest()
}

// Check fills in the defaults and refuses what no engine should see; Dest is
// not looked at. Copy does the same.
func (r *Request) Check() error {
	probe := *r
	probe.Dest = "/"
	if err := probe.check(); err != nil {
		return err
	}
	r.Image, r.Format = probe.Image, probe.Format
	return nil
}

// Reference is the image as skopeo(1) writes it.
func (r *Request) Reference() string { return r.reference() }

func (r *Request) reference() string {
	switch {
	case !r.storage():
		return "docker://" + r.named()
	case r.Image.StorageLocation != "":
		return "containers-storage:[overlay@" + r.Image.StorageLocation + "]" + r.named()
	}
	return "containers-storage:" + r.named()
}

// check fills in the defaults and refuses what no engine should see.
func (r *Request) check() error {
	if r.Image.Transport == "" {
		r.Image.Transport = Docker
	}
	if r.Format == "" || r.IndexOnly {
		r.Format = Dir
	}
	switch {
	case r.Image.Transport != Docker && r.Image.Transport != ContainersStorage:
		return fmt.Errorf("the transport %q is not known: use %s or %s", r.Image.Transport, Docker, ContainersStorage)
	case r.Format != Dir && r.Format != DockerArchive:
		return fmt.Errorf("the format %q is not known: use %s or %s", r.Format, Dir, DockerArchive)
	case !isDigest(r.ID):
		return fmt.Errorf("the id %q is not of the form sha256:HEX", r.ID)
	case !isDigest(r.digest()):
		return fmt.Errorf("the digest %q is not of the form sha256:HEX", r.digest())
	case !isName(untagged(r.Image)):
		return fmt.Errorf("%q is not the name of an image: expected REGISTRY/REPOSITORY, without tag, digest and credentials", r.Image.Name)
	case !filepath.IsAbs(r.Dest):
		return fmt.Errorf("the destination %q is not an absolute path", r.Dest)
	}
	return r.checkLocation()
}

// checkLocation tidies paths, and refuses those that would end early in the form
// [driver@graphroot+runroot:options] of containers-storage references.
func (r *Request) checkLocation() error {
	location := r.Image.StorageLocation
	switch {
	case location == "":
		return nil
	case !r.storage():
		return errors.New("only an image of the transport containers-storage has a storage location")
	case !filepath.IsAbs(location) || strings.ContainsAny(location, "[]+:\x00\n"):
		return fmt.Errorf("the storage location %q is not an absolute path without brackets, plus signs and colons", location)
	}
	r.Image.StorageLocation = filepath.Clean(location) // often with a slash at its end
	return nil
}

// isDigest says whether s is sha256: and 64 lower-case hexadecimal digits.
func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && isHex(hex)
}

func isHex(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// untagged returns the name of an image without the tag that it may have in a
// storage.
func untagged(i Image) string {
	if i.Transport != ContainersStorage {
		return i.Name
	}
	slash := strings.LastIndexByte(i.Name, '/')
	last, tag, found := strings.Cut(i.Name[slash+1:], ":")
	if !found || tag == "" || strings.ContainsAny(tag, ":[]") || strings.ContainsAny(tag[:1], ".-") {
		return i.Name
	}
	return i.Name[:slash+1] + last
}

// isName says whether s can be the name of a repository. The exact grammar is
// the engine's; this keeps everything out that has a meaning beyond a name.
func isName(s string) bool {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:[]"
	if s == "" || len(s) > 1024 || strings.Trim(s, allowed) != "" || strings.ContainsAny(s[:1], "-/:.") {
		return false
	}
	last := s[strings.LastIndexByte(s, '/')+1:]
	return last != "" && !strings.ContainsAny(last, ":[]")
}
