package main

import (
	"strconv"

	"github.com/sourcehost/sourcehost/sdk"
)

// The types of mirrors.
const (
	typeMetalink   = "metalink"
	typeMirrorlist = "mirrorlist"
	typeBaseURL    = "baseurl"
)

// mirror is an entry of the options: a repository, and what was found out about it.
type mirror struct {
	id, url, kind string
	// secrets names the provider of the client's certificate, "" for none.
	secrets           string
	insecure, fastest bool
	// parallel bounds the downloads at once; 0 means no bound.
	parallel int64

	// What resolve has found: the outcome is the same for every item.
	resolved bool
	err      error
	bases    []string
	tls      sdk.TLS
	// foreign: the bases were named by a server on another machine.
	foreign bool
	// told: the host has the bases, and need not be told again for each item.
	told bool
}

// isList reports whether the URL has to be asked for the mirrors.
func (m *mirror) isList() bool { return m.kind != typeBaseURL }

// readMirrors reads the member "mirrors" of the options.
func readMirrors(options sdk.Value) (map[string]*mirror, error) {
	mirrors := map[string]*mirror{}
	field, err := options.Field("mirrors")
	if err != nil || len(field) == 0 {
		return mirrors, err
	}
	r := field.Reader()
	err = r.Object(func(key []byte) error {
		m := &mirror{id: string(key)}
		mirrors[m.id] = m
		if err := r.Object(func(key []byte) error { return m.read(r, key) }); err != nil {
			return err
		}
		return m.check()
	})
	if _, typed := err.(*sdk.Error); err != nil && !typed {
		err = &sdk.Error{Kind: sdk.ErrInvalid, Message: "options.mirrors: " + err.Error()}
	}
	return mirrors, err
}

func (m *mirror) read(r *sdk.Reader, key []byte) (err error) {
	switch string(key) {
	case "url":
		m.url, err = r.String()
	case "type":
		m.kind, err = r.String()
	case "insecure":
		m.insecure, err = r.Bool()
	case "fastest-mirror":
		m.fastest, err = r.Bool()
	case "max-parallels":
		m.parallel, err = readCount(r)
	case "secrets":
		return r.Object(func(key []byte) (err error) {
			if string(key) == "name" {
				m.secrets, err = r.String()
				return err
			}
			return r.Skip()
		})
	default:
		err = r.Skip()
	}
	return err
}

// readCount reads a number of downloads, which JSON may write in many ways. Less
// than one is no bound.
func readCount(r *sdk.Reader) (int64, error) {
	raw, err := r.Raw()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseFloat(string(raw), 64)
	if err != nil && n == 0 {
		return 0, &sdk.Error{Kind: sdk.ErrInvalid, Message: "options.mirrors: max-parallels is no number: " + string(raw)}
	}
	return int64(max(0, min(n, 1e6))), nil
}

func (m *mirror) check() error {
	switch {
	case m.url == "":
		return m.fail(sdk.ErrInvalid, "it has no url", "")
	case m.kind != typeMetalink && m.kind != typeMirrorlist && m.kind != typeBaseURL:
		return m.fail(sdk.ErrInvalid, "its type is "+string(sdk.Quote(m.kind)), "known are "+typeMetalink+", "+typeMirrorlist+" and "+typeBaseURL)
	}
	return nil
}

// fail makes an error about the mirror.
func (m *mirror) fail(kind sdk.Kind, message, hint string) *sdk.Error {
	return &sdk.Error{Kind: kind, Message: "mirror " + string(sdk.Quote(m.id)) + ": " + message, Hint: hint}
}
