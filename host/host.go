// Package host runs the pipeline of sourcehost: it takes the items of a source,
// asks the plugins that serve it what is to be done, does it, verifies the
// outcome and gives it a name in the store.
//
// A Host is made once and then runs any number of requests:
//
//	h, err := host.New(host.Config{Plugins: plugins})
//	...
//	defer h.Close()
//	result, err := h.Run(ctx, host.Request{Source: "org.osbuild.curl", Items: items, Store: dir})
//
// A program with plugins that are not built in calls WorkerMain first in main.
package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/download"
	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/host/secret"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
	"github.com/sourcehost/sourcehost/internal/regular"
)

// DefaultWorkers is how many items are fetched at once, at most, when the host
// chooses.
const DefaultWorkers = 128

// MaxWorkers bounds Config.Workers: every worker may hold a connection, a file
// and a buffer.
const MaxWorkers = 1024

// Config says what a Host consists of. The zero value of every field means its
// default, but without plugins a Host serves no source.
type Config struct {
	// Workers is how many items are fetched at once; 1 fetches one after the other.
	// 0 means few from near servers and up to DefaultWorkers from far ones. More than
	// MaxWorkers is an error.
	Workers int
	// PageItems is how many items a hook gets at once, at most. 0 means the
	// contract's default.
	PageItems int
	// Plugins are the plugins, built-in and configured. Names must be unique.
	Plugins []Plugin
	// Prepare names, for each source, the plugins whose filter and prepare hooks run
	// before the source's own, in this order.
	Prepare map[string][]string
	// Serve names the plugin that serves a source. It overrides what the
	// plugins' manifests say and may give a plugin to a new source name.
	Serve map[string]string
	// Secrets are the secrets that plugins may refer to by name.
	Secrets []secret.Spec
	// CacheDir is the folder for compiled plugins. Empty means that plugins are
	// compiled in each process that uses them, those that are not built in once
	// for each instance.
	CacheDir string
	// Root is the folder under which the absolute paths of plugins (files to
	// read, certificates, keys) are looked up. Empty means "/".
	Root string
	// Limits bound each call of a plugin. Zero fields mean the defaults of the
	// contract.
	Limits guest.Limits
	// Download configures the download engine.
	Download download.Config
	// Container configures how container images are copied. Its Environ and
	// BlobDir are set by the host.
	Container container.Config
	// ImageFormat is the form in which images are stored unless a request says
	// otherwise: a name of the plugin's formats. Empty means the plugin's first.
	ImageFormat string
	// Programs are the absolute paths of programs that plugins, and the container
	// engine, know by name. Others are looked for in the usual folders.
	Programs map[string]string
	// ProgramRules are for programs that are known by these names. Without a rule the
	// zero value counts.
	ProgramRules map[string]ProgramRule
	// ProgramTimeout is how long a program may run. 0 means DefaultProgramTimeout.
	ProgramTimeout time.Duration
	// PutBytes is the largest item that a plugin may put. 0 means the default of
	// the contract.
	PutBytes int64
	// AllowLinkLocal lets downloads connect to link-local addresses, where clouds
	// answer questions about the machine and hand out its credentials.
	AllowLinkLocal bool
	// Environ reads an environment variable, as os.LookupEnv does. Nil means
	// os.LookupEnv.
	Environ func(name string) (string, bool)
	// Notify is told about progress. It is called from many goroutines at once
	// and must return quickly. It may be nil.
	Notify func(Event)
	// Logger gets log lines, those of plugins included. Nil means that nothing
	// is logged. Secrets are redacted before they reach it.
	Logger *slog.Logger
}

// Plugin is a plugin and what the operator grants it.
type Plugin struct {
	// Name is how the configuration and errors name the plugin.
	Name string
	// Wasm is the plugin file's content. When it is nil the file at Path is
	// read.
	Wasm []byte
	Path string
	// SHA256 pins the file, as 64 hexadecimal digits. Empty means that the file
	// is not pinned.
	SHA256 string
	// Builtin says that the plugin is part of the program: it is granted what it
	// requests, and runs in this process. Any other runs in processes of its own,
	// for which the program must call WorkerMain.
	Builtin bool
	// Grant is what a plugin that is not built in may use.
	Grant Grant
	// HowToGrant says, for denials, how the operator grants the value of a
	// capability, as an imperative clause. Nil means by the configuration.
	HowToGrant func(capability, value string) string
	// Config is the plugin's own configuration, a JSON object. Empty means {}.
	Config json.RawMessage
}

// Host runs requests. It is safe for concurrent use.
type Host struct {
	adaptive bool // the number of workers is ours to choose
	cfg      Config
	log      *slog.Logger
	runtime  *guest.Runtime
	engine   *download.Engine
	secrets  *secret.Resolver
	plugins  []*loaded
	serves   map[string]*loaded // by source name
	programs programs
	// passwords are those that are no configured secrets.
	passwords passwords
}

// loaded is a plugin whose file was read and checked; it is compiled when it is
// first called.
type loaded struct {
	Plugin
	guest    *guest.Plugin
	manifest *plugin.Manifest
	policy   *policy
	schemas  schemas
}

// New reads and checks all plugins, without running any, and returns a Host. An
// error says which plugin or setting is wrong: it is a *UsageError, or joins
// several.
func New(cfg Config) (*Host, error) {
	adaptive := cfg.Workers == 0
	if adaptive {
		cfg.Workers = DefaultWorkers
	}
	if cfg.Workers < 1 || cfg.Workers > MaxWorkers {
		return nil, settingf([]string{"workers"}, "workers is %d, but must be between 1 and %d", cfg.Workers, MaxWorkers)
	}
	if cfg.PageItems == 0 {
		cfg.PageItems = abi.DefaultPageItems
	}
	if cfg.PageItems < 1 {
		return nil, settingf([]string{"limits", "page_items"}, "the number of items in a page is %d, but must be at least 1", cfg.PageItems)
	}
	if cfg.Environ == nil {
		cfg.Environ = os.LookupEnv
	}
	if cfg.ProgramTimeout == 0 {
		cfg.ProgramTimeout = DefaultProgramTimeout
	}
	if cfg.Root == "" {
		cfg.Root = "/"
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	secrets, err := secret.New(cfg.Secrets, secret.WithEnviron(cfg.Environ), secret.WithLogger(cfg.Logger), secret.WithRunner(runSecretCommand))
	if err != nil {
		return nil, &UsageError{Err: err}
	}
	log := slog.New(secrets.Handler(cfg.Logger.Handler()))
	engine := downloadConfig(cfg)
	engine.Redact = secrets.Redact
	if engine.Logger == nil {
		engine.Logger = log
	}
	h := &Host{
		adaptive: adaptive,
		cfg:      cfg,
		log:      log,
		secrets:  secrets,
		runtime:  guest.NewRuntime(guest.Config{Limits: cfg.Limits, CacheDir: cfg.CacheDir, Logger: log}),
		engine:   download.New(engine),
		serves:   map[string]*loaded{},
	}
	h.passwords.secrets = secrets
	h.passwords.ofProxies(cfg.Environ)
	if err := h.load(); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// downloadConfig fills in what the host knows better than its caller.
func downloadConfig(cfg Config) download.Config {
	d := cfg.Download
	if d.Environ == nil {
		d.Environ = func(name string) string {
			value, _ := cfg.Environ(name)
			return value
		}
	}
	return d
}

// closeTime is how long Close waits for calls of plugins that cannot be
// interrupted.
const closeTime = time.Second

// Close frees what the host holds. Requests that still run fail. A built-in
// plugin whose call was given up but still runs keeps its memory: after a second
// Close returns an error that names it.
func (h *Host) Close() error {
	h.engine.Close()
	h.secrets.Close()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	return h.runtime.Close(ctx)
}

// load reads all plugins and finds out which source is served by which.
func (h *Host) load() error {
	var errs []error
	byName := map[string]*loaded{} // nil for a plugin that could not be loaded
	for _, p := range h.cfg.Plugins {
		if _, twice := byName[p.Name]; twice {
			return usagef("two plugins are named %q", p.Name)
		}
		l, err := h.loadOne(p)
		byName[p.Name] = l
		if err != nil {
			errs = append(errs, err)
			continue
		}
		h.plugins = append(h.plugins, l)
	}
	errs = append(errs, h.assign(byName)...)
	return errors.Join(append(errs, h.checkChains(byName)...)...)
}

func (h *Host) loadOne(p Plugin) (*loaded, error) {
	wrong := func(key string, err error) (*loaded, error) {
		return nil, settingf([]string{"plugin", p.Name, key}, "plugin %q: %w", p.Name, err)
	}
	if p.Wasm == nil {
		data, err := readPlugin(p.Path, moduleLimit(h.cfg.Limits))
		if err != nil {
			return wrong("path", err)
		}
		p.Wasm = data
	}
	if p.SHA256 != "" {
		sum := sha256.Sum256(p.Wasm)
		if got := hex.EncodeToString(sum[:]); !strings.EqualFold(got, p.SHA256) {
			return wrong("sha256", fmt.Errorf("%s has the sha256 %s, but the configuration pins %s: if the change is meant, pin the new one", p.origin(), got, p.SHA256))
		}
	}
	pol := newPolicy(p, h.cfg.Root)
	pol.addrs.linkLocal = h.cfg.AllowLinkLocal
	g, err := h.runtime.Load(guest.Source{
		Name: p.origin(), Wasm: p.Wasm, Trusted: p.Builtin,
		Clock: p.Builtin || p.Grant.Clock, Random: p.Builtin || p.Grant.Random,
	})
	if err != nil {
		return wrong("path", err)
	}
	l := &loaded{Plugin: p, guest: g, manifest: g.Manifest(), policy: pol}
	pol.request(l.manifest.Capabilities)
	l.compileSchemas()
	if err := l.checkConfig(); err != nil {
		return nil, err
	}
	return l, nil
}

// origin is where the plugin's bytes came from, for errors and reports.
func (p Plugin) origin() string {
	if p.Builtin {
		return "builtin:" + p.Name
	}
	if p.Path != "" {
		return p.Path
	}
	return p.Name
}

// readPlugin reads at most limit bytes of a regular file.
func readPlugin(path string, limit int64) ([]byte, error) {
	if path == "" {
		return nil, fmt.Errorf("it has neither a path nor content")
	}
	return regular.ReadFile(path, limit)
}

func moduleLimit(l guest.Limits) int64 {
	if l.ModuleBytes > 0 {
		return int64(l.ModuleBytes)
	}
	return abi.DefaultModuleBytes
}
