package ostree

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Kind is what an object is. Its value is the ending of the object's name.
type Kind string

// The kinds of objects in a repository in archive mode.
const (
	Commit  Kind = "commit"
	DirTree Kind = "dirtree"
	DirMeta Kind = "dirmeta"
	File    Kind = "filez"
	// CommitMeta is what was added to a commit later, signatures above all. It has
	// the commit's name and is not covered by it.
	CommitMeta Kind = "commitmeta"
)

// Object names an object by the SHA-256 digest of its content.
type Object struct {
	Sum  string // 64 lower-case hexadecimal digits
	Kind Kind
}

// Dir returns the name of the object's folder beneath "objects".
func (o Object) Dir() string { return o.Sum[:2] }

// Name returns the object's name in its folder.
func (o Object) Name() string { return o.Sum[2:] + "." + string(o.Kind) }

// String returns the object's path beneath "objects".
func (o Object) String() string { return o.Dir() + "/" + o.Name() }

// Parse reads the name of an object in a folder beneath "objects".
func Parse(dir, name string) (Object, bool) {
	rest, ending, _ := strings.Cut(name, ".")
	o := Object{Sum: dir + rest, Kind: Kind(ending)}
	if len(dir) != 2 || len(o.Sum) != 2*sha256.Size || strings.Trim(o.Sum, "0123456789abcdef") != "" {
		return Object{}, false
	}
	switch o.Kind {
	case Commit, DirTree, DirMeta, File, CommitMeta:
		return o, true
	}
	return Object{}, false
}

// maxMetadata is the most bytes that an object of metadata may have, as in ostree.
const maxMetadata = 128 << 20

// Error says that an object is not what its name says.
type Error struct{ Reason string }

func (e *Error) Error() string { return e.Reason }

func wrong(format string, args ...any) error { return &Error{fmt.Sprintf(format, args...)} }

// Check reads an object to its end and compares it with its name. It returns the
// objects that it refers to; those of a commit are the root's. The error is an
// *Error when the object is wrong, else that of r.
func Check(o Object, r io.Reader) ([]Object, error) {
	if o.Kind == File {
		return nil, checkFile(o.Sum, r)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxMetadata+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxMetadata {
		return nil, wrong("it has more than %d bytes", maxMetadata)
	}
	if sum := sha256.Sum256(data); o.Kind != CommitMeta && hex.EncodeToString(sum[:]) != o.Sum {
		return nil, wrong("its digest is %x (%d bytes)", sum, len(data))
	}
	var refs []Object
	switch o.Kind {
	case Commit:
		refs, err = readCommit(data)
	case DirTree:
		refs, err = readTree(data)
	case DirMeta:
		err = checkMeta(data)
	case CommitMeta:
		err = checkDict(data)
	default:
		err = fmt.Errorf("objects of the kind %q are unknown", o.Kind)
	}
	if err != nil {
		return nil, &Error{err.Error()}
	}
	return refs, nil
}

// readCommit returns the root of a commit, of type (a{sv}aya(say)sstayay).
func readCommit(data []byte) ([]Object, error) {
	parts, err := tuple(data, dict, bytes1, list, text, text, uint8s, bytes1, bytes1)
	if err != nil {
		return nil, err
	}
	if parent := len(parts[1]); parent != 0 && parent != sha256.Size {
		return nil, errors.New("the digest of its parent has a wrong length")
	}
	tree, err := reference(parts[6], DirTree)
	if err != nil {
		return nil, err
	}
	meta, err := reference(parts[7], DirMeta)
	return []Object{tree, meta}, err
}

func reference(digest []byte, kind Kind) (Object, error) {
	if len(digest) != sha256.Size {
		return Object{}, fmt.Errorf("the digest of a %s that it names has %d bytes", kind, len(digest))
	}
	return Object{Sum: hex.EncodeToString(digest), Kind: kind}, nil
}

// readTree returns what a folder, of type (a(say)a(sayay)), consists of.
func readTree(data []byte) ([]Object, error) {
	parts, err := tuple(data, list, list)
	if err != nil {
		return nil, err
	}
	var refs []Object
	read := func(members []member, kinds ...Kind) func([]byte) error {
		return func(element []byte) error {
			fields, err := tuple(element, members...)
			if err != nil {
				return err
			}
			if err := checkEntryName(fields[0]); err != nil {
				return err
			}
			for i, kind := range kinds {
				o, err := reference(fields[i+1], kind)
				if err != nil {
					return err
				}
				refs = append(refs, o)
			}
			return nil
		}
	}
	if err := array(parts[0], 1, read([]member{text, bytes1}, File)); err != nil {
		return nil, err
	}
	if err := array(parts[1], 1, read([]member{text, bytes1, bytes1}, DirTree, DirMeta)); err != nil {
		return nil, err
	}
	return refs, nil
}

// checkEntryName refuses a name that a checkout could not make, or make elsewhere.
func checkEntryName(data []byte) error {
	name, err := textOf(data)
	if err == nil && (name == "" || name == "." || name == ".." || strings.Contains(name, "/")) {
		err = fmt.Errorf("it holds the name %q", name)
	}
	return err
}

const (
	typeMask   = 0o170000
	typeFolder = 0o040000
	typeFile   = 0o100000
	typeLink   = 0o120000
)

// checkMeta checks owner, mode and attributes of a folder, of type (uuua(ayay)).
func checkMeta(data []byte) error {
	parts, err := tuple(data, uint4, uint4, uint4, list)
	if err != nil {
		return err
	}
	if mode := bigEndian(parts[2]); mode&typeMask != typeFolder {
		return fmt.Errorf("its mode %o is not a folder's", mode)
	}
	return checkAttributes(parts[3])
}

// checkAttributes checks extended attributes, of type a(ayay).
func checkAttributes(data []byte) error {
	return array(data, 1, func(element []byte) error {
		fields, err := tuple(element, bytes1, bytes1)
		if err == nil && !bytes.HasSuffix(fields[0], []byte{0}) {
			err = errForm
		}
		return err
	})
}

// checkDict checks a dictionary, of type a{sv}.
func checkDict(data []byte) error {
	return array(data, dict.align, func(element []byte) error {
		fields, err := tuple(element, text, value)
		if err != nil {
			return err
		}
		_, err = textOf(fields[0])
		return err
	})
}

func bigEndian(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}
