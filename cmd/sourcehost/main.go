// Sourcehost fetches what the sources of an osbuild manifest name, with the
// logic of each source in a WebAssembly plugin.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/osbuild"
)

func main() {
	host.WorkerMain() // does not return in the process of a plugin
	noCoreFiles()
	// net/http prints to the standard logger what servers send unasked, which
	// may be anything. Nothing else in this program uses that logger.
	log.SetOutput(io.Discard)
	if len(os.Args) == 1 && os.Args[0] == osbuild.GuardName {
		osbuild.Guard()
		return
	}
	if isService(os.Args) {
		os.Exit(serve(os.Args, os.Stdout, os.Stderr, os.LookupEnv))
	}
	stopProfile := startProfile()
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		// Who started us ignored it on purpose: nohup, or a shell's background job.
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	done := make(chan int, 1)
	go func() { done <- run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv) }()
	code := supervise(signals, cancel, done)
	stopProfile()
	os.Exit(code)
}

// supervise returns the exit status: that of the run, which the first signal
// asks to stop in order, or at the second signal that of being interrupted.
func supervise(signals <-chan os.Signal, cancel context.CancelCauseFunc, done <-chan int) int {
	stopping := false
	for {
		select {
		case code := <-done:
			return code
		case s := <-signals:
			stop := &interrupted{signal: s}
			if stopping {
				return stop.status()
			}
			stopping = true
			cancel(stop)
		}
	}
}
