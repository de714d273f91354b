package main

import (
	"strings"

	"github.com/sourcehost/sourcehost/sdk"
)

// storage is where the host keeps its images (containers-storage.conf(5)).
type storage struct{ driver, graphRoot, runRoot string }

// confFiles are tried in this order; the first that is there counts alone.
var confFiles = []string{"/etc/containers/storage.conf", "/usr/share/containers/storage.conf"}

// findStorage reads the host's configuration of its storage.
func findStorage(ctx *sdk.Context) (*storage, error) {
	s := &storage{driver: "overlay", graphRoot: "/var/lib/containers/storage", runRoot: "/run/containers/storage"}
	for _, file := range confFiles {
		data, err := ctx.Read(file)
		if sdk.KindOf(err) == sdk.ErrNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		s.read(string(data))
		if err := s.check(file); err != nil {
			return nil, err
		}
		break
	}
	return s, nil
}

// read takes the keys of the table [storage] that name the storage. Of TOML it
// understands what such files consist of: tables, and keys with a string.
func (s *storage) read(conf string) {
	table := ""
	for line := range strings.Lines(conf) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			name, _, _ := strings.Cut(line, "]")
			table = strings.TrimSpace(strings.TrimPrefix(name, "["))
			continue
		}
		key, value, found := strings.Cut(line, "=")
		if !found || table != "storage" || strings.HasPrefix(line, "#") {
			continue
		}
		value = text(value)
		if value == "" {
			continue
		}
		switch strings.TrimSpace(key) {
		case "driver":
			s.driver = value
		case "graphroot":
			s.graphRoot = value
		case "runroot":
			s.runRoot = value
		}
	}
}

// text returns the string that a value begins with, "" for another kind of value.
func text(value string) string {
	value = strings.TrimSpace(value)
	for _, quote := range []string{`"`, `'`} {
		if rest, ok := strings.CutPrefix(value, quote); ok {
			inside, _, closed := strings.Cut(rest, quote)
			if closed {
				return inside
			}
		}
	}
	return ""
}

// check refuses what would end early in the reference.
func (s *storage) check(file string) error {
	for _, path := range []string{s.graphRoot, s.runRoot} {
		if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "[]+@:\n") {
			return &sdk.Error{Kind: sdk.ErrInvalid, Message: file + " names the folder " + path + ", which is no absolute path without brackets, colons, plus signs and at signs"}
		}
	}
	if s.driver == "" || strings.Trim(s.driver, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		return &sdk.Error{Kind: sdk.ErrInvalid, Message: file + " names the driver " + s.driver + ", which is no name of one"}
	}
	return nil
}

// reference is the storage as references to its images begin
// (containers-transports(5)): one by its id goes on with "@" and the id.
func (s *storage) reference() string {
	return "containers-storage:[" + s.driver + "@" + s.graphRoot + "+" + s.runRoot + "]"
}
