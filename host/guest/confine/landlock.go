package confine

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rules is a Landlock ruleset in the making
// (https://docs.kernel.org/userspace-api/landlock.html).
type rules struct {
	fd     int
	abi    int
	access Access
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
	r := &rules{fd: -1, access: spec.Access}
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return r, fmt.Errorf("the kernel does not offer it: %w", errno)
	}
	r.abi = int(n)
	attr := unix.LandlockRulesetAttr{Handled_access_fs: fileRights(r.abi)}
	if r.abi >= 4 {
		attr.Handled_access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	if r.abi >= 6 {
		attr.Scoped = unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | unix.LANDLOCK_SCOPE_SIGNAL
	}
	n, _, errno = unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return r, fmt.Errorf("making its rules: %w", errno)
	}
	r.fd = int(n)
	for _, path := range programFiles() {
		if err := r.allow(path, rightsProgram); err != nil {
			return r, err
		}
	}
	switch spec.Access {
	case Read:
		return r, r.allow(spec.Folder, rightsRead)
	case Write:
		return r, r.allow(spec.Folder, rightsWrite)
	}
	return r, nil
}

// fileRights are all rights to files that a version of Landlock can refuse.
func fileRights(abi int) uint64 {
	all := uint64(unix.LANDLOCK_ACCESS_FS_MAKE_SYM)<<1 - 1
	for _, right := range []struct {
		abi   int
		right uint64
	}{
		{2, unix.LANDLOCK_ACCESS_FS_REFER}, {3, unix.LANDLOCK_ACCESS_FS_TRUNCATE}, {5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
	} {
		if abi >= right.abi {
			all |= right.right
		}
	}
	return all
}

func (r *rules) allow(path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("allowing %s: %w", path, err)
	}
	defer unix.Close(fd)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("allowing %s: %w", path, errno)
	}
	return nil
}

// restrict subjects this thread, and what it starts, to the rules.
func (r *rules) restrict() error {
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(r.fd), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

func (r *rules) close() {
	if r.fd >= 0 {
		unix.Close(r.fd)
	}
}

func (r *rules) detail() string {
	return fmt.Sprintf("version %d; no files but its own program and its compiled code", r.abi)
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
