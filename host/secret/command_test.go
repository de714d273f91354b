package secret

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// vault is the spec of the secret that the tests get from a program.
func vault() Spec {
	return Spec{Name: "vault", Command: []string{"/usr/bin/vault", "get", "token"}, Hosts: []string{"h.example"}}
}

func resolver(t *testing.T, run Runner) *Resolver {
	t.Helper()
	environ := func(name string) (string, bool) {
		v, ok := map[string]string{"PATH": "/bin", "HOME": "/root", "LD_PRELOAD": "/evil.so", "VAULT_TOKEN": "t"}[name]
		return v, ok
	}
	r, err := New([]Spec{vault()}, WithEnviron(environ), WithRunner(run))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestCommand(t *testing.T) {
	var runs atomic.Int32
	r := resolver(t, func(_ context.Context, c Command) ([]byte, error) {
		runs.Add(1)
		if c.Program != "/usr/bin/vault" || !slices.Equal(c.Args, []string{"get", "token"}) || !slices.Equal(c.Env, []string{"PATH=/bin", "HOME=/root"}) ||
			c.MaxStdout != MaxBytes || c.Timeout != CommandTimeout {
			t.Errorf("ran %+v", c)
		}
		return []byte(" s3cret value\n\n"), nil
	})
	if runs.Load() != 0 {
		t.Error("it ran before it was needed")
	}
	if _, err := r.For("vault", "other.example"); err == nil || runs.Load() != 0 {
		t.Errorf("for another host: %v, ran %d times", err, runs.Load())
	}
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if got, err := r.For("vault", "h.example"); err != nil || got != " s3cret value\n" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	wg.Wait()
	if runs.Load() != 1 {
		t.Errorf("ran %d times", runs.Load())
	}
	if got := r.Redact("the s3cret value is"); got != "the [secret vault] is" {
		t.Errorf("redacted: %q", got)
	}
}

func TestCommandFails(t *testing.T) {
	for name, c := range map[string]struct {
		run  Runner
		want string
	}{
		"error":     {func(context.Context, Command) ([]byte, error) { return nil, errors.New("exit status 2") }, `secret "vault": exit status 2`},
		"empty":     {func(context.Context, Command) ([]byte, error) { return []byte("\n"), nil }, `secret "vault": the output of /usr/bin/vault is empty`},
		"short":     {func(context.Context, Command) ([]byte, error) { return []byte("abc\n"), nil }, "shorter than 4 bytes"},
		"no runner": {nil, "programs cannot be run here"},
	} {
		_, err := resolver(t, c.run).For("vault", "h.example")
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "abc") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Close ends a program that runs, waits until it is gone, and starts no other.
func TestCloseEndsCommand(t *testing.T) {
	started := make(chan struct{})
	var ended atomic.Bool
	r := resolver(t, func(ctx context.Context, _ Command) ([]byte, error) {
		close(started)
		<-ctx.Done()
		ended.Store(true)
		return nil, context.Cause(ctx)
	})
	failed := make(chan error, 1)
	go func() {
		_, err := r.For("vault", "h.example")
		failed <- err
	}()
	<-started
	r.Close()
	if !ended.Load() {
		t.Error("Close came back before the program ended")
	}
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	r = resolver(t, func(context.Context, Command) ([]byte, error) {
		t.Error("it ran after Close")
		return nil, nil
	})
	r.Close()
	if _, err := r.For("vault", "h.example"); !errors.Is(err, context.Canceled) {
		t.Errorf("after Close: %v", err)
	}
}

func TestInspect(t *testing.T) {
	dir := t.TempDir()
	private, public := filepath.Join(dir, "private"), filepath.Join(dir, "public")
	for path, mode := range map[string]os.FileMode{private: 0o600, public: 0o644} {
		if err := os.WriteFile(path, []byte("hunter2-hunter3"), mode); err != nil {
			t.Fatal(err)
		}
	}
	environ := func(name string) (string, bool) { return "", name == "SET" }
	for name, c := range map[string]struct {
		spec Spec
		want string
	}{
		"file":          {Spec{File: private}, ""},
		"public file":   {Spec{File: public}, "every user of this machine can read"},
		"no file":       {Spec{File: filepath.Join(dir, "none")}, "no such file"},
		"folder":        {Spec{File: dir}, "not a regular file"},
		"variable":      {Spec{Env: "SET"}, ""},
		"no variable":   {Spec{Env: "UNSET"}, "UNSET is not set"},
		"program":       {Spec{Command: []string{"/bin/sh"}}, ""},
		"no program":    {Spec{Command: []string{filepath.Join(dir, "none")}}, "no such file"},
		"not a program": {Spec{Command: []string{private}}, "is not a program"},
	} {
		err := Inspect(c.spec, environ)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
