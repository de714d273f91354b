package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// object is any JSON object.
type object = map[string]any

// answered is what osbuild_client.py reports of one call.
type answered struct {
	Outcome     string // success, failure, exception or broken
	Text        string // what osbuild would show
	Seconds     float64
	Descriptors int // files that the service has open
	Message     struct {
		Data struct{ Reply osbuildResult }
	}
}

type osbuildResult struct {
	Success bool
	Results []struct {
		Success  bool
		Metadata struct {
			Checksum string
			Cached   bool
		}
		Error string
	}
}

// session is what osbuild_client.py reports.
type session struct {
	t              *testing.T
	Answers        []answered
	Lines          []string
	BadLines       int  `json:"bad_lines"`
	Alive          bool // before the socket was closed
	Status         int
	EndSeconds     float64 `json:"end_seconds"`
	Orphans        []string
	OwnDescriptors int `json:"own_descriptors"`
	SentViaFD      int `json:"sent_via_fd"`
	ReceivedViaFD  int `json:"received_via_fd"`
}

// osbuild starts a source as this version of osbuild does and makes the calls.
func (s *sandbox) osbuild(version int, source string, calls ...object) *session {
	s.t.Helper()
	return s.osbuildWith(object{}, version, source, calls...)
}

// osbuildWith is osbuild with more in the client's plan.
func (s *sandbox) osbuildWith(plan object, version int, source string, calls ...object) *session {
	s.t.Helper()
	python := need(s.t, "python3", "python3")
	packages := filepath.Join(s.dir, fmt.Sprint("python", version))
	if version > 0 {
		s.write(filepath.Join(packages, "osbuild", "__init__.py"), fmt.Appendf(nil, "\"\"\"OSBuild\"\"\"\n\n__version__ = \"%d\"\n", version))
	}
	if plan["executable"] == nil {
		plan["executable"] = s.source(source)
	}
	plan["name"], plan["version"], plan["pythonpath"], plan["calls"] = source, version, []string{packages}, calls
	data, err := json.Marshal(plan)
	if err != nil {
		s.t.Fatal(err)
	}
	client, err := filepath.Abs("testdata/osbuild_client.py")
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.Command(python, "-B", client, s.write("plan.json", data))
	cmd.Dir, cmd.Env = filepath.Join(s.dir, "cwd"), s.env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("the client: %v\n%s", err, tail(stderr.String()))
	}
	r := &session{t: s.t}
	if err := json.Unmarshal(stdout.Bytes(), r); err != nil {
		s.t.Fatalf("%v\n%s", err, tail(stdout.String()))
	}
	if plan["dies"] == nil {
		r.sound()
	}
	return r
}

// sound checks what is true of every session.
func (r *session) sound() {
	r.t.Helper()
	if r.Status != 0 || !r.Alive {
		r.t.Errorf("the service ended with status %d, alive before: %v\n%s", r.Status, r.Alive, tail(strings.Join(r.Lines, "\n")))
	}
	if r.EndSeconds > prompt.Seconds() {
		r.t.Errorf("it took %.2f s to end", r.EndSeconds)
	}
	if len(r.Orphans) > 0 {
		r.t.Errorf("processes are left: %q", r.Orphans)
	}
	if r.BadLines > 0 {
		r.t.Errorf("%d lines are not UTF-8", r.BadLines)
	}
	if r.OwnDescriptors != 0 {
		r.t.Errorf("the client has %d descriptors more than before", r.OwnDescriptors)
	}
	for i, a := range r.Answers {
		if first := r.Answers[0].Descriptors; first > 0 && a.Descriptors > first {
			r.t.Errorf("the service has %d files open after answer %d, %d after the first", a.Descriptors, i, first)
		}
	}
}

// source makes a name for the program, as in a library folder.
func (s *sandbox) source(name string) string {
	s.t.Helper()
	path := filepath.Join(s.dir, "libdir", "sources", name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Symlink(built.program, path); err != nil && !os.IsExist(err) {
		s.t.Fatal(err)
	}
	return path
}

// download is a call of the method, into the sandbox's store.
func (s *sandbox) download(items any) object {
	return object{"method": "download", "items": items, "options": object{}, "cache": filepath.Join(s.store, "sources")}
}

// failed checks that a call failed as the version tells it, with these parts in
// the text that osbuild shows.
func (r *session) failed(call, version int, parts ...string) {
	r.t.Helper()
	want := "failure"
	if version <= 185 {
		want = "exception"
	}
	a := r.Answers[call]
	if a.Outcome != want {
		r.t.Errorf("v%d: the outcome is %s, want %s: %s", version, a.Outcome, want, a.Text)
	}
	contains(r.t, a.Text, parts...)
}

func (r *session) succeeded(calls ...int) {
	r.t.Helper()
	for _, i := range calls {
		if a := r.Answers[i]; a.Outcome != "success" {
			r.t.Errorf("call %d: the outcome is %s: %s", i, a.Outcome, a.Text)
		}
	}
}

// told checks how often a line is in the log.
func (r *session) told(line string, times int) {
	r.t.Helper()
	n := 0
	for _, l := range r.Lines {
		if l == line {
			n++
		}
	}
	if n != times {
		r.t.Errorf("the log has %q %d times, want %d:\n%s", line, n, times, tail(strings.Join(r.Lines, "\n")))
	}
}
