package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/sourcehost/sourcehost/host/command"
	"github.com/sourcehost/sourcehost/host/download"
	"github.com/sourcehost/sourcehost/host/store"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// DefaultProgramTimeout is how long a program may run unless Config says otherwise.
const DefaultProgramTimeout = 2 * time.Hour

// maxSteps bounds how many programs one item may need.
const maxSteps = 64

// ProgramRule says what a program may do.
type ProgramRule struct {
	// SetUserID lets it gain rights by set-user-ID bits and capabilities of files also
	// when a plugin that is not built in runs it.
	SetUserID bool
	// Writable, unless nil, are the absolute paths to which, and beneath which, it may
	// write, beside its scratch folder and /dev. It gains no rights then.
	Writable []string
}

// programs remembers where programs are: each is looked up once.
type programs struct {
	mu    sync.Mutex
	found map[string]foundProgram
	// cleaned is for leftovers of dead runs: they are looked for once.
	cleaned sync.Once
}

type foundProgram struct {
	path string
	err  error
}

// scratch makes a folder for a program where temporary files are. With the first one,
// what runs that were killed have left there is removed.
func (h *Host) scratch() (dir string, done func(), err error) {
	parent := absolute(os.TempDir())
	h.programs.cleaned.Do(func() {
		if err := command.CleanScratch(parent); err != nil {
			h.log.Debug("cannot remove what runs that were killed have left", "error", err.Error())
		}
	})
	s, err := command.NewScratch(parent)
	if err != nil {
		return "", nil, err
	}
	return s.Dir(), func() {
		if err := s.Close(); err != nil {
			h.log.Warn("cannot remove a folder of this run", "folder", s.Dir(), "error", err.Error())
		}
	}, nil
}

// program returns the absolute path of a program by its name or path.
func (h *Host) program(name string) (string, error) {
	h.programs.mu.Lock()
	defer h.programs.mu.Unlock()
	if f, known := h.programs.found[name]; known {
		return f.path, f.err
	}
	configured := name
	if path := h.cfg.Programs[name]; path != "" {
		configured = path
	}
	var f foundProgram
	f.path, f.err = command.Find(configured, nil)
	if h.programs.found == nil {
		h.programs.found = map[string]foundProgram{}
	}
	h.programs.found[name] = f
	return f.path, f.err
}

// step is a program that may be run.
type step struct {
	program, stdin string
	args, env      []string
	noPrivileges   bool     // to be gained by set-user-ID programs
	writable       []string // see ProgramRule
}

// step checks the request for one program.
func (c *caller) step(e *abi.Exec) (step, abi.Status, error) {
	rule := c.run.host.cfg.ProgramRules[e.Program]
	s := step{args: e.Args, stdin: e.Stdin, noPrivileges: !c.plugin.Builtin && !rule.SetUserID, writable: rule.Writable}
	if err := c.plugin.policy.allow(plugin.CapExec, e.Program); err != nil {
		return s, abi.Denied, err
	}
	for i, arg := range e.Args {
		if strings.ContainsRune(arg, 0) {
			return s, abi.Invalid, fmt.Errorf("argument %d of %s holds a NUL byte", i+1, e.Program)
		}
	}
	for _, name := range e.Env {
		if err := c.plugin.policy.allow(plugin.CapEnv, name); err != nil {
			return s, abi.Denied, err
		}
		if value, set := c.run.host.cfg.Environ(name); set {
			s.env = append(s.env, name+"="+value)
		}
	}
	var err error
	if s.program, err = c.run.host.program(e.Program); err != nil {
		return s, abi.NotFound, err
	}
	return s, abi.OK, nil
}

// spec is the step in a folder.
func (s *step) spec(h *Host, dir string) command.Spec {
	return command.Spec{
		Program: s.program, Args: s.args, Env: s.env, Dir: dir, Stdin: strings.NewReader(s.stdin),
		Timeout: h.cfg.ProgramTimeout, Redact: h.redactOutput, MaxStdout: resultLimit(h.cfg.Limits), NoNewPrivileges: s.noPrivileges, Writable: s.writable,
	}
}

// exec runs a program while the hook waits.
func (c *caller) exec(ctx context.Context, raw []byte) (abi.Status, []byte, error) {
	e, err := abi.DecodeExec(raw)
	if err != nil {
		return abi.Invalid, nil, err
	}
	s, status, err := c.step(&e)
	if err != nil {
		return status, nil, err
	}
	dir, done, err := c.run.host.scratch()
	if err != nil {
		return abi.Failed, nil, err
	}
	defer done()
	result, err := command.Run(ctx, s.spec(c.run.host, dir))
	if err != nil {
		return statusOfProgram(err), nil, err
	}
	return abi.OK, result.Stdout, nil
}

func statusOfProgram(err error) abi.Status {
	var e *command.Error
	if errors.As(err, &e) {
		switch e.Kind {
		case command.KindNotFound:
			return abi.NotFound
		case command.KindInvalid:
			return abi.Invalid
		case command.KindLimit:
			return abi.Limit
		}
	}
	return abi.Failed
}

// runSteps accepts a producing call.
func (c *caller) runSteps(raw []byte) (abi.Status, []byte, error) {
	req, err := abi.DecodeRun(raw)
	if err != nil {
		return abi.Invalid, nil, err
	}
	it, err := c.producing(abi.OpRun, req.Key, plugin.ProducesFile, plugin.ProducesCommit, plugin.ProducesNone)
	if err != nil {
		return abi.Invalid, nil, err
	}
	if n := len(req.Steps) + len(req.Finally); len(req.Steps) == 0 || n > maxSteps {
		return abi.Invalid, nil, fmt.Errorf("the item needs %d programs, but may need 1 to %d", n, maxSteps)
	}
	if err := checkFiles(req.Files); err != nil {
		return abi.Invalid, nil, err
	}
	p := &running{where: download.CleanURL(req.From), files: req.Files}
	for _, list := range []struct {
		from []abi.Exec
		to   *[]step
	}{{req.Steps, &p.steps}, {req.Finally, &p.finally}} {
		for i := range list.from {
			s, status, err := c.step(&list.from[i])
			if err != nil {
				return status, nil, err
			}
			*list.to = append(*list.to, s)
		}
	}
	c.page.jobs[it] = &job{item: it, producer: p}
	return abi.OK, nil, nil
}

// running is a producer of what programs make.
type running struct {
	files          []abi.RunFile
	steps, finally []step
	where          string
}

func (p *running) from() string { return p.where }

func (p *running) produce(ctx context.Context, r *run, it *item) (staged, error) {
	if r.commits != nil {
		return p.produceCommit(ctx, r, it)
	}
	dir, done, err := r.scratch(ctx, it)
	if err != nil {
		return nil, err
	}
	keep := false
	defer func() {
		if !keep {
			done()
		}
	}()
	r.notifyStart(it)
	it.result.Attempts = 1
	out, err := p.run(ctx, r, dir)
	switch {
	case r.plugin.manifest.Produces == plugin.ProducesNone:
		return nil, r.checked(it, out, err)
	case err != nil:
		return nil, r.programError(it, err)
	}
	return r.stageFile(ctx, it, filepath.Join(dir, abi.ScratchFile))
}

// run writes the files and runs the steps, and finally the others, also when ctx has
// ended.
func (p *running) run(ctx context.Context, r *run, dir string) (out []byte, err error) {
	if err := writeFiles(dir, p.files); err != nil {
		return nil, err
	}
	defer func() {
		for i := range p.finally {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finallyTime)
			_, failed := command.Run(ctx, p.finally[i].placed(r, dir))
			cancel()
			if failed != nil && err == nil {
				err = failed
			}
		}
	}()
	for i := range p.steps {
		result, err := command.Run(ctx, p.steps[i].placed(r, dir))
		if err != nil {
			return nil, err
		}
		out = result.Stdout
	}
	return out, nil
}

// finallyTime bounds what is run at the end, so that a run that was stopped ends.
const finallyTime = 5 * time.Second

// placed puts the paths in that a plugin cannot know.
func (s *step) placed(r *run, dir string) command.Spec {
	content := ""
	if r.trees != nil {
		content = absolute(r.trees.Dir())
	}
	replace := strings.NewReplacer(abi.ScratchDir, dir, abi.ContentDir, content)
	spec := s.spec(r.host, dir)
	spec.Args = make([]string, len(s.args))
	for i, arg := range s.args {
		spec.Args[i] = replace.Replace(arg)
	}
	return spec
}

// scratch makes a folder in which an item is made, with the item's lock where
// there is a store.
func (r *run) scratch(ctx context.Context, it *item) (dir string, done func(), err error) {
	if r.trees == nil {
		return r.host.scratch()
	}
	stage, err := r.trees.Stage(ctx, it.key, store.PartScratch)
	if err != nil {
		return "", nil, err
	}
	return absolute(stage.Dir()), func() { stage.Close() }, nil
}

// absolute makes the path of a store that was named relative to the working folder
// one that programs understand wherever they run.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path // the working folder is gone, and the program will say so
}

// maxFiles bounds how many files one item may need.
const maxFiles = 16

// checkFiles refuses what would lie elsewhere than in the scratch folder.
func checkFiles(files []abi.RunFile) error {
	if len(files) > maxFiles {
		return fmt.Errorf("the item needs %d files, but may need %d", len(files), maxFiles)
	}
	for _, f := range files {
		if !filepath.IsLocal(f.Path) || strings.ContainsRune(f.Path, 0) {
			return fmt.Errorf("the file %s is not in the scratch folder", plain(f.Path, 160))
		}
	}
	return nil
}

// writeFiles adds to files, which nobody else may read, beneath a folder.
func writeFiles(dir string, files []abi.RunFile) error {
	if len(files) == 0 {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, file := range files {
		f, err := root.OpenFile(file.Path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err == nil {
			err = f.Chmod(0o600)
		}
		if err == nil {
			_, err = f.WriteString(file.Content)
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// programError turns the error of a program into one of the host.
func (r *run) programError(it *item, err error) *Error {
	e := r.itemError(it, nil, "", abi.ErrFailed, err)
	e.URL, e.Attempts = it.result.URL, it.result.Attempts
	var c *command.Error
	if !errors.As(err, &c) {
		return e
	}
	e.Hint = r.host.secrets.Redact(c.Hint)
	switch c.Kind {
	case command.KindTimeout:
		e.Kind = abi.ErrTimeout
	case command.KindCanceled:
		e.Kind = abi.ErrCanceled
	case command.KindInvalid:
		e.Kind = abi.ErrInvalid
	case command.KindNotFound:
		e.Kind = abi.ErrNotFound
	}
	return e
}
