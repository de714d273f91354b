package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// osbuildVersions are releases in which a form of the protocol began or ended.
var osbuildVersions = []int{37, 56, 82, 104, 128, 150, 185, 191}

// Each case of the curl source against a real server, twice, in every form of the
// protocol.
func TestOsbuildCurl(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newCA(t, "ca"))
	one, two := n.put("one.rpm", content("one", 5000)), n.put("two+2 x.rpm", content("two", 100_000))
	here := n.put("moved-here", content("here", 10))
	wrong, missing := key([]byte("wrong")), key([]byte("missing"))
	empty := n.put("empty", nil)
	for _, v := range osbuildVersions {
		t.Run(fmt.Sprint("v", v), func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t)
			s.t = t
			good := s.download(items{one: n.url(n.plain, "one.rpm"), two: object{"url": n.url(n.plain, "two+2 x.rpm")}, here: n.url(n.plain, "moved/moved-here"), empty: n.url(n.plain, "empty")})
			lost := s.download(items{one: n.url(n.plain, "one.rpm"), missing: n.url(n.plain, "missing.rpm")})
			bad := s.download(items{wrong: n.url(n.plain, "one.rpm")})
			r := s.osbuild(v, "org.osbuild.curl", s.download(items{}), good, good, lost, lost, bad, bad, s.download(items{}))
			r.succeeded(0, 1, 2, 7)
			for _, i := range []int{3, 4} {
				r.failed(i, v, "404", n.url(n.plain, "missing.rpm"))
			}
			for _, i := range []int{5, 6} {
				r.failed(i, v, n.url(n.plain, "one.rpm"), wrong[:20])
			}
			s.holds(one, two, here, empty)
			r.told("Downloaded "+n.url(n.plain, "one.rpm"), 1)
			r.told("Downloaded "+n.url(n.plain, "empty"), 1)
			if v >= 186 {
				r.checkCached()
			}
		})
	}
}

// checkCached compares what the first and the second call of TestOsbuildCurl say.
func (r *session) checkCached() {
	r.t.Helper()
	for call, want := range map[int]bool{1: false, 2: true} {
		reply := r.Answers[call].Message.Data.Reply
		if len(reply.Results) != 4 {
			r.t.Errorf("call %d: %d results, want 4", call, len(reply.Results))
		}
		for _, it := range reply.Results {
			if !it.Success || it.Metadata.Cached != want || it.Error != "" {
				r.t.Errorf("call %d: the result is %+v", call, it)
			}
		}
	}
	for _, it := range r.Answers[3].Message.Data.Reply.Results {
		if it.Success {
			r.t.Errorf("an item that succeeded is in a failed result: %+v", it)
		}
	}
}

// 22,000 items do not fit into a packet, neither the request nor the reply.
func TestOsbuildLarge(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	all := items{}
	if err := os.MkdirAll(s.files(), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 22_000 {
		k := fmt.Sprintf("sha512:%0128x", i)
		if err := os.WriteFile(filepath.Join(s.files(), k), []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		all[k] = object{"url": fmt.Sprintf("http://127.0.0.1:1/%0100d.rpm", i)}
	}
	for _, v := range []int{104, 191} {
		r := s.osbuild(v, "org.osbuild.curl", s.download(all), s.download(all))
		r.succeeded(0, 1)
		if v == 191 && (r.SentViaFD != 2 || r.ReceivedViaFD != 2) {
			t.Errorf("%d requests and %d replies came in descriptors, want 2 of each", r.SentViaFD, r.ReceivedViaFD)
		}
		if n := len(r.Answers[1].Message.Data.Reply.Results); v == 191 && n != len(all) {
			t.Errorf("%d results, want %d", n, len(all))
		}
	}
}

// 2,000 items that fail make a result that osbuild can show.
func TestOsbuildManyFailures(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newCA(t, "ca"))
	s := newSandbox(t)
	all := items{}
	for i := range 2000 {
		all[fmt.Sprintf("sha256:%064x", i)] = n.url(n.plain, fmt.Sprintf("no/%d.rpm", i))
	}
	for _, v := range []int{185, 191} {
		r := s.osbuild(v, "org.osbuild.curl", s.download(all))
		r.failed(0, v, "404")
		if v == 191 {
			failed := r.Answers[0].Message.Data.Reply.Results
			contains(t, failed[len(failed)-1].Error, fmt.Sprintf("and %d more items failed", 2000-len(failed)))
		}
		failures := 0
		for _, l := range r.Lines {
			if strings.HasPrefix(l, "Failed: sha256:") {
				failures++
			}
		}
		if failures != 2000 {
			t.Errorf("v%d: the log has %d failures, want 2000", v, failures)
		}
	}
}

// Whatever a client sends is answered, and the service goes on.
func TestOsbuildGarbage(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	good := s.download(items{})
	whole, err := json.Marshal(object{"type": "method", "data": object{"name": "download", "args": good}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []int{104, 191} {
		r := s.osbuild(v, "org.osbuild.curl",
			object{"raw": "garbage"}, object{"raw": string(whole[:len(whole)/2])}, object{"raw": "<args-via-fd>"},
			object{"file": "{"}, object{"raw": "ÿþ"}, object{"raw": "[]", "descriptors": 253},
			object{"raw": `{"type":"method","data":{"name":"upload","args":{}}}`},
			object{"raw": `{"type":"signal","data":{"reply":{}}}`, "answered": false},
			object{"signal": 15}, object{"signal": 2}, good, object{"signal": 15}, object{"sleep": 0.1}, good)
		for i := range 7 {
			if a := r.Answers[i]; a.Outcome != "exception" || !strings.HasPrefix(a.Text, "ProtocolError: ") {
				t.Errorf("call %d: the outcome is %s: %s", i, a.Outcome, a.Text)
			}
		}
		contains(t, r.Answers[6].Text, "ProtocolError: Unknown method")
		r.succeeded(10, 13)
	}
}

// A client that leaves, or that does not read, does not keep the service.
func TestOsbuildClientLeaves(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	all := items{}
	for i := range 3000 {
		all[fmt.Sprintf("sha256:%064x", i)] = "http://127.0.0.1:1/x"
	}
	s.osbuild(191, "org.osbuild.curl", object{"raw": "garbage", "unread": true}, object{"raw": "garbage", "unread": true})
	call := s.download(all)
	call["unread"] = true
	s.osbuild(191, "org.osbuild.curl", call, object{"sleep": 0.5})
}

// Half of a file has arrived when osbuild leaves. The service ends at once, and
// the half is there for the next run.
//
// adversary: C6
func TestOsbuildStopsWhileDownloading(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newCA(t, "ca"))
	s := newSandbox(t)
	data := content("slow", 40<<20)
	k := n.put("slow/large", data)
	for _, v := range []int{104, 191} {
		call := s.download(items{k: n.url(n.plain, "slow/large")})
		call["await"] = s.store
		s.osbuild(v, "org.osbuild.curl", call)
		s.holds()
		if s.partial() < 1<<20 {
			t.Errorf("v%d: %d bytes are staged", v, s.partial())
		}
	}
	s.osbuild(191, "org.osbuild.curl", s.download(items{k: n.url(n.plain, "large")})).failed(0, 191, "404")
}

// Nobody reads the log any more: the work goes on.
func TestOsbuildLogClosed(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	all := items{}
	for i := range 50 {
		data := fmt.Appendf(nil, "file %d", i)
		all[key(data)] = "file:" + s.write(fmt.Sprint("files/", i), data)
	}
	s.osbuild(191, "org.osbuild.curl", object{"log": false}, s.download(all), s.download(all)).succeeded(1, 2)
}

// When the service dies in the middle of a request, osbuild is answered.
func TestOsbuildCrash(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newCA(t, "ca"))
	s := newSandbox(t)
	k := n.put("slow/crash", content("crash", 40<<20))
	for signal, says := range map[syscall.Signal]string{syscall.SIGKILL: "killed before it could answer", syscall.SIGQUIT: "SIGQUIT: quit"} {
		call := s.download(items{k: n.url(n.plain, "slow/crash")})
		call["await"], call["kill"] = s.store, signal
		small := key([]byte("small"))
		s.write("small", []byte("small"))
		// The first request is answered, so that the guard has seen one end.
		r := s.osbuildWith(object{"dies": true}, 191, "org.osbuild.curl", s.download(items{small: "file:" + filepath.Join(s.dir, "small")}), call)
		if a := r.Answers[1]; a.Outcome != "exception" || !strings.HasPrefix(a.Text, "InternalError: sourcehost ") {
			t.Errorf("%v: the outcome is %s: %s", signal, a.Outcome, tail(a.Text))
		}
		contains(t, r.Answers[1].Text, says)
		if err := os.RemoveAll(s.store); err != nil {
			t.Fatal(err)
		}
	}
}

// The configuration counts as on the command line, chained plugins included.
func TestOsbuildConfiguration(t *testing.T) {
	t.Parallel()
	c := newChain(t)
	c.wire(c.pin, granted, c.origin.Addr(), c.mirror.Addr())
	var m struct {
		Sources map[string]struct{ Items items }
	}
	data, err := os.ReadFile(c.manifest)
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := c.osbuild(191, "org.osbuild.curl", c.download(m.Sources["org.osbuild.curl"].Items))
	r.succeeded(0)
	c.holds(c.keys...)
	if log := strings.Join(r.Lines, "\n"); strings.Contains(log, vault) {
		t.Errorf("the secret is in the log:\n%s", log)
	}
}

// What is wrong before any item can be looked at is told in a sentence, in the
// form of the version.
//
// adversary: C9a
func TestOsbuildRefusals(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	one := items{key([]byte("x")): "http://127.0.0.1:1/x", key([]byte("y")): "http://127.0.0.1:1/y"}
	for _, v := range []int{104, 185, 191} {
		s.osbuild(v, "com.acme.unknown", s.download(one)).failed(0, v, "com.acme.unknown", "no plugin serves", "org.osbuild.curl")
		s.osbuild(v, "org.osbuild.curl", s.download(items{"../../etc/passwd": "http://127.0.0.1:1/x"})).failed(0, v, "../../etc/passwd")
		s.osbuild(v, "org.osbuild.curl", s.download(items{key(nil): 7})).failed(0, v, "expected")
		s.configure("wrkers = 3\n")
		s.osbuild(v, "org.osbuild.curl", s.download(one)).failed(0, v, "sourcehost.toml:1", "wrkers")
		s.configure(quick)
	}
}

// A plugin of the configuration is a source under any name, and old names go on.
func TestOsbuildNames(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newCA(t, "ca"))
	s := newSandbox(t)
	path := filepath.Join(s.dir, "acme.wasm")
	wasm, err := os.ReadFile("../builtin/wasm/curl.wasm")
	if err != nil {
		t.Fatal(err)
	}
	s.write(path, wasm)
	s.configure(quick + fmt.Sprintf("[source.\"com.acme.files\"]\nplugin = \"acme\"\n[plugin.acme]\npath = %q\n[plugin.acme.grant]\ndownload = [%q]\nenv = [\"OSBUILD_SOURCES_CURL_PROXY\"]\n", path, n.url(n.plain, "")))
	for i, name := range []string{"com.acme.files", "org.osbuild.files"} {
		file := fmt.Sprint("named/", i)
		k := n.put(file, content(file, 100))
		call := s.download(items{k: n.url(n.plain, file)})
		// Of manifests of version 1 the options are the whole source.
		call["options"] = object{"urls": object{k: n.url(n.plain, file)}}
		r := s.osbuild(191, name, call, call)
		r.succeeded(0, 1)
	}
	// Started by a launcher the name is in the id alone.
	s.osbuildWith(object{"executable": built.program, "argv0": "sourcehost"}, 191, "org.osbuild.curl", s.download(items{})).succeeded(0)
}

// Without a version in PYTHONPATH the newest is assumed.
func TestOsbuildUnknownVersion(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	r := s.osbuild(0, "org.osbuild.curl", s.download(items{key(nil): "http://127.0.0.1:1/x"}))
	if reply := r.Answers[0].Message.Data.Reply; reply.Success || len(reply.Results) != 1 {
		t.Errorf("the answer is %+v", r.Answers[0])
	}
}

// Under the name of a source, but not started by osbuild, the program says what
// it is.
func TestSourceByHand(t *testing.T) {
	t.Parallel()
	s := newSandbox(t)
	for _, args := range [][]string{nil, {"--help"}, {"--service-fd", "x"}, {"--service-fd", "0"}, {"--service-fd=99"}} {
		cmd := exec.Command(s.source("org.osbuild.curl"), args...)
		cmd.Env = s.env
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.HasPrefix(string(out), "sourcehost: ") || len(lines(string(out))) != 1 {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
}

// While osbuild is slow to read, and while several calls go on, each line comes.
func TestOsbuildLines(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newCA(t, "ca"))
	s := newSandbox(t)
	all := items{}
	var want []string
	for i := range 400 {
		name := fmt.Sprintf("many/ü-%d", i)
		all[n.put(name, content(name, 10))] = n.url(n.plain, name)
	}
	start := time.Now()
	r := s.osbuild(150, "org.osbuild.curl", s.download(all))
	r.succeeded(0)
	for _, l := range r.Lines {
		if strings.HasPrefix(l, "Downloaded http://") {
			want = append(want, l)
		}
	}
	slices.Sort(want)
	if len(slices.Compact(want)) != len(all) {
		t.Errorf("%d different lines came for %d files after %v", len(slices.Compact(want)), len(all), time.Since(start))
	}
}
