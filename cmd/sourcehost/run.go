package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/sourcehost/sourcehost/cmd/sourcehost/internal/text"
	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/config"
	"github.com/sourcehost/sourcehost/host/manifest"
)

// The exit statuses. An interrupted run has 128 plus the signal's number.
const (
	statusOK     = 0
	statusFailed = 1
	statusUsage  = 2
)

// app is what the commands share: the streams, the environment and the flags
// that every command has.
type app struct {
	// ctx ends when the command line is to stop, for what is done before a command
	// has a context of its own.
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	env            func(string) (string, bool)
	configPath     string
	logLevel       string
	// source is the only source that is needed, or "" for all: the embedded
	// plugins of others are not read.
	source string
	// file is the configuration, once it was read.
	file *config.File
	// started is set when cobra has accepted the command line: errors before
	// that are errors of usage.
	started bool
}

// run carries out one command line and returns the exit status. Cancelling ctx
// stops it in order.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env func(string) (string, bool)) int {
	a := &app{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, env: env}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return statusOK
	}
	if !a.started {
		err = &usageError{err: err, help: cmd.CommandPath()}
	}
	a.complain(err)
	return status(err)
}

// complain prints an error, and where to read more when the command line was
// wrong.
func (a *app) complain(err error) {
	var quiet *quietError
	if errors.As(err, &quiet) {
		return
	}
	var problems manifest.Problems
	if errors.As(err, &problems) {
		fmt.Fprintf(a.stderr, "sourcehost: the manifest is wrong:\n")
		printProblems(a.stderr, problems)
		return
	}
	message := strings.TrimRight(strings.ReplaceAll(err.Error(), "\t", "  "), "\n")
	fmt.Fprintf(a.stderr, "sourcehost: %s\n", text.CleanLines(message))
	var usage *usageError
	if errors.As(err, &usage) && usage.help != "" {
		fmt.Fprintf(a.stderr, "Run '%s --help' for usage.\n", usage.help)
	}
}

// status is the exit status for an error.
func status(err error) int {
	var stop *interrupted
	if errors.As(err, &stop) {
		return stop.status()
	}
	var usage *usageError
	var hostUsage *host.UsageError
	var problems manifest.Problems
	if errors.As(err, &usage) || errors.As(err, &hostUsage) || errors.As(err, &problems) {
		return statusUsage
	}
	return statusFailed
}

// usageError says that the command line, the configuration or a file that the
// user named is wrong.
type usageError struct {
	err  error
	help string // the command whose help to point at; may be empty
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...)}
}

// quietError sets the exit status for a failure that was reported already.
type quietError struct{ err error }

func (e *quietError) Error() string { return e.err.Error() }
func (e *quietError) Unwrap() error { return e.err }

// interrupted is the cause of a run that a signal stopped.
type interrupted struct{ signal os.Signal }

func (e *interrupted) Error() string { return fmt.Sprintf("stopped by signal: %v", e.signal) }

func (e *interrupted) status() int {
	if n, ok := e.signal.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return statusFailed
}

// Is makes an interrupted run count as canceled for callers of errors.Is.
func (e *interrupted) Is(target error) bool { return target == context.Canceled }
