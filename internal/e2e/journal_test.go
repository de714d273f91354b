package e2e

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// traced are the system calls that write, sync or name anything.
var traced = []string{
	"write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile", "splice", "copy_file_range", "ftruncate", "fallocate",
	"fsync", "fdatasync", "syncfs", "sync", "rename", "renameat", "renameat2", "link", "linkat", "mkdir", "mkdirat", "symlink", "symlinkat",
	"unlink", "unlinkat", "rmdir", "open", "openat", "ioctl",
}

// journal is what a trace says about a store. Time is counted in lines of the
// trace: a call begins at one and ends at the same or a later one.
type journal struct {
	store string
	// dirty is when a file was last written, or a name last made in a folder. A path
	// is in it until that is synced.
	dirty    map[string]int
	calls    map[string]call // unfinished ones, by process
	entries  map[string]bool // those that got their names
	wrongs   []string
	reported bool
}

// call is a system call.
type call struct {
	name, args string
	began      int
}

func newJournal(store string) *journal {
	return &journal{store: store, dirty: map[string]int{}, calls: map[string]call{}, entries: map[string]bool{}}
}

var (
	whole    = regexp.MustCompile(`^(\d+) +(\w+)\((.*)\) += (-?\d+)`)
	opening  = regexp.MustCompile(`^(\d+) +(\w+)\((.*?) *<unfinished \.\.\.>$`)
	closing  = regexp.MustCompile(`^(\d+) +<\.\.\. (\w+) resumed>(.*)\) += (-?\d+)`)
	openFile = regexp.MustCompile(`(\d+|AT_FDCWD)<([^>]*)>`)
	pathArgs = regexp.MustCompile(`(?:AT_FDCWD|\d+)<([^>]*)>, "([^"]*)"`)
	bare     = regexp.MustCompile(`"([^"]*)"`)
)

// read reads the trace of strace -f -y.
func (j *journal) read(t *testing.T, trace string) {
	t.Helper()
	for n, line := range lines(trace) {
		if m := opening.FindStringSubmatch(line); m != nil {
			c := call{m[2], m[3], n}
			j.calls[m[1]] = c
			j.begin(c)
			continue
		}
		if m := closing.FindStringSubmatch(line); m != nil {
			c, ok := j.calls[m[1]]
			if !ok || c.name != m[2] {
				t.Fatalf("line %d of the trace ends what did not begin: %s", n+1, line)
			}
			delete(j.calls, m[1])
			c.args += m[3]
			j.end(c, m[4], n)
			continue
		}
		if m := whole.FindStringSubmatch(line); m != nil {
			c := call{m[2], m[3], n}
			j.begin(c)
			j.end(c, m[4], n)
		}
	}
}

// begin takes note of what has to hold before a call: a name may take effect at
// once, and so may a report.
func (j *journal) begin(c call) {
	switch {
	case strings.HasPrefix(c.name, "rename") || strings.HasPrefix(c.name, "link"):
		if from, to := j.twoPaths(c); to != "" && j.isEntry(to) {
			j.mayBeNamed(from, to)
		}
	case c.name == "write" && strings.HasPrefix(c.args, "1<"):
		j.report()
	}
}

// end takes note of what a call has done.
func (j *journal) end(c call, result string, n int) {
	status, _ := strconv.Atoi(result)
	if status < 0 {
		return
	}
	switch c.name {
	case "fsync", "fdatasync":
		// A folder is synced with the names in it, a file with its content.
		if path := firstFile(c.args); j.dirty[path] < c.began {
			delete(j.dirty, path)
		}
	case "syncfs", "sync":
		for path, at := range j.dirty {
			if at < c.began {
				delete(j.dirty, path)
			}
		}
	case "rename", "renameat", "renameat2", "link", "linkat":
		from, to := j.twoPaths(c)
		j.move(from, to, n)
		j.touch(filepath.Dir(to), n)
		if j.isEntry(to) {
			j.entries[to] = true
		}
	case "mkdir", "mkdirat", "symlink", "symlinkat":
		j.touch(filepath.Dir(j.lastPath(c)), n)
	case "unlink", "unlinkat", "rmdir":
		delete(j.dirty, j.lastPath(c)) // what is gone cannot be lost
	case "open", "openat":
		if strings.Contains(c.args, "O_CREAT") {
			j.created(j.lastPath(c), n)
		}
	case "ioctl", "sendfile", "splice", "copy_file_range":
		if c.name != "ioctl" || strings.Contains(c.args, "FICLONE") {
			j.written(target(c), n)
		}
	default:
		j.written(firstFile(c.args), n)
	}
}

// target is the file that a call which has two copies to.
func target(c call) string {
	all := openFile.FindAllStringSubmatch(c.args, -1)
	switch {
	case len(all) == 0:
		return ""
	case c.name == "copy_file_range" || c.name == "splice":
		return all[len(all)-1][2]
	}
	return all[0][2]
}

func firstFile(args string) string {
	if m := openFile.FindStringSubmatch(args); m != nil {
		return strings.TrimSuffix(m[2], " (deleted)")
	}
	return ""
}

// inStore tells whether a path belongs to the store, or is above it: its folder.
func (j *journal) inStore(path string) bool {
	return path == j.store || strings.HasPrefix(path, j.store+"/") || path == filepath.Dir(j.store)
}

func (j *journal) touch(path string, n int) {
	if j.inStore(path) {
		j.dirty[path] = n
	}
}

// hidden tells whether a path is in a staging folder of the store.
func (j *journal) hidden(path string) bool {
	return strings.Contains(strings.TrimPrefix(path, j.store), "/.")
}

// isEntry tells whether a path is the final name of an entry, or of a folder that
// holds some.
func (j *journal) isEntry(path string) bool {
	return strings.HasPrefix(path, j.store+"/") && !j.hidden(path)
}

func (j *journal) written(path string, n int) {
	if j.isEntry(path) {
		j.wrongs = append(j.wrongs, path+" was written under its final name")
	}
	j.touch(path, n)
}

// created marks a file that is new; of one in a staged folder the folder must be
// synced as well.
func (j *journal) created(path string, n int) {
	if j.isEntry(path) {
		j.wrongs = append(j.wrongs, path+" was made under its final name")
	}
	j.touch(path, n)
	if filepath.Base(filepath.Dir(path)) != ".sourcehost" { // the staging folder itself may lose names
		j.touch(filepath.Dir(path), n)
	}
}

// move gives what is dirty at one path its new name.
func (j *journal) move(from, to string, n int) {
	for path, at := range j.dirty {
		if rest, ok := strings.CutPrefix(path, from); ok && (rest == "" || rest[0] == '/') {
			delete(j.dirty, path)
			j.dirty[to+rest] = at
		}
	}
}

// mayBeNamed finds what is lost with the power under a name that is there.
func (j *journal) mayBeNamed(from, to string) {
	for path := range j.dirty {
		if path == from || strings.HasPrefix(path, from+"/") {
			j.wrongs = append(j.wrongs, fmt.Sprintf("%s was not synced when %s was named (the folder %s was not synced, if it is one)", path, to, path))
		}
	}
}

// report finds names that are lost with the power after success was told.
func (j *journal) report() {
	j.reported = true
	for path := range j.dirty {
		if !j.hidden(path) {
			j.wrongs = append(j.wrongs, fmt.Sprintf("the folder %s was not synced when success was reported", path))
		}
	}
}

// twoPaths are the paths of a rename or link.
func (j *journal) twoPaths(c call) (from, to string) {
	if all := pathArgs.FindAllStringSubmatch(c.args, -1); len(all) == 2 {
		return joined(all[0]), joined(all[1])
	}
	if all := bare.FindAllStringSubmatch(c.args, -1); len(all) == 2 {
		return all[0][1], all[1][1]
	}
	return "", ""
}

func (j *journal) lastPath(c call) string {
	if all := pathArgs.FindAllStringSubmatch(c.args, -1); len(all) > 0 {
		return joined(all[len(all)-1])
	}
	if all := bare.FindAllStringSubmatch(c.args, -1); len(all) > 0 {
		return all[len(all)-1][1]
	}
	return ""
}

func joined(m []string) string {
	if filepath.IsAbs(m[2]) {
		return filepath.Clean(m[2])
	}
	return filepath.Join(m[1], m[2])
}

// problems is what is wrong in the trace, in which all of the entries must have
// got their name.
func (j *journal) problems(entries []string) []string {
	all := j.wrongs
	for _, e := range entries {
		if !j.entries[e] {
			all = append(all, e+" never got its name")
		}
	}
	if !j.reported {
		all = append(all, "nothing was reported")
	}
	return all
}

func (j *journal) check(t *testing.T, entries []string) {
	t.Helper()
	for _, p := range j.problems(entries) {
		t.Error(p)
	}
}
