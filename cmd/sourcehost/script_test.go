package main

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sourcehost/sourcehost/internal/builtin"
)

// The commands that scripts have beside those of testscript:
//
//	serve DIR            serves a folder on the loopback interface as $URL
//	[!] requests PATH N  compares how often a path was asked for; ! with N means fewer
//	key NAME FILE [ALGO] sets $NAME to the key of a file's content
//	subst FILE...        replaces $NAME and ${NAME} in files
//	mask FILE OUT        copies a file, with what differs from run to run replaced
//	mode FILE 0644       compares the permissions of a file
//	status N CMD ARG...  runs a command that must end with this exit status
//	[!] terminal ARG...  runs sourcehost on a terminal of 72 columns; sets stdout
//	builtinwasm FILE     writes the built-in plugin curl to a file

func stringReader(s string) io.Reader { return strings.NewReader(s) }

var hashes = map[string]func() hash.Hash{
	"md5": md5.New, "sha1": sha1.New, "sha256": sha256.New, "sha384": sha512.New384, "sha512": sha512.New,
}

func contentKey(algorithm string, data []byte) string {
	h := hashes[algorithm]()
	h.Write(data)
	return algorithm + ":" + hex.EncodeToString(h.Sum(nil))
}

// fileServer serves a folder, and answers some paths as bad servers do:
//
//	/status/CODE/FILE  always with this status
//	/flaky/N/FILE      with 503 the first N times
//	/hang/FILE         with the first half of the file, then with nothing more;
//	                   from the second request on with the file
//	/redirect/FILE     with a redirect to /FILE
type fileServer struct {
	dir    string
	mu     sync.Mutex
	hit    map[string]int
	ranges []string // the Range headers of all requests that had one
}

func (s *fileServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.hit[r.URL.Path]++
	n := s.hit[r.URL.Path]
	if v := r.Header.Get("Range"); v != "" {
		s.ranges = append(s.ranges, v)
	}
	s.mu.Unlock()
	part := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/"), "/", 3)
	name := filepath.Join(s.dir, filepath.Clean("/"+part[len(part)-1]))
	number := 0
	if len(part) == 3 {
		number, _ = strconv.Atoi(part[1])
	}
	switch {
	case part[0] == "status":
		http.Error(w, "as asked", number)
	case part[0] == "flaky" && n <= number:
		http.Error(w, "busy", http.StatusServiceUnavailable)
	case part[0] == "redirect":
		http.Redirect(w, r, "/"+strings.Join(part[1:], "/"), http.StatusFound)
	case part[0] == "hang" && n == 1:
		hang(w, r, name)
	case part[0] == "hang":
		w.Header().Set("ETag", halfTag)
		http.ServeFile(w, r, name)
	default:
		http.ServeFile(w, r, name)
	}
}

// halfTag lets the second half of a file be asked for.
const halfTag = `"one"`

// hang sends half of a file and waits until the client gives up.
func hang(w http.ResponseWriter, r *http.Request, name string) {
	data, err := os.ReadFile(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	w.Header().Set("ETag", halfTag)
	w.Write(data[:len(data)/2])
	w.(http.Flusher).Flush()
	select {
	case <-r.Context().Done():
	case <-time.After(time.Minute):
	}
}

func newFileServer(dir string) (*fileServer, *httptest.Server) {
	s := &fileServer{dir: dir, hit: map[string]int{}}
	return s, httptest.NewServer(s)
}

var servers sync.Map // by the script's work folder

func cmdServe(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: serve DIR")
	}
	s, listener := newFileServer(ts.MkAbs(args[0]))
	ts.Defer(func() {
		listener.CloseClientConnections()
		listener.Close()
	})
	servers.Store(ts.Getenv("WORK"), s)
	ts.Setenv("URL", listener.URL)
}

func cmdRequests(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: requests PATH N")
	}
	v, ok := servers.Load(ts.Getenv("WORK"))
	want, err := strconv.Atoi(args[1])
	if !ok || err != nil {
		ts.Fatalf("no server, or no number: %v", err)
	}
	s := v.(*fileServer)
	s.mu.Lock()
	got := s.hit[args[0]]
	s.mu.Unlock()
	if (got == want) == neg {
		ts.Fatalf("%s was asked for %d times", args[0], got)
	}
}

func cmdKey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: key NAME FILE [ALGO]")
	}
	algorithm := "sha256"
	if len(args) == 3 {
		algorithm = args[2]
	}
	ts.Setenv(args[0], contentKey(algorithm, []byte(ts.ReadFile(args[1]))))
	ts.Setenv("KEYS", strings.TrimSpace(ts.Getenv("KEYS")+" "+args[0]))
}

func cmdSubst(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		text := os.Expand(ts.ReadFile(name), func(v string) string {
			if v == "schema" { // "$schema" in JSON
				return "$schema"
			}
			return ts.Getenv(v)
		})
		ts.Check(os.WriteFile(ts.MkAbs(name), []byte(text), 0o644))
	}
}

// The parts of an output that differ from run to run.
var varying = []struct {
	is  *regexp.Regexp
	put string
}{
	// What comes every second or two is there only when the machine is slow.
	{regexp.MustCompile(`(?m)^\d+ of \d+ items, .*/s.*\n`), ""},
	{regexp.MustCompile(`(?m)^\{"event":"progress".*\n`), ""},
	{regexp.MustCompile(`\b[0-9.]+ s\b`), "T s"},
	{regexp.MustCompile(`"(seconds|elapsed)": ?[0-9.e-]+`), `"$1": T`},
	{regexp.MustCompile(`\b[0-9]{5,} bytes`), "N bytes"},
	{regexp.MustCompile(`"(sha256)": "[0-9a-f]{64}"`), `"$1": "H"`},
	{regexp.MustCompile(`(sha256 +)[0-9a-f]{64}`), `${1}H`},
	// More plugins serve more sources.
	{regexp.MustCompile(`known sources: [a-z0-9., -]*[a-z0-9]`), "known sources: LIST"},
}

func cmdMask(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mask FILE OUT")
	}
	text := ts.ReadFile(args[0])
	names := append(strings.Fields(ts.Getenv("KEYS")), "URL", "WORK")
	sort.Strings(names)
	for _, name := range names {
		if v := ts.Getenv(name); v != "" {
			text = strings.ReplaceAll(text, v, "$"+name)
		}
	}
	for _, v := range varying {
		text = v.is.ReplaceAllString(text, v.put)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
}

func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode FILE 0644")
	}
	info, err := os.Lstat(ts.MkAbs(args[0]))
	ts.Check(err)
	if got := "0" + strconv.FormatUint(uint64(info.Mode().Perm()), 8); got != args[1] || !info.Mode().IsRegular() {
		ts.Fatalf("%s has the mode %v", args[0], info.Mode())
	}
}

// cmdStatus is exec with an exit status to expect.
func cmdStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND ARGUMENT...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("%s ended with exit status %d, expected %d", args[1], got, want)
	}
}

func cmdBuiltinWasm(ts *testscript.TestScript, neg bool, args []string) {
	plugins, err := builtin.Plugins()
	ts.Check(err)
	for _, p := range plugins {
		if p.Name == "curl" {
			ts.Check(os.WriteFile(ts.MkAbs(args[0]), p.Wasm, 0o644))
			return
		}
	}
	ts.Fatalf("there is no built-in plugin curl")
}

func cmdTerminal(ts *testscript.TestScript, neg bool, args []string) {
	path, err := exec.LookPath("sourcehost")
	ts.Check(err)
	cmd := exec.Command(path, args...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"SOURCEHOST_CACHE", "SOURCEHOST_CONFIG", "PATH", "WORK"} {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	cmd.Env = append(cmd.Env, "TERM=xterm")
	raw, err := onTerminal(cmd, 72)
	if (err != nil) != neg {
		ts.Fatalf("%v\n%s", err, raw)
	}
	_, err = ts.Stdout().Write(raw)
	ts.Check(err)
}
