package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// killTime is how long processes are hunted down. One pass is enough unless
	// they fork outside of the session; on a busy machine a pass takes its time.
	killTime = 3 * time.Second
	// settleTime is how long Run waits then for the last of their output. Only a
	// process that hangs in the kernel takes so long.
	settleTime = 300 * time.Millisecond
)

// Run runs a program to its end. The error is an *Error unless the program exits
// with status 0, was not killed, and kept its limits. When ctx ends, Run returns
// within Grace and a fraction of a second, unless the program forks processes into
// new sessions as fast as they are killed, or hangs in the kernel: then it may take
// seconds.
func Run(ctx context.Context, spec Spec) (Result, error) {
	spec = spec.complete()
	result, failed := start(ctx, spec)
	if failed == nil {
		return result, nil
	}
	failed.Program = spec.Program
	for _, arg := range spec.Args {
		failed.Args = append(failed.Args, spec.Redact(arg))
	}
	return Result{}, failed
}

// start runs the program, confined as it is to be.
func start(ctx context.Context, spec Spec) (result Result, failed *Error) {
	if !spec.NoNewPrivileges && spec.Writable == nil {
		return run(ctx, spec)
	}
	if err := confined(spec, func() { result, failed = run(ctx, spec) }); err != nil {
		return Result{}, &Error{Kind: KindFailed, ExitCode: -1, Err: err}
	}
	return result, failed
}

func run(ctx context.Context, spec Spec) (Result, *Error) {
	if err := spec.check(); err != nil {
		return Result{}, &Error{Kind: KindInvalid, ExitCode: -1, Err: err}
	}
	if spec.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, spec.Timeout, timeoutError(spec.Timeout))
		defer cancel()
	}
	if ctx.Err() != nil {
		return Result{}, ended(ctx)
	}
	// The kernel sends the signal of Pdeathsig when the thread that started the
	// program ends, so this thread must live as long as the program.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	begin := time.Now()
	p := &process{spec: spec, stop: make(chan *Error, 1), exited: make(chan struct{})}
	defer p.closePipes()
	if err := p.start(); err != nil {
		return Result{}, startError(spec, err)
	}
	failed := p.supervise(ctx)
	state, incomplete := p.settle()
	if failed == nil {
		failed = p.outcome(state, incomplete)
	}
	if failed != nil {
		p.closePipes() // so that nobody reads or reports lines any more
		p.readers.Wait()
		failed.Tail = p.stderr.last(spec.TailLines)
		return Result{}, failed
	}
	return Result{Stdout: p.stdout.data, Duration: time.Since(begin)}, nil
}

// timeoutError says how long a program was allowed to run.
type timeoutError time.Duration

func (t timeoutError) Error() string { return fmt.Sprintf("not done after %v", time.Duration(t)) }

// Is makes it a context.DeadlineExceeded.
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// ended is the error for a program that was killed since ctx has ended.
func ended(ctx context.Context) *Error {
	e := &Error{Kind: KindCanceled, ExitCode: -1, Err: fmt.Errorf("canceled: %w", context.Cause(ctx))}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Kind, e.Err = KindTimeout, fmt.Errorf("killed: %w", context.Cause(ctx))
	}
	return e
}

// process is a running program.
type process struct {
	spec  Spec
	proc  *os.Process
	group group

	stop   chan *Error   // a reason to kill it
	exited chan struct{} // closed when the program itself, not yet reaped, has ended

	stdout  bounded
	stderr  messages
	readers sync.WaitGroup
	read    []error // what each reader has failed with
	mine    []*os.File
}

// halt has the program killed, unless there is a reason already.
func (p *process) halt(kind Kind, format string, args ...any) {
	select {
	case p.stop <- &Error{Kind: kind, ExitCode: -1, Err: fmt.Errorf(format, args...)}:
	default:
	}
}

// start starts the program and what moves its input and output.
func (p *process) start() error {
	var theirs []*os.File
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	in, err := p.openStdin(&theirs)
	if err != nil {
		return err
	}
	for range 2 {
		r, w, err := os.Pipe()
		if err != nil {
			return err
		}
		p.mine, theirs = append(p.mine, r), append(theirs, w)
	}
	outputs := p.mine[len(p.mine)-2:]
	if err := p.launch(theirs); err != nil {
		return err
	}
	p.stdout = bounded{max: p.spec.MaxStdout, over: func() {
		p.halt(KindLimit, "killed: it wrote more than %d bytes to its standard output", p.spec.MaxStdout)
	}}
	p.stderr = messages{redact: p.spec.Redact, progress: p.spec.Progress, over: func() {
		p.halt(KindLimit, "killed: it wrote more than %d bytes to its standard error", maxStderr)
	}}
	p.read = make([]error, 2)
	p.readers.Go(func() { p.read[0] = drain(outputs[0], &p.stdout) })
	p.readers.Go(func() { p.read[1] = drain(outputs[1], &p.stderr); p.stderr.flush() })
	if in != nil {
		go p.feed(in)
	}
	go func() {
		waitExit(p.proc.Pid)
		close(p.exited)
	}()
	return nil
}

// launch starts the program with a brand on it. Tracing it stops it before its
// first instruction, so that the brand is there before any child can be.
func (p *process) launch(files []*os.File) (err error) {
	sys := &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL, Ptrace: true}
	attr := &os.ProcAttr{
		Dir:   p.spec.Dir,
		Env:   append([]string{}, p.spec.Env...), // nil would mean our own
		Files: closed(files),
		Sys:   sys,
	}
	args := append([]string{p.spec.Program}, p.spec.Args...)
	p.proc, err = os.StartProcess(p.spec.Program, args, attr)
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
		sys.Ptrace = false // tracing may be forbidden on this machine
		p.proc, err = os.StartProcess(p.spec.Program, args, attr)
	}
	if err != nil {
		return err
	}
	if sys.Ptrace {
		waitStop(p.proc.Pid)
	}
	p.group = newGroup(p.proc.Pid)
	if sys.Ptrace {
		_ = unix.PtraceDetach(p.proc.Pid) // fails when it was killed meanwhile
	}
	return nil
}

// waitStop returns when a traced process has stopped, or has ended, and leaves the
// latter to be reaped.
func waitStop(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

// openStdin adds the program's end of its input to theirs and returns ours, which
// is nil when there is nothing to write.
func (p *process) openStdin(theirs *[]*os.File) (*os.File, error) {
	if p.spec.Stdin == nil {
		null, err := os.Open(os.DevNull)
		*theirs = append(*theirs, null)
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	*theirs, p.mine = append(*theirs, r), append(p.mine, w)
	return w, nil
}

// feed writes the program's input. That the program does not read all of it is
// its own affair; that it cannot get all of it is an error.
func (p *process) feed(w *os.File) {
	src := &source{Reader: p.spec.Stdin}
	_, _ = io.Copy(struct{ io.Writer }{w}, src)
	if src.err != nil {
		p.halt(KindFailed, "killed: reading its standard input failed: %w", src.err)
	}
	w.Close()
}

// source remembers why reading failed.
type source struct {
	io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// waitExit returns when the process has ended, and leaves it to be reaped: until
// then its id, which is that of its group and session, cannot be given to others.
func waitExit(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}

// supervise returns when the program has ended, or was told to and had its grace.
// It returns the reason for the latter.
func (p *process) supervise(ctx context.Context) *Error {
	watch := time.NewTicker(watchEvery)
	defer watch.Stop()
	for {
		select {
		case <-p.exited:
			return nil
		case <-ctx.Done():
			failed := ended(ctx)
			p.group.signal(unix.SIGTERM)
			select {
			case <-p.exited:
			case <-time.After(p.spec.Grace):
			}
			return failed
		case failed := <-p.stop: // it is at fault: no grace
			return failed
		case <-watch.C:
			if n := p.group.watch(); n > p.spec.MaxProcesses {
				p.halt(KindLimit, "killed: it has %d processes, more than %d are not allowed", n, p.spec.MaxProcesses)
			}
		}
	}
}

// errHeld says that output may be missing.
var errHeld = errors.New("a process that it left behind could not be killed or holds its output open")

// settle kills what is left, waits for the last of the output and reaps the
// program. The error is errHeld, or why output could not be read.
func (p *process) settle() (*os.ProcessState, error) {
	p.group.kill(killTime)
	done := make(chan error, 1)
	go func() {
		p.readers.Wait()
		done <- errors.Join(p.read...)
	}()
	incomplete := errHeld
	select {
	case incomplete = <-done:
	case <-time.After(settleTime):
	}
	select {
	case <-p.exited:
	case <-time.After(settleTime):
		go func() { <-p.exited; _, _ = p.proc.Wait() }() // it hangs in the kernel
		return nil, errHeld
	}
	state, err := p.proc.Wait()
	return state, errors.Join(incomplete, err)
}

func (p *process) closePipes() {
	for _, f := range p.mine {
		f.Close()
	}
}

// outcome is the error of a program that ended by itself; nil when it succeeded.
func (p *process) outcome(state *os.ProcessState, incomplete error) *Error {
	select {
	case failed := <-p.stop: // a limit that was found out only after its end
		return failed
	default:
	}
	if state == nil {
		return &Error{Kind: KindFailed, ExitCode: -1, Err: incomplete}
	}
	e := &Error{Kind: KindFailed, ExitCode: state.ExitCode()}
	status, _ := state.Sys().(syscall.WaitStatus)
	switch {
	case status.Signaled():
		e.Signal = unix.SignalName(status.Signal())
		e.Err = fmt.Errorf("killed by signal %s", e.Signal)
		if status.Signal() == unix.SIGKILL {
			e.Hint = "when nobody killed it, memory was short: the kernel's log tells"
		}
	case !state.Success():
		e.Err = fmt.Errorf("exit status %d", e.ExitCode)
	case incomplete != nil:
		e.Err = incomplete
	default:
		return nil
	}
	return e
}
