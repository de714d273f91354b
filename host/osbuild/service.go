package osbuild

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime/debug"
	"strings"
	"time"

	"github.com/sourcehost/sourcehost/host"
)

// Backend carries out requests. A *host.Host is one.
type Backend interface {
	Run(ctx context.Context, req host.Request) (*host.Result, error)
	Close() error
}

// Copier is a Backend that can also copy items from one store to another. A
// *host.Host is one.
type Copier interface {
	Copy(ctx context.Context, req CopyRequest) (*host.Result, error)
}

var _ Copier = (*host.Host)(nil)

// CopyRequest asks for items of one source to be copied without downloading
// anything. From and To are folders that hold <content type>/<key>.
type CopyRequest = host.CopyRequest

// Service is one source as osbuild starts it.
type Service struct {
	// Source is the name of the source.
	Source string
	// Version is that of the osbuild which has started us.
	Version Version
	// Open makes the backend when the first request is there. It reports events
	// and log lines to what it is given. An error is told osbuild as the failure
	// of each request.
	Open func(notify func(host.Event), log *slog.Logger) (Backend, error)
	// Lines get the log.
	Lines *Lines
	// Abandon is called when the connection has ended and the work does not stop.
	// It is to end the process.
	Abandon func()
	// Program is the path of this program, which calls Guard under the name
	// GuardName. Empty means that nobody answers when this process dies.
	Program string

	guard   *guard
	pending int // items of the request that may have to be fetched
	backend Backend
	openErr error
	opened  bool
}

const (
	// abandonAfter is how long all that was cancelled may take to end: osbuild waits
	// for us, and is promised a second.
	abandonAfter = 700 * time.Millisecond
	// flushTime is how long a reply waits for the log to be read.
	flushTime = 250 * time.Millisecond
)

// Serve answers requests on the file descriptor fd until osbuild closes its end.
// Then it stops what runs, and returns nil.
func (s *Service) Serve(fd int) error {
	c, err := newConn(fd)
	if err != nil {
		return err
	}
	defer s.close()
	if s.Program != "" {
		s.guard = &guard{program: s.Program, conn: c}
	}
	for {
		p, err := c.receive()
		var wrong *protocolError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &wrong):
			err = c.send(protocolException(wrong))
		case err == nil:
			err = s.answer(c, p)
		}
		if errors.Is(err, errClosed) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *Service) close() {
	if s.backend != nil {
		_ = s.backend.Close() // the process ends now
	}
	if s.guard != nil {
		s.guard.stop()
	}
}

// answer carries out one request while it watches the connection.
func (s *Service) answer(c *conn, p *packet) error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	stop, err := s.watch(c, cancel)
	if err != nil {
		p.close()
		return c.send(encodeException("RuntimeError", err.Error(), ""))
	}
	reply := s.handle(ctx, p)
	stop()
	if ctx.Err() != nil {
		return errClosed
	}
	if reply == nil {
		return nil
	}
	s.Lines.Flush(flushTime)
	if s.guard != nil {
		s.guard.end()
	}
	return c.send(reply)
}

// watch cancels the work when osbuild closes the connection, until stop is called.
func (s *Service) watch(c *conn, cancel context.CancelCauseFunc) (stop func(), err error) {
	return c.watch(func() {
		cancel(errClosed)
		if s.Abandon != nil {
			time.AfterFunc(abandonAfter, s.Abandon)
		}
	})
}

// handle returns the reply to a message, whatever happens, and nil for a message
// that has none.
func (s *Service) handle(ctx context.Context, p *packet) (reply []byte) {
	defer p.close()
	defer func() {
		if r := recover(); r != nil {
			reply = encodeException("InternalError", fmt.Sprintf("sourcehost has a fault, please report it: %v", r), cut(string(debug.Stack()), failureBudget/2))
		}
	}()
	call, err := decodeCall(p.data)
	var args *arguments
	switch {
	case err != nil:
	case call.kind == typeSignal:
		return nil
	case call.method == methodDownload || call.method == methodCopy && s.copies():
		args, err = decodeArguments(call, p.fds)
	default:
		err = &protocolError{text: "Unknown method"}
	}
	if err != nil {
		return protocolException(err)
	}
	p.close() // what takes long must not hold files open
	if call.method == methodCopy {
		return s.copy(ctx, args)
	}
	return s.download(ctx, args)
}

func protocolException(err error) []byte {
	return encodeException("ProtocolError", cut(err.Error(), failureBudget/4), "")
}

// open makes the backend, once.
func (s *Service) open() error {
	if !s.opened {
		s.opened = true
		w := &watcher{lines: s.Lines, last: time.Now()}
		log := slog.New(slog.NewTextHandler(s.Lines, logOptions()))
		s.backend, s.openErr = s.Open(func(e host.Event) {
			w.event(e)
			s.protect(e, log)
		}, log)
	}
	return s.openErr
}

// protect has the guard stand by from the first item on that is not in the store.
func (s *Service) protect(e host.Event, log *slog.Logger) {
	if s.guard == nil || e.Kind != host.EventCached {
		return
	}
	if s.pending -= e.Items + e.Skipped; s.pending == 0 {
		return
	}
	if err := s.guard.begin(); err != nil {
		log.Warn(err.Error())
	}
}

// logOptions leave the time out, which osbuild's own log has.
func logOptions() *slog.HandlerOptions {
	return &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: func(groups []string, attr slog.Attr) slog.Attr {
		if len(groups) == 0 && attr.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return attr
	}}
}

func (s *Service) download(ctx context.Context, a *arguments) []byte {
	err := s.open()
	var res *host.Result
	if err == nil {
		s.pending = len(a.items)
		res, err = s.backend.Run(ctx, host.Request{
			Source: s.Source, Items: a.items, Options: a.options, Store: a.cache, Format: s.Version.imageFormat(),
		})
	}
	return s.reply(a, res, err)
}

// copies reports whether the method copy is there.
func (s *Service) copies() bool {
	if s.open() != nil {
		return true // and the error is told
	}
	_, ok := s.backend.(Copier)
	return ok
}

func (s *Service) copy(ctx context.Context, a *arguments) []byte {
	err := s.open()
	var res *host.Result
	if err == nil {
		res, err = s.backend.(Copier).Copy(ctx, CopyRequest{
			Source: s.Source, Items: a.items, Options: a.options, From: a.cache, To: a.other,
		})
	}
	return s.reply(a, res, err)
}

// reply tells what became of the items.
func (s *Service) reply(a *arguments, res *host.Result, err error) []byte {
	if err != nil {
		return s.refusal(a, err)
	}
	var failed []failure
	for _, it := range res.Failed() {
		failed = append(failed, failure{key: it.Key, text: itemText(it)})
	}
	if len(failed) == 0 {
		return successReply(s.Version, s.Source, res)
	}
	return failureReply(s.Version, s.Source, fmt.Sprintf("%d of %d items failed", len(failed), len(a.items)), failed)
}

// itemText is why an item failed. Osbuild shows it alone, so that it must say
// which item it is about: by its URL, or by its key.
func itemText(it host.ItemResult) string {
	switch {
	case it.Err == nil:
		return it.Key + ": it failed for a reason that was lost"
	case it.Err.URL == "":
		return it.Err.Error()
	}
	return it.Err.Text()
}

// refusal tells that none of the items was dealt with.
func (s *Service) refusal(a *arguments, err error) []byte {
	f := failure{text: err.Error()}
	if len(a.items) > 0 {
		f.key = a.items[0].Key
	}
	summary := "the request failed"
	if n := len(a.items); n > 1 {
		summary = fmt.Sprintf("all %d items failed", n)
		f.text += fmt.Sprintf(" (this concerns all %d items)", n)
	}
	if !s.Version.structured() {
		text := strings.TrimPrefix(err.Error(), s.Source+": ") // as errors of the host begin
		return encodeException("RuntimeError", s.Source+": "+cut(text, failureBudget), "")
	}
	return failureReply(s.Version, s.Source, summary, []failure{f})
}
