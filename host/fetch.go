package host

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/download"
	"github.com/sourcehost/sourcehost/host/store"
	"github.com/sourcehost/sourcehost/internal/abi"
)

// maxCommits bounds how many downloaded items may wait for the disk at once;
// each holds an open file.
const maxCommits = 512

// commitLimit is maxCommits, or less where few files may be open: each worker
// needs some, and so does the process.
func commitLimit(workers int) int {
	const own, perWorker = 64, 4
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil || limit.Cur > 1<<20 {
		return maxCommits
	}
	return max(1, min(maxCommits, int(limit.Cur)-own-perWorker*workers))
}

// fetch performs one job: produce, verify, and hand over to be stored.
func (r *run) fetch(ctx context.Context, j *job, commits *sync.WaitGroup, pending chan struct{}) {
	it := j.item
	if ctx.Err() != nil {
		return // reported as canceled
	}
	it.result.URL = j.from()
	if r.req.DryRun {
		r.end(it, Planned)
		r.notifyItem(it)
		return
	}
	start := time.Now()
	stage, err := j.produce(ctx, r, it)
	it.result.Duration = time.Since(start)
	if err != nil {
		r.produceFailed(ctx, it, err)
		return
	}
	if stage == nil { // it was looked at where it is, and stays there
		r.end(it, Cached)
		r.notifyItem(it)
		return
	}
	pending <- struct{}{}
	commits.Go(func() {
		defer func() { <-pending }()
		r.commit(ctx, it, stage)
	})
}

// downloading is a producer of files from URLs.
type downloading struct{ req download.Request }

func (d *downloading) from() string { return d.req.First() }

func (d *downloading) produce(ctx context.Context, r *run, it *item) (staged, error) {
	stage, err := r.files.Stage(ctx, it.key)
	if err != nil {
		return nil, err
	}
	r.notifyStart(it)
	info, err := r.host.engine.Fetch(ctx, r.withProgress(d.req), r.flow.watch(it, stage, d.from()))
	it.result.Attempts = info.Attempts
	if info.Attempts > 1 {
		r.flow.refused()
	}
	if err != nil {
		stage.Close()
		return nil, r.downloadError(it, err)
	}
	it.result.URL, it.result.Bytes = info.URL, info.Bytes
	return stage, nil
}

// commit gives the verified item its name.
func (r *run) commit(ctx context.Context, it *item, stage staged) {
	defer stage.Close()
	if err := stage.Commit(ctx); err != nil {
		it.result.Bytes = 0
		r.fail(it, r.storeError(ctx, it, err))
		return
	}
	r.end(it, Fetched)
	r.notifyItem(it)
}

// produceFailed handles that an item was not produced; often because another
// process has fetched it in the meantime.
func (r *run) produceFailed(ctx context.Context, it *item, err error) {
	var e *Error
	switch {
	case errors.Is(err, store.ErrExists):
		it.result.URL = ""
		r.end(it, Cached)
		r.notifyItem(it)
	case errors.As(err, &e):
		r.fail(it, e)
	default:
		r.fail(it, r.storeError(ctx, it, err))
	}
}

func (r *run) notifyStart(it *item) {
	r.host.notify(Event{Kind: EventStart, Source: r.req.Source, Key: it.result.Key, URL: it.result.URL, Total: -1})
}

// progress passes the figures of an item on as events; nil when nobody listens.
func (r *run) progress(key, url string) func(done, total int64) {
	if r.host.cfg.Notify == nil {
		return nil
	}
	return func(done, total int64) {
		r.host.notify(Event{Kind: EventProgress, Source: r.req.Source, Key: key, URL: url, Done: done, Total: total})
	}
}

func (r *run) notifyItem(it *item) {
	r.host.notify(Event{Kind: EventItem, Source: r.req.Source, Key: it.result.Key, URL: it.result.URL, Result: &it.result})
}

// withProgress has the engine tell how far it is.
func (r *run) withProgress(req download.Request) download.Request {
	req.Progress = r.progress(req.Name, req.First())
	return req
}

// downloadError turns the engine's error into one of the host.
func (r *run) downloadError(it *item, err error) *Error {
	e := r.itemError(it, nil, "", abi.ErrFailed, err)
	var d *download.Error
	if errors.As(err, &d) {
		e.Kind = abi.KnownKind(abi.Kind(d.Kind))
		e.URL, e.Attempts, e.Hint = d.URL, d.Attempts, r.host.secrets.Redact(d.Hint)
		e.Message = r.host.secrets.Redact(downloadText(d))
		var hinted interface{ Hint() string }
		if e.Hint == "" && errors.As(d.Err, &hinted) {
			e.Hint = hinted.Hint()
		}
	}
	return e
}

// downloadText says what happened to the URLs of an item, without its key.
func downloadText(d *download.Error) string {
	var b strings.Builder
	if d.URL != "" {
		fmt.Fprintf(&b, "cannot download %s: ", d.URL)
	}
	b.WriteString(d.Err.Error())
	switch {
	case d.Attempts == 1:
		b.WriteString(" (1 attempt)")
	case d.Attempts > 1:
		fmt.Fprintf(&b, " (%d attempts)", d.Attempts)
	}
	for _, o := range d.Others {
		fmt.Fprintf(&b, "; %s: %v", o.URL, o.Err)
	}
	return b.String()
}

// storeError is the error of an item that could not be staged or stored.
func (r *run) storeError(ctx context.Context, it *item, err error) *Error {
	kind := abi.ErrDisk
	if ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) || errors.Is(err, context.Canceled) {
		kind = abi.ErrCanceled
	}
	e := r.itemError(it, nil, "", kind, err)
	e.URL, e.Attempts = it.result.URL, it.result.Attempts
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		e.Hint = hinted.Hint()
	}
	return e
}
