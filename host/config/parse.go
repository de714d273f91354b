package config

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/sourcehost/sourcehost/host/secret"
)

// Parse reads and checks the contents of a file. The path is for errors, and
// its folder is what relative paths in the file are resolved against.
func Parse(path string, data []byte, builtin ...string) (*File, error) {
	tree := map[string]any{}
	if err := toml.Unmarshal(data, &tree); err != nil {
		return nil, Mistakes{syntaxMistake(path, err)}
	}
	b := &binder{path: path, lines: keyLines(data), builtin: builtin}
	if abs, err := filepath.Abs(path); err == nil {
		b.dir = filepath.Dir(abs)
	}
	f := b.file(tree)
	b.references(f)
	if len(b.mistakes) > 0 {
		slices.SortStableFunc(b.mistakes, func(x, y Mistake) int { return x.Line - y.Line })
		return nil, b.mistakes
	}
	return f, nil
}

// syntaxMistake turns an error of the TOML reader into one with a line.
func syntaxMistake(path string, err error) Mistake {
	m := Mistake{Path: path, Message: "not valid TOML: " + strings.TrimPrefix(err.Error(), "toml: ")}
	var d *toml.DecodeError
	if errors.As(err, &d) {
		m.Line, _ = d.Position()
	}
	return m
}

// file reads the whole document.
func (b *binder) file(tree map[string]any) *File {
	f := &File{Path: b.path}
	t := b.table(nil, tree)
	t.count("workers", &f.Workers)
	t.path("cache_dir", &f.CacheDir)
	t.path("root", &f.Root)
	t.sub("download", func(t *table) { f.Download = download(t) })
	t.sub("limits", func(t *table) { f.Limits = limits(t) })
	f.Source = named(t, "source", source)
	f.Plugin = named(t, "plugin", plugin)
	f.Secret = named(t, "secret", secretTable)
	t.done()
	return f
}

func download(t *table) (d Download) {
	t.text("user_agent", &d.UserAgent)
	t.count("max_attempts", &d.MaxAttempts)
	t.duration("connect_timeout", &d.ConnectTimeout)
	t.duration("tls_timeout", &d.TLSTimeout)
	t.duration("header_timeout", &d.HeaderTimeout)
	t.boolean("http2", &d.HTTP2)
	t.duration("stall_timeout", &d.StallTimeout)
	t.size("stall_bytes_per_second", &d.StallBytesPerSecond)
	t.count("per_host", &d.PerHost)
	t.count("max_redirects", &d.MaxRedirects)
	t.boolean("allow_downgrade", &d.AllowDowngrade)
	t.boolean("allow_link_local", &d.AllowLinkLocal)
	t.duration("backoff_base", &d.BackoffBase)
	t.duration("backoff_max", &d.BackoffMax)
	t.duration("retry_after_max", &d.RetryAfterMax)
	return d
}

func limits(t *table) (l Limits) {
	t.count("page_items", &l.PageItems)
	t.duration("load_timeout", &l.LoadTimeout)
	t.duration("hook_timeout", &l.HookTimeout)
	t.size("memory", &l.MemoryBytes)
	t.size("output", &l.OutputBytes)
	t.size("result", &l.ResultBytes)
	t.size("request", &l.RequestBytes)
	t.count("log_lines", &l.LogLines)
	t.size("log_line", &l.LogLineBytes)
	t.count("calls", &l.Calls)
	t.size("module", &l.ModuleBytes)
	t.size("function", &l.FunctionBytes)
	t.count("table_entries", &l.TableEntries)
	return l
}

func source(t *table) (s Source) {
	t.texts("prepare", &s.Prepare)
	t.text("plugin", &s.Plugin)
	return s
}

func plugin(t *table) (p Plugin) {
	t.path("path", &p.Path)
	t.digest("sha256", &p.SHA256)
	t.sub("grant", func(t *table) { p.Grant = grant(t) })
	t.sub("config", func(t *table) { p.Config = t.json() })
	if p.Path == "" && !t.has("path") {
		t.fail("", "plugin %s has no path; give the .wasm file as path = \"...\"", t.name())
	}
	return p
}

func grant(t *table) (g Grant) {
	t.texts("download", &g.Download)
	t.texts("http", &g.HTTP)
	t.paths("read", &g.Read)
	t.paths("stat", &g.Stat)
	t.paths("tls", &g.TLS)
	t.texts("env", &g.Env)
	t.texts("secrets", &g.Secrets)
	t.texts("exec", &g.Exec)
	t.boolean("clock", &g.Clock)
	t.boolean("random", &g.Random)
	return g
}

func secretTable(t *table) (s Secret) {
	t.path("file", &s.File)
	t.text("env", &s.Env)
	t.texts("hosts", &s.Hosts)
	switch file, env := t.has("file"), t.has("env"); {
	case !file && !env:
		t.fail("", "secret %s has neither file nor env; give one to read it from", t.name())
	case file && env:
		t.fail("env", "secret %s has both file and env; keep one", t.name())
	}
	for _, h := range s.Hosts {
		if err := secret.CheckHost(h); err != nil {
			t.fail("hosts", "secret %s: %v", t.name(), err)
		}
	}
	if len(s.Hosts) == 0 && !t.bad("hosts") {
		t.fail("hosts", "secret %s has no hosts; list the servers that it may be sent to, for example hosts = [\"cdn.example\"]", t.name())
	}
	return s
}
