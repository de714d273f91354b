package confine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	probeName = "confine-probe"
	spinName  = "confine-spin"
)

func TestMain(m *testing.M) {
	switch os.Args[0] {
	case probeName:
		probe(os.Stdin)
		os.Exit(3)
	case spinName:
		fmt.Println("spinning")
		for time.Now().Unix() > 0 {
		}
	}
	os.Exit(m.Run())
}

// probe does, in a confined process, what it should not be able to, and writes what
// came of it. It is told the folder first.
func probe(conn *os.File) {
	var folder, access string
	if _, err := fmt.Fscanf(conn, "%q %s\n", &folder, &access); err != nil {
		panic(err)
	}
	a := map[string]Access{"none": None, "read": Read, "write": Write}[access]
	say := func(what string, err error) { fmt.Fprintf(conn, "%s: %v\n", what, err) }
	list, _ := os.ReadDir("/proc/self/fd") // refused by Landlock
	say("descriptors", fmt.Errorf("%d", len(list)))
	say("before: etc", readable("/etc/passwd"))
	if a == Write {
		say("before: write", os.WriteFile(filepath.Join(folder, "new"), []byte("x"), 0o600))
	}
	for _, m := range Enter(Limits{MemoryBytes: 1 << 30, CPUTime: time.Minute, FileBytes: 1 << 20, Threads: 64}, a) {
		say("measure "+m.Name, fmt.Errorf("%v %s", m.Applied, m.Detail))
	}
	say("folder", readable(filepath.Join(folder, "file")))
	say("write", os.WriteFile(filepath.Join(folder, "made"), []byte("x"), 0o600))
	say("seal", Seal())
	attempts(folder, say)
	say("environment", fmt.Errorf("%q", os.Environ()))
}

func readable(path string) error {
	_, err := os.ReadFile(path)
	return err
}

func attempts(folder string, say func(string, error)) {
	say("sealed: folder", readable(filepath.Join(folder, "file")))
	say("etc", readable("/etc/passwd"))
	say("temp", os.WriteFile(filepath.Join(os.TempDir(), "made-by-probe"), nil, 0o600))
	for name, kind := range map[string]int{"inet": unix.AF_INET, "unix": unix.AF_UNIX, "netlink": unix.AF_NETLINK} {
		_, err := unix.Socket(kind, unix.SOCK_DGRAM, 0)
		say("socket "+name, err)
	}
	_, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	say("socketpair", err)
	say("exec", unix.Exec("/proc/self/exe", []string{"x"}, nil))
	say("program", exec.Command("/bin/true").Run())
	_, _, errno := syscall.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
	if errno == 0 {
		os.Exit(9) // of two processes
	}
	say("fork", errno)
	say("ptrace", unix.PtraceAttach(os.Getppid()))
	say("kill", unix.Kill(unix.Getppid(), 0))
	say("setown", second(unix.FcntlInt(0, unix.F_SETOWN, unix.Getppid())))
	say("setsig", second(unix.FcntlInt(0, unix.F_SETSIG, int(unix.SIGKILL))))
	say("getfl", second(unix.FcntlInt(0, unix.F_GETFL, 0)))
	say("dupfd", second(unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, 0)))
	say("mount", unix.Mount("none", "/tmp", "tmpfs", 0, ""))
	say("unshare", unix.Unshare(unix.CLONE_NEWNS))
	say("pdeathsig", unix.Prctl(unix.PR_SET_PDEATHSIG, 0, 0, 0, 0))
	say("memfd", second(unix.MemfdCreate("x", 0)))
	say("limits", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}))
	var params [120]byte
	_, _, errno = unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)), 0)
	say("io_uring", errno)
}

func second(_ int, err error) error { return err }

// ask starts a probe and returns its lines.
func ask(t *testing.T, folder string, a Access) (*Process, map[string]string) {
	t.Helper()
	p, err := Start(Spec{Name: probeName, Folder: folder, Access: a})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Conn.Close()
	fmt.Fprintf(p.Conn, "%q %s\n", folder, [...]string{"none", "read", "write"}[a])
	_ = p.Conn.SetReadDeadline(time.Now().Add(time.Minute))
	text, err := io.ReadAll(p.Conn)
	if err != nil && !errors.Is(err, unix.ECONNRESET) {
		t.Fatal(err)
	}
	<-p.Done()
	if got := p.Status(); got != "it ended itself with status 3" {
		t.Fatalf("the probe: %s\n%s", got, text)
	}
	said := map[string]string{}
	for line := range strings.Lines(string(text)) {
		what, outcome, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if what == "before" || what == "sealed" {
			rest, o, _ := strings.Cut(outcome, ": ")
			what, outcome = what+": "+rest, o
		}
		said[what] = outcome
	}
	return p, said
}

// adversary: A11a
func TestConfinement(t *testing.T) {
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "file"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOURCEHOST_TEST", "visible")
	for _, a := range []Access{None, Read, Write} {
		t.Run(fmt.Sprint(a), func(t *testing.T) {
			p, said := ask(t, folder, a)
			for _, m := range p.Measures {
				if !m.Applied {
					t.Logf("not applied here: %s: %s", m.Name, m.Detail)
				}
			}
			refused := []string{"sealed: folder", "etc", "temp", "socket inet", "socket unix", "socket netlink", "socketpair", "exec", "program", "fork",
				"ptrace", "kill", "setown", "setsig", "mount", "unshare", "pdeathsig", "memfd", "limits", "io_uring"}
			if a == None {
				refused = append(refused, "folder")
			}
			if a != Write {
				refused = append(refused, "write")
			}
			for _, what := range refused {
				if got := said[what]; !strings.Contains(got, "not permitted") && !strings.Contains(got, "permission denied") {
					t.Errorf("%s: got %q, want a refusal", what, got)
				}
			}
			allowed := []string{"seal", "getfl", "dupfd"}
			switch a {
			case Read:
				allowed = append(allowed, "folder")
			case Write:
				allowed = append(allowed, "folder", "write", "before: write")
			}
			for _, what := range allowed {
				if got := said[what]; got != "<nil>" {
					t.Errorf("%s: got %q", what, got)
				}
			}
			if said["environment"] != "[]" {
				t.Errorf("the environment is %s", said["environment"])
			}
			for _, m := range []string{"limits", "seccomp"} {
				if !strings.HasPrefix(said["measure "+m], "true") {
					t.Errorf("%s: %s", m, said["measure "+m])
				}
			}
		})
	}
	if made, _ := filepath.Glob(filepath.Join(os.TempDir(), "made-by-probe")); len(made) > 0 {
		os.Remove(made[0])
		t.Error("a file was made outside of the folder")
	}
}

// Landlock alone refuses files, before any filter is there.
func TestLandlock(t *testing.T) {
	p, said := ask(t, t.TempDir(), None)
	for _, m := range p.Measures {
		if m.Name == "landlock" && !m.Applied {
			t.Skip("Landlock is not there: " + m.Detail)
		}
	}
	if got := said["before: etc"]; !strings.Contains(got, "permission denied") {
		t.Errorf("reading /etc/passwd: %s", got)
	}
}

// spin starts a process that computes for ever.
func spin(t *testing.T) *Process {
	t.Helper()
	p, err := Start(Spec{Name: spinName})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill(); <-p.Done(); p.Conn.Close() })
	if _, err := io.ReadFull(p.Conn, make([]byte, len("spinning"))); err != nil {
		t.Fatal(err)
	}
	return p
}

// adversary: A11a
func TestProcessStandsAlone(t *testing.T) {
	// An inherited descriptor that is not closed on exec, as a shell may leave one.
	fd, err := unix.FcntlInt(os.Stderr.Fd(), unix.F_DUPFD, 20)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	p := spin(t)
	proc := fmt.Sprintf("/proc/%d/", p.Pid)
	links, err := os.ReadDir(proc + "fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		target, _ := os.Readlink(proc + "fd/" + l.Name())
		standard := l.Name() == "0" || l.Name() == "1" || l.Name() == "2"
		if standard != strings.HasPrefix(target, "socket:") || !standard && !strings.HasPrefix(target, "anon_inode:[event") {
			t.Errorf("descriptor %s is %s", l.Name(), target)
		}
	}
	if environ, err := os.ReadFile(proc + "environ"); err != nil || len(environ) > 0 {
		t.Errorf("the environment is %q, %v", environ, err)
	}
	stat, err := os.ReadFile(proc + "stat")
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))
	if pid := fmt.Sprint(p.Pid); fields[3] != pid || fields[4] != pid {
		t.Errorf("group %s and session %s are not those of %s", fields[3], fields[4], pid)
	}
	text, err := os.ReadFile(proc + "status")
	if err != nil || !strings.Contains(string(text), "NoNewPrivs:\t1") || !strings.Contains(string(text), "CapEff:\t0000000000000000") {
		t.Errorf("%v\n%s", err, text)
	}
	if own, theirs := oomScore(t, "/proc/self/"), oomScore(t, proc); theirs != min(own+300, 1000) {
		t.Errorf("the kernel's preference is %d, and this process's %d", theirs, own)
	}
	own, _ := os.Readlink("/proc/self/ns/net")
	if theirs, err := os.Readlink(proc + "ns/net"); err == nil && p.Users && theirs == own {
		t.Error("the network is this process's")
	}
}

func oomScore(t *testing.T, proc string) (score int) {
	t.Helper()
	text, err := os.ReadFile(proc + "oom_score_adj")
	if err == nil {
		_, err = fmt.Sscan(string(text), &score)
	}
	if err != nil {
		t.Fatal(err)
	}
	return score
}

func TestKill(t *testing.T) {
	p := spin(t)
	p.Kill()
	p.Kill()
	select {
	case <-p.Done():
	case <-time.After(time.Minute):
		t.Fatal("the process has not ended")
	}
	p.Kill()
	if got := p.Status(); got != "it was ended by the signal SIGKILL" {
		t.Error(got)
	}
	if err := unix.Kill(p.Pid, 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("the process is still there: %v", err)
	}
}

// This process keeps all its rights.
func TestStarterIsNotConfined(t *testing.T) {
	rights := func() (rows []string) {
		text, err := os.ReadFile("/proc/self/status")
		if err != nil {
			t.Fatal(err)
		}
		for row := range strings.Lines(string(text)) {
			if strings.HasPrefix(row, "NoNewPrivs") || strings.HasPrefix(row, "Cap") || strings.HasPrefix(row, "Seccomp") {
				rows = append(rows, row)
			}
		}
		return rows
	}
	before := rights()
	spin(t)
	if after := rights(); !slices.Equal(before, after) {
		t.Errorf("%q became %q", before, after)
	}
	if err := readable("/etc/passwd"); err != nil {
		t.Error(err)
	}
	done := make(chan error)
	for range 50 { // on whatever thread
		go func() {
			_, err := exec.Command("/proc/self/exe", "-test.run=^$").CombinedOutput()
			done <- err
		}()
	}
	for range 50 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// Where user namespaces are off, root still gets a network of its own and loses its
// capabilities; all else is as before.
func TestWithoutUserNamespaces(t *testing.T) {
	const inside = "CONFINE_TEST_INSIDE"
	if os.Getenv(inside) == "" {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestWithoutUserNamespaces$", "-test.v")
		cmd.Env = append(os.Environ(), inside+"=1")
		one := []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWUSER, UidMappings: one, GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, unix.EPERM) {
			t.Skip("user namespaces are off already: the other tests do without them")
		}
		if err != nil || !bytes.Contains(out, []byte("--- PASS")) {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	// A limit of this user namespace alone.
	if err := os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0o644); err != nil {
		t.Fatal(err)
	}
	p := spin(t)
	if p.Users {
		t.Error("the process has a user namespace")
	}
	for _, m := range p.Measures {
		if !m.Applied {
			t.Errorf("%s: %s", m.Name, m.Detail)
		}
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Pid))
	if err != nil || !strings.Contains(string(text), "CapEff:\t0000000000000000") || !strings.Contains(string(text), "CapPrm:\t0000000000000000") {
		t.Errorf("%v\n%s", err, text)
	}
	if _, said := ask(t, t.TempDir(), None); said["socket inet"] != "operation not permitted" {
		t.Errorf("a socket: %s", said["socket inet"])
	}
}
