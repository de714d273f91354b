package osbuild

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/internal/abi"
)

func method(name, args string) string {
	return fmt.Sprintf(`{"type":"method","data":{"name":%q,"args":%s}}`, name, args)
}

// Every form of a request gives the host the same items in the same order.
func TestRequestForms(t *testing.T) {
	requests := make(chan host.Request, 1)
	p := start(t, 0, &fake{run: func(ctx context.Context, req host.Request) (*host.Result, error) {
		requests <- req
		return cached(ctx, req)
	}}, nil)
	const items = `{"b": {"url": "x"}, "a": "y"}`
	const rest = `"options": {"o": 1}, "cache": "/store/sources", "output": null, "checksums": []`
	want := host.Request{
		Source: "org.test", Store: "/store/sources", Options: json.RawMessage(`{"o": 1}`),
		Items: []host.Item{{Key: "b", Desc: json.RawMessage(`{"url": "x"}`)}, {Key: "a", Desc: json.RawMessage(`"y"`)}},
	}
	whole := method("download", `{"items": `+items+`, `+rest+`}`)
	for name, ask := range map[string]func() answer{
		"in the arguments":      func() answer { return p.ask(whole) },
		"in a file":             func() answer { return p.ask(method("download", `{`+rest+`, "libdir": "/l"}`), memory(t, items)) },
		"null beside a file":    func() answer { return p.ask(method("download", `{"items": null, `+rest+`}`), memory(t, items)) },
		"the message in a file": func() answer { return p.ask(viaDescriptor, memory(t, whole)) },
		"the message in a file, items in a 2nd": func() answer {
			return p.ask(viaDescriptor, memory(t, method("download", `{`+rest+`}`)), memory(t, items))
		},
	} {
		if a := ask(); a.Type != typeReply {
			t.Fatalf("%s: %+v", name, a)
		}
		if diff := cmp.Diff(want, <-requests); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// Before version 83 images are stored as archives.
func TestImageFormat(t *testing.T) {
	for v, want := range map[Version]string{48: "docker-archive", 82: "docker-archive", 83: "", 191: "", 0: ""} {
		p := start(t, v, &fake{run: func(ctx context.Context, req host.Request) (*host.Result, error) {
			if req.Format != want {
				t.Errorf("version %v: the format is %q, want %q", v, req.Format, want)
			}
			return cached(ctx, req)
		}}, nil)
		p.ask(method("download", `{"items": {}, "cache": "/c"}`))
		p.close()
	}
}

// Whatever comes is answered, and the connection goes on.
func TestWrongMessages(t *testing.T) {
	p := start(t, 0, &fake{run: cached}, nil)
	pipe := make([]int, 2)
	if err := unix.Pipe2(pipe, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	sparse := memory(t, "")
	if err := unix.Ftruncate(sparse, maxFile+1); err != nil {
		t.Fatal(err)
	}
	before := openDescriptors(t)
	for _, c := range []struct {
		name, packet string
		fds          []int
		says         string
	}{
		{"no JSON", "garbage", nil, "the message cannot be read"},
		{"half of a message", whole()[:40], nil, "the message cannot be read"},
		{"two messages", whole() + whole(), nil, "the message cannot be read"},
		{"an array", "[]", nil, "the message cannot be read"},
		{"not UTF-8", "{\"type\":\"\xff\"}", nil, "the message cannot be read"},
		{"nothing in it", "{}", nil, "has the type"},
		{"a reply", `{"type":"reply","data":{"reply":1}}`, nil, `has the type "reply"`},
		{"no data", `{"type":"method"}`, nil, `no "data"`},
		{"data is no object", `{"type":"method","data":7}`, nil, `no "data"`},
		{"unknown method", method("upload", "{}"), nil, "Unknown method"},
		{"no name", `{"type":"method","data":{"args":{}}}`, nil, "Unknown method"},
		{"no args", `{"type":"method","data":{"name":"download"}}`, nil, "arguments"},
		{"no cache", method("download", `{"items":{}}`), nil, "cache"},
		{"no items", method("download", `{"cache":"/c"}`), nil, "neither"},
		{"items are an array", method("download", `{"cache":"/c","items":[]}`), nil, "expected"},
		{"an item twice", method("download", `{"cache":"/c","items":{"a":1,"a":2}}`), nil, "cannot be read"},
		{"no destination", method("copy", `{"cache":"/c","items":{}}`), nil, "dst_cache"},
		{"items in a pipe", method("download", `{"cache":"/c"}`), []int{pipe[0]}, "not a regular file"},
		{"half of the items", method("download", `{"cache":"/c"}`), []int{memory(t, `{"a":`)}, "cannot be read"},
		{"too many items", method("download", `{"cache":"/c"}`), []int{sparse}, "may have"},
		{"via no descriptor", viaDescriptor, nil, "without a file descriptor"},
		{"via a pipe", viaDescriptor, []int{pipe[0]}, "not a regular file"},
		{"via an empty file", viaDescriptor, []int{memory(t, "")}, "the message cannot be read"},
		{"empty", "", nil, "empty"},
	} {
		a := p.ask(c.packet, c.fds...)
		if a.Type != typeException || a.Data.Name != "ProtocolError" || !strings.Contains(a.Data.Value, c.says) {
			t.Errorf("%s: the answer is %+v, want one that says %q", c.name, a, c.says)
		}
	}
	if a := p.ask(whole()); a.Type != typeReply {
		t.Errorf("after all that the answer is %+v", a)
	}
	if after := openDescriptors(t); after > before+2 { // the memory files above
		t.Errorf("%d descriptors are open, %d were", after, before)
	}
}

func whole() string { return method("download", `{"items":{},"cache":"/c"}`) }

// A packet with as many descriptors as the kernel takes leaves none open.
func TestManyDescriptors(t *testing.T) {
	p := start(t, 0, &fake{run: cached}, nil)
	p.ask(whole())
	before := openDescriptors(t)
	fds := make([]int, maxDescriptors)
	for i := range fds {
		fds[i] = p.fd
	}
	for range 3 {
		if a := p.ask(whole(), fds...); a.Type != typeReply {
			t.Errorf("the answer is %+v", a)
		}
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors are open, %d were", after, before)
	}
}

// A signal is thrown away: the next answer is to the next method.
func TestSignals(t *testing.T) {
	p := start(t, 0, &fake{run: cached}, nil)
	if err := p.sendmsg([]byte(`{"type":"signal","data":{"reply":{}}}`), nil); err != nil {
		t.Fatal(err)
	}
	if a := p.ask(whole()); a.Type != typeReply {
		t.Errorf("the answer is %+v", a)
	}
}

// A fault of ours is answered too.
func TestPanic(t *testing.T) {
	p := start(t, 0, &fake{run: func(context.Context, host.Request) (*host.Result, error) { panic("oh") }}, nil)
	for range 2 {
		a := p.ask(whole())
		if a.Type != typeException || !strings.Contains(a.Data.Value, "oh") || !strings.Contains(a.Data.Backtrace, "service_test.go") {
			t.Errorf("the answer is %+v", a)
		}
	}
}

// 2,000 items come and go as usual packets and in descriptors.
func TestLargeMessages(t *testing.T) {
	before := openDescriptors(t)
	for _, wmem := range []int{1 << 30, 212_992} {
		p := start(t, 0, &fake{run: cached}, nil)
		c := &conn{fd: p.fd, wmem: wmem}
		var items []string
		for i := range 2000 {
			items = append(items, fmt.Sprintf(`"sha256:%064x":{"url":"http://127.0.0.1/%0100d"}`, i, i))
		}
		if err := c.send([]byte(method("download", `{"items":{`+strings.Join(items, ",")+`},"cache":"/c"}`))); err != nil {
			t.Fatal(err)
		}
		var doc document
		if err := json.Unmarshal(p.read().Data.Reply, &doc); err != nil || len(doc.Results) != 2000 || !doc.Success {
			t.Errorf("%d results, %v", len(doc.Results), err)
		}
		p.close()
	}
	if after := openDescriptors(t); after > before {
		t.Errorf("%d descriptors are open, %d were", after, before)
	}
}

// A reply that is too long for a packet is sent in a descriptor, which stands at
// its start.
func TestLongReply(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	c, err := newConn(fds[0])
	if err != nil {
		t.Fatal(err)
	}
	c.wmem = 1000
	message := bytes.Repeat([]byte("x"), 5000)
	if err := c.send(message); err != nil {
		t.Fatal(err)
	}
	buf, oob := make([]byte, 100), make([]byte, 100)
	n, oobn, _, _, err := unix.Recvmsg(fds[1], buf, oob, unix.MSG_CMSG_CLOEXEC)
	if err != nil || string(buf[:n]) != viaDescriptor {
		t.Fatalf("%q, %v", buf[:n], err)
	}
	got, err := descriptors(oob[:oobn])
	if err != nil || len(got) != 1 {
		t.Fatalf("%v, %v", got, err)
	}
	defer unix.Close(got[0])
	data := make([]byte, 6000)
	if n, err := unix.Read(got[0], data); err != nil || !bytes.Equal(data[:n], message) {
		t.Errorf("read %d bytes, %v", n, err)
	}
}

// The end of the connection is noticed while something runs, also when more
// requests wait to be read.
//
// adversary: C6
func TestCloseStopsWork(t *testing.T) {
	started := make(chan struct{})
	f := &fake{run: func(ctx context.Context, req host.Request) (*host.Result, error) {
		close(started)
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}}
	p := start(t, 0, f, nil)
	for range 2 {
		if err := p.sendmsg([]byte(whole()), nil); err != nil {
			t.Fatal(err)
		}
	}
	<-started
	p.close() // waits for the service
	if !f.closed {
		t.Error("the host was not closed")
	}
}

// Work that does not stop is abandoned.
//
// adversary: C6
func TestAbandon(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[1])
	c, err := newConn(fds[1])
	if err != nil {
		t.Fatal(err)
	}
	abandoned := make(chan struct{})
	s := &Service{Abandon: func() { close(abandoned) }}
	stop, err := s.watch(c, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	unix.Close(fds[0])
	<-abandoned
	stop()
}

// failing makes every item fail with this text.
func failing(text string) func(context.Context, host.Request) (*host.Result, error) {
	return func(_ context.Context, req host.Request) (*host.Result, error) {
		res := &host.Result{Source: req.Source}
		for i, it := range req.Items {
			r := host.ItemResult{Key: it.Key, State: host.Fetched}
			if i > 0 {
				r.State, r.Err = host.Failed, &host.Error{Kind: abi.ErrNetwork, Key: it.Key, Message: text, Hint: "try again"}
			}
			res.Items = append(res.Items, r)
		}
		return res, nil
	}
}

func request(n int) string {
	var items []string
	for i := range n {
		items = append(items, fmt.Sprintf(`"sha256:%064x":1`, i))
	}
	return method("download", `{"items":{`+strings.Join(items, ",")+`},"cache":"/c"}`)
}

// Up to version 185 only an exception is a failure.
func TestExceptions(t *testing.T) {
	for _, v := range []Version{37, 56, 185} {
		p := start(t, v, &fake{run: failing("no such host")}, nil)
		a := p.ask(request(3))
		if a.Type != typeException || a.Data.Backtrace != "" {
			t.Errorf("version %v: %+v", v, a)
		}
		for _, want := range []string{"org.test", "2 of 3 items failed", fmt.Sprintf("sha256:%064x", 1), fmt.Sprintf("sha256:%064x", 2), "no such host", "try again"} {
			if !strings.Contains(a.Data.Value, want) {
				t.Errorf("version %v: the text does not say %q: %s", v, want, a.Data.Value)
			}
		}
		if a := p.ask(request(1)); a.Type != typeReply {
			t.Errorf("version %v: %+v", v, a)
		}
	}
}

// From version 186 on a failure is a result, of failed items only.
func TestResults(t *testing.T) {
	for _, v := range []Version{186, 191, 0} {
		p := start(t, v, &fake{run: failing("no such host")}, nil)
		a := p.ask(request(3))
		var doc document
		if err := json.Unmarshal(a.Data.Reply, &doc); err != nil {
			t.Fatal(err)
		}
		want := document{Name: "source org.test", SourceType: "org.test", Output: "2 of 3 items failed"}
		for i := 1; i < 3; i++ {
			k := fmt.Sprintf("sha256:%064x", i)
			want.Results = append(want.Results, itemDocument{Metadata: metadataDocument{Checksum: k}, Error: k + ": no such host (try again)"})
		}
		if diff := cmp.Diff(want, doc); diff != "" {
			t.Errorf("version %v: %s", v, diff)
		}
		if err := json.Unmarshal(p.ask(request(1)).Data.Reply, &doc); err != nil || !doc.Success || len(doc.Results) != 1 || !doc.Results[0].Success {
			t.Errorf("version %v: %+v, %v", v, doc, err)
		}
	}
}

// pythonLength is what Python's json.dumps makes of a reply, near enough: with a
// space after each comma and colon, and all in ASCII.
func pythonLength(reply []byte) int {
	n := 0
	for _, r := range string(reply) {
		n += runeWidth(r)
		if r == '"' || r == '\\' {
			n-- // is escaped already, or is a delimiter
		}
		if r == ',' || r == ':' {
			n++
		}
	}
	return n
}

// However many items fail, and however they do, the result stays short, and says
// how many there were.
func TestResultLimit(t *testing.T) {
	for _, text := range []string{"x", strings.Repeat("a long story ", 1000), strings.Repeat("ü", 3000), strings.Repeat("\U0001f600\"", 3000), strings.Repeat("\xff\x00", 5000)} {
		for _, n := range []int{2, 5, 30, 200, 2001} {
			p := start(t, 0, &fake{run: failing(text)}, nil)
			reply := p.ask(request(n)).Data.Reply
			if got := pythonLength(reply); got > 29_000 {
				t.Errorf("%d items with %.10q: the result has %d characters", n-1, text, got)
			}
			var doc document
			if err := json.Unmarshal(reply, &doc); err != nil {
				t.Fatal(err)
			}
			last := doc.Results[len(doc.Results)-1]
			left := n - 1 - len(doc.Results)
			if counted := strings.Contains(last.Error, fmt.Sprintf("and %d more items failed", left)); counted != (left > 0) {
				t.Errorf("%d items, %d in the result: the last error is %q", n-1, len(doc.Results), last.Error)
			}
			if doc.Results[0].Metadata.Checksum != fmt.Sprintf("sha256:%064x", 1) || last.Success {
				t.Errorf("the first item is %+v, the last %+v", doc.Results[0], last)
			}
			p.close()
		}
	}
}

// A request that fails as a whole is told in the form of the version.
func TestRefusals(t *testing.T) {
	wrong := errors.New("the configuration is wrong")
	p := start(t, 185, nil, wrong)
	if a := p.ask(request(3)); a.Type != typeException || !strings.Contains(a.Data.Value, wrong.Error()) {
		t.Errorf("%+v", a)
	}
	p = start(t, 185, nil, &host.Error{Source: "org.test", Message: "no store"})
	if a := p.ask(request(3)); a.Data.Value != "org.test: no store" {
		t.Errorf("%+v", a)
	}
	p = start(t, 186, nil, wrong)
	for _, n := range []int{0, 1, 3} {
		var doc document
		if err := json.Unmarshal(p.ask(request(n)).Data.Reply, &doc); err != nil {
			t.Fatal(err)
		}
		if doc.Success || len(doc.Results) != 1 || !strings.Contains(doc.Results[0].Error, wrong.Error()) {
			t.Errorf("%d items: %+v", n, doc)
		}
	}
}

// A peer that does not read the reply does not keep the service when it leaves.
func TestNobodyReads(t *testing.T) {
	p := start(t, 0, &fake{run: failing(strings.Repeat("x", 300))}, nil)
	for range 50 {
		if err := unix.Sendmsg(p.fd, []byte(request(1500)), nil, nil, unix.MSG_DONTWAIT); err != nil {
			break
		}
	}
	time.Sleep(50 * time.Millisecond)
	p.close()
}

// Copy is told both folders, and answered as download is.
func TestCopy(t *testing.T) {
	requests := make(chan CopyRequest, 2)
	backend := func() *fake {
		return &fake{copied: func(ctx context.Context, req CopyRequest) (*host.Result, error) {
			requests <- req
			return failing("no space left")(ctx, host.Request{Source: req.Source, Items: req.Items})
		}}
	}
	args := `{"items":{"a":1,"b":2},"options":{"o":1},"cache":"/from","dst_cache":"/to"}`
	a := start(t, 185, backend(), nil).ask(method("copy", args))
	if a.Type != typeException || !strings.Contains(a.Data.Value, "no space left") {
		t.Errorf("%+v", a)
	}
	want := CopyRequest{Source: "org.test", Options: []byte(`{"o":1}`), From: "/from", To: "/to",
		Items: []host.Item{{Key: "a", Desc: []byte("1")}, {Key: "b", Desc: []byte("2")}}}
	if diff := cmp.Diff(want, <-requests); diff != "" {
		t.Error(diff)
	}
	a = start(t, 186, backend(), nil).ask(method("copy", args))
	if a.Type != typeReply || !strings.Contains(string(a.Data.Reply), `"success":false`) {
		t.Errorf("%+v", a)
	}
}
