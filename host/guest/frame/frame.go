// Package frame is how a plugin's process and its host talk: frames over a socket,
// one side at a time. A frame is a type (one byte), the length of its payload (four
// bytes, little endian) and the payload.
//
//	host                           worker
//	Load: what to run        ->
//	                         <-    Ready: how it is confined, or why it cannot run
//	Call: a hook, its input  ->
//	                         <-    Log: a line           \  any number,
//	                         <-    Ask: an operation      } in any order
//	Answer: status, result   ->                          /
//	                         <-    Done: output, or failure
//
// Everything that a worker sends may be forged by the plugin that runs in it.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Type says what a frame is.
type Type byte

// The types. None is a character of a text: what Go's runtime prints before it gives
// up cannot be taken for a frame.
const (
	Load   Type = 0x81
	Call   Type = 0x82
	Answer Type = 0x83
	Ready  Type = 0x91
	Log    Type = 0x92
	Ask    Type = 0x93
	Done   Type = 0x94
)

// headerBytes is the length of type and length.
const headerBytes = 5

// NonsenseError says that a peer did not send a frame that is expected.
type NonsenseError struct {
	// Text is what was sent instead, as far as it has arrived.
	Text []byte
	Err  error
}

// Error describes what was wrong, without the text.
func (e *NonsenseError) Error() string { return e.Err.Error() }

// Unwrap returns what was wrong.
func (e *NonsenseError) Unwrap() error { return e.Err }

// smallBytes is up to which size a frame is written at once.
const smallBytes = 64 << 10

// Write writes a frame whose payload is the parts together.
func Write(w io.Writer, t Type, parts ...[]byte) error {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if uint64(size) > 1<<32-1 {
		return fmt.Errorf("a frame of %d bytes is too large", size)
	}
	head := make([]byte, headerBytes, headerBytes+min(size, smallBytes))
	head[0] = byte(t)
	binary.LittleEndian.PutUint32(head[1:], uint32(size))
	for len(parts) > 0 && len(head)+len(parts[0]) <= smallBytes {
		head = append(head, parts[0]...)
		parts = parts[1:]
	}
	for _, data := range append([][]byte{head}, parts...) {
		if len(data) == 0 {
			continue
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return nil
}

// Read reads a frame. most returns the largest payload of a type, or a negative
// number for a type that is not expected. The error is a *NonsenseError when what
// came is not such a frame, and io.EOF when nothing came.
func Read(r io.Reader, most func(Type) int64) (Type, []byte, error) {
	var head [headerBytes]byte
	n, err := io.ReadFull(r, head[:])
	if n > 0 && most(Type(head[0])) < 0 {
		return 0, nil, &NonsenseError{Text: head[:n], Err: fmt.Errorf("expected a frame of another type than %#x", head[0])}
	}
	if err != nil {
		return 0, nil, err
	}
	t, size := Type(head[0]), binary.LittleEndian.Uint32(head[1:])
	if limit := most(t); int64(size) > limit {
		return 0, nil, &NonsenseError{Err: fmt.Errorf("expected a frame of type %#x of at most %d bytes, found %d", byte(t), limit, size)}
	}
	payload, err := readPayload(r, int(size))
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return t, payload, err
}

// readPayload takes memory as bytes arrive, not as a peer says that they will.
func readPayload(r io.Reader, size int) ([]byte, error) {
	const first = 4 << 20 // most plugins, and pages
	payload := make([]byte, min(size, first))
	for got := 0; ; {
		n, err := io.ReadFull(r, payload[got:])
		got += n
		if err != nil || got == size {
			return payload[:got], err
		}
		more := make([]byte, min(size, 2*len(payload)))
		copy(more, payload)
		payload = more
	}
}
