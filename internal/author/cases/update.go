package cases

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Update returns the case file with what happened in place of what it expects,
// everything else as it was. What it did not compare stays out: the log unless it
// was there.
func Update(file []byte, res *Result) ([]byte, error) {
	got := res.Got
	if res.Case.Expect.Log == nil {
		got.Log = nil
	}
	expect, err := encodeIndented(got, "  ")
	if err != nil {
		return nil, err
	}
	start, end, err := member(file, "expect")
	if err != nil {
		return nil, err
	}
	if start < 0 {
		return insert(file, expect)
	}
	return append(append(bytes.Clone(file[:start]), expect...), file[end:]...), nil
}

// member returns where the value of a member of the object in file is, -1 when
// there is no such member.
func member(file []byte, name string) (start, end int, err error) {
	dec := json.NewDecoder(bytes.NewReader(file))
	if _, err := dec.Token(); err != nil {
		return 0, 0, err
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return 0, 0, err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return 0, 0, err
		}
		if key == name {
			end := int(dec.InputOffset())
			return end - len(raw), end, nil
		}
	}
	return -1, -1, nil
}

// insert adds the member "expect" at the end of the object.
func insert(file, expect []byte) ([]byte, error) {
	at := bytes.LastIndexByte(file, '}')
	if at < 0 {
		return nil, fmt.Errorf("expected a JSON object")
	}
	head := bytes.TrimRight(file[:at], " \t\r\n")
	comma := ","
	if bytes.HasSuffix(head, []byte("{")) {
		comma = ""
	}
	return fmt.Appendf(nil, "%s%s\n  \"expect\": %s\n}\n", head, comma, expect), nil
}

func encodeIndented(v any, prefix string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent(prefix, "  ")
	err := enc.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}
