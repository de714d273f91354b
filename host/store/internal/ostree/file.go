package ostree

import (
	"bufio"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
)

// maxHeader is the most bytes that the header of a file may have: attributes have
// 64 KiB each and all of them together, a link's target has 4 KiB.
const maxHeader = 1 << 20

// checkFile checks a file in archive mode: the size of its header as four bytes,
// four zero bytes, the header, and for regular files the content, deflated. The
// digest is that of the same in bare form: a header without the size, and the
// content as it is.
func checkFile(sum string, r io.Reader) error {
	tools := checkers.Get().(*checker)
	defer checkers.Put(tools)
	in := tools.in
	in.Reset(r)
	header, err := readHeader(in)
	if err != nil {
		return err
	}
	h := sha256.New()
	h.Write(prefixed(header.bare))
	size := int64(0)
	if header.regular {
		if size, err = tools.inflate(h); err != nil {
			return inflateError(err)
		}
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != sum {
		return wrong("its digest is %s (%d bytes)", got, size)
	}
	if uint64(size) != header.size {
		return wrong("it has %d bytes, but its header says %d", size, header.size)
	}
	// Nothing would read these bytes, and the digest does not cover them.
	if _, err := in.ReadByte(); err != io.EOF {
		if err == nil {
			err = wrong("there are bytes after its content")
		}
		return err
	}
	return nil
}

// checker is what reading one file takes: most files are small, and a repository has
// tens of thousands.
type checker struct {
	in       *bufio.Reader
	inflater io.ReadCloser
	buf      []byte
}

var checkers = sync.Pool{New: func() any {
	in := bufio.NewReaderSize(nil, 64<<10)
	return &checker{in: in, inflater: flate.NewReader(in), buf: make([]byte, 32<<10)}
}}

// inflate writes what is left of the input, inflated, to w.
func (c *checker) inflate(w io.Writer) (int64, error) {
	if err := c.inflater.(flate.Resetter).Reset(c.in, nil); err != nil {
		return 0, err
	}
	return io.CopyBuffer(w, struct{ io.Reader }{c.inflater}, c.buf)
}

// inflateError tells bytes that are no deflated content from a failed read.
func inflateError(err error) error {
	var corrupt flate.CorruptInputError
	if errors.As(err, &corrupt) || errors.Is(err, io.ErrUnexpectedEOF) {
		return wrong("its content cannot be inflated: %v", err)
	}
	return err
}

// header is what stands before a file's content.
type header struct {
	size    uint64 // of the content, inflated
	regular bool
	bare    []byte // as the digest covers it
}

func readHeader(in io.Reader) (header, error) {
	var prefix [8]byte
	if err := readFull(in, prefix[:]); err != nil {
		return header{}, err
	}
	n := binary.BigEndian.Uint32(prefix[:])
	if n > maxHeader || binary.BigEndian.Uint32(prefix[4:]) != 0 {
		return header{}, wrong("it does not begin with the size of its header")
	}
	data := make([]byte, n)
	if err := readFull(in, data); err != nil {
		return header{}, err
	}
	h, err := parseHeader(data)
	if err != nil {
		return header{}, wrong("its header is wrong: %v", err)
	}
	return h, nil
}

func readFull(in io.Reader, p []byte) error {
	_, err := io.ReadFull(in, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return wrong("it ends within its header")
	}
	return err
}

// parseHeader reads a header of type (tuuuusa(ayay)): the size, then owner, group,
// mode, device number, target of a link, and extended attributes.
func parseHeader(data []byte) (header, error) {
	parts, err := tuple(data, uint8s, uint4, uint4, uint4, uint4, text, list)
	if err != nil {
		return header{}, err
	}
	mode := bigEndian(parts[3])
	target, err := textOf(parts[5])
	if err != nil {
		return header{}, err
	}
	if err := checkAttributes(parts[6]); err != nil {
		return header{}, err
	}
	h := header{size: binary.BigEndian.Uint64(parts[0]), regular: mode&typeMask == typeFile}
	switch link := mode&typeMask == typeLink; {
	case !h.regular && !link:
		return header{}, fmt.Errorf("the mode %o is neither a file's nor a link's", mode)
	case link == (target == ""):
		return header{}, errors.New("only a link has a target")
	}
	h.bare = bareHeader(parts[1:])
	return h, nil
}

// bareHeader puts the same members together as (uuuusa(ayay)).
func bareHeader(parts [][]byte) []byte {
	var body []byte
	for _, part := range parts[:5] {
		body = append(body, part...)
	}
	end := len(body) // of the only member of any size that is not the last
	body = append(body, parts[5]...)
	width := 1
	for offsetSize(len(body)+width) > width {
		width *= 2
	}
	var offset [8]byte
	binary.LittleEndian.PutUint64(offset[:], uint64(end))
	return append(body, offset[:width]...)
}

// prefixed puts the size of a header in front of it.
func prefixed(header []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(header))), append(make([]byte, 4), header...)...)
}
