package rawjson

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"
)

func TestReaderWalksADocument(t *testing.T) {
	r := NewReader([]byte(` {"a" : [1, -2,"x\n\u00e9\ud83d\ude00"], "b":{"c":true,"d":null}, "skipped":[{}], "raw": { "k" : 1.5e3 } } `))
	var got []string
	err := r.Object(func(key []byte) error {
		switch string(key) {
		case "a":
			return r.Array(func(i int) error {
				if r.Kind() == '"' {
					s, err := r.String()
					got = append(got, s)
					return err
				}
				n, err := r.Int64()
				got = append(got, strconv.Itoa(i)+":"+strconv.FormatInt(n, 10))
				return err
			})
		case "b":
			return r.Object(func(key []byte) error {
				if r.Kind() == 'n' {
					got = append(got, "null")
					return r.Skip()
				}
				b, err := r.Bool()
				got = append(got, string(key)+"="+strconv.FormatBool(b))
				return err
			})
		case "raw":
			raw, err := r.Raw()
			got = append(got, string(raw))
			return err
		}
		return nil
	})
	if err == nil {
		err = r.End()
	}
	if err != nil {
		t.Fatal(err)
	}
	want := "0:1|1:-2|x\né😀|c=true|null|{ \"k\" : 1.5e3 }"
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("read %q, want %q", s, want)
	}
}

func TestKind(t *testing.T) {
	for in, want := range map[string]byte{
		"{}": '{', " [": '[', "\"": '"', "\n true": 't', "false": 'f', "null": 'n',
		"-1": '0', "7": '0', "": 0, "+1": 0, "x": 0, "\ufeff1": 0, "]": 0,
	} {
		if got := NewReader([]byte(in)).Kind(); got != want {
			t.Errorf("Kind of %q = %q, want %q", in, got, want)
		}
	}
}

func TestErrorsNameTheirPlace(t *testing.T) {
	deep := strings.Repeat("[", MaxDepth+1) + strings.Repeat("]", MaxDepth+1)
	for _, tt := range []struct{ in, pointer, msg string }{
		{``, "", "expected a value, found the end of the text"},
		{`{"a/b":{"c~d":[0,x]}}`, "/a~1b/c~0d/1", "expected a value, found 'x'"},
		{`{"a":1,"b":{},"a":2}`, "/a", "the name stands twice in this object"},
		{`{"a":1,"\u0061":2}`, "/a", "the name stands twice in this object"},
		{`[1,]`, "/1", "expected a value, found ']'"},
		{`{"a":1,}`, "", "expected the name of a member in double quotes, found '}'"},
		{`{a:1}`, "", "expected the name of a member in double quotes, found 'a'"},
		{`{"a" 1}`, "", "expected ':' after the name of a member, found a number"},
		{`{"a":1 "b":2}`, "", "expected ',' or '}', found a string"},
		{`["a\x01b"]`, "/0", "unknown escape sequence in a string"},
		{"[\"a\x01b\"]", "/0", "control character in a string"},
		{"[\"\\n\x01b\"]", "/0", "control character in a string"},
		{"[\"\xff\"]", "/0", "invalid UTF-8 in a string"},
		{"[\"\\n\xed\xa0\x80\"]", "/0", "invalid UTF-8 in a string"},
		{`["\ud800"]`, "/0", "a surrogate without its other half in a string"},
		{`["\ud800\u0041"]`, "/0", "a surrogate without its other half in a string"},
		{`["\udc00\ud800"]`, "/0", "a surrogate without its other half in a string"},
		{`["\u00g0"]`, "/0", "expected four hexadecimal digits after \\u"},
		{`"abc`, "", "the text ends within a string"},
		{`"ab\n`, "", "the text ends within a string"},
		{`"ab\`, "", "the text ends within an escape sequence"},
		{`[01]`, "", "expected ',' or ']', found a number"},
		{`[-]`, "/0", "expected a digit, found ']'"},
		{`[1.]`, "/0", "expected a digit after the decimal point, found ']'"},
		{`[1e+]`, "/0", "expected a digit in the exponent, found ']'"},
		{`[nul]`, "/0", "expected a value, found a word that is neither true, false nor null"},
		{`1 2`, "", "expected the end of the text, found a number"},
		{deep, strings.Repeat("/0", MaxDepth), "more than 512 objects and arrays nested in each other"},
	} {
		err := Valid([]byte(tt.in))
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Valid(%.40q) = %v, want an *Error", tt.in, err)
			continue
		}
		if e.Pointer != tt.pointer || e.Msg != tt.msg {
			t.Errorf("Valid(%.40q):\n got %q %q\nwant %q %q", tt.in, e.Pointer, e.Msg, tt.pointer, tt.msg)
		}
	}
	if err := Valid([]byte(deep[1 : len(deep)-1])); err != nil {
		t.Errorf("nested %d deep: %v", MaxDepth, err)
	}
}

func TestWrongTypes(t *testing.T) {
	for _, tt := range []struct {
		in   string
		read func(*Reader) error
		want string
	}{
		{`[]`, func(r *Reader) error { return r.Object(nil) }, "expected an object, found an array (byte 0)"},
		{`{}`, func(r *Reader) error { return r.Array(nil) }, "expected an array, found an object (byte 0)"},
		{` null`, func(r *Reader) error { _, err := r.String(); return err }, "expected a string, found null (byte 1)"},
		{`"x"`, func(r *Reader) error { _, err := r.Bool(); return err }, "expected true or false, found a string (byte 0)"},
		{`true`, func(r *Reader) error { _, err := r.Int64(); return err }, "expected an integer, found true or false (byte 0)"},
		{`1.0`, func(r *Reader) error { _, err := r.Int64(); return err }, "expected an integer of at most 64 bits, found another number (byte 0)"},
		{`9223372036854775808`, func(r *Reader) error { _, err := r.Int64(); return err }, "expected an integer of at most 64 bits, found another number (byte 0)"},
		{`{"a":[5]}`, func(r *Reader) error {
			return r.Object(func([]byte) error {
				return r.Array(func(int) error { _, _ = r.Int64(); return r.Fail("too small") })
			})
		}, "/a/0: too small (byte 7)"},
	} {
		if err := tt.read(NewReader([]byte(tt.in))); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.in, err, tt.want)
		}
	}
}

func TestErrorsStay(t *testing.T) {
	r := NewReader([]byte(`[1, "x", 2]`))
	err := r.Array(func(i int) error {
		if i == 1 {
			_, _ = r.Int64() // dropped, and must count all the same
		}
		return nil
	})
	if err == nil || !strings.HasPrefix(err.Error(), "/1: expected an integer") {
		t.Fatalf("Array = %v, want the error that the function dropped", err)
	}
	if again := r.Skip(); again != err {
		t.Errorf("a later call = %v, want the first error", again)
	}
	if r.Kind() != 0 {
		t.Error("Kind after an error is not 0")
	}
	own := errors.New("own")
	r = NewReader([]byte(`[1]`))
	if err := r.Array(func(int) error { return own }); err != own {
		t.Errorf("Array = %v, want the function's own error", err)
	}
}

func TestInt64(t *testing.T) {
	for _, n := range []int64{0, 1, -1, 42, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, math.MinInt64 + 1} {
		got, err := NewReader(strconv.AppendInt(nil, n, 10)).Int64()
		if got != n || err != nil {
			t.Errorf("Int64 of %d = %d, %v", n, got, err)
		}
	}
	for _, in := range []string{"-9223372036854775809", "9223372036854775809", "92233720368547758070", "1e2"} {
		if n, err := NewReader([]byte(in)).Int64(); err == nil {
			t.Errorf("Int64 of %s = %d, want an error", in, n)
		}
	}
}

func TestManyNames(t *testing.T) {
	var b []byte
	for i := range 300 {
		b = append(AppendString(append(b, ','), "key "+strconv.Itoa(i)), ":0"...)
	}
	b[0] = '{'
	if err := Valid(append(b[:len(b):len(b)], '}')); err != nil {
		t.Errorf("300 different names: %v", err)
	}
	for _, name := range []string{"key 0", "key 16", "key 17", "key 299"} {
		err := Valid(append(b[:len(b):len(b)], `,"`+name+`":1}`...))
		if err == nil || !strings.Contains(err.Error(), "twice") {
			t.Errorf("%s twice: %v", name, err)
		}
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	data := []byte(`[{"key":"sha256:00","desc":{"url":"http://x/y"}},{"key":"sha256:01","desc":"u"}]`)
	r := NewReader(data)
	allocs := testing.AllocsPerRun(100, func() {
		r.Reset(data)
		err := r.Array(func(int) error {
			return r.Object(func([]byte) error { _, err := r.Raw(); return err })
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 0 {
		t.Errorf("%v allocations for a page of two items, want none", allocs)
	}
}

func TestResetForgetsAnError(t *testing.T) {
	r := NewReader([]byte(`{"a":{"b":x}}`))
	if err := r.Skip(); err == nil {
		t.Fatal("no error")
	}
	r.Reset([]byte(`{"a":1}`))
	if err := r.Skip(); err != nil || r.End() != nil || r.Offset() != 7 {
		t.Errorf("after Reset: %v at byte %d", err, r.Offset())
	}
}

func BenchmarkValid(b *testing.B) {
	item := `{"key":"sha256:` + strings.Repeat("0", 64) + `","desc":{"url":"https://mirror.example/fedora/releases/39/Everything/x86_64/os/Packages/a/abc-1.2.3-4.fc39.x86_64.rpm"}},`
	data := []byte("[" + strings.Repeat(item, 256) + "0]")
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := Valid(data); err != nil {
			b.Fatal(err)
		}
	}
}
