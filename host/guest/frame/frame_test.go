package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/sourcehost/sourcehost/internal/abi"
)

func upTo(n int64) func(Type) int64 { return func(Type) int64 { return n } }

func TestRoundTrip(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 300_000)
	for _, parts := range [][][]byte{nil, {{}}, {[]byte("a")}, {[]byte("a"), large}, {large, []byte("z")}, {large[:smallBytes-headerBytes], []byte("b")}} {
		var b bytes.Buffer
		if err := Write(&b, Ask, parts...); err != nil {
			t.Fatal(err)
		}
		want := bytes.Join(parts, nil)
		typ, got, err := Read(iotest.HalfReader(&b), upTo(int64(len(want))))
		if err != nil || typ != Ask || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: got type %#x, %d bytes, %v", len(want), typ, len(got), err)
		}
		if b.Len() != 0 {
			t.Errorf("%d bytes are left", b.Len())
		}
	}
}

func TestReadRefuses(t *testing.T) {
	head := func(t Type, size uint32) []byte {
		return binary.LittleEndian.AppendUint32([]byte{byte(t)}, size)
	}
	limit := func(t Type) int64 {
		if t == Done {
			return 10
		}
		return -1
	}
	for name, c := range map[string]struct {
		data     []byte
		want     error
		nonsense string
	}{
		"nothing":        {nil, io.EOF, ""},
		"half a header":  {head(Done, 1)[:3], io.ErrUnexpectedEOF, ""},
		"half a payload": {append(head(Done, 5), "abc"...), io.ErrUnexpectedEOF, ""},
		"no payload":     {head(Done, 5), io.ErrUnexpectedEOF, ""},
		"too large":      {head(Done, 11), nil, "at most 10 bytes, found 11"},
		"huge":           {head(Done, 1<<32-1), nil, "found 4294967295"},
		"other type":     {head(Ask, 0), nil, "another type than 0x93"},
		"text":           {[]byte("fatal error: all is lost"), nil, "another type than 0x66"},
		"short text":     {[]byte("no"), nil, "another type than 0x6e"},
	} {
		_, _, err := Read(bytes.NewReader(c.data), limit)
		var nonsense *NonsenseError
		switch {
		case c.want != nil && err != c.want:
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		case c.want == nil && (!errors.As(err, &nonsense) || !strings.Contains(err.Error(), c.nonsense)):
			t.Errorf("%s: got %v, want ...%s...", name, err, c.nonsense)
		}
	}
}

func TestMessages(t *testing.T) {
	if hook, input, err := DecodeCall(append(AppendCall(nil, abi.Prepare), "in"...)); hook != abi.Prepare || string(input) != "in" || err != nil {
		t.Errorf("call: %q, %q, %v", hook, input, err)
	}
	if op, req, err := DecodeAsk(append(AppendAsk(nil, abi.OpEnv), "req"...)); op != abi.OpEnv || string(req) != "req" || err != nil {
		t.Errorf("ask: %q, %q, %v", op, req, err)
	}
	if status, result, err := DecodeAnswer(append(AppendAnswer(nil, abi.Denied), "no"...)); status != abi.Denied || string(result) != "no" || err != nil {
		t.Errorf("answer: %v, %q, %v", status, result, err)
	}
	if level, line, err := DecodeLog(AppendLog(nil, abi.LevelWarn, "ä")); level != abi.LevelWarn || line != "ä" || err != nil {
		t.Errorf("log: %v, %q, %v", level, line, err)
	}
	if memory, out, f, err := DecodeDone(append(Success(65536), "out"...)); memory != 65536 || string(out) != "out" || f != nil || err != nil {
		t.Errorf("done: %q, %v, %v", out, f, err)
	}
	for what, bad := range map[string]string{"not UTF-8": "\x01\xff", "two lines": "\x01a\nb", "level": "\x09a", "empty": ""} {
		if _, _, err := DecodeLog([]byte(bad)); err == nil {
			t.Errorf("log: %s was accepted", what)
		}
	}
	for _, bad := range []string{"", "\x02", "\x01", "\x01{}x", "\x01{}{}", `` + "\x01" + `{"cause":1}`, "\x01" + `{"other":""}`} {
		if _, out, f, err := DecodeDone([]byte(bad)); err == nil {
			t.Errorf("done: %q was accepted: %q, %v", bad, out, f)
		}
	}
}

func TestLoadMessage(t *testing.T) {
	type settings struct{ Name string }
	head, err := AppendLoad(nil, settings{"n"})
	if err != nil {
		t.Fatal(err)
	}
	var got settings
	if wasm, err := DecodeLoad(append(head, "wasm"...), &got); string(wasm) != "wasm" || got.Name != "n" || err != nil {
		t.Errorf("got %q, %+v, %v", wasm, got, err)
	}
	for n := range head {
		if _, err := DecodeLoad(head[:n], &got); err == nil {
			t.Errorf("%q was accepted", head[:n])
		}
	}
}

// FuzzRead holds the decoders against any bytes: what is accepted is what the
// encoders write.
func FuzzRead(f *testing.F) {
	for _, t := range []Type{Load, Call, Answer, Ready, Log, Ask, Done} {
		f.Add([]byte{byte(t), 4, 0, 0, 0, 1, 0, 'a', 'b'})
	}
	failed, _ := (&Failure{Cause: "trap", Message: "m", Stack: "s", Reported: []byte(`{"kind":"denied"}`)}).Append(nil)
	var done bytes.Buffer
	_ = Write(&done, Done, failed)
	f.Add(done.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 4 << 20
		r := bytes.NewReader(data)
		typ, payload, err := Read(r, upTo(most))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := Write(&again, typ, payload); err != nil || !bytes.Equal(again.Bytes(), data[:len(data)-r.Len()]) {
			t.Fatalf("%q becomes %q, %v", data, again.Bytes(), err)
		}
		same := func(what string, parts ...[]byte) {
			if got := bytes.Join(parts, nil); !bytes.Equal(got, payload) {
				t.Fatalf("%s: %q becomes %q", what, payload, got)
			}
		}
		if hook, input, err := DecodeCall(payload); err == nil {
			same("call", AppendCall(nil, hook), input)
		}
		if op, req, err := DecodeAsk(payload); err == nil {
			same("ask", AppendAsk(nil, op), req)
		}
		if status, result, err := DecodeAnswer(payload); err == nil {
			same("answer", AppendAnswer(nil, status), result)
		}
		if level, line, err := DecodeLog(payload); err == nil {
			same("log", AppendLog(nil, level, line))
		}
		if memory, out, failed, err := DecodeDone(payload); err == nil && failed == nil {
			same("done", Success(memory), out)
		}
		_, _ = DecodeLoad(payload, new(struct{ Name string }))
	})
}
