package download

import (
	"context"
	"errors"
	"io/fs"
	"net/url"

	"github.com/sourcehost/sourcehost/internal/regular"
)

// checkFileURL refuses file URLs that name no path of this machine (RFC 8089).
func checkFileURL(u *url.URL) *fault {
	switch {
	case u.Host != "" && u.Host != "localhost" || u.User != nil:
		return invalidFault("a file URL must not name a host: write file:///path")
	case u.RawQuery != "" || u.ForceQuery:
		return invalidFault("a file URL has no query: write a question mark in a path as %%3F")
	case u.Opaque != "" || u.Path == "" || u.Path[0] != '/':
		return invalidFault("a file URL must name an absolute path: write file:///path")
	}
	return nil
}

// file brings a file of this machine to the target.
func (f *fetch) file(ctx context.Context, s *source) *fault {
	f.count(s)
	path := s.url.Path
	in, st, err := regular.Open(path)
	if err != nil {
		return openFault(err)
	}
	defer in.Close()
	if err := f.t.Reset(st.Size(), ""); err != nil {
		return diskFault(err)
	}
	b := &body{f: f, ctx: ctx, transfer: &transfer{}, total: st.Size()}
	if flt := b.copy(in); flt != nil {
		if !flt.fatal {
			flt = &fault{kind: KindDisk, err: flt.err, final: true, fresh: true}
		}
		return flt
	}
	f.resumed, f.size, f.final, f.media = false, b.done, "", ""
	return f.verify(false)
}

func openFault(err error) *fault {
	flt := &fault{kind: KindDisk, err: err, final: true}
	switch {
	case errors.Is(err, regular.ErrNotRegular):
		flt.kind = KindInvalid
	case errors.Is(err, fs.ErrNotExist):
		flt.kind = KindNotFound
	case errors.Is(err, fs.ErrPermission):
		flt.kind, flt.hint = KindDenied, "the user that runs this must be able to read the file"
	}
	return flt
}
