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
const maxCommits = 1024

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

// fetch performs one job: stage, download, verify, and hand over to be stored. It
// tells whether the item was a large one.
func (r *run) fetch(ctx context.Context, j *job, flow *flow, commits *sync.WaitGroup, pending chan struct{}) (heavy bool) {
	it := j.item
	if ctx.Err() != nil {
		return false // reported as canceled
	}
	it.result.URL = download.CleanURL(j.req.URLs[0])
	if r.req.DryRun {
		r.end(it, Planned)
		r.notifyItem(it)
		return false
	}
	start := time.Now()
	stage, err := r.files.Stage(ctx, it.key)
	if err != nil {
		r.stageFailed(ctx, it, err)
		return false
	}
	r.host.notify(Event{Kind: EventStart, Source: r.req.Source, Key: it.result.Key, URL: it.result.URL, Total: -1})
	target := flow.watch(stage, &j.req, time.Now())
	info, err := r.host.engine.Fetch(ctx, r.withProgress(j.req), target)
	it.result.Duration, it.result.Attempts = time.Since(start), info.Attempts
	if info.Attempts > 1 {
		flow.refused()
	}
	if err != nil {
		stage.Close()
		r.fail(it, r.downloadError(it, err))
		return target.heavy
	}
	it.result.URL, it.result.Bytes = info.URL, info.Bytes
	pending <- struct{}{}
	commits.Go(func() {
		defer func() { <-pending }()
		r.commit(ctx, it, stage)
	})
	return target.heavy
}

// commit gives the verified item its name.
func (r *run) commit(ctx context.Context, it *item, stage *store.Stage) {
	defer stage.Close()
	if err := stage.Commit(ctx); err != nil {
		it.result.Bytes = 0
		r.fail(it, r.storeError(ctx, it, err))
		return
	}
	r.end(it, Fetched)
	r.notifyItem(it)
}

// stageFailed handles that an item could not be begun; often because another
// process has fetched it in the meantime.
func (r *run) stageFailed(ctx context.Context, it *item, err error) {
	if errors.Is(err, store.ErrExists) {
		it.result.URL = ""
		r.end(it, Cached)
		r.notifyItem(it)
		return
	}
	r.fail(it, r.storeError(ctx, it, err))
}

func (r *run) notifyItem(it *item) {
	r.host.notify(Event{Kind: EventItem, Source: r.req.Source, Key: it.result.Key, URL: it.result.URL, Result: &it.result})
}

// withProgress passes the engine's figures on as events.
func (r *run) withProgress(req download.Request) download.Request {
	if r.host.cfg.Notify == nil {
		return req
	}
	url := download.CleanURL(req.URLs[0])
	req.Progress = func(done, total int64) {
		r.host.notify(Event{Kind: EventProgress, Source: r.req.Source, Key: req.Name, URL: url, Done: done, Total: total})
	}
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
