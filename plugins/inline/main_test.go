//go:build !wasip1

package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/manifest"
	pluginfile "github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

const key = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

// shared is one instance for all tests: what an item has left in it must not matter
// to the next.
var shared = newPlugin()

func fetched(t testing.TB, encoding, data string) ([]byte, *sdk.Error) {
	t.Helper()
	host := &sdktest.Host{}
	desc := fmt.Sprintf(`{"encoding":%s,"data":%s}`, sdk.Quote(encoding), sdk.Quote(data))
	out := sdktest.FetchOne(t, shared, host, sdktest.Item{Key: key, Desc: desc})
	return host.Puts[key], out.Err
}

// TestBase64 compares with Python, on texts that a few characters make up in any order.
func TestBase64(t *testing.T) {
	py := startPython(t)
	check := func(text string) {
		t.Helper()
		want, failed := py.ask(t, "b64", text)
		got, err := fetched(t, plain, text)
		if (err != nil) != (failed != "") || err == nil && !bytes.Equal(got, want) {
			t.Errorf("%q: %q, %v; Python has %q, %s", text, got, err, want, failed)
		}
		if err != nil && err.Kind != sdk.ErrInvalid {
			t.Errorf("%q: error of the kind %q", text, err.Kind)
		}
	}
	for _, text := range []string{"", "\n", "aGVsbG8=", "aGVs\nbG8=\n", "aGVs bG8", "-_-_", "é", "AA=x=", "AA==AA==", "=AAA", "AAAA=", "\x00AAAA", "a\u0661"} {
		check(text)
	}
	const alphabet = "A/z=\n=!9"
	for n := range 5 {
		for i := range pow(len(alphabet), n) {
			text := make([]byte, n)
			for at := range text {
				text[at] = alphabet[i%len(alphabet)]
				i /= len(alphabet)
			}
			check(string(text))
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		text := make([]byte, random.IntN(40))
		for at := range text {
			text[at] = alphabet[random.IntN(len(alphabet))]
		}
		check(string(text))
	}
}

func pow(base, n int) int {
	p := 1
	for range n {
		p *= base
	}
	return p
}

// text and code are contents that compress well; code has what BCJ filters look for.
func text(n int) []byte { return bytes.Repeat([]byte("all work and no play "), n/21+1)[:n] }

func code(n int) []byte {
	random := rand.New(rand.NewPCG(3, 4))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(random.IntN(40))
		if i%5 == 0 {
			data[i] = 0xe8
		}
	}
	return data
}

func noise(n int) []byte {
	data := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

// variants are ways to compress, as arguments of lzma.compress.
var variants = []string{
	"dict()",
	"dict(check=lzma.CHECK_NONE)", "dict(check=lzma.CHECK_CRC32)", "dict(check=lzma.CHECK_SHA256)",
	"dict(preset=0)", "dict(preset=3 | lzma.PRESET_EXTREME)",
	"dict(filters=[dict(id=lzma.FILTER_X86), dict(id=lzma.FILTER_LZMA2)])",
	"dict(filters=[dict(id=lzma.FILTER_POWERPC), dict(id=lzma.FILTER_LZMA2)])",
	"dict(filters=[dict(id=lzma.FILTER_ARM), dict(id=lzma.FILTER_LZMA2)])",
	"dict(filters=[dict(id=lzma.FILTER_ARMTHUMB), dict(id=lzma.FILTER_LZMA2)])",
	"dict(filters=[dict(id=lzma.FILTER_SPARC), dict(id=lzma.FILTER_LZMA2)])",
	"dict(filters=[dict(id=lzma.FILTER_IA64), dict(id=lzma.FILTER_LZMA2)])",
	"dict(filters=[dict(id=lzma.FILTER_DELTA, dist=4), dict(id=lzma.FILTER_LZMA2, lc=0, lp=2, pb=0)])",
	"dict(filters=[dict(id=lzma.FILTER_DELTA, dist=1), dict(id=lzma.FILTER_X86), dict(id=lzma.FILTER_LZMA2)])",
	"dict(format=lzma.FORMAT_ALONE)", "dict(format=lzma.FORMAT_ALONE, preset=1)",
	"dict(format=lzma.FORMAT_ALONE, filters=[dict(id=lzma.FILTER_LZMA1, lc=1, lp=2, pb=3, dict_size=3 << 20)])",
}

// TestLZMA decompresses what Python compresses, in one or two streams, and with all
// that may stand behind them.
func TestLZMA(t *testing.T) {
	py := startPython(t)
	for _, content := range [][]byte{nil, []byte("x"), text(100_000), code(40_000), noise(30_000)} {
		for i, v := range variants {
			one := py.compress(t, content, v)
			checkLZMA(t, one, content)
			two := py.compress(t, content, v, variants[(i+5)%len(variants)])
			double := append(bytes.Clone(content), content...)
			checkLZMA(t, two, double)
			checkLZMA(t, append(bytes.Clone(two), make([]byte, 8)...), double) // padding
			checkLZMA(t, append(bytes.Clone(one), "\xfe\xfe garbage"...), content)
			checkLZMA(t, append(bytes.Clone(one), "\xfd7zXZ garbage"...), content)
		}
	}
	for _, v := range []string{"dict(preset=9)", "dict(format=lzma.FORMAT_ALONE, preset=9)"} { // the largest dictionary
		checkLZMA(t, py.compress(t, text(1000), v), text(1000))
	}
	// A stream that is stored as it is within another one.
	inner := py.compress(t, noise(5000), "dict()")
	for range 4 {
		outer := py.compress(t, inner, "dict(preset=0)")
		checkLZMA(t, outer, inner)
		inner = outer
	}
}

func checkLZMA(t *testing.T, compressed, want []byte) {
	t.Helper()
	got, err := fetched(t, "lzma+base64", base64.StdEncoding.EncodeToString(compressed))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes that begin with %x: got %d bytes, %v; want %d", len(compressed), compressed[:min(13, len(compressed))], len(got), err, len(want))
	}
}

// TestLZMACut cuts streams at every place: what Python takes we take, with the same
// result, and nothing else.
func TestLZMACut(t *testing.T) {
	py := startPython(t)
	for _, v := range []string{"dict()", "dict(format=lzma.FORMAT_ALONE)", "dict(check=lzma.CHECK_SHA256)"} {
		two := py.compress(t, []byte("hello, hello, hello"), v, v)
		for n := range len(two) {
			data := two[:n]
			encoded := base64.StdEncoding.EncodeToString(data)
			want, failed := py.ask(t, "unlzma", encoded)
			got, err := fetched(t, compressed, encoded)
			zeros := len(data) > 0 && data[n-1] == 0 // which may be taken for padding
			if (err != nil) != (failed != "") && !zeros || failed == "" && !bytes.Equal(got, want) {
				t.Errorf("%x: got %q, %v; Python has %q, %s", data, got, err, want, failed)
			}
		}
	}
}

// TestLZMADamaged flips bits: nothing but the content may come out of a stream with a
// checksum, and what Python has of one without.
func TestLZMADamaged(t *testing.T) {
	py := startPython(t)
	content := []byte("hello, hello, hello")
	for _, v := range []string{"dict()", "dict(format=lzma.FORMAT_ALONE)", "dict(check=lzma.CHECK_SHA256)"} {
		whole := py.compress(t, content, v)
		for i := range whole {
			damaged := bytes.Clone(whole)
			damaged[i] ^= 1 << (i % 8)
			encoded := base64.StdEncoding.EncodeToString(damaged)
			want, failed := py.ask(t, "unlzma", encoded)
			if failed != "" {
				want = content
			}
			got, err := fetched(t, compressed, encoded)
			if err == nil && !bytes.Equal(got, want) || err != nil && failed == "" {
				t.Errorf("%x: got %q, %v; Python has %q, %s", damaged, got, err, want, failed)
			}
			behind := base64.StdEncoding.EncodeToString(append(bytes.Clone(whole), damaged...))
			if got, err := fetched(t, compressed, behind); err == nil && !bytes.HasPrefix(got, content) {
				t.Errorf("%x: got %q", behind, got)
			}
		}
	}
}

// adversary: C10
func TestErrors(t *testing.T) {
	dictionary := []byte("\x5d\x00\x00\x00\x40\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x00") // 1 GiB
	for _, c := range []struct{ encoding, data, want string }{
		{"rot13", "", "rot13"},
		{plain, "A", "not base64"},
		{compressed, "", "ends before"},
		{compressed, "/v7+", "neither .xz nor .lzma"},
		{compressed, base64.StdEncoding.EncodeToString(dictionary), "dictionary of more than 128 MiB"},
	} {
		if _, err := fetched(t, c.encoding, c.data); err == nil || err.Kind != sdk.ErrInvalid || !strings.Contains(err.Message, c.want) {
			t.Errorf("%s %q: %v", c.encoding, c.data, err)
		}
	}
}

// TestRefusedContent passes on why the host takes no more of a content.
//
// adversary: C10
func TestRefusedContent(t *testing.T) {
	py := startPython(t)
	bomb := base64.StdEncoding.EncodeToString(py.compress(t, make([]byte, 20<<20), "dict()"))
	puts := 0
	host := &sdktest.Host{Deny: func(op, _ string) bool { puts++; return puts > 3 }}
	desc := `{"encoding":"lzma+base64","data":"` + bomb + `"}`
	out := sdktest.FetchOne(t, newPlugin(), host, sdktest.Item{Key: key, Desc: desc})
	if out.Err == nil || out.Err.Kind != sdk.ErrDenied || puts != 4 {
		t.Errorf("%v after %d calls", out.Err, puts)
	}
	var direct *sdk.Error
	if err := (&decompressor{}).decompress(&bytes.Buffer{}, []byte{1}); !errors.As(err, &direct) {
		t.Errorf("error %v", err)
	}
}

// FuzzDecompress feeds anything: it must end, without a panic, and in an error or not.
func FuzzDecompress(f *testing.F) {
	f.Add([]byte("\xfd7zXZ\x00\x00\x04\xe6\xd6\xb4F\x02\x00!\x01\x16\x00\x00\x00t/\xe5\xa3\x01\x00\x04hello\x00\x00\x00\x00{\xc5\x04\xaa\xe1\xfe\x1eP\x00\x01\x1d\x05\xb8-\x80\xaf\x1f\xb6\xf3}\x01\x00\x00\x00\x00\x04YZ"))
	f.Add([]byte("]\x00\x00\x80\x00\xff\xff\xff\xff\xff\xff\xff\xff\x004\x19I\xee\x8d\xe8\xff\xff\xfb\xcc\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4 && data[0] != 0xfd {
			data[3], data[4] = data[3]&0xf, 0 // a dictionary that does not take a second to clear
		}
		_ = (&decompressor{}).decompress(limited{new(int)}, data)
		if end := xzEnd(data); end > len(data) {
			t.Error("the end is beyond the data")
		}
	})
}

// limited stands for a host that takes 1 MiB.
type limited struct{ n *int }

func (l limited) Write(p []byte) (int, error) {
	if *l.n += len(p); *l.n > 1<<20 {
		return 0, errors.New("too much")
	}
	return len(p), nil
}

// FuzzBase64 has the standard library agree on what it takes.
func FuzzBase64(f *testing.F) {
	f.Add("aGVsbG8=")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := decodeBase64(text)
		want, strict := base64.StdEncoding.DecodeString(text)
		if strict == nil && (err != nil || !bytes.Equal(got, want)) {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	})
}

func TestSchema(t *testing.T) {
	data, err := os.ReadFile("plugin.json")
	if err != nil {
		t.Fatal(err)
	}
	m, err := pluginfile.ParseManifest(data)
	if err != nil {
		t.Fatal(err)
	}
	schema, err := manifest.CompileSchema("inline", m.Schema)
	if err != nil {
		t.Fatal(err)
	}
	for text, valid := range map[string]bool{
		`{"items":{"` + key + `":{"encoding":"base64","data":""}}}`:                                   true,
		`{"items":{"md5:00000000000000000000000000000000":{"encoding":"lzma+base64","data":"AAAA"}}}`: true,
		`{"items":{"md5:0000":{"encoding":"base64","data":""}}}`:                                      false,
		`{"items":{"x/` + key + `":{"encoding":"base64","data":""}}}`:                                 false,
		`{"items":{"` + key + `":{"encoding":"rot13","data":""}}}`:                                    false,
		`{"items":{"` + key + `":{"encoding":"base64"}}}`:                                             false,
		`{"items":{"` + key + `":{"data":""}}}`:                                                       false,
		`{"items":{"` + key + `":{"encoding":"base64","data":1}}}`:                                    false,
	} {
		if problems := schema.Check("", []byte(text)); (len(problems) == 0) != valid {
			t.Errorf("%s: %v", text, problems)
		}
	}
}
