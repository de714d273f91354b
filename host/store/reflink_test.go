package store

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// mountImage makes a file system in a file and mounts it for the test.
func mountImage(t *testing.T, mkfs string, size int64) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root: run this test as root")
	}
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	must(t, os.WriteFile(image, nil, 0o600))
	must(t, os.Truncate(image, size))
	for _, argv := range [][]string{{mkfs, "-q", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
			text := "%v: %v: %s (needs CAP_SYS_ADMIN, loop devices and the kernel's file system)"
			if os.Getenv("CI") != "" {
				t.Fatalf(text, argv, err, out)
			}
			t.Skipf(text, argv, err, out)
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// taken is how much of a file system is in use, in bytes.
func taken(t *testing.T, dir string) int64 {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, unix.Syncfs(fd))
	var st unix.Statfs_t
	must(t, unix.Fstatfs(fd, &st))
	return int64(st.Blocks-st.Bfree) * st.Bsize
}

// TestCopyShares copies what cannot be linked on file systems that let two files have
// the same blocks: the copy takes no room. A wrong one is found all the same.
func TestCopyShares(t *testing.T) {
	const size = 24 << 20
	for _, fs := range []struct {
		mkfs, pkg string
		image     int64
	}{{"mkfs.xfs", "xfsprogs", 320 << 20}, {"mkfs.btrfs", "btrfs-progs", 512 << 20}} {
		t.Run(fs.mkfs, func(t *testing.T) {
			dir := mountImage(t, hosttest.NeedProgram(t, fs.mkfs, fs.pkg), fs.image)
			data, corrupt := content(3, size), content(4, size)
			_, from := openStore(t, filepath.Join(dir, "from"), kernel{})
			_, to := openStore(t, filepath.Join(dir, "to"), kernel{})
			key, wrong := mustPut(t, from, data), mustPut(t, from, corrupt)
			must(t, os.WriteFile(entryPath(from, wrong), append(corrupt[:size-1:size-1], corrupt[size-1]+1), 0o600))
			for _, k := range []Key{key, wrong} {
				must(t, os.Chmod(entryPath(from, k), 0o600)) // keeps them from being linked
			}
			before := taken(t, dir)
			if n, err := to.CopyFrom(t.Context(), from, key); err != nil || n != size {
				t.Fatalf("CopyFrom: %d, %v", n, err)
			}
			wantEntry(t, to, key)
			if sameFile(t, entryPath(from, key), entryPath(to, key)) {
				t.Error("the entry was linked")
			}
			if more := taken(t, dir) - before; more > size/4 {
				t.Errorf("the copy of %d bytes takes %d more", size, more)
			}
			if _, err := to.CopyFrom(t.Context(), from, wrong); err == nil {
				t.Error("a corrupt entry was copied")
			}
			wantNothingStaged(t, to)
		})
	}
}
