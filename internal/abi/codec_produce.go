package abi

import (
	"bytes"

	"github.com/sourcehost/sourcehost/internal/rawjson"
)

// Append encodes the request.
func (c *CopyImage) Append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "key", c.Key)
	dst = appendText(dst, "transport", c.Transport)
	dst = appendText(dst, "name", c.Name)
	dst = appendText(dst, "digest", c.Digest)
	dst = appendText(dst, "storage", c.Storage)
	dst = appendTrue(dst, "index", c.Index)
	dst = appendText(dst, "format", c.Format)
	dst = appendTrue(dst, "remove_signatures", c.RemoveSignatures)
	return append(appendTrue(dst, "insecure", c.Insecure), '}')
}

// DecodeCopyImage decodes a request of OpCopyImage.
func DecodeCopyImage(data []byte) (CopyImage, error) {
	var c CopyImage
	err := decode(data, &c)
	return c, err
}

func (c *CopyImage) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "key":
			return readText(r, &c.Key)
		case "transport":
			return readText(r, &c.Transport)
		case "name":
			return readText(r, &c.Name)
		case "digest":
			return readText(r, &c.Digest)
		case "storage":
			return readText(r, &c.Storage)
		case "index":
			return readBool(r, &c.Index)
		case "format":
			return readText(r, &c.Format)
		case "remove_signatures":
			return readBool(r, &c.RemoveSignatures)
		case "insecure":
			return readBool(r, &c.Insecure)
		}
		return r.Skip()
	})
}

// Append encodes the request up to the line feed that the bytes follow, without
// that.
func (p *Put) Append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "key", p.Key)
	return append(appendTrue(dst, "more", p.More), '}')
}

// DecodePut decodes what stands before the line feed in a request of OpPut.
func DecodePut(data []byte) (Put, error) {
	var p Put
	err := decode(data, &p)
	return p, err
}

func (p *Put) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "key":
			return readText(r, &p.Key)
		case "more":
			return readBool(r, &p.More)
		}
		return r.Skip()
	})
}

// CutBytes splits a message from the bytes that follow it after a line feed. A
// message holds no line feed itself, since Append writes none and strings escape
// theirs.
func CutBytes(data []byte) (message, content []byte, found bool) {
	return bytes.Cut(data, []byte{'\n'})
}

// Append encodes the request.
func (e *Exec) Append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "program", e.Program)
	dst = appendTexts(dst, "args", e.Args)
	dst = appendTexts(dst, "env", e.Env)
	return append(appendText(dst, "stdin", e.Stdin), '}')
}

// DecodeExec decodes a request of OpExec.
func DecodeExec(data []byte) (Exec, error) {
	var e Exec
	err := decode(data, &e)
	return e, err
}

func (e *Exec) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "program":
			return readText(r, &e.Program)
		case "args":
			return readTexts(r, &e.Args)
		case "env":
			return readTexts(r, &e.Env)
		case "stdin":
			return readText(r, &e.Stdin)
		}
		return r.Skip()
	})
}

// Append encodes the request.
func (p *Run) Append(dst []byte) []byte {
	dst = appendText(append(dst, '{'), "key", p.Key)
	dst = appendFiles(dst, p.Files)
	dst = appendSteps(dst, "steps", p.Steps)
	dst = appendSteps(dst, "finally", p.Finally)
	return append(appendText(dst, "from", p.From), '}')
}

// DecodeRun decodes a request of OpRun.
func DecodeRun(data []byte) (Run, error) {
	var p Run
	err := decode(data, &p)
	return p, err
}

func (p *Run) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "key":
			return readText(r, &p.Key)
		case "files":
			return r.Array(func(int) error {
				p.Files = append(p.Files, RunFile{})
				return p.Files[len(p.Files)-1].read(r)
			})
		case "steps":
			return readSteps(r, &p.Steps)
		case "finally":
			return readSteps(r, &p.Finally)
		case "from":
			return readText(r, &p.From)
		}
		return r.Skip()
	})
}

func appendSteps(dst []byte, name string, steps []Exec) []byte {
	if len(steps) == 0 {
		return dst
	}
	dst = append(appendName(dst, name), '[')
	for i := range steps {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = steps[i].Append(dst)
	}
	return append(dst, ']')
}

func readSteps(r *rawjson.Reader, dst *[]Exec) error {
	return r.Array(func(int) error {
		*dst = append(*dst, Exec{})
		return (*dst)[len(*dst)-1].read(r)
	})
}

func appendFiles(dst []byte, files []RunFile) []byte {
	if len(files) == 0 {
		return dst
	}
	dst = append(appendName(dst, "files"), '[')
	for i, f := range files {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendText(append(dst, '{'), "path", f.Path)
		dst = append(appendText(dst, "content", f.Content), '}')
	}
	return append(dst, ']')
}

func (f *RunFile) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) error {
		switch string(key) {
		case "path":
			return readText(r, &f.Path)
		case "content":
			return readText(r, &f.Content)
		}
		return r.Skip()
	})
}
