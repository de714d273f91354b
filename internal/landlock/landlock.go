// Package landlock confines threads, and what they start, by the rules of the kernel's
// Landlock (https://docs.kernel.org/userspace-api/landlock.html).
package landlock

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ofFiles are the rights that rules about files can have; others are of folders.
const ofFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_READ_FILE |
	unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

// Version is what the kernel has of Landlock, from 1 on. The error is that of a kernel
// without it.
func Version() (int, error) {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, fmt.Errorf("the kernel does not offer Landlock: %w", errno)
	}
	return int(n), nil
}

// FileRights are all rights to files and folders that a version knows, as bits
// LANDLOCK_ACCESS_FS.
func FileRights(version int) uint64 {
	all := uint64(unix.LANDLOCK_ACCESS_FS_MAKE_SYM)<<1 - 1
	for _, later := range []struct {
		version int
		right   uint64
	}{
		{2, unix.LANDLOCK_ACCESS_FS_REFER}, {3, unix.LANDLOCK_ACCESS_FS_TRUNCATE}, {5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
	} {
		if version >= later.version {
			all |= later.right
		}
	}
	return all
}

// Rules say what a thread may still do.
type Rules struct{ fd int }

// New makes rules by which all that attr names is refused. A field that the kernel's
// version does not know must be zero. Close must be called.
func New(attr unix.LandlockRulesetAttr) (*Rules, error) {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr), 0)
	if errno != 0 {
		return nil, fmt.Errorf("making rules of Landlock: %w", errno)
	}
	return &Rules{fd: int(n)}, nil
}

// Allow allows rights to a file, or to a folder and all beneath it. To a file only those
// count that files have. All must be rights that are refused otherwise.
func (r *Rules) Allow(path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("allowing %s: %w", path, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("allowing %s: %w", path, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= ofFiles
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	_, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(r.fd), unix.LANDLOCK_RULE_PATH_BENEATH, uintptr(unsafe.Pointer(&rule)), 0, 0, 0)
	if errno != 0 {
		return fmt.Errorf("allowing %s: %w", path, errno)
	}
	return nil
}

// Restrict subjects this thread, and what it starts, to the rules, for ever. The thread
// must have given up new privileges (PR_SET_NO_NEW_PRIVS).
func (r *Rules) Restrict() error {
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, uintptr(r.fd), 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// Close forgets the rules; a thread that is subject to them stays so.
func (r *Rules) Close() { unix.Close(r.fd) }
