package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a run of the program.
type process struct {
	t           *testing.T
	cmd         *exec.Cmd
	out, errOut bytes.Buffer
	done        chan error
	waited      bool
}

// patience is how long anything may take before a test gives up, and prompt how long what
// is to happen at once: nothing that these tests wait for ends by itself sooner.
const (
	patience = 3 * time.Minute
	prompt   = 20 * time.Second
)

// start starts the program, or another that ends in it, in a process group of
// its own.
func (s *sandbox) start(argv ...string) *process {
	s.t.Helper()
	p := &process{t: s.t, cmd: exec.Command(argv[0], argv[1:]...), done: make(chan error, 1)}
	p.cmd.Dir, p.cmd.Env = filepath.Join(s.dir, "cwd"), s.env
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.errOut
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	s.t.Cleanup(func() {
		if !p.waited {
			syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		}
	})
	return p
}

// fetching starts a fetch of a manifest.
func (s *sandbox) fetching(manifest string, flags ...string) *process {
	s.t.Helper()
	argv := []string{built.program, "fetch", "--store", s.store, "--output", "json", "--progress", "plain"}
	return s.start(append(append(argv, flags...), manifest)...)
}

// fetch runs a fetch of a manifest to its end.
func (s *sandbox) fetch(manifest string, flags ...string) *outcome {
	s.t.Helper()
	return s.fetching(manifest, flags...).wait()
}

// signal sends a signal. A process that has ended meanwhile does not mind.
func (p *process) signal(sig syscall.Signal) { p.cmd.Process.Signal(sig) }

// wait waits for the end of the process, and checks that it was the last of
// its group.
func (p *process) wait() *outcome {
	p.t.Helper()
	return p.waitFor(patience)
}

// waitFor is wait for a run that may take longer.
func (p *process) waitFor(patience time.Duration) *outcome {
	p.t.Helper()
	select {
	case err := <-p.done:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			p.t.Fatal(err)
		}
	case <-time.After(patience):
		p.signal(syscall.SIGQUIT) // shows where it hangs
		<-p.done
		p.t.Fatalf("the program did not end\n%s", p.errOut.String())
	}
	p.waited = true
	if err := syscall.Kill(-p.cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		p.t.Errorf("processes of the program's group are left: %v", err)
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	o := &outcome{t: p.t, code: p.cmd.ProcessState.ExitCode(), out: p.out.String(), errOut: p.errOut.String(), items: map[string]itemResult{}}
	if strings.HasPrefix(o.out, "{") {
		if err := json.Unmarshal([]byte(o.out), &o.doc); err != nil {
			p.t.Fatalf("the result is not JSON: %v\n%s", err, o.out)
		}
	}
	for _, src := range o.doc.Sources {
		for _, it := range src.Items {
			o.items[it.Key] = it
		}
	}
	return o
}

// outcome is what a run had to say.
type outcome struct {
	t           *testing.T
	code        int
	out, errOut string
	doc         fetchResult
	items       map[string]itemResult
}

// The document of fetch --output json, as far as it matters here. It is spelled
// out again because its form is a promise to users.
type fetchResult struct {
	Success bool           `json:"success"`
	Stopped string         `json:"stopped"`
	Counts  counts         `json:"counts"`
	Sources []sourceResult `json:"sources"`
}

type counts struct {
	Fetched, Cached, Skipped, Failed, Planned int
	Bytes                                     int64
}

type sourceResult struct {
	Source string
	Error  *errorResult
	Items  []itemResult
}

type itemResult struct {
	Key, State string
	Bytes      int64
	Attempts   int
	URL        string
	Error      *errorResult
}

type errorResult struct{ Kind, Message, Hint, Plugin, Hook string }

// ends checks the exit status.
func (o *outcome) ends(code int) *outcome {
	o.t.Helper()
	if o.code != code {
		o.t.Errorf("exit status %d, want %d\n%s\n%s", o.code, code, o.failures(), tail(o.errOut))
	}
	return o
}

// counts checks how many items were fetched, cached, and failed.
func (o *outcome) counts(fetched, cached, failed int) *outcome {
	o.t.Helper()
	c := o.doc.Counts
	if c.Fetched != fetched || c.Cached != cached || c.Failed != failed {
		o.t.Errorf("%d fetched, %d cached, %d failed; want %d, %d, %d\n%s", c.Fetched, c.Cached, c.Failed, fetched, cached, failed, o.failures())
	}
	return o
}

// failures shows the first errors of items, one in a line.
func (o *outcome) failures() string {
	const most = 10
	var b strings.Builder
	shown := 0
	for _, src := range o.doc.Sources {
		if src.Error != nil {
			b.WriteString(src.Source + ": " + src.Error.Message + "\n")
		}
		for _, it := range src.Items {
			if it.Error != nil && shown < most {
				shown++
				b.WriteString(it.Key + ": " + it.Error.Kind + ": " + it.Error.Message + "\n")
			}
		}
	}
	return b.String()
}

// failed returns the error of an item that must have failed, after checking
// its kind, and that its text, hint included, has each of the parts.
func (o *outcome) failed(key, kind string, parts ...string) errorResult {
	o.t.Helper()
	it := o.items[key]
	if it.State != "failed" || it.Error == nil {
		o.t.Errorf("%s is %q, want failed\n%s", key, it.State, tail(o.errOut))
		return errorResult{}
	}
	if it.Error.Kind != kind {
		o.t.Errorf("%s: kind %q, want %q: %s", key, it.Error.Kind, kind, it.Error.Message)
	}
	contains(o.t, it.Error.Message+" ("+it.Error.Hint+")", parts...)
	return *it.Error
}

// fetched checks that an item was fetched.
func (o *outcome) fetched(key string) {
	o.t.Helper()
	if it := o.items[key]; it.State != "fetched" {
		o.t.Errorf("%s is %q, want fetched: %+v", key, it.State, it.Error)
	}
}

// hides checks that none of the secrets was shown anywhere.
func (o *outcome) hides(secrets ...string) {
	o.t.Helper()
	for _, secret := range secrets {
		for _, text := range []string{o.out, o.errOut} {
			for _, line := range lines(text) {
				if strings.Contains(line, secret) {
					o.t.Errorf("the secret %q was shown: %s", secret, line)
				}
			}
		}
	}
}

// tail is the end of a long text.
func tail(text string) string {
	all := lines(text)
	return strings.Join(all[max(0, len(all)-30):], "\n")
}

// promptly checks that what has just happened did so at once.
func promptly(t *testing.T, since time.Time) {
	t.Helper()
	if took := time.Since(since); took > prompt {
		t.Errorf("it took %v", took)
	}
}

// eventually waits until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
