package main

import (
	"crypto/rand"
	"strconv"
	"time"

	"github.com/sourcehost/sourcehost/sdk"
)

// look asks the host and answers with the result.
func look(ctx *sdk.Context, it *sdk.Item, what string) error {
	if what == "" {
		return nil
	}
	t, err := texts(it, "path", "name")
	if err != nil {
		return err
	}
	path, name := t[0], t[1]
	switch what {
	case "read":
		data, err := ctx.Read(path)
		if err != nil {
			return err
		}
		return answer(it, "read", quote(string(data)))
	case "stat":
		info, err := ctx.Stat(path)
		if err != nil {
			return err
		}
		return answer(it, "type", quote(info.Type), "size", strconv.FormatInt(info.Size, 10))
	case "list":
		list, err := ctx.List(path)
		if err != nil {
			return err
		}
		return answer(it, "names", names(list))
	case "env":
		value, set, err := ctx.Env(name)
		if err != nil {
			return err
		}
		return answer(it, "set", strconv.FormatBool(set), "value", quote(value))
	case "exec":
		e, err := readExec(it.Desc())
		if err != nil {
			return err
		}
		out, err := ctx.Exec(&e)
		if err != nil {
			return err
		}
		return answer(it, "output", quote(string(out)))
	case "http":
		return request(ctx, it)
	case "hmac":
		return sign(ctx, it)
	case "probe":
		return probe(ctx, it)
	case "time":
		return answer(it, "time", strconv.FormatInt(time.Now().UnixNano(), 10))
	case "random":
		return random(it)
	case "call":
		t, err := texts(it, "op", "request")
		if err != nil {
			return err
		}
		status, result := ctx.Call(t[0], []byte(t[1]))
		return answer(it, "status", strconv.FormatUint(uint64(status), 10), "result", quote(string(result)))
	}
	return nil
}

func request(ctx *sdk.Context, it *sdk.Item) error {
	t, err := texts(it, "method", "url", "body")
	if err != nil {
		return err
	}
	q := sdk.HTTPRequest{Method: t[0], URL: t[1], Body: t[2]}
	remote, err := it.Remote() // which has the headers too
	if err != nil {
		return err
	}
	q.Headers = remote.Headers
	r, err := ctx.HTTP(&q)
	if err != nil {
		return err
	}
	headers := "["
	for i, h := range r.Headers {
		if i > 0 {
			headers += ","
		}
		headers += `{"name":` + quote(h.Name) + `,"value":` + quote(h.Value) + "}"
	}
	return answer(it, "status", strconv.FormatInt(r.Status, 10), "headers", headers+"]", "body", quote(string(r.Body)))
}

func sign(ctx *sdk.Context, it *sdk.Item) error {
	t, err := texts(it, "secret", "prefix", "url")
	if err != nil {
		return err
	}
	h := sdk.HMAC{Secret: t[0], Prefix: t[1], URL: t[2]}
	if h.Data, err = readTexts(it.Desc(), "data"); err != nil {
		return err
	}
	digest, err := ctx.HMAC(&h)
	if err != nil {
		return err
	}
	return answer(it, "digest", quote(digest))
}

func probe(ctx *sdk.Context, it *sdk.Item) error {
	urls, err := readTexts(it.Desc(), "urls")
	if err != nil {
		return err
	}
	millis, err := ctx.Probe(urls)
	if err != nil {
		return err
	}
	return answer(it, "millis", numbers(millis))
}

func random(it *sdk.Item) error {
	n, err := sizeOf(it)
	if err != nil {
		return err
	}
	bytes := make([]byte, n)
	if _, err := rand.Read(bytes); err != nil {
		return err
	}
	return answer(it, "bytes", numbers(bytes))
}

// numbers is an array of JSON.
func numbers[T byte | int64](list []T) string {
	out := "["
	for i, n := range list {
		if i > 0 {
			out += ","
		}
		out += strconv.FormatInt(int64(n), 10)
	}
	return out + "]"
}

// readTexts reads an array of strings.
func readTexts(v sdk.Value, name string) (list []string, err error) {
	field, err := v.Field(name)
	if err != nil || len(field) == 0 {
		return nil, err
	}
	r := sdk.Value(field).Reader()
	return list, r.Array(func(int) error {
		s, err := r.String()
		list = append(list, s)
		return err
	})
}

func readExec(v sdk.Value) (e sdk.Exec, err error) {
	if e.Program, err = v.Text("program"); err != nil {
		return e, err
	}
	if e.Stdin, err = v.Text("stdin"); err != nil {
		return e, err
	}
	if e.Args, err = readTexts(v, "args"); err != nil {
		return e, err
	}
	e.Env, err = readTexts(v, "env")
	return e, err
}

func readSteps(v sdk.Value, name string) (list []sdk.Exec, err error) {
	field, err := v.Field(name)
	if err != nil || len(field) == 0 {
		return nil, err
	}
	r := sdk.Value(field).Reader()
	return list, r.Array(func(int) error {
		raw, err := r.Raw()
		if err != nil {
			return err
		}
		e, err := readExec(raw)
		list = append(list, e)
		return err
	})
}

func fetchOne(ctx *sdk.Context, it *sdk.Item) error {
	what, err := action(it)
	if err != nil {
		return err
	}
	switch what {
	case "download":
		remote, err := it.Remote()
		if err != nil {
			return err
		}
		return ctx.Download(remote.Download(it.Key))
	case "copy-image":
		return copyImage(ctx, it)
	case "run":
		run := sdk.Run{Key: it.Key}
		if run.Steps, err = readSteps(it.Desc(), "steps"); err != nil {
			return err
		}
		if run.Finally, err = readSteps(it.Desc(), "finally"); err != nil {
			return err
		}
		if run.From, err = it.Desc().Text("from"); err != nil {
			return err
		}
		return ctx.Run(&run)
	case "put":
		parts, err := readTexts(it.Desc(), "parts")
		if err != nil {
			return err
		}
		p := ctx.Putter(it.Key)
		for i, part := range parts {
			if _, err := p.Write([]byte(part)); err != nil {
				return err
			}
			if i < len(parts)-1 {
				if err := p.Flush(); err != nil {
					return err
				}
			}
		}
		return p.Close()
	case "fail":
		return failure(it)
	}
	return nil
}

func copyImage(ctx *sdk.Context, it *sdk.Item) error {
	t, err := texts(it, "transport", "name", "digest", "storage", "format")
	if err != nil {
		return err
	}
	i := sdk.CopyImage{Key: it.Key, Transport: t[0], Name: t[1], Digest: t[2], Storage: t[3], Format: t[4]}
	for name, to := range map[string]*bool{"index": &i.Index, "remove_signatures": &i.RemoveSignatures, "insecure": &i.Insecure} {
		if *to, err = it.Desc().Bool(name); err != nil {
			return err
		}
	}
	return ctx.CopyImage(&i)
}

// sizeOf is the member "size" of an item's description.
func sizeOf(it *sdk.Item) (int64, error) {
	size, err := it.Desc().Field("size")
	if err != nil {
		return 0, err
	}
	return sdk.Value(size).Reader().Int64()
}
