package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host/store/internal/ostree"
)

// reader reads a file through its descriptor, until ctx ends.
type fdReader struct {
	ctx context.Context
	fd  int
}

func (r *fdReader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	for {
		n, err := unix.Read(r.fd, p)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

// check reads an object and compares it with its name. It returns the objects that
// it refers to. The error is an *objectError when it is wrong or missing.
func (r *repo) check(ctx context.Context, o ostree.Object) (refs []ostree.Object, err error) {
	err = r.withObject(o, func(fd int, _ *unix.Stat_t) (err error) {
		refs, err = ostree.Check(o, &fdReader{ctx, fd})
		return err
	})
	var wrong *ostree.Error
	var errno unix.Errno
	switch {
	case errors.As(err, &wrong):
		return nil, r.corrupt(o, wrong.Reason)
	case errors.As(err, new(*DiskError)):
	case errors.As(err, &errno):
		return nil, r.objects.fail("read", o.String(), errno)
	}
	return refs, err
}

// walk goes through all that a commit consists of, each object once, the commit
// first. visit gets each object and returns those that it refers to.
func walk(ctx context.Context, commit string, visit func(o ostree.Object) ([]ostree.Object, error)) error {
	first := ostree.Object{Sum: commit, Kind: ostree.Commit}
	seen := map[ostree.Object]bool{first: true}
	// A list and not a recursion: folders may be nested as deep as somebody likes.
	for todo := []ostree.Object{first}; len(todo) > 0; {
		if ctx.Err() != nil {
			return fmt.Errorf("commit %s: %w", commit, context.Cause(ctx))
		}
		o := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		refs, err := visit(o)
		if err != nil {
			return err
		}
		for _, ref := range refs {
			if !seen[ref] {
				seen[ref] = true
				todo = append(todo, ref)
			}
		}
	}
	return nil
}

// maxCheckers bounds how many files of one commit are read at once.
const maxCheckers = 8

// each calls fn with every object, several at a time, until one fails or ctx ends.
func each(ctx context.Context, objects []ostree.Object, fn func(o ostree.Object) error) error {
	return eachOf(ctx, objects, min(maxCheckers, runtime.GOMAXPROCS(0)), fn)
}
