package secret

import (
	"context"
	"errors"
	"sync"
	"time"
)

// CommandTimeout is how long a program that prints a secret may run.
const CommandTimeout = 30 * time.Second

// Command is a program that prints a secret.
type Command struct {
	// Program is its absolute path, Args its arguments.
	Program string
	Args    []string
	// Env is its whole environment, as NAME=VALUE.
	Env []string
	// MaxStdout is how many bytes it may print.
	MaxStdout int64
	// Timeout is how long it may run.
	Timeout time.Duration
	// Redact takes the secrets that are known out of a text.
	Redact func(string) string
}

// Runner runs a program and returns what it prints to its standard output. It
// kills the program and its children when ctx is done. Its error may hold the last
// lines of standard error, redacted, but nothing of standard output.
type Runner func(ctx context.Context, c Command) (stdout []byte, err error)

// WithRunner lets secrets come from commands. Without it, or with nil, they cannot
// be had.
func WithRunner(run Runner) Option {
	return func(r *Resolver) { r.command.run = run }
}

// commands runs programs until it is stopped.
type commands struct {
	run  Runner
	ctx  context.Context
	stop context.CancelFunc

	mu      sync.Mutex // guards stopped, and that running grows only until then
	stopped bool
	running sync.WaitGroup
}

// Close kills programs that still run for a secret, and waits until they are gone.
// No further ones are started. It may be called again.
func (r *Resolver) Close() {
	r.command.mu.Lock()
	r.command.stopped = true
	r.command.mu.Unlock()
	r.command.stop()
	r.command.running.Wait()
}

// begin reports whether a program may still be started.
func (c *commands) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped {
		c.running.Add(1)
	}
	return !c.stopped
}

// run gets a value from a program. Nothing of the environment but PATH and HOME
// reaches it.
func (r *Resolver) run(command []string) (string, error) {
	if r.command.run == nil {
		return "", errors.New("programs cannot be run here")
	}
	if !r.command.begin() {
		return "", context.Canceled
	}
	defer r.command.running.Done()
	c := Command{Program: command[0], Args: command[1:], MaxStdout: MaxBytes, Timeout: CommandTimeout, Redact: r.Redact}
	for _, name := range []string{"PATH", "HOME"} {
		if value, ok := r.environ(name); ok {
			c.Env = append(c.Env, name+"="+value)
		}
	}
	stdout, err := r.command.run(r.command.ctx, c)
	if err != nil {
		return "", err
	}
	return trimNewline(string(stdout)), nil
}
