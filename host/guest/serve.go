package guest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/guest/confine"
	"github.com/sourcehost/sourcehost/host/guest/frame"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// workerName is argument 0 of a worker, by which it knows what it is.
const workerName = "sourcehost-plugin-worker"

// serves says that this program's main function calls ServeWorker, so that the
// program can be started as a worker. It is a fact about the program and no
// setting: a program that does not would run from the start again instead.
var serves atomic.Bool

// ServeWorker must be the first thing that the main function of a program does
// that runs plugins which are not part of it: such a plugin runs in a process that
// is this program again, and there the function does not return. Otherwise it
// returns at once. Tests call it in TestMain.
func ServeWorker() {
	if len(os.Args) != 1 || os.Args[0] != workerName {
		serves.Store(true)
		return
	}
	if kind, err := unix.GetsockoptInt(0, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_STREAM {
		fmt.Fprintf(os.Stderr, "%s is started by sourcehost, not by users\n", workerName)
		os.Exit(2)
	}
	if err := serve(os.Stdin); err != nil && !errors.Is(err, io.EOF) {
		panic(err) // the host shows the text
	}
	os.Exit(0)
}

// job is the settings in a Load.
type job struct {
	// Name, Clock, Random and Limits are those of the Source.
	Name          string
	Clock, Random bool
	Limits        Limits
	Hooks         []abi.Hook
	// Folder is where compiled code is, or is to be put; empty means nowhere.
	Folder string
	Access confine.Access
	// Confine are the limits of the process.
	Confine confine.Limits
	// Run says that hooks will be called: not where the code is only compiled, or
	// where only the measures are asked for, which is without a module.
	Run bool
}

// ready is the content of a Ready.
type ready struct {
	Measures []confine.Measure
	Failure  *frame.Failure `json:",omitempty"`
	// Cache says that the failure is that of the folder.
	Cache bool `json:",omitempty"`
}

// maxLoad is the largest Load and the largest message of the host: it is bounded
// by the memory of the process.
const maxLoad = 1 << 32

// serve is the whole life of a worker: one plugin, one instance, one goroutine.
func serve(conn *os.File) error {
	_, data, err := frame.Read(conn, only(frame.Load, maxLoad))
	if err != nil {
		return err
	}
	var j job
	wasm, err := frame.DecodeLoad(data, &j)
	if err != nil {
		return err
	}
	r := ready{Measures: confine.Enter(j.Confine, j.Access)}
	in, err := j.load(wasm)
	if err == nil && j.Access != confine.None {
		err = r.seal()
	}
	if err != nil {
		r.Failure = failureOf(&Error{Cause: Refused, Err: err})
		r.Cache = errors.As(err, new(*cacheError))
	}
	if err := frame.Write(conn, frame.Ready, mustJSON(r)); err != nil || r.Failure != nil || in == nil {
		return err
	}
	for freed := false; ; {
		hook, err := in.serveCall(conn)
		if err != nil {
			return err
		}
		if !freed && hook != initHook && hook != abi.Setup {
			// What loading has left, now that nobody is likely to wait for it.
			debug.FreeOSMemory()
			freed = true
		}
	}
}

// seal takes the folder away, before the first instruction of the guest, where
// filters are possible at all.
func (r *ready) seal() error {
	for _, m := range r.Measures {
		if m.Name == "seccomp" && m.Applied {
			return confine.Seal()
		}
	}
	return nil
}

// load compiles the module, or reads it from the folder, and makes the instance.
func (j *job) load(wasm []byte) (*wasmInstance, error) {
	if len(wasm) == 0 {
		return nil, nil
	}
	p := &Plugin{
		src:      Source{Name: j.Name, Clock: j.Clock, Random: j.Random},
		limits:   j.Limits,
		manifest: &plugin.Manifest{Hooks: j.Hooks},
	}
	ctx, cancel := context.WithTimeout(context.Background(), j.Limits.LoadTime)
	defer cancel()
	debug.SetMemoryLimit(j.Confine.MemoryBytes / 2) // collect before the kernel refuses
	if j.Access == confine.Read {
		// What is read stays: collecting in between would take a tenth of the time.
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
	}
	eng, err := newEngine(ctx, wasm, j.Folder)
	if err != nil && j.Folder != "" {
		err = asCacheError(err)
	}
	if err != nil || !j.Run {
		return nil, err
	}
	// The guest runs in one thread; others are for Go's runtime.
	runtime.GOMAXPROCS(min(runtime.GOMAXPROCS(0), 2))
	in, err := newIdle(p, eng)
	var e *Error
	if errors.As(err, &e) {
		err = e.Err
	}
	return in, err
}

// serveCall takes one Call and answers it.
func (in *wasmInstance) serveCall(conn *os.File) (abi.Hook, error) {
	_, data, err := frame.Read(conn, only(frame.Call, maxLoad))
	if err != nil {
		return "", err
	}
	hook, input, err := frame.DecodeCall(data)
	if err != nil {
		return "", err
	}
	if in.funcs[hook] == nil {
		return "", fmt.Errorf("there is no hook %q", hook)
	}
	output, err := in.call(context.Background(), hook, input, &remote{conn})
	if err == nil {
		return hook, frame.Write(conn, frame.Done, frame.Success(in.alloc.size.Load()), output)
	}
	var e *Error
	if !errors.As(err, &e) {
		return "", err
	}
	f := failureOf(e)
	f.Memory = in.alloc.size.Load()
	done, err := f.Append(nil)
	if err != nil {
		return "", err
	}
	return hook, frame.Write(conn, frame.Done, done)
}

// remote is the Caller of a worker: what is asked of it is asked of the host.
type remote struct{ conn *os.File }

// Call asks the host and waits for the answer. Without a host there is no reason to
// go on.
func (r *remote) Call(_ context.Context, op string, req []byte) (abi.Status, []byte) {
	if err := frame.Write(r.conn, frame.Ask, frame.AppendAsk(nil, op), req); err != nil {
		os.Exit(0)
	}
	_, data, err := frame.Read(r.conn, only(frame.Answer, maxLoad))
	if errors.Is(err, io.EOF) {
		os.Exit(0)
	}
	if err == nil {
		if status, result, err := frame.DecodeAnswer(data); err == nil {
			return status, result
		}
	}
	panic(fmt.Errorf("the host's answer: %w", err))
}

func (r *remote) Log(level abi.Level, line string) {
	if err := frame.Write(r.conn, frame.Log, frame.AppendLog(nil, level, line)); err != nil {
		os.Exit(0)
	}
}

// only expects one type of frame.
func only(want frame.Type, most int64) func(frame.Type) int64 {
	return func(t frame.Type) int64 {
		if t == want {
			return most
		}
		return -1
	}
}

// processLimits are the limits of a worker's process. They are a second net: what a
// plugin may use is counted in Limits, and the time by the host.
func (p *Plugin) processLimits(wasm int, compiles bool) confine.Limits {
	l := &p.limits
	// The call stack, Go's own needs and its garbage.
	const own = 512 << 20
	c := confine.Limits{
		MemoryBytes: own + l.MemoryBytes + 3*l.OutputBytes + 2*(l.ResultBytes+l.RequestBytes) + 16*l.TableEntries,
		CPUTime:     time.Duration(runtime.NumCPU()) * (l.LoadTime + 100*l.HookTime),
		Threads:     64 + 4*runtime.NumCPU(),
	}
	if compiles {
		c.MemoryBytes += 1<<30 + 64*int64(wasm)
		c.FileBytes = 64<<20 + 64*int64(wasm)
	}
	return c
}
