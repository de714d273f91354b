package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/sourcehost/sourcehost/host/command"
	"github.com/sourcehost/sourcehost/host/secret"
)

// runSecretCommand runs a program that prints a secret.
func runSecretCommand(ctx context.Context, c secret.Command) ([]byte, error) {
	result, err := command.Run(ctx, command.Spec{
		Program: c.Program, Args: c.Args, Env: c.Env, MaxStdout: c.MaxStdout, Timeout: c.Timeout, Redact: c.Redact, TailLines: 5,
	})
	var failed *command.Error
	if errors.As(err, &failed) {
		failed.Args = nil // an argument may be a password
		if failed.Hint != "" {
			err = fmt.Errorf("%w (%s)", err, failed.Hint)
		}
	}
	return result.Stdout, err
}
