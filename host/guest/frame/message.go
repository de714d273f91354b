package frame

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// The codecs below turn payloads into messages and back. A decoder accepts exactly
// what its encoder writes, whatever the size; parts of a message are parts of the
// payload.

var errShort = errors.New("expected a longer payload")

// AppendCall encodes what precedes the input in a Call.
func AppendCall(dst []byte, hook abi.Hook) []byte {
	return append(append(dst, byte(len(hook))), hook...)
}

// DecodeCall decodes the payload of a Call.
func DecodeCall(data []byte) (hook abi.Hook, input []byte, err error) {
	if len(data) == 0 || len(data) < 1+int(data[0]) {
		return "", nil, errShort
	}
	n := 1 + int(data[0])
	return abi.Hook(data[1:n]), data[n:], nil
}

// AppendAsk encodes what precedes the request in an Ask.
func AppendAsk(dst []byte, op string) []byte {
	return append(binary.LittleEndian.AppendUint16(dst, uint16(len(op))), op...)
}

// DecodeAsk decodes the payload of an Ask.
func DecodeAsk(data []byte) (op string, req []byte, err error) {
	if len(data) < 2 || len(data) < 2+int(binary.LittleEndian.Uint16(data)) {
		return "", nil, errShort
	}
	n := 2 + int(binary.LittleEndian.Uint16(data))
	return string(data[2:n]), data[n:], nil
}

// AppendAnswer encodes what precedes the result in an Answer.
func AppendAnswer(dst []byte, status abi.Status) []byte {
	return binary.LittleEndian.AppendUint32(dst, uint32(status))
}

// DecodeAnswer decodes the payload of an Answer.
func DecodeAnswer(data []byte) (abi.Status, []byte, error) {
	if len(data) < 4 {
		return 0, nil, errShort
	}
	return abi.Status(binary.LittleEndian.Uint32(data)), data[4:], nil
}

// AppendLog encodes a Log.
func AppendLog(dst []byte, level abi.Level, line string) []byte {
	return append(append(dst, byte(level)), line...)
}

// DecodeLog decodes a Log: a line of UTF-8.
func DecodeLog(data []byte) (abi.Level, string, error) {
	if len(data) == 0 {
		return 0, "", errShort
	}
	line := string(data[1:])
	if data[0] > byte(abi.LevelError) || !utf8.ValidString(line) || strings.ContainsAny(line, "\r\n") {
		return 0, "", errors.New("expected a level and a line of UTF-8")
	}
	return abi.Level(data[0]), line, nil
}

// The first byte of a Done.
const (
	success = 0
	failure = 1
)

// Success encodes what precedes the output in a Done: how much linear memory the
// instance has, in bytes.
func Success(memory int64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{success}, uint64(memory))
}

// Failure is why a hook failed.
type Failure struct {
	Cause   string `json:"cause"`
	Message string `json:"message"`
	Stack   string `json:"stack,omitempty"`
	// Memory is how much linear memory the instance has, in bytes.
	Memory int64 `json:"memory,omitempty"`
	// Reported is the abi.Error that the hook has reported, if it did.
	Reported json.RawMessage `json:"reported,omitempty"`
}

// Append encodes a Done that failed.
func (f *Failure) Append(dst []byte) ([]byte, error) {
	data, err := json.Marshal(f)
	return append(append(dst, failure), data...), err
}

// DecodeDone decodes a Done: either the memory and the output, or the failure.
func DecodeDone(data []byte) (memory int64, output []byte, f *Failure, err error) {
	if len(data) == 0 || data[0] == success && len(data) < 9 {
		return 0, nil, nil, errShort
	}
	switch data[0] {
	case success:
		return int64(binary.LittleEndian.Uint64(data[1:])), data[9:], nil, nil
	case failure:
		f = new(Failure)
		return 0, nil, f, Decode(data[1:], f)
	}
	return 0, nil, nil, fmt.Errorf("expected a Done of kind %d or %d, found %d", success, failure, data[0])
}

// Decode decodes JSON that is one value of known members, and nothing else.
func Decode(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("expected the end after the value")
	}
	return nil
}

// AppendLoad encodes what precedes the module in a Load: settings as JSON.
func AppendLoad(dst []byte, settings any) ([]byte, error) {
	data, err := json.Marshal(settings)
	return append(binary.LittleEndian.AppendUint32(dst, uint32(len(data))), data...), err
}

// DecodeLoad decodes the payload of a Load.
func DecodeLoad(data []byte, settings any) (wasm []byte, err error) {
	if len(data) < 4 || uint64(len(data)) < 4+uint64(binary.LittleEndian.Uint32(data)) {
		return nil, errShort
	}
	n := 4 + int(binary.LittleEndian.Uint32(data))
	return data[n:], Decode(data[4:n], settings)
}
