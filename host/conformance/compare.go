package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// compare compares the output of a hook with what each item wants.
func (c *testCase) compare(output []byte) error {
	out, err := abi.DecodeOutput(output)
	if err != nil {
		return fmt.Errorf("the output %s: %w", show(string(output)), err)
	}
	said := map[string]abi.Outcome{}
	for _, o := range out.Items {
		if _, twice := said[o.Key]; twice {
			return fmt.Errorf("the item %s is named twice", o.Key)
		}
		said[o.Key] = o
	}
	var errs []error
	for i, it := range c.items {
		o, named := said[key(i)]
		delete(said, key(i))
		if named && o.Desc == nil && o.Skip == "" && o.Error == nil && it.want == (outcome{}) {
			continue // named for nothing, which is allowed
		}
		if err := it.want.compare(o); err != nil {
			errs = append(errs, fmt.Errorf("the item %s: %w", show(it.desc), err))
		}
	}
	for _, k := range slices.Sorted(maps.Keys(said)) {
		errs = append(errs, fmt.Errorf("%s is no item of the page", show(k)))
	}
	return errors.Join(errs...)
}

func (w outcome) compare(o abi.Outcome) error {
	if w.kind == "" && o.Error != nil {
		return fmt.Errorf("expected no error, got the kind %q: %s", o.Error.Kind, o.Error)
	}
	if w.kind != "" {
		if o.Error == nil {
			return fmt.Errorf("expected an error of the kind %q, got none", w.kind)
		}
		return w.compareError(o.Error)
	}
	if w.like != 0 {
		return w.like.compare(string(o.Desc))
	}
	return errors.Join(same("the reason to skip", o.Skip, w.skip), sameJSON("the description", string(o.Desc), w.desc))
}

// clockSkew is by how much the time may have passed since a guest has told it.
const clockSkew = 10 * time.Minute

func (l likeness) compare(desc string) error {
	var said struct {
		Time  int64
		Bytes []uint16
	}
	if err := json.Unmarshal([]byte(desc), &said); err != nil {
		return fmt.Errorf("the description is %s: %w", show(desc), err)
	}
	if l == likeTime {
		if passed := time.Since(time.Unix(0, said.Time)); passed < -time.Second || passed > clockSkew {
			return fmt.Errorf("the description is %s, expected the nanoseconds since 1970, now %d: does the plugin manifest request the capability clock?", show(desc), time.Now().UnixNano())
		}
		return nil
	}
	large := slices.ContainsFunc(said.Bytes, func(b uint16) bool { return b > 255 })
	if len(said.Bytes) != randomBytes || large || len(slices.Compact(slices.Clone(said.Bytes))) < randomBytes/2 {
		return fmt.Errorf("the description is %s, expected %d bytes that differ", show(desc), randomBytes)
	}
	return nil
}

func (w outcome) compareError(e *abi.Error) error {
	if w.anyMessage {
		if e.Message == "" {
			return errors.New("the error has no message")
		}
		return same("the kind of the error", string(e.Kind), w.kind)
	}
	return same("the error", [3]string{string(e.Kind), e.Message, e.Hint}, [3]string{w.kind, w.message, w.hint})
}

func same(what string, got, want any) error {
	if g, w := fmt.Sprintf("%q", got), fmt.Sprintf("%q", want); g != w {
		return fmt.Errorf("%s is %s, expected %s", what, show(g), show(w))
	}
	return nil
}

// sameJSON compares two values of JSON, or two absent ones; numbers by their
// text, members in any order.
func sameJSON(what, got, want string) error {
	if got == want {
		return nil
	}
	g, err := value(got)
	if err != nil {
		return fmt.Errorf("%s %s: %w", what, show(got), err)
	}
	w, err := value(want)
	if err != nil {
		return err
	}
	if (got == "") != (want == "") || !reflect.DeepEqual(g, w) {
		return fmt.Errorf("%s is %s, expected %s", what, show(got), show(want))
	}
	return nil
}

func value(text string) (v any, err error) {
	if text == "" {
		return nil, nil
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	return v, dec.Decode(&v)
}

// show shortens a text for an error.
func show(text string) string {
	if text == "" {
		return "absent"
	}
	if len(text) > 300 {
		return fmt.Sprintf("%s... (%d bytes)", text[:300], len(text))
	}
	return text
}

// exchange is an operation that the guest is to ask for, and the answer.
type exchange struct {
	op string
	// request is JSON, of which the guest may send more members that the
	// contract ignores, unless exact is set.
	request string
	exact   bool
	// content stands behind the request, after a line feed; "" for none.
	content string
	status  abi.Status
	result  string
}

// logging keeps lines.
type logging struct{ lines []string }

// Log keeps a line with its level.
func (l *logging) Log(level abi.Level, line string) {
	l.lines = append(l.lines, fmt.Sprintf("%d %s", level, line))
}

// Call answers that the operation is not known: setup asks for none.
func (l *logging) Call(context.Context, string, []byte) (abi.Status, []byte) {
	return abi.Unsupported, nil
}

// answering is the host of a case.
type answering struct {
	logging
	setup     logging
	exchanges []exchange
	next      int
	errs      []error
}

// Call compares the request with the next one that is expected, and answers.
func (h *answering) Call(_ context.Context, op string, req []byte) (abi.Status, []byte) {
	if h.next == len(h.exchanges) {
		h.errs = append(h.errs, fmt.Errorf("an operation %q too many", op))
		return abi.Unsupported, nil
	}
	x := h.exchanges[h.next]
	h.next++
	if err := errors.Join(same("the operation", op, x.op), x.compare(req)); err != nil {
		h.errs = append(h.errs, fmt.Errorf("call %d: %w", h.next, err))
	}
	return x.status, []byte(x.result)
}

// check says what the guest asked wrongly, or did not ask for.
func (h *answering) check() error {
	if h.next < len(h.exchanges) {
		h.errs = append(h.errs, fmt.Errorf("the operation %s was not asked for", h.exchanges[h.next].op))
	}
	return errors.Join(h.errs...)
}

func (x exchange) compare(req []byte) error {
	if x.exact {
		return same("the request", string(req), x.request)
	}
	message, content, _ := bytes.Cut(req, []byte("\n"))
	if x.op != abi.OpPut {
		message, content = req, nil
	}
	got, err := value(string(message))
	if err != nil {
		return fmt.Errorf("the request %s: %w", show(string(message)), err)
	}
	want, err := value(x.request)
	if err != nil {
		return err
	}
	known, _ := got.(map[string]any)
	for name, v := range known { // what has the zero value may be absent
		if _, wanted := want.(map[string]any)[name]; !wanted && (name == "do" || zero(v)) {
			delete(known, name)
		}
	}
	if !reflect.DeepEqual(known, want) {
		return fmt.Errorf("the request is %s, expected %s", show(string(message)), show(x.request))
	}
	return same("the content", string(content), x.content)
}

func zero(v any) bool {
	switch v := v.(type) {
	case string:
		return v == ""
	case bool:
		return !v
	case []any:
		return len(v) == 0
	}
	return v == nil
}
