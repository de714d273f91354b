package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strconv"

	"github.com/therootcompany/xz"
	"github.com/ulikunitz/xz/lzma"

	"github.com/sourcehost/sourcehost/sdk"
)

// maxDictionary is the largest dictionary that is accepted, in bytes: twice what the
// highest preset of the program xz uses. It is allocated whatever the content is.
const maxDictionary = 128 << 20

var (
	// errTruncated says that the data ends before its stream does.
	errTruncated = errors.New("it ends before its stream does")
	// errNoStream says that the data begins neither as .xz nor as .lzma.
	errNoStream = errors.New("it is neither .xz nor .lzma")
	// errDictionary says that decompressing takes more memory than is granted.
	errDictionary = errors.New("it needs a dictionary of more than " + strconv.Itoa(maxDictionary>>20) + " MiB")
)

// decompressor decompresses what Python's lzma.decompress takes: one or several
// streams in the formats .xz and .lzma. Its memory is used again.
type decompressor struct{ xz *xz.Reader }

// decompress writes the content of all streams. As in Python, what follows a stream
// and is none is ignored. Padding with zeros is ignored too.
func (d *decompressor) decompress(to io.Writer, data []byte) error {
	rest, err := d.stream(to, data)
	if err != nil {
		return describe(err)
	}
	for len(bytes.Trim(rest, "\x00")) > 0 {
		// A stream that turns out to be none must not leave a byte behind.
		_, err := d.stream(io.Discard, rest)
		if err != nil && !errors.Is(err, errTruncated) && !errors.Is(err, errDictionary) {
			return nil
		}
		if err == nil {
			rest, err = d.stream(to, rest)
		}
		if err != nil {
			return describe(err)
		}
	}
	return nil
}

// describe makes the error of data that cannot be decompressed. An error of whom the
// content is for is passed on as it is.
func describe(err error) error {
	var sink *sinkError
	if errors.As(err, &sink) {
		return sink.error
	}
	return &sdk.Error{Kind: sdk.ErrInvalid, Message: "the data cannot be decompressed: " + err.Error()}
}

// stream writes the content of the first stream and returns what follows it.
func (d *decompressor) stream(to io.Writer, data []byte) (rest []byte, err error) {
	if len(data) == 0 {
		return nil, errTruncated
	}
	if data[0] == xzMagic[0] {
		return d.xzStream(to, data)
	}
	return lzmaStream(to, data)
}

// xzStream is stream for the format .xz.
func (d *decompressor) xzStream(to io.Writer, data []byte) (rest []byte, err error) {
	if !bytes.HasPrefix(data, xzMagic) && !bytes.HasPrefix(xzMagic, data) {
		return nil, errNoStream
	}
	end := xzEnd(data)
	in := bytes.NewReader(data[:end])
	if d.xz == nil {
		d.xz, err = xz.NewReader(in, maxDictionary)
	} else {
		err = d.xz.Reset(in)
	}
	if err == nil {
		_, err = io.Copy(to, d.xz)
	}
	return data[end:], xzError(err)
}

// xzError says in our words what the library said.
func xzError(err error) error {
	switch {
	case errors.Is(err, xz.ErrBuf):
		return errTruncated
	case errors.Is(err, xz.ErrMemlimit):
		return errDictionary
	case errors.Is(err, xz.ErrFormat):
		return errNoStream
	case errors.Is(err, xz.ErrOptions):
		return errors.New("it uses a filter or an option that is not supported")
	case errors.Is(err, xz.ErrData):
		return errors.New("it is corrupt")
	}
	return err
}

// lzmaStream is stream for the format .lzma.
func lzmaStream(to io.Writer, data []byte) (rest []byte, err error) {
	if err := checkLZMAHeader(data); err != nil {
		return nil, err
	}
	in := bytes.NewReader(data)
	r, err := lzma.ReaderConfig{DictCap: maxDictionary}.NewReader(in)
	if err == nil {
		_, err = io.Copy(to, r)
	}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		err = errTruncated
	case errors.As(err, new(*lzma.ErrDictSize)):
		err = errDictionary
	}
	return data[len(data)-in.Len():], err
}

// checkLZMAHeader refuses what is no header, as liblzma does where the format is
// not known: the format has nothing that would identify it.
func checkLZMAHeader(data []byte) error {
	if data[0] >= 9*5*5 || data[0]%9+data[0]/9%5 > 4 { // lc + lp
		return errNoStream
	}
	if len(data) < 5 {
		return errTruncated
	}
	// The size of the dictionary must be 2^n, 2^n + 2^(n-1) or the highest number.
	size := binary.LittleEndian.Uint32(data[1:])
	full := size - 1
	for _, shift := range []int{2, 3, 4, 8, 16} {
		full |= full >> shift
	}
	if size != 1<<32-1 && full+1 != size {
		return errNoStream
	}
	if len(data) < lzma.HeaderLen {
		return errTruncated
	}
	if content := binary.LittleEndian.Uint64(data[5:]); content != 1<<64-1 && content >= 1<<38 {
		return errNoStream
	}
	return nil
}
