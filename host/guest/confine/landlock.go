package confine

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/internal/landlock"
)

// rules are those of a process.
type rules struct {
	*landlock.Rules // nil when there are none
	version         int
}

// The rights of a process to the files of its own program, and to its folder.
const (
	rightsProgram = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_READ_FILE
	rightsRead    = unix.LANDLOCK_ACCESS_FS_READ_FILE
	rightsWrite   = rightsRead | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_REG |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE
)

// newRules makes the ruleset: everything is refused that this kernel knows, but
// reading and executing what this program consists of, and what spec allows.
func newRules(spec Spec) (*rules, error) {
	r := &rules{}
	var err error
	if r.version, err = landlock.Version(); err != nil {
		return r, err
	}
	attr := unix.LandlockRulesetAttr{Handled_access_fs: landlock.FileRights(r.version)}
	if r.version >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if r.version >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	if r.Rules, err = landlock.New(attr); err != nil {
		return r, err
	}
	for _, path := range programFiles() {
		if err := r.Allow(path, rightsProgram); err != nil {
			return r, err
		}
	}
	switch spec.Access {
	case Read:
		return r, r.Allow(spec.Folder, rightsRead)
	case Write:
		return r, r.Allow(spec.Folder, rightsWrite)
	}
	return r, nil
}

func (r *rules) close() {
	if r.Rules != nil {
		r.Close()
	}
}

func (r *rules) detail() string {
	return fmt.Sprintf("version %d; no files but its own program and its compiled code", r.version)
}

// programFiles are the files that this process executes: the program, and the
// libraries where it is not linked statically, as in tests with the race detector.
func programFiles() []string {
	files := []string{self}
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return files
	}
	defer f.Close()
	exe, _ := os.Readlink(self)
	seen := map[string]bool{exe: true}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// ADDRESS PERMISSIONS OFFSET DEVICE INODE PATH
		fields := strings.Fields(lines.Text())
		if len(fields) != 6 || !strings.Contains(fields[1], "x") || !strings.HasPrefix(fields[5], "/") || seen[fields[5]] {
			continue
		}
		seen[fields[5]] = true
		if _, err := os.Stat(fields[5]); !errors.Is(err, os.ErrNotExist) {
			files = append(files, fields[5])
		}
	}
	return files
}
