package host

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/sourcehost/sourcehost/host/command"
	"github.com/sourcehost/sourcehost/host/download"
	"github.com/sourcehost/sourcehost/host/store"
	"github.com/sourcehost/sourcehost/internal/abi"
)

// produceCommit has the steps put a commit into a repository of its own, verifies
// what came, and returns what moves it into that of the store.
func (p *running) produceCommit(ctx context.Context, r *run, it *item) (staged, error) {
	stage, err := r.commits.Stage(ctx, it.key)
	if err != nil {
		return nil, err
	}
	r.notifyStart(it)
	it.result.Attempts = 1
	if err := p.pull(ctx, r, it, stage); err != nil {
		stage.Close()
		return nil, err
	}
	it.result.Bytes = stage.Size()
	return stage, nil
}

func (p *running) pull(ctx context.Context, r *run, it *item, stage *store.CommitStage) error {
	dir, err := filepath.Abs(stage.Dir())
	if err != nil {
		return err
	}
	stop := watchSize(dir, r.progress(it.result.Key, it.result.URL))
	_, err = p.run(ctx, r, dir)
	stop()
	if err != nil {
		return r.pullError(it, err)
	}
	err = stage.Verify(ctx)
	var wrong *store.CommitError
	if !errors.As(err, &wrong) {
		return err
	}
	e := r.itemError(it, nil, "", abi.ErrMismatch, wrong)
	if wrong.Missing {
		e.Kind = abi.ErrNotFound
		e.Hint = "the repository at the other end is not complete"
	}
	e.URL, e.Attempts = it.result.URL, it.result.Attempts
	return e
}

// pullFaults are what ostree says, in the order in which it is looked for.
var pullFaults = []struct {
	says string
	kind abi.Kind
	hint string
}{
	{"no signatures found", abi.ErrDenied, "the commit is not signed: remove gpgkeys from the item, or have the commit signed"},
	{"none are in trusted keyring", abi.ErrDenied, "the commit is signed by a key that is not among the item's gpgkeys"},
	{"Can't check signature", abi.ErrDenied, "the commit is signed by a key that is not among the item's gpgkeys"},
	{"Unable to export keys", abi.ErrInvalid, "one of the item's gpgkeys is not an armoured OpenPGP key"},
	{"BAD signature", abi.ErrDenied, "the commit or its signature was changed"},
	{"GPG", abi.ErrDenied, ""},
	{"HTTP 404", abi.ErrNotFound, "the remote has no such commit, or is at another URL; an object of it may be missing, too"},
	{"HTTP 410", abi.ErrNotFound, ""},
	{"HTTP 403", abi.ErrDenied, "the server wants credentials: secrets of the item name who provides them"},
	{"HTTP 401", abi.ErrDenied, "the server wants credentials: secrets of the item name who provides them"},
	{"HTTP 5", abi.ErrNetwork, "the server has a problem: try again later"},
	{"SSL", abi.ErrTLS, ""},
	{"certificate", abi.ErrTLS, ""},
	{"TLS", abi.ErrTLS, ""},
	{"resolve", abi.ErrNetwork, "check the name of the host, and the machine's name servers"},
	{"Couldn't connect", abi.ErrNetwork, ""},
	{"Timeout", abi.ErrTimeout, ""},
	{"timed out", abi.ErrTimeout, ""},
	{"No such metadata object", abi.ErrNotFound, "the remote has no such commit"},
	{"No such file or directory", abi.ErrNotFound, "there is no ostree repository at that place"},
	{"min-free-space", abi.ErrDisk, "the file system of the store is nearly full"},
	{"No space left", abi.ErrDisk, "the file system of the store is full"},
}

// pullError says what ostree said in place of how it was called.
func (r *run) pullError(it *item, err error) *Error {
	e := r.programError(it, err)
	var c *command.Error
	if !errors.As(err, &c) || c.Kind != command.KindFailed {
		return e
	}
	_, said, found := strings.Cut("\n"+c.Tail, "\nerror: ")
	if !found {
		return e
	}
	said = strings.ReplaceAll(strings.TrimSpace(said), "\n", "; ")
	e.Message = fmt.Sprintf("cannot pull the commit from %s: %s", it.result.URL, said)
	for _, fault := range pullFaults {
		if strings.Contains(said, fault.says) {
			e.Kind, e.Hint = fault.kind, fault.hint
			break
		}
	}
	return e
}

// urls finds URLs in what programs write.
var urls = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s'"<>]+`)
})

// redactOutput takes secrets out of what a program has written, and credentials out
// of its URLs.
func (h *Host) redactOutput(text string) string {
	return urls().ReplaceAllStringFunc(h.secrets.Redact(text), download.CleanURL)
}
