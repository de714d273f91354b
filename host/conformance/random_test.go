package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/internal/abi"
)

// writer writes random JSON, each time in another of the ways that there are.
type writer struct {
	*rand.Rand
	strings.Builder
}

func (w *writer) space() {
	for w.IntN(4) == 0 {
		w.WriteByte(" \n\t\r"[w.IntN(4)])
	}
}

// char writes a character of a string, as it is or escaped.
func (w *writer) char() {
	limits := []int32{0x20, 0x80, 0x800, 0xd800, 0x10000, 0x110000}
	c := w.Int32N(limits[w.IntN(len(limits))])
	if c >= 0xd800 && c < 0xe000 {
		c = '"'
	}
	short := strings.IndexByte("\"\\/\b\f\n\r\t", byte(c))
	switch kind := w.IntN(3); {
	case c < 0x80 && short >= 0 && kind > 0:
		w.WriteString([]string{`\"`, `\\`, `\/`, `\b`, `\f`, `\n`, `\r`, `\t`}[short])
	case c >= 0x20 && c != '"' && c != '\\' && kind > 0:
		w.WriteRune(c)
	case c >= 0x10000:
		high, low := utf16.EncodeRune(c)
		fmt.Fprintf(w, `\u%04x\u%04X`, high, low)
	default:
		fmt.Fprintf(w, `\u%04X`, c)
	}
}

func (w *writer) text() {
	w.WriteByte('"')
	for range w.IntN(12) {
		w.char()
	}
	w.WriteByte('"')
}

func (w *writer) value(depth int) {
	w.space()
	defer w.space()
	switch kind := w.IntN(6); {
	case kind < 2 && depth < 6:
		w.WriteByte("{["[kind])
		for i := range w.IntN(5) {
			if i > 0 {
				w.WriteByte(',')
			}
			w.space()
			if kind == 0 {
				fmt.Fprintf(w, `"%d`, i) // names are different
				var name writer
				name.Rand = w.Rand
				name.text()
				w.WriteString(name.String()[1:])
				w.space()
				w.WriteByte(':')
			}
			w.value(depth + 1)
		}
		w.space()
		w.WriteByte("}]"[kind])
	case kind < 4:
		w.text()
	default:
		w.WriteString([]string{"null", "true", "false", "0", "-1", "2.50", "1e400", "-0.0E-7", "18446744073709551616"}[w.IntN(9)])
	}
}

// TestRandomJSON sends JSON of many forms through each guest.
func TestRandomJSON(t *testing.T) {
	t.Parallel()
	for _, language := range languages {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			r := guest.NewRuntime(config)
			t.Cleanup(func() { r.Close(context.Background()) })
			p, err := r.Load(guest.Source{Name: language, Trusted: true, Wasm: built(t, language, "conformance", "testdata/guests/conformance/plugin.json")})
			if err != nil {
				t.Fatal(err)
			}
			random := rand.New(rand.NewPCG(1, 2))
			for range 20 {
				c := testCase{hook: abi.Prepare}
				for range 50 {
					w := writer{Rand: random}
					w.value(0)
					c.items = append(c.items, item{`{"do":"echo","value":` + w.String() + `}`, answers(`{"echo":` + w.String() + `}`)})
					w = writer{Rand: random}
					w.text()
					var text string
					if err := json.Unmarshal([]byte(w.String()), &text); err != nil {
						t.Fatal(err)
					}
					c.items = append(c.items, item{`{"do":"text","text":` + w.String() + `}`, answers(fmt.Sprintf(`{"text":%s,"bytes":%d}`, w.String(), len(text)))})
				}
				if err := c.run(context.Background(), p); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
