package conform

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// key is the key of the item at a place.
func key(i int) string { return fmt.Sprintf("sha256:%064x", i) }

// descs are descriptions that the plugin works with, as far as that is known.
func (b *bench) descs() []json.RawMessage {
	var all []json.RawMessage
	if s := b.kit.Sample; s != nil {
		for _, it := range s.Items {
			all = append(all, it.Desc)
		}
	}
	if len(all) == 0 {
		all = []json.RawMessage{
			json.RawMessage(`"https://packages.example/a.rpm"`), json.RawMessage(`{"url":"https://packages.example/b.rpm"}`),
			json.RawMessage(`{"urls":["https://packages.example/c.rpm"]}`),
		}
	}
	return all
}

// items are n items with these descriptions, over and over.
func (b *bench) items(n int) []abi.Item {
	descs := b.descs()
	items := make([]abi.Item, n)
	for i := range items {
		items[i] = abi.Item{Key: key(i), Desc: descs[i%len(descs)]}
	}
	return items
}

// listed are items with given descriptions.
func listed(descs ...string) []abi.Item {
	items := make([]abi.Item, len(descs))
	for i, d := range descs {
		items[i] = abi.Item{Key: key(i), Desc: []byte(d)}
	}
	return items
}

// strange are descriptions of every kind: valid JSON, whether the plugin knows
// what to make of it or not.
func strange() []abi.Item {
	return listed(
		`null`, `true`, `false`, `0`, `-12.5e-3`, `1234567890123456789012345678901234567890`, `""`, `[]`, `{}`, `[[],{}]`,
		`{"url":null}`, `{"url":5}`, `{"urls":"x"}`, `{"urls":[1,null]}`, `{"urls":[]}`, `{"url":{"url":"x"}}`, `{"headers":[{}]}`, `{"":""}`,
		`"no url at all"`, `"https://"`, `"\u0000"`,
	)
}

// texts are descriptions with every form of a string that JSON has.
func texts() []abi.Item {
	return listed(
		`"https:\/\/packages.example\/\u0061.rpm"`, `"https://packages.example/\ud83d\ude00"`, `"\ud800\udc00\uDBFF\uDFFF"`,
		`"https://packages.example/é/€/😀"`, `"\"\\\/\b\f\n\r\t"`, `"\u0000\u001f\u007f\u2028\uffff"`,
		`{"u\u0072l":"https://packages.example/x"}`, `{"url":"https://packages.example/\\\"x\\\"","x\"\\":"{[\"}]"}`,
		`{"url" : "https://packages.example/y" , "z" : [ { } , [ ] ] }`,
	)
}

// large are descriptions up to what an item may have, and larger ones.
func large() []abi.Item {
	long := strings.Repeat("a/", 32<<10-64)
	return listed(
		`"https://packages.example/`+long+`"`, `{"url":"https://packages.example/x","note":"`+long+`"}`,
		`{"url":"https://packages.example/x","deep":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)+`}`,
		`{"url":"https://packages.example/x","note":"`+strings.Repeat(`\u20ac`, 100_000)+`"}`,
	)
}

// later is a page as a later host may write it: with fields that nobody knows yet,
// in another order, and with space between.
func (b *bench) later(items []abi.Item) []byte {
	f := b.frame()
	var list bytes.Buffer
	for i, it := range items {
		if i > 0 {
			list.WriteString(" ,\n")
		}
		fmt.Fprintf(&list, "{ \"later\" : [ { \"key\" : \"x\" } ] , \"desc\" : %s ,\t\"key\" : %q , \"weight\" : 1.5e3 }", it.Desc, it.Key)
	}
	return fmt.Appendf(nil, " {\n\"run\" : {\"items\":[{\"key\":\"x\"}]} , \"items\" : [ %s ] ,\r\n\"config\" : %s , \"options\" : %s , \"deadline\" : null , \"source\" : %s , \"format\" : %s } ",
		list.Bytes(), f.Config, f.Options, quoted(f.Source), quoted(f.Format))
}

// sparse is a page that leaves out every field that may be absent.
func sparse(items []abi.Item) []byte {
	var list bytes.Buffer
	for i, it := range items {
		if i > 0 {
			list.WriteByte(',')
		}
		fmt.Fprintf(&list, `{"key":%q,"desc":%s}`, it.Key, it.Desc)
	}
	return fmt.Appendf(nil, `{"items":[%s]}`, list.Bytes())
}

// escaped is a page whose field names and keys are written with escapes.
func (b *bench) escaped(items []abi.Item) []byte {
	page := string(b.page(items))
	return []byte(strings.NewReplacer(`"items"`, `"it\u0065ms"`, `"key":"s`, `"k\u0065y":"\u0073`, `"desc"`, `"\u0064esc"`, `"source"`, `"sourc\u0065"`).Replace(page))
}

func quoted(s string) string {
	raw, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(raw)
}
