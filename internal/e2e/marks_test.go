package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// mark is a secret whose middle is found again, however it is spelled.
type mark struct {
	name, core string
	texts      [][]byte // what spellings returns
}

// newMark returns a mark that no other test has.
func newMark(t *testing.T, name string) mark {
	m := mark{name: name, core: fmt.Sprintf("%xQZ%s", content(t.Name()+name, 9), name)}
	m.texts = m.spellings()
	return m
}

// value is the secret itself, with characters that each encoding treats in its
// own way.
func (m mark) value() string { return `S&"` + m.core + `/<k+= %41\` }

// partLength is how much of a core tells it, since half a secret is shown where a
// text was cut before it was redacted.
const partLength = 10

// spellings are the texts of which none may be seen: parts of the core as they are,
// percent-encoded or in JSON, and the core in hexadecimal and in base64, also as a
// part of user:password.
func (m mark) spellings() [][]byte {
	core := []byte(m.core)
	digits := []byte(hex.EncodeToString(core))
	all := [][]byte{digits, bytes.ToUpper(digits)}
	for i := range len(core) - partLength + 1 {
		all = append(all, core[i:i+partLength])
	}
	for shift := range 3 { // its characters are none that encodings of base64 differ in
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, shift), core...))
		all = append(all, []byte(text[(shift*8+5)/6:(shift+len(core))*8/6]))
	}
	return all
}

// seen are the marks that are in a text, with what is around them.
func (m marks) seen(text []byte) (found []string) {
	for _, layer := range layers(text) {
		for _, one := range m {
			if slices.ContainsFunc(found, func(f string) bool { return strings.HasPrefix(f, one.name+", ") }) {
				continue
			}
			for _, s := range one.texts {
				if at := bytes.Index(layer, s); at >= 0 {
					found = append(found, fmt.Sprintf("%s, as %q in ...%q...", one.name, s, layer[max(0, at-80):min(len(layer), at+len(s)+40)]))
					break
				}
			}
		}
	}
	return found
}

// maxDecoded is how long a text may be that is decoded: longer ones are content.
const maxDecoded = 16 << 20

// layers are a text and what becomes of it when percent escapes are decoded, again
// and again.
func layers(text []byte) [][]byte {
	all := [][]byte{text}
	for range 3 {
		if len(text) > maxDecoded || !escaped.Match(all[len(all)-1]) {
			break
		}
		last := all[len(all)-1]
		next := make([]byte, 0, len(last))
		for i := 0; i < len(last); i++ {
			if last[i] == '%' && i+2 < len(last) {
				if b, err := strconv.ParseUint(string(last[i+1:i+3]), 16, 8); err == nil {
					next = append(next, byte(b))
					i += 2
					continue
				}
			}
			next = append(next, last[i])
		}
		all = append(all, next)
	}
	return all
}

var escaped = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)

// marks are all secrets of a test.
type marks []mark

// hidden checks that no mark is in a text.
func (m marks) hidden(t *testing.T, where string, text []byte) {
	t.Helper()
	for _, found := range m.seen(text) {
		t.Errorf("%s shows the secret %s", where, found)
	}
}

// hiddenIn checks that no mark is in the names and contents of all files beneath a
// folder that were written since then, except in those that gave them to the program.
func (m marks) hiddenIn(t *testing.T, dir string, since time.Time, except ...string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return present(err)
		}
		if slices.Contains(except, path) {
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		m.hidden(t, "the name of "+path, []byte(path))
		if info, err := d.Info(); err != nil || !d.Type().IsRegular() || info.ModTime().Before(since) {
			return present(err)
		}
		data, err := os.ReadFile(path)
		m.hidden(t, path, data)
		return present(err)
	})
	if err != nil {
		t.Error(err)
	}
}

// present is an error other than that a file is gone, as those of a run beside this
// one may be.
func present(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// TestMarks: the search finds what it must.
func TestMarks(t *testing.T) {
	m := mark{name: "m", core: "abcQZrandom0123456789"}
	m.texts = m.spellings()
	for name, text := range map[string]string{
		"as it is": m.value(), "half": m.value()[:20], "hex": hex.EncodeToString([]byte(m.value())),
		"base64": base64.StdEncoding.EncodeToString([]byte(m.value())), "user": base64.URLEncoding.EncodeToString([]byte("us:" + m.value())),
		"JSON": strconv.Quote(m.value()), "every byte": everyByte(m.value()), "twice": everyByte(everyByte(m.value())),
	} {
		if found := (marks{m}).seen([]byte("GET %zz " + text + " %")); len(found) != 1 || !strings.HasPrefix(found[0], "m, as ") {
			t.Errorf("%s: found %q", name, found)
		}
	}
	if found := (marks{m}).seen([]byte("nothing QZrandom %41")); found != nil {
		t.Errorf("found %q", found)
	}
}

// everyByte escapes each byte of a text.
func everyByte(text string) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, "%%%02x", text[i])
	}
	return b.String()
}

// watcher looks at the arguments of all processes of this machine, and at the environment
// of workers.
type watcher struct {
	marks marks
	end   chan struct{}
	wg    sync.WaitGroup
	first sync.Once // for a look that must not be missed

	mu       sync.Mutex
	found    []string        // what was seen of the marks
	programs map[string]bool // that have run
}

// watch looks again and again until stop is called. What must not be missed is looked at by
// now, from a server that the program waits for.
func (m marks) watch() *watcher {
	w := &watcher{marks: m, end: make(chan struct{}), programs: map[string]bool{}}
	w.wg.Go(func() {
		for {
			select {
			case <-w.end:
				return
			case <-time.After(10 * time.Millisecond):
			}
			w.now()
		}
	})
	return w
}

// stop returns what was seen of the marks, and the programs that have run.
func (w *watcher) stop() (found []string, programs map[string]bool) {
	close(w.end)
	w.wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.found, maps.Clone(w.programs)
}

// now looks once.
func (w *watcher) now() {
	w.mu.Lock()
	defer w.mu.Unlock()
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, path := range lines {
		if path == fmt.Sprintf("/proc/%d/cmdline", os.Getpid()) {
			continue
		}
		args, err := os.ReadFile(path)
		if err != nil || len(args) == 0 {
			continue // it has ended, or is the kernel's
		}
		name, _, _ := strings.Cut(string(args), "\x00")
		w.programs[filepath.Base(name)] = true
		w.found = append(w.found, w.marks.seen(args)...)
		if strings.HasPrefix(name, workerName) {
			environ, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "environ"))
			if len(environ) > 0 {
				w.found = append(w.found, "a worker has the environment "+string(environ))
			}
		}
	}
}

// workerName is what the processes of plugins are called.
const workerName = "sourcehost-plugin-worker"
