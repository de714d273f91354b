package confine

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/internal/thread"
)

// Spec says what to start.
type Spec struct {
	// Name is the new process's argument 0, its only argument.
	Name string
	// Folder is the one folder that it may use, with this Access.
	Folder string
	Access Access
}

// Process is a confined process. It is a group of processes of its own, although it
// cannot start any.
type Process struct {
	// Conn is this side of the socket. It supports deadlines.
	Conn *os.File
	// Pid is the id of the process; it may be used again once Done is closed.
	Pid int
	// Users says that the process has a user namespace of its own.
	Users bool
	// Measures are those that Start has taken.
	Measures []Measure

	done   chan struct{}
	mu     sync.Mutex
	reaped bool
	status unix.WaitStatus
}

// Start starts this program again, with both ends of a socket as the only
// connection between the two: it is descriptor 0, 1 and 2 of the new process.
//
// The work is done by a thread that is given up to it. Landlock, no_new_privs and
// a network namespace hold for the thread that asks for them and are inherited:
// so the new process has them from its first instruction, and no other thread of
// this process does. The thread lives as long as the process, because the signal
// at the death of the parent is sent when the thread ends.
func Start(spec Spec) (*Process, error) {
	conn, child, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("making a socket: %w", err)
	}
	defer child.Close()
	p := &Process{Conn: conn, done: make(chan struct{})}
	started := make(chan error)
	go thread.Own(func() {
		err := p.launch(spec, child)
		started <- err
		if err == nil {
			p.reap()
		}
	})
	if err := <-started; err != nil {
		conn.Close()
		return nil, err
	}
	offerToKernel(p.Pid)
	return p, nil
}

// offerToKernel has the kernel end the process rather than this one when the machine
// runs out of memory. Where that is not allowed, nothing is lost but the preference.
func offerToKernel(pid int) {
	const more, most = 300, 1000 // in thousandths of the machine's memory
	own, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		return
	}
	var have int
	if _, err := fmt.Sscan(string(own), &have); err != nil {
		return
	}
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", pid), fmt.Append(nil, min(have+more, most)), 0)
}

func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	// Our end waits in Go's poller; theirs must block, so that it needs none.
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "worker"), os.NewFile(uintptr(fds[1]), "worker"), nil
}

// launch confines the thread and starts the process from it.
func (p *Process) launch(spec Spec, child *os.File) error {
	attr := &os.ProcAttr{Dir: "/", Env: []string{}, Files: onlyFile(child)}
	rules, failed := newRules(spec)
	defer rules.close()
	err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	p.Measures = append(p.Measures,
		Measure{Name: "process", Applied: true, Detail: "session, group and empty environment of its own; ends with this program"},
		applied("no_new_privs", "", err))
	if failed == nil {
		failed = rules.Restrict()
	}
	p.Measures = append(p.Measures, applied("landlock", rules.detail(), failed))
	const namespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNET
	if err := p.exec(spec, attr, namespaces); err == nil {
		p.Users = true
		p.Measures = append(p.Measures, Measure{Name: "network", Applied: true, Detail: "namespaces of its own, for users too"})
		return nil
	}
	// Without user namespaces only root can have a network namespace, and must
	// give up its rights itself.
	err = unix.Unshare(unix.CLONE_NEWNET)
	p.Measures = append(p.Measures, applied("network", "a namespace of its own", err))
	if err := dropCapabilities(); err != nil {
		p.Measures = append(p.Measures, applied("capabilities", "", err))
	}
	return p.exec(spec, attr, 0)
}

func (p *Process) exec(spec Spec, attr *os.ProcAttr, flags uintptr) error {
	attr.Sys = sysProcAttr(flags)
	started, err := os.StartProcess(self, []string{spec.Name}, attr)
	if err != nil {
		return fmt.Errorf("starting this program again: %w", err)
	}
	p.Pid = started.Pid
	_ = started.Release() // reap waits for the process itself
	return nil
}

// self is this program, also when its file was replaced meanwhile.
const self = "/proc/self/exe"

// onlyFile makes f the first three descriptors of a process, and has those closed
// that it would inherit beside: Go's are not inherited, but those may be that this
// process was started with.
func onlyFile(f *os.File) []*os.File {
	files := []*os.File{f, f, f}
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return files
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // those that were read are better than none
	for _, name := range names {
		var fd int
		if _, err := fmt.Sscan(name, &fd); err != nil || fd < len(files) {
			continue
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			files = append(files, make([]*os.File, fd+1-len(files))...)
		}
	}
	return files
}

// dropCapabilities takes all capabilities from this thread. Without new privileges
// a program that it starts cannot get them back.
func dropCapabilities() error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&head, &none[0])
}

// reap waits for the end of the process. Its id is not free before mu is held, so
// that Kill cannot meet a stranger.
func (p *Process) reap() {
	for {
		err := unix.Waitid(unix.P_PID, p.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		_, err := unix.Wait4(p.Pid, &p.status, 0, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.reaped = true
	close(p.done)
}

// Kill ends the process, whatever it does. It returns at once; Done tells when the
// process is gone.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		_ = unix.Kill(-p.Pid, unix.SIGKILL)
		_ = unix.Kill(p.Pid, unix.SIGKILL)
	}
}

// Done is closed when the process has ended and nothing is left of it.
func (p *Process) Done() <-chan struct{} { return p.done }

// Status says how the process ended. It may be called once Done is closed.
func (p *Process) Status() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.status.Signaled() {
		return "it was ended by the signal " + unix.SignalName(p.status.Signal())
	}
	return fmt.Sprintf("it ended itself with status %d", p.status.ExitStatus())
}
