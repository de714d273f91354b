//go:build wasip1

// Scripted is a plugin that does what its configuration says, for tests of the
// host: well-behaved or not. The configuration is an object with one script for
// each hook, by name; see script. Without a script for fetch_one it asks for
// every item from the URL that is the item's description.
package main

import (
	"strings"
	"unsafe"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/rawjson"
)

//go:wasmimport sourcehost_v1 input_read
func inputRead(dst unsafe.Pointer, off, size uint32) uint32

//go:wasmimport sourcehost_v1 result_read
func resultRead(dst unsafe.Pointer, off, size uint32) uint32

//go:wasmimport sourcehost_v1 output_write
func outputWrite(ptr unsafe.Pointer, size uint32)

//go:wasmimport sourcehost_v1 error_set
func errorSet(ptr unsafe.Pointer, size uint32)

//go:wasmimport sourcehost_v1 log
func logLine(level uint32, ptr unsafe.Pointer, size uint32)

//go:wasmimport sourcehost_v1 call
func call(op unsafe.Pointer, opLen uint32, req unsafe.Pointer, reqLen uint32) uint64

//go:wasmexport sourcehost_abi_v1
func version() {}

//go:wasmexport setup
func setup(n uint32) uint32 { return hook(abi.Setup, n) }

//go:wasmexport filter
func filter(n uint32) uint32 { return hook(abi.Filter, n) }

//go:wasmexport prepare
func prepare(n uint32) uint32 { return hook(abi.Prepare, n) }

//go:wasmexport fetch_one
func fetchOne(n uint32) uint32 { return hook(abi.FetchOne, n) }

func main() {}

// script is what a hook does, in the order of the fields.
type script struct {
	log    string   // a line that it logs; $PAGE stands for the number of items
	calls  []string // "op request" each; the outcome is logged
	tell   string   // a text; whether it is in a result of calls is logged, but not the text
	trapOn string   // traps when an item with this key is in the page
	loop   bool     // never returns
	output string   // written as it stands
	each   string   // an outcome for each item: $KEY, $DESC stand for the item's
	err    string   // a JSON error; the hook fails
	fetch  bool     // asks for every item; its description is the URL or the request
}

func (s *script) read(r *rawjson.Reader) error {
	return r.Object(func(key []byte) (err error) {
		switch string(key) {
		case "log":
			s.log, err = r.String()
		case "calls":
			return r.Array(func(int) error {
				c, err := r.String()
				s.calls = append(s.calls, c)
				return err
			})
		case "tell":
			s.tell, err = r.String()
		case "trap_on":
			s.trapOn, err = r.String()
		case "loop":
			s.loop, err = r.Bool()
		case "output":
			s.output, err = r.String()
		case "each":
			s.each, err = r.String()
		case "error":
			s.err, err = r.String()
		case "fetch":
			s.fetch, err = r.Bool()
		default:
			panic("unknown script field " + string(key))
		}
		return err
	})
}

func hook(h abi.Hook, n uint32) uint32 {
	input := make([]byte, n)
	if n > 0 {
		inputRead(unsafe.Pointer(&input[0]), 0, n)
	}
	page, err := abi.DecodePage(input)
	if err != nil {
		panic(err)
	}
	s := scriptFor(h, page.Config)
	return s.run(h, &page)
}

func scriptFor(h abi.Hook, config []byte) script {
	s := script{fetch: h == abi.FetchOne}
	r := rawjson.NewReader(config)
	err := r.Object(func(key []byte) error {
		if string(key) != string(h) {
			return r.Skip()
		}
		s = script{}
		return s.read(r)
	})
	if err != nil {
		panic(err)
	}
	return s
}

func (s *script) run(h abi.Hook, page *abi.Page) uint32 {
	if s.log != "" {
		say(strings.ReplaceAll(s.log, "$PAGE", decimal(len(page.Items))))
	}
	for _, c := range s.calls {
		op, req, _ := strings.Cut(c, " ")
		status, result := ask(op, req)
		say(op + " -> " + status.String() + " " + string(result))
		if s.tell != "" && strings.Contains(string(result), s.tell) {
			say("the plugin can tell")
		}
	}
	for _, it := range page.Items {
		if it.Key == s.trapOn {
			panic("trapped on " + it.Key)
		}
		if s.fetch {
			produce(it)
		}
	}
	for s.loop {
	}
	if s.output != "" {
		write(s.output)
	}
	if s.each != "" {
		write(each(s.each, page.Items))
	}
	if s.err != "" {
		errorSet(unsafe.Pointer(unsafe.StringData(s.err)), uint32(len(s.err)))
		return 1
	}
	return 0
}

func each(outcome string, items []abi.Item) string {
	var b strings.Builder
	b.WriteString(`{"items":[`)
	for i, it := range items {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strings.NewReplacer("$KEY", it.Key, "$DESC", string(it.Desc)).Replace(outcome))
	}
	b.WriteString(`]}`)
	return b.String()
}

// produce asks for an item: its description is a URL, or an object with the
// fields of a download request beside the key.
func produce(it abi.Item) {
	req := abi.Download{Key: it.Key}
	var raw []byte
	if len(it.Desc) > 0 && it.Desc[0] == '{' {
		raw = append([]byte(`{"key":"`+it.Key+`",`), it.Desc[1:]...)
	} else {
		url, err := rawjson.NewReader(it.Desc).String()
		if err != nil {
			panic(err)
		}
		req.URLs = []string{url}
		raw = req.Append(nil)
	}
	status, result := ask(abi.OpDownload, string(raw))
	if status != abi.OK {
		say("download " + it.Key + " -> " + status.String() + " " + string(result))
		e, _ := abi.DecodeError(result)
		o := abi.Output{Items: []abi.Outcome{{Key: it.Key, Error: &e}}}
		out := o.Append(nil)
		outputWrite(unsafe.Pointer(&out[0]), uint32(len(out)))
	}
}

func ask(op, req string) (abi.Status, []byte) {
	got := call(unsafe.Pointer(unsafe.StringData(op)), uint32(len(op)), unsafe.Pointer(unsafe.StringData(req)), uint32(len(req)))
	result := make([]byte, uint32(got))
	if len(result) > 0 {
		resultRead(unsafe.Pointer(&result[0]), 0, uint32(len(result)))
	}
	return abi.Status(got >> 32), result
}

func say(line string) {
	logLine(uint32(abi.LevelInfo), unsafe.Pointer(unsafe.StringData(line)), uint32(len(line)))
}

func write(s string) { outputWrite(unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))) }

func decimal(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return decimal(n/10) + decimal(n%10)
}
