package cases

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// compare says, line by line, how what happened differs from what a case expects.
func compare(c *Case, got Expect) []string {
	var d diff
	d.failure("the page's error", c.Expect.Error, got.Error)
	want := map[string]Outcome{}
	for _, o := range c.Expect.Items {
		want[o.Key] = o
	}
	have := map[string]Outcome{}
	for _, o := range got.Items {
		have[o.Key] = o
	}
	for _, it := range c.Items {
		d.item(it, want[it.Key], have[it.Key])
	}
	if c.Expect.Calls != nil {
		d.calls(c.Expect.Calls, got.Calls)
	}
	if c.Expect.Log != nil {
		d.block("the log differs", c.Expect.Log, got.Log)
	}
	return d.lines
}

// diff collects lines.
type diff struct{ lines []string }

func (d *diff) add(format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

// item compares what became of one item. One that is not named stays as it is.
func (d *diff) item(it Item, want, have Outcome) {
	if want.Desc == nil {
		want.Desc = it.Desc
	}
	if have.Desc == nil {
		have.Desc = it.Desc
	}
	d.failure("item "+it.Key+": the error", want.Error, have.Error)
	if want.Skip != have.Skip {
		d.block("item "+it.Key+": the reason to skip it differs", lines(want.Skip), lines(have.Skip))
	}
	if want.Error == nil && have.Error == nil && want.Skip == "" && have.Skip == "" && !equalJSON(want.Desc, have.Desc) {
		d.block("item "+it.Key+": the description differs", pretty(want.Desc), pretty(have.Desc))
	}
}

// failure compares errors; fields that are not expected may be anything.
func (d *diff) failure(what string, want, have *Failure) {
	switch {
	case want == nil && have == nil:
	case want == nil:
		d.block(what+" was not expected", nil, have.lines())
	case have == nil:
		d.block(what+" did not happen", want.lines(), nil)
	case want.Hook != "" && want.Hook != have.Hook, want.Kind != "" && want.Kind != have.Kind,
		want.Message != "" && want.Message != have.Message, want.Hint != "" && want.Hint != have.Hint:
		d.block(what+" differs", want.lines(), have.lines())
	}
}

func (f *Failure) lines() []string {
	var out []string
	for _, field := range [][2]string{{"hook", string(f.Hook)}, {"kind", string(f.Kind)}, {"message", f.Message}, {"hint", f.Hint}} {
		if field[1] != "" {
			out = append(out, field[0]+": "+field[1])
		}
	}
	return out
}

func (d *diff) calls(want, have []Call) {
	same := len(want) == len(have)
	for i := range want {
		same = same && want[i].Op == have[i].Op && want[i].Status == have[i].Status &&
			want[i].Content == have[i].Content && (len(want[i].Request) == 0 || equalMessages(want[i].Request, have[i].Request))
	}
	if !same {
		d.block("the calls differ", callLines(want), callLines(have))
	}
}

func callLines(calls []Call) []string {
	var out []string
	for _, c := range calls {
		out = append(out, c.String())
	}
	return out
}

// String is the call on one line.
func (c Call) String() string {
	s := c.Op
	if len(c.Request) > 0 {
		s += " " + canonical(c.Request)
	}
	if c.Content != "" {
		s += " " + fmt.Sprintf("%q", c.Content)
	}
	if c.Status != "" {
		s += " -> " + c.Status
	}
	return s
}

// block adds a title and the two texts, with - before what was expected and +
// before what came.
func (d *diff) block(title string, want, have []string) {
	d.add("%s", title)
	for _, line := range lineDiff(want, have) {
		d.add("  %s", line)
	}
}

// maxLines is up to where lines are aligned; beyond, all of one text comes before
// the other.
const maxLines = 2000

// lineDiff aligns two texts by their longest common subsequence.
func lineDiff(a, b []string) []string {
	var out []string
	if len(a) > maxLines || len(b) > maxLines {
		a, b = a[:min(len(a), maxLines)], b[:min(len(b), maxLines)]
	}
	longest := make([][]int, len(a)+1)
	for i := range longest {
		longest[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, "  "+a[i])
			i, j = i+1, j+1
		case i < len(a) && (j == len(b) || longest[i+1][j] >= longest[i][j+1]):
			out = append(out, "- "+a[i])
			i++
		default:
			out = append(out, "+ "+b[j])
			j++
		}
	}
	return out
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// value decodes JSON, numbers as they are written.
func value(raw []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var v any
	err := dec.Decode(&v)
	return v, err
}

// pretty is JSON over several lines, with sorted names.
func pretty(raw []byte) []string {
	v, err := value(raw)
	if err != nil {
		return lines(string(raw))
	}
	return lines(encode(v, "  "))
}

// canonical is JSON on one line, with sorted names.
func canonical(raw []byte) string {
	v, err := value(raw)
	if err != nil {
		return string(raw)
	}
	return encode(v, "")
}

func encode(v any, indent string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	if err := enc.Encode(v); err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func equalJSON(a, b []byte) bool {
	v, errA := value(a)
	w, errB := value(b)
	return errA == nil && errB == nil && equal(v, w)
}

// equalMessages compares messages of the contract, in which a field that has the
// zero value of its type says the same as one that is not there.
func equalMessages(a, b []byte) bool {
	v, errA := value(a)
	w, errB := value(b)
	return errA == nil && errB == nil && equal(withoutZeros(v), withoutZeros(w))
}

// withoutZeros drops the members of objects that have a zero value.
func withoutZeros(v any) any {
	switch v := v.(type) {
	case map[string]any:
		kept := map[string]any{}
		for name, m := range v {
			if m = withoutZeros(m); !isZero(m) {
				kept[name] = m
			}
		}
		return kept
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = withoutZeros(e)
		}
		return list
	}
	return v
}

func isZero(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case bool:
		return !v
	case json.Number:
		return v == "0"
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return v == nil
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }
