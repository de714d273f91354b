package main

import (
	"time"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/config"
	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/download"
	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/internal/abi"
)

// defaults is a configuration with the values that hold where a file says
// nothing, as far as they do not depend on the machine.
func defaults() *config.File {
	return &config.File{
		Workers: host.DefaultWorkers,
		Root:    "/",
		Download: config.Download{
			UserAgent:           download.DefaultUserAgent,
			MaxAttempts:         download.DefaultMaxAttempts,
			ConnectTimeout:      download.DefaultConnectTimeout,
			TLSTimeout:          download.DefaultTLSTimeout,
			HeaderTimeout:       download.DefaultHeaderTimeout,
			StallTimeout:        download.DefaultStallTimeout,
			StallBytesPerSecond: download.DefaultStallBytesPerSecond,
			PerHost:             download.DefaultPerHost,
			MaxRedirects:        download.DefaultMaxRedirects,
			BackoffBase:         download.DefaultBackoffBase,
			BackoffMax:          download.DefaultBackoffMax,
			RetryAfterMax:       download.DefaultRetryAfterMax,
		},
		Limits: config.Limits{
			PageItems:      abi.DefaultPageItems,
			LoadTimeout:    abi.DefaultLoadSeconds * time.Second,
			HookTimeout:    abi.DefaultHookSeconds * time.Second,
			MemoryBytes:    abi.DefaultMemoryBytes,
			OutputBytes:    abi.DefaultOutputBytes,
			ResultBytes:    abi.DefaultResultBytes,
			RequestBytes:   abi.DefaultRequestBytes,
			LogLines:       abi.DefaultLogLines,
			LogLineBytes:   abi.DefaultLogLineBytes,
			PutBytes:       abi.DefaultPutBytes,
			ProgramTimeout: host.DefaultProgramTimeout,
			Calls:          abi.DefaultCalls,
			ModuleBytes:    abi.DefaultModuleBytes,
			FunctionBytes:  guest.DefaultFunctionBytes,
			TableEntries:   abi.DefaultTableEntries,
		},
		Container: config.Container{
			Engine: container.Embedded, Format: string(container.Dir), MaxAttempts: container.DefaultMaxAttempts,
		},
	}
}

// variable is an environment variable that matters.
type variable struct {
	name, meaning string
	// own says that it wins over the configuration file.
	own bool
}

// environment lists the variables that the program itself looks at.
func environment() []variable {
	return []variable{
		{config.EnvPath, "The configuration file, instead of `" + config.DefaultPath + "`.", true},
		{envStore, "The osbuild store, instead of `" + defaultStore + "`. It has no key in the file.", true},
		{envWorkers, "As `workers`.", true},
		{envCache, "As `cache_dir`; set and empty: plugins are compiled in each process that uses them.", true},
		{"XDG_CACHE_HOME", "Where the folder for compiled plugins is, unless `cache_dir` says so.", false},
		{"HOME", "The same, without `XDG_CACHE_HOME`.", false},
		{"https_proxy", "The proxy for https, also as `HTTPS_PROXY`.", false},
		{"http_proxy", "The proxy for http, also as `HTTP_PROXY`.", false},
		{"all_proxy", "The proxy for both, also as `ALL_PROXY`.", false},
		{"no_proxy", "Hosts that are reached without a proxy, also as `NO_PROXY`.", false},
		{envRegistryAuth, "As `auth_file` under `[container]`, unless that is set.", false},
		{envRegistries, "As `registries_conf` under `[container]`, unless that is set.", false},
		{"PYTHONPATH", "As a source that osbuild has started: where osbuild's package is, which tells its version.", false},
		{"SOURCE_DATE_EPOCH", "The time that an artifact of `plugin push` carries, in seconds since 1970.", false},
		{"TERM", "Whether the terminal can show progress in place.", false},
	}
}

// Variables of other tools for containers.
const (
	envRegistryAuth = "REGISTRY_AUTH_FILE"
	envRegistries   = "CONTAINERS_REGISTRIES_CONF"
)
