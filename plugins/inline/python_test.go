//go:build !wasip1

package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"
)

// python is what this plugin takes the place of.
type python struct {
	in  io.WriteCloser
	out *bufio.Reader
}

const script = `
import base64, json, lzma, sys
for line in sys.stdin:
    r = json.loads(line)
    try:
        if r["op"] == "b64":
            out = base64.b64decode(r["text"])
        elif r["op"] == "unlzma":
            out = lzma.decompress(base64.b64decode(r["text"]))
        else:
            data = base64.b64decode(r["text"])
            out = b"".join(lzma.compress(data, **eval(a)) for a in r["args"])
        print(json.dumps({"out": base64.b64encode(out).decode()}), flush=True)
    except Exception as e:
        print(json.dumps({"err": str(e) or "error"}), flush=True)
`

func startPython(t testing.TB) *python {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("python3 is missing: install the package python3")
		}
		t.Skip("python3 is missing: install the package python3")
	}
	cmd := exec.Command(path, "-c", script)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	return &python{in, bufio.NewReader(out)}
}

// ask returns what Python makes of an input, or the text of its exception.
func (p *python) ask(t testing.TB, op, text string, args ...string) (out []byte, failed string) {
	t.Helper()
	line, err := json.Marshal(map[string]any{"op": op, "text": text, "args": args})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	answer, err := p.out.ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var a struct{ Out, Err string }
	if err := json.Unmarshal(answer, &a); err != nil {
		t.Fatal(err)
	}
	if out, err = base64.StdEncoding.DecodeString(a.Out); err != nil {
		t.Fatal(err)
	}
	return out, a.Err
}

// compress returns the data compressed once for each list of arguments.
func (p *python) compress(t testing.TB, data []byte, args ...string) []byte {
	t.Helper()
	out, failed := p.ask(t, "lzma", base64.StdEncoding.EncodeToString(data), args...)
	if failed != "" {
		t.Fatalf("%v: %s", args, failed)
	}
	return out
}
