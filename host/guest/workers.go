package guest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/sourcehost/sourcehost/host/guest/confine"
	"github.com/sourcehost/sourcehost/host/guest/frame"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// errCannotServe says what is missing in a program.
var errCannotServe = errors.New("a plugin that is not part of the program runs in a process of its own, which this program cannot start: its main function must call host.WorkerMain before anything else, and in tests TestMain must")

// workers are the processes of a runtime that have not ended.
type workers struct {
	mu     sync.Mutex
	closed bool
	live   map[*confine.Process]bool
}

// start starts a process and remembers it until it has ended.
func (ws *workers) start(spec confine.Spec) (*confine.Process, error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.closed {
		return nil, ErrClosed
	}
	p, err := confine.Start(spec)
	if err != nil {
		return nil, err
	}
	if ws.live == nil {
		ws.live = make(map[*confine.Process]bool)
	}
	ws.live[p] = true
	go func() {
		<-p.Done()
		ws.mu.Lock()
		defer ws.mu.Unlock()
		delete(ws.live, p)
	}()
	return p, nil
}

// close kills all processes and waits, until ctx is done, for them to be gone.
func (ws *workers) close(ctx context.Context) error {
	ws.mu.Lock()
	ws.closed = true
	var all []*confine.Process
	for p := range ws.live {
		all = append(all, p)
	}
	ws.mu.Unlock()
	for _, p := range all {
		p.Kill()
		p.Conn.Close()
	}
	for _, p := range all {
		select {
		case <-p.Done():
		case <-ctx.Done():
			return fmt.Errorf("the process %d of a plugin was killed and has not ended", p.Pid)
		}
	}
	return nil
}

// Measures reports how the processes of plugins that are not trusted are confined on
// this machine. The first call starts one, which loads nothing.
func (r *Runtime) Measures() ([]confine.Measure, error) { return r.measures() }

func (r *Runtime) probe() ([]confine.Measure, error) {
	if !serves.Load() {
		return nil, errCannotServe
	}
	p := &Plugin{runtime: r, src: Source{Name: "none"}, limits: Limits{}.withDefaults(r.cfg.Limits), manifest: &plugin.Manifest{}}
	// Like one that runs plugins from the cache.
	w, _, err := p.startWorker(context.Background(), nil, "", confine.None, false)
	if err != nil {
		return nil, err
	}
	w.close()
	return w.measures, nil
}

// code is what a worker is given, and the name of its entry in the cache.
type code struct {
	wasm  []byte
	entry string
}

func newCode(p *Plugin) code {
	wasm := codeOf(p.src.Wasm, p.module, p.limits.TableEntries)
	return code{wasm: wasm, entry: entryName(wasm, false)}
}

// newWorker makes an instance in a process of its own and initializes it.
func (p *Plugin) newWorker(ctx context.Context, c Caller) (*worker, error) {
	if err := p.sticky(); err != nil {
		return nil, err
	}
	w, err := p.startCached(ctx)
	if err != nil {
		return nil, p.remember(err)
	}
	_, has := p.module.exports[abi.InitExport]
	if err := initialize(ctx, w, has, c); err != nil {
		return nil, err
	}
	return w, nil
}

// startCached starts a process with the plugin's compiled code, and with the module
// alone where there is no usable cache.
func (p *Plugin) startCached(ctx context.Context) (*worker, error) {
	wasm := p.code().wasm
	for range 2 {
		build, entry, err := p.compiled(ctx)
		if err != nil {
			return nil, err
		}
		if entry == "" {
			break
		}
		w, _, err := p.startWorker(ctx, wasm, filepath.Join(entry, entryFolder), confine.Read, true)
		var e *Error
		if !errors.As(err, &e) || e.Cause != Refused || errors.Is(err, ErrClosed) {
			return w, err
		}
		// Its files are those that were written, and yet they are of no use.
		damaged(build, entry, err, p.runtime.log.With("plugin", p.src.Name))
	}
	w, _, err := p.startWorker(ctx, wasm, "", confine.None, true)
	return w, err
}

// compiled returns the folder of this build and the plugin's entry in it, which it
// makes if need be; "" when there is no usable cache.
func (p *Plugin) compiled(ctx context.Context) (build, entry string, err error) {
	dir := p.runtime.cfg.CacheDir
	if dir == "" {
		return "", "", nil
	}
	// One process compiles; the others wait for it.
	select {
	case p.compile1 <- struct{}{}:
		defer func() { <-p.compile1 }()
	case <-ctx.Done():
		return "", "", fmt.Errorf("plugin %s: compiling: %w", p.src.Name, context.Cause(ctx))
	}
	if err := p.sticky(); err != nil {
		return "", "", err
	}
	log := p.runtime.log.With("plugin", p.src.Name)
	if build, err = openCache(dir); err != nil {
		log.Warn("the cache of compiled plugins is not used", "folder", dir, "reason", err)
		return "", "", nil
	}
	entry = filepath.Join(build, p.code().entry)
	if intact(build, entry, log) {
		return build, entry, nil
	}
	if err := p.compileInto(ctx, p.code().wasm, build, entry); err != nil {
		if errors.As(err, new(*cacheError)) {
			log.Warn("the compiled plugin could not be kept", "folder", dir, "reason", err)
			return "", "", nil
		}
		return "", "", p.remember(err)
	}
	prune(dir, time.Now())
	return build, entry, nil
}

// compileInto has a process compile the plugin into a new entry. The process can
// write there and is gone before the entry gets its name, and before any code of
// the plugin runs.
func (p *Plugin) compileInto(ctx context.Context, wasm []byte, build, entry string) error {
	part, err := newPart(build)
	if err != nil {
		return err
	}
	defer os.RemoveAll(part)
	w, cache, err := p.startWorker(ctx, wasm, filepath.Join(part, entryFolder), confine.Write, false)
	if err != nil && cache {
		return &cacheError{err}
	}
	if err != nil {
		return err
	}
	w.close()
	select {
	case <-w.proc.Done():
	case <-ctx.Done():
		return fmt.Errorf("plugin %s: compiling: %w", p.src.Name, context.Cause(ctx))
	}
	if err := publish(part, entry); err != nil {
		return &cacheError{err}
	}
	return nil
}

// startWorker starts a process and has it load the plugin. cache says that the error
// is one of the folder.
func (p *Plugin) startWorker(ctx context.Context, wasm []byte, folder string, access confine.Access, run bool) (w *worker, cache bool, err error) {
	proc, err := p.runtime.workers.start(confine.Spec{Name: workerName, Folder: folder, Access: access})
	if errors.Is(err, ErrClosed) {
		return nil, false, p.refused(err)
	}
	if err != nil {
		return nil, false, &Error{Plugin: p.src.Name, Cause: Process, Err: err}
	}
	w = &worker{plugin: p, proc: proc}
	j := job{
		Name: p.src.Name, Clock: p.src.Clock, Random: p.src.Random, Limits: p.limits, Hooks: p.manifest.Hooks,
		Folder: folder, Access: access, Run: run, Confine: p.processLimits(len(wasm), access != confine.Read && len(wasm) > 0),
	}
	limited, cancel := context.WithTimeout(ctx, p.limits.LoadTime)
	defer cancel()
	stop := context.AfterFunc(limited, w.close)
	r, err := j.send(proc, wasm)
	switch alive := stop(); {
	case ctx.Err() != nil:
		w.close()
		return nil, false, fmt.Errorf("plugin %s: compiling: %w", p.src.Name, context.Cause(ctx))
	case !alive:
		return nil, false, &Error{Plugin: p.src.Name, Cause: Deadline, Err: fmt.Errorf("compiling took longer than %v", p.limits.LoadTime)}
	case err != nil:
		e := w.obituary(err)
		e.Plugin, e.again = p.src.Name, true // none of its code has run
		return nil, false, e
	case r.Failure != nil:
		w.close()
		return nil, r.Cache, p.refused(errors.New(r.Failure.Message))
	}
	w.measures = append(proc.Measures, r.Measures...)
	return w, false, nil
}

// send hands a job to a process and waits for its answer.
func (j *job) send(proc *confine.Process, wasm []byte) (*ready, error) {
	if !proc.Users {
		j.Confine.Threads = 0
	}
	head, err := frame.AppendLoad(nil, j)
	if err != nil {
		return nil, err
	}
	if err := frame.Write(proc.Conn, frame.Load, head, wasm); err != nil {
		_, _, err = frame.Read(proc.Conn, nothing)
		return nil, orEnded(err)
	}
	_, data, err := frame.Read(proc.Conn, only(frame.Ready, 6*maxMessage))
	if err != nil {
		return nil, err
	}
	r := new(ready)
	return r, frame.Decode(data, r)
}

// remember keeps an error that would be the same next time, that of a process which
// was killed or could not be started aside: what cannot be loaded is not tried again
// for each page.
func (p *Plugin) remember(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Cause != Process && !errors.Is(err, ErrClosed) {
		p.mu.Lock()
		defer p.mu.Unlock()
		e.known, p.unusable = true, e
	}
	return err
}

func (p *Plugin) sticky() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.unusable != nil {
		return p.unusable
	}
	return nil
}

func mustJSON(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // a type of this package that cannot be encoded
	}
	return data
}
