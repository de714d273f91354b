package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/config"
	"github.com/sourcehost/sourcehost/host/osbuild"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/builtin"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

const (
	programName = "sourcehost"
	idFlag      = "--service-id"
	fdFlag      = "--service-fd"
	// lastWords is how long the end waits for log lines to be read.
	lastWords = 250 * time.Millisecond
)

// isService reports whether osbuild has started this process as a source: under
// the name of one, or with the number of a socket.
func isService(argv []string) bool {
	if len(argv) == 0 {
		return false
	}
	for _, arg := range argv[1:] {
		if arg == fdFlag || strings.HasPrefix(arg, fdFlag+"=") {
			return true
		}
	}
	return !strings.HasPrefix(filepath.Base(argv[0]), programName)
}

// serve is the whole program as a source of osbuild. It returns the exit status.
func serve(argv []string, stdout *os.File, stderr io.Writer, env func(string) (string, bool)) int {
	source, fd, err := serviceArgs(argv)
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", programName, err)
		return statusUsage
	}
	// Osbuild ends a source by closing the socket. The signals are for osbuild
	// itself; caught and not ignored, so that programs that we start get them. A
	// log that nobody reads any more must not end us either.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGPIPE)
	a := &app{stdout: stdout, stderr: stderr, env: env}
	lines := osbuild.NewLines(stdout)
	defer lines.Close(lastWords)
	s := osbuild.Service{
		Source:  source,
		Version: osbuild.VersionFromPath(a.getenv("PYTHONPATH")),
		Lines:   lines,
		Abandon: func() { os.Exit(statusOK) }, // osbuild is not there to see it
		Program: "/proc/self/exe",
		Open: func(notify func(host.Event), log *slog.Logger) (osbuild.Backend, error) {
			h, err := a.serviceHost(source, notify, log)
			if err != nil {
				return nil, err // and not a nil *host.Host, which is a Backend
			}
			return h, nil
		},
	}
	if err := s.Serve(fd); err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", programName, err)
		return statusFailed
	}
	return statusOK
}

// serviceArgs reads the command line that osbuild gives a source.
func serviceArgs(argv []string) (source string, fd int, err error) {
	source, fd = filepath.Base(argv[0]), -1
	id := ""
	args := argv[1:]
	for len(args) > 0 {
		name, value, found := strings.Cut(args[0], "=")
		args = args[1:]
		if !found && len(args) > 0 {
			value, args = args[0], args[1:]
		}
		switch name {
		case idFlag:
			id = value
		case fdFlag:
			if fd, err = strconv.Atoi(value); err != nil || fd < 0 {
				return "", 0, fmt.Errorf("%s is %q, expected the number of a file descriptor", fdFlag, value)
			}
		default:
			return "", 0, fmt.Errorf("unknown argument %q: as a source of osbuild it takes %s and %s", name, idFlag, fdFlag)
		}
	}
	if fd < 0 {
		return "", 0, fmt.Errorf("under the name %s this is a source that osbuild starts, with %s and %s; call it sourcehost to use its commands", source, idFlag, fdFlag)
	}
	if strings.HasPrefix(source, programName) {
		// Started under our own name: the id tells, as "source/NAME".
		if source = strings.TrimPrefix(id, "source/"); source == "" {
			return "", 0, fmt.Errorf("%s does not say which source to be: it must be source/NAME", idFlag)
		}
	}
	return source, fd, nil
}

// serviceHost is the host of a single source. Plugins that have nothing to do
// with it are not even read, so that osbuild need not wait for them.
func (a *app) serviceHost(source string, notify func(host.Event), log *slog.Logger) (*host.Host, error) {
	a.source = source
	cfg, err := a.hostConfig()
	if err != nil {
		return nil, err
	}
	narrowed, known := narrow(cfg, source)
	if !known { // the host's error lists all sources that are
		a.source = ""
		if narrowed, err = a.hostConfig(); err != nil {
			return nil, err
		}
	}
	narrowed.Notify, narrowed.Logger = notify, log
	return host.New(narrowed)
}

// builtinsFor returns the embedded plugins that a source may need: what its
// configuration names, and those whose manifests name it.
func builtinsFor(source string, conf config.Source) ([]builtin.Plugin, error) {
	var found []builtin.Plugin
	for _, name := range builtin.Names() {
		if name != conf.Plugin && !slices.Contains(conf.Prepare, name) && !serves(name, source) {
			continue
		}
		p, err := builtin.Read(name)
		if err != nil {
			return nil, err
		}
		found = append(found, p)
	}
	return found, nil
}

// serves looks into the manifest that an embedded plugin carries. One that cannot
// be read is taken for serving: the host says what is wrong.
func serves(name, source string) bool {
	r, size, err := builtin.Open(name)
	if err != nil {
		return true
	}
	section, err := plugin.SectionAt(r, size, abi.ManifestSection)
	if err != nil {
		return true
	}
	m, err := plugin.ParseManifest(section)
	return err != nil || slices.Contains(m.Sources, source)
}

// narrow leaves out the configured plugins that a source does not need. It
// reports whether any is left that may serve it.
func narrow(cfg host.Config, source string) (host.Config, bool) {
	serving, chain := cfg.Serve[source], cfg.Prepare[source]
	// A built-in plugin is replaced only by what Serve says.
	settled := serving != "" || slices.ContainsFunc(cfg.Plugins, func(p host.Plugin) bool {
		return p.Builtin && !slices.Contains(chain, p.Name)
	})
	known := serving != ""
	var kept []host.Plugin
	for _, p := range cfg.Plugins {
		chained := slices.Contains(chain, p.Name)
		if !p.Builtin && settled && p.Name != serving && !chained {
			continue
		}
		kept = append(kept, p)
		known = known || !chained
	}
	cfg.Plugins = kept
	cfg.Serve, cfg.Prepare = map[string]string{}, map[string][]string{}
	if serving != "" {
		cfg.Serve[source] = serving
	}
	if len(chain) > 0 {
		cfg.Prepare[source] = chain
	}
	return cfg, known
}
