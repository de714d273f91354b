package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/config"
	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/download"
	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/host/secret"
	"github.com/sourcehost/sourcehost/internal/builtin"
)

// The environment variables that stand between the flags and the configuration
// file; config.EnvPath names the file itself.
const (
	envStore   = "SOURCEHOST_STORE"
	envWorkers = "SOURCEHOST_WORKERS"
	envCache   = "SOURCEHOST_CACHE"
)

// defaultStore is where osbuild itself keeps its store unless told otherwise.
const defaultStore = ".osbuild"

// systemCache holds compiled plugins when there is no home folder: osbuild
// starts services as root with little environment.
const systemCache = "/var/cache/sourcehost"

// hostConfig puts together the configuration file, the environment and the
// plugins. Flags are for the caller to apply.
func (a *app) hostConfig() (host.Config, error) {
	file, err := config.LoadFound(a.configPath, a.getenv, builtin.Names()...)
	if err != nil {
		return host.Config{}, &usageError{err: err}
	}
	a.file = file
	cfg := host.Config{
		Workers:        file.Workers,
		Root:           file.Root,
		CacheDir:       a.cacheDir(file.CacheDir),
		Limits:         limits(file.Limits),
		PageItems:      file.Limits.PageItems,
		PutBytes:       file.Limits.PutBytes,
		ProgramTimeout: file.Limits.ProgramTimeout,
		Download:       downloads(file.Download),
		Environ:        a.env,
		AllowLinkLocal: file.Download.AllowLinkLocal,
		Container:      containers(file.Container),
		ImageFormat:    file.Container.Format,
		Programs:       programs(file),
		ProgramRules:   programRules(file),
		Prepare:        map[string][]string{},
		Serve:          map[string]string{},
	}
	embedded := builtin.Plugins
	if a.source != "" {
		embedded = func() ([]builtin.Plugin, error) { return builtinsFor(a.source, file.Source[a.source]) }
	}
	if cfg.Plugins, err = plugins(embedded, file.Plugin); err != nil {
		return host.Config{}, err
	}
	for name, s := range file.Source {
		cfg.Prepare[name] = s.Prepare // also without plugins, so that the source's name is checked
		if s.Plugin != "" {
			cfg.Serve[name] = s.Plugin
		}
	}
	for _, name := range slices.Sorted(maps.Keys(file.Secret)) {
		s := file.Secret[name]
		cfg.Secrets = append(cfg.Secrets, secret.Spec{Name: name, File: s.File, Env: s.Env, Command: s.Command, Hosts: s.Hosts})
	}
	if err := a.pinnedPlugins(&cfg); err != nil {
		return cfg, err
	}
	return cfg, a.workersFromEnv(&cfg)
}

func (a *app) workersFromEnv(cfg *host.Config) error {
	value := a.getenv(envWorkers)
	if value == "" {
		return nil
	}
	var n workerCount
	if err := n.Set(value); err != nil {
		return usagef("%s is %q: %w", envWorkers, value, err)
	}
	cfg.Workers = int(n)
	return nil
}

// workerCount is a number of workers as a flag or a variable gives it.
type workerCount int

// String, Set and Type make it a flag; 0, which is not shown, stands for the
// default.
func (n *workerCount) String() string { return "0" }

func (n *workerCount) Set(s string) error {
	v, err := strconv.Atoi(s)
	if err != nil || v < 1 || v > host.MaxWorkers {
		return fmt.Errorf("use a number between 1 and %d", host.MaxWorkers)
	}
	*n = workerCount(v)
	return nil
}

func (n *workerCount) Type() string { return "N" }

// plugins are the embedded ones and those of the configuration, by name.
func plugins(builtins func() ([]builtin.Plugin, error), configured map[string]config.Plugin) ([]host.Plugin, error) {
	embedded, err := builtins()
	if err != nil {
		return nil, err
	}
	var all []host.Plugin
	for _, p := range embedded {
		settings, err := pluginConfig(p.Name, configured[p.Name])
		if err != nil {
			return nil, err
		}
		all = append(all, host.Plugin{Name: p.Name, Wasm: p.Wasm, Builtin: true, Config: settings})
	}
	for _, name := range slices.Sorted(maps.Keys(configured)) {
		if slices.Contains(builtin.Names(), name) {
			continue
		}
		p := configured[name]
		settings, err := pluginConfig(name, p)
		if err != nil {
			return nil, err
		}
		all = append(all, host.Plugin{Name: name, Path: p.Path, SHA256: p.SHA256, Grant: host.Grant(p.Grant), Config: settings})
	}
	return all, nil
}

func pluginConfig(name string, p config.Plugin) (json.RawMessage, error) {
	settings, err := p.ConfigJSON()
	if err != nil {
		return nil, &usageError{err: fmt.Errorf("plugin %s: its configuration: %w", name, err)}
	}
	return settings, nil
}

// programs are where the file says that programs are.
func programs(file *config.File) map[string]string {
	paths := map[string]string{}
	for name, p := range file.Program {
		paths[name] = p.Path
	}
	if file.Container.Skopeo != "" {
		paths[container.Skopeo] = file.Container.Skopeo
	}
	return paths
}

// programRules are what the file says about what programs may do.
func programRules(file *config.File) map[string]host.ProgramRule {
	rules := map[string]host.ProgramRule{}
	for name, p := range file.Program {
		rules[name] = host.ProgramRule{SetUserID: p.SetUserID, Writable: p.Writable}
	}
	return rules
}

func containers(c config.Container) container.Config {
	return container.Config{
		Engine: c.Engine, Policy: c.Policy, PolicyFile: c.PolicyFile, AuthFile: c.AuthFile,
		RegistriesConf: c.RegistriesConf, RegistriesDir: c.RegistriesDir, CertsDir: c.CertsDir, MaxAttempts: c.MaxAttempts,
	}
}

func limits(l config.Limits) guest.Limits {
	return guest.Limits{
		ModuleBytes:   l.ModuleBytes,
		TableEntries:  int64(l.TableEntries),
		MemoryBytes:   l.MemoryBytes,
		LoadTime:      l.LoadTimeout,
		FunctionBytes: l.FunctionBytes,
		HookTime:      l.HookTimeout,
		OutputBytes:   l.OutputBytes,
		ResultBytes:   l.ResultBytes,
		RequestBytes:  l.RequestBytes,
		LogLines:      l.LogLines,
		LogLineBytes:  int(l.LogLineBytes),
		Calls:         l.Calls,
	}
}

func downloads(d config.Download) download.Config {
	http2 := download.Default
	if d.HTTP2 {
		http2 = download.On
	}
	return download.Config{
		HTTP2:               http2,
		TLSTimeout:          d.TLSTimeout,
		HeaderTimeout:       d.HeaderTimeout,
		RetryAfterMax:       d.RetryAfterMax,
		UserAgent:           d.UserAgent,
		MaxAttempts:         d.MaxAttempts,
		ConnectTimeout:      d.ConnectTimeout,
		StallTimeout:        d.StallTimeout,
		StallBytesPerSecond: d.StallBytesPerSecond,
		PerHost:             d.PerHost,
		MaxRedirects:        d.MaxRedirects,
		AllowDowngrade:      d.AllowDowngrade,
		BackoffBase:         d.BackoffBase,
		BackoffMax:          d.BackoffMax,
	}
}

// cacheDir is the folder for compiled plugins: of the environment, of the
// configuration, the user's, the system's, or "" for none.
func (a *app) cacheDir(configured string) string {
	if dir, ok := a.env(envCache); ok {
		return dir
	}
	if configured != "" {
		return configured
	}
	if dir := a.getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "sourcehost")
	}
	if home := a.getenv("HOME"); filepath.IsAbs(home) && isDir(home) {
		return filepath.Join(home, ".cache", "sourcehost")
	}
	if writable(systemCache) || !isDir(systemCache) && writable(filepath.Dir(systemCache)) {
		return systemCache
	}
	return ""
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func writable(dir string) bool {
	return unix.Access(dir, unix.W_OK|unix.X_OK) == nil
}

// getenv is the environment without the difference between unset and empty.
func (a *app) getenv(name string) string {
	value, _ := a.env(name)
	return value
}
