package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/command"
	"github.com/sourcehost/sourcehost/host/secret"
)

// script writes a program and returns a resolver of a secret that it prints.
func script(t *testing.T, text string, args ...string) *secret.Resolver {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vault")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	environ := func(name string) (string, bool) {
		v, ok := map[string]string{"PATH": os.Getenv("PATH"), "HOME": "/home/tester", "OTHER": "must not be seen", "KNOWN": "known-secret"}[name]
		return v, ok
	}
	r, err := secret.New([]secret.Spec{
		{Name: "known", Env: "KNOWN", Hosts: []string{"h"}},
		{Name: "vault", Command: append([]string{path}, args...), Hosts: []string{"h"}},
	}, secret.WithEnviron(environ), secret.WithRunner(runSecretCommand))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestSecretCommand(t *testing.T) {
	r := script(t, `echo warned >&2; printf '%s:%s:%s\n' "$1" "$HOME" "$OTHER"`, "first")
	if got, err := r.For("vault", "h"); err != nil || got != "first:/home/tester:" {
		t.Errorf("got %q, %v", got, err)
	}
}

// The error says what the program said, without secrets that are known, and
// without its arguments or what it has printed.
func TestSecretCommandFails(t *testing.T) {
	r := script(t, `echo half-of-it; echo "denied for known-secret" >&2; exit 3`, "--password=hunter2")
	if _, err := r.For("known", "h"); err != nil {
		t.Fatal(err)
	}
	_, err := r.For("vault", "h")
	var failed *command.Error
	if !errors.As(err, &failed) || failed.ExitCode != 3 {
		t.Fatalf("got %v", err)
	}
	text := err.Error()
	if !strings.Contains(text, "denied for [secret known]") {
		t.Errorf("the error does not say what the program said: %s", text)
	}
	for _, bad := range []string{"known-secret", "hunter2", "half-of-it"} {
		if strings.Contains(text, bad) {
			t.Errorf("the error shows %s: %s", bad, text)
		}
	}
	if _, err := script(t, `head -c 2000000 /dev/zero`).For("vault", "h"); !errors.As(err, &failed) || failed.Kind != command.KindLimit {
		t.Errorf("a flood: %v", err)
	}
	_, err = runSecretCommand(t.Context(), secret.Command{Program: "/nonexistent/vault"})
	if err == nil || !strings.Contains(err.Error(), "install the program") {
		t.Errorf("no program: %v", err)
	}
}

func TestSecretCommandIsKilled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runSecretCommand(ctx, secret.Command{Program: "/bin/sleep", Args: []string{"60"}}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	_, err := runSecretCommand(t.Context(), secret.Command{Program: "/bin/sleep", Args: []string{"60"}, Timeout: 10 * time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("timeout: %v", err)
	}
}
