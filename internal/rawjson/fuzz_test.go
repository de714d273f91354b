package rawjson

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// value reads any value in the shape that encoding/json gives it.
func value(r *Reader) (any, error) {
	switch r.Kind() {
	case '{':
		m := map[string]any{}
		return m, r.Object(func(key []byte) error {
			v, err := value(r)
			m[string(key)] = v
			return err
		})
	case '[':
		a := []any{}
		err := r.Array(func(i int) error {
			v, err := value(r)
			a = append(a, v)
			return err
		})
		return a, err
	case '"':
		return r.String()
	case 't', 'f':
		return r.Bool()
	case '0':
		raw, err := r.Raw()
		return json.Number(raw), err
	}
	return nil, r.Skip()
}

// stricter reports whether err is one of the refusals by which this package is
// stricter than encoding/json.
func stricter(err error) bool {
	for _, msg := range []string{"stands twice", "nested in each other", "surrogate without", "invalid UTF-8"} {
		if strings.Contains(err.Error(), msg) {
			return true
		}
	}
	return false
}

func FuzzReader(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,-2.5e10,true,false,null,"x\u00e9\ud83d\ude00\n"],"b":{}}`, `[]`, `""`, `0`, `-0`, `1e5`, ` [ 1 , 2 ] `,
		`{"a":1,"a":2}`, `"\ud800"`, "\"\xff\"", `[[[]]]`, `{"":""}`, `01`, `1.`, `nul`, `"\/\b\f\t\r\"\\"`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r := NewReader(data)
		got, err := value(r)
		if err == nil {
			err = r.End()
		}
		if skipErr := Valid(data); (skipErr == nil) != (err == nil) {
			t.Fatalf("Valid = %v, but reading each value = %v", skipErr, err)
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		var want any
		wantErr := dec.Decode(&want)
		if !json.Valid(data) {
			if err == nil {
				t.Fatalf("accepted %q, which encoding/json refuses", data)
			}
			return
		}
		if wantErr != nil {
			t.Fatal(wantErr)
		}
		if err != nil {
			if !stricter(err) {
				t.Fatalf("refused %q, which encoding/json accepts: %v", data, err)
			}
			return
		}
		if !utf8.Valid(data) {
			t.Fatalf("accepted invalid UTF-8 %q", data)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q:\n got %#v\nwant %#v", data, got, want)
		}
	})
}

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "q\"b\\/", "\x00\x1f\x7f\n\t\r", "é\u2028😀", "\xff\xed\xa0\x80a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := AppendString([]byte("x"), s)
		if b[0] != 'x' {
			t.Fatal("what was there before is gone")
		}
		got, err := NewReader(b[1:]).String()
		// Each invalid byte becomes one U+FFFD, as in a conversion to runes.
		if want := string([]rune(s)); err != nil || got != want {
			t.Fatalf("%q came back as %q, %v", s, got, err)
		}
		var std string
		if err := json.Unmarshal(b[1:], &std); err != nil || std != got {
			t.Fatalf("encoding/json reads %s as %q, %v", b[1:], std, err)
		}
	})
}
