package container

import (
	"context"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// skopeo is the engine that runs the program.
type skopeo struct {
	cfg     Config
	program string
	run     Runner
	shared  *blobs // nil: nothing is shared
}

// NewSkopeo returns the engine that runs program, the absolute path of skopeo,
// with run.
func NewSkopeo(cfg Config, program string, run Runner) Engine {
	e := &skopeo{cfg: cfg.withDefaults(), program: program, run: run}
	if cfg.BlobDir != "" {
		e.shared = newBlobs(cfg.BlobDir)
	}
	return e
}

func (e *skopeo) Name() string { return Skopeo }

// environment lists the variables that skopeo and its helpers read.
func environment() []string {
	return []string{
		"PATH", "HOME", "USER", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "DOCKER_CONFIG",
		"REGISTRY_AUTH_FILE", "CONTAINERS_STORAGE_CONF", "STORAGE_DRIVER", "STORAGE_OPTS",
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
		"SSL_CERT_FILE", "SSL_CERT_DIR",
	}
}

func (e *skopeo) env(g *guard) []string {
	var env []string
	for _, name := range environment() {
		if value, ok := e.cfg.Environ(name); ok && (g == nil || !isProxyVariable(name)) {
			env = append(env, name+"="+value)
		}
	}
	if g != nil {
		env = append(env, "HTTP_PROXY="+g.url().String(), "HTTPS_PROXY="+g.url().String())
	}
	return env
}

// isProxyVariable says whether a variable is about proxies.
func isProxyVariable(name string) bool {
	return strings.HasSuffix(strings.ToUpper(name), "_PROXY")
}

// newGuard makes it guarded. The program takes no rules; it takes a proxy, which it
// does not use for what is on this machine by its very name. So the registry's own
// addresses are looked up beforehand.
func (e *skopeo) newGuard(ctx context.Context, r *Request) (*guard, error) {
	proxy, err := proxyFunc(e.cfg)(&url.URL{Scheme: "https", Host: r.registry()})
	if err != nil {
		return nil, invalid("%w", err)
	}
	if proxy == nil {
		if err := r.checkResolved(ctx); err != nil {
			return nil, err
		}
	}
	if !r.Addresses.Foreign {
		return nil, nil
	}
	for _, name := range environment() {
		if isProxyVariable(name) && !strings.EqualFold(name, "NO_PROXY") && e.cfg.env(name) != "" {
			return nil, nil // the operator has said who connects
		}
	}
	return newGuard(r)
}

// global returns the options before the command. registriesDir, unless "",
// takes the place of the configured folder.
func (e *skopeo) global(r *Request, registriesDir string) []string {
	args := []string{"--tmpdir", r.scratch()}
	if e.cfg.Policy == AcceptAnything {
		args = append(args, "--insecure-policy")
	} else if e.cfg.PolicyFile != "" {
		args = append(args, "--policy", e.cfg.PolicyFile)
	}
	// The option is not in the manual; skopeo does not read the variable.
	if conf := e.cfg.registriesConf(); conf != "" {
		args = append(args, "--registries-conf", conf)
	}
	if registriesDir == "" {
		registriesDir = e.cfg.RegistriesDir
	}
	if registriesDir != "" {
		args = append(args, "--registries.d", registriesDir)
	}
	return args
}

// source returns the options about the registry, with a prefix such as src-.
func (e *skopeo) source(r *Request, prefix string) ([]string, error) {
	if r.storage() {
		return nil, nil
	}
	var args []string
	authFile, err := e.cfg.authFile()
	if err != nil {
		return nil, err
	}
	if authFile != "" {
		args = append(args, "--authfile", authFile)
	}
	if r.Image.SkipTLSVerify {
		args = append(args, "--"+prefix+"tls-verify=false")
	}
	if e.cfg.CertsDir != "" {
		registry, _, _ := strings.Cut(r.Image.Name, "/")
		args = append(args, "--"+prefix+"cert-dir", filepath.Join(e.cfg.CertsDir, registry))
	}
	return args, nil
}

// copyArgs are the arguments of the copy. The destination is relative to Dest,
// which is the working folder: a path with a colon would be cut there.
func (e *skopeo) copyArgs(r *Request, registriesDir string) ([]string, error) {
	source, err := e.source(r, "src-")
	if err != nil {
		return nil, err
	}
	args := append(e.global(r, registriesDir), "copy", "--quiet")
	args = append(args, source...)
	if r.IndexOnly {
		args = append(args, "--multi-arch=index-only")
	}
	if r.RemoveSignatures {
		args = append(args, "--remove-signatures")
	}
	to := "dir:" + ImageFolder
	if r.Format == DockerArchive {
		to = "docker-archive:" + ArchiveFile
	}
	return append(args, r.reference(), to), nil
}

// rawManifest reads the manifest that r names.
func (e *skopeo) rawManifest(ctx context.Context, r Request) ([]byte, error) {
	source, err := e.source(&r, "")
	if err != nil {
		return nil, err
	}
	args := append(e.global(&r, ""), "inspect", "--raw")
	args = append(args, source...)
	return e.start(ctx, &r, append(args, r.reference()), nil)
}

// start runs skopeo. The error is what skopeo says, if it says so in the usual
// form; the command is for the log.
func (e *skopeo) start(ctx context.Context, r *Request, args []string, progress func(string)) ([]byte, error) {
	stdout, err := e.run(ctx, e.program, args, e.env(r.guard), r.Dest, progress)
	if err == nil {
		return stdout, nil
	}
	e.cfg.Logger.Debug("skopeo failed", "args", args, "error", cleanText(err.Error()))
	said := SkopeoSaid(err.Error())
	if said == "" {
		return nil, err
	}
	return nil, &cleaned{"skopeo: " + said, err}
}

// SkopeoSaid returns why skopeo has failed by what it has written, "" when it has
// not said so in its usual form.
func SkopeoSaid(output string) string {
	found := fatal().FindAllStringSubmatch(output, -1)
	if found == nil {
		return ""
	}
	said, err := strconv.Unquote(found[len(found)-1][1])
	if err != nil {
		return ""
	}
	return said
}

// fatal is the form of skopeo's last line.
var fatal = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`level=fatal msg=("(?:[^"\\]|\\.)*")`)
})

// Copy runs skopeo, after a look at the manifest where blobs are shared.
func (e *skopeo) Copy(ctx context.Context, r Request) (Info, error) {
	if err := os.MkdirAll(r.scratch(), 0o700); err != nil {
		return Info{}, diskError(err)
	}
	if e.shared == nil || r.storage() || r.IndexOnly {
		return e.copy(ctx, &r, "", -1)
	}
	raw, err := e.rawManifest(ctx, r)
	if err != nil {
		return Info{}, err
	}
	m, err := parseManifest(raw)
	if err != nil {
		return Info{}, err
	}
	switch {
	case m.isList():
		return e.copy(ctx, &r, "", -1)
	case r.Format == DockerArchive:
		return e.archiveShared(ctx, &r, m)
	}
	return e.copyShared(ctx, &r, m)
}

// archiveShared copies the image as a folder, which can share blobs, and makes
// the archive from that. The policy was applied to the first copy.
func (e *skopeo) archiveShared(ctx context.Context, r *Request, m *document) (Info, error) {
	folder := *r
	folder.Format = Dir
	info, err := e.copyShared(ctx, &folder, m)
	if err != nil {
		return info, err
	}
	args := []string{"--tmpdir", r.scratch(), "--insecure-policy", "copy", "--quiet", "dir:" + ImageFolder, "docker-archive:" + ArchiveFile}
	if _, err := e.start(ctx, r, args, nil); err != nil {
		return info, err
	}
	if err := os.RemoveAll(r.image()); err != nil {
		return info, diskError(err)
	}
	return info, nil
}

// copyShared copies an image whose blobs other images may have, or want.
func (e *skopeo) copyShared(ctx context.Context, r *Request, m *document) (Info, error) {
	all, err := m.blobs()
	if err != nil {
		return Info{}, err
	}
	var digests, ready []string
	var total, reused int64
	for _, b := range all {
		digests, total = append(digests, b.Digest), total+b.Size
	}
	release, err := e.shared.claim(ctx, digests)
	if err != nil {
		return Info{}, err
	}
	defer release()
	for _, b := range m.Layers {
		if e.shared.has(b.Digest) {
			ready, reused = append(ready, b.Digest), reused+b.Size
		}
	}
	info, err := e.throughGate(ctx, r, ready, total)
	if err != nil {
		return info, err
	}
	info.Bytes -= reused
	// Others will use these blobs: they are verified before anybody does.
	for _, d := range digests {
		got, err := digestOfFile(ctx, filepath.Join(r.image(), strings.TrimPrefix(d, "sha256:")))
		if err == nil && got == d {
			err = e.shared.take(d, r.image())
		}
		if err != nil {
			return info, err
		}
	}
	return info, nil
}

// throughGate copies an image of which some blobs are ready.
func (e *skopeo) throughGate(ctx context.Context, r *Request, ready []string, total int64) (Info, error) {
	if len(ready) == 0 {
		return e.copy(ctx, r, "", total)
	}
	g, err := newGate(filepath.Join(r.scratch(), "registries.d"), e.registriesDir(), func() error {
		if _, err := os.Lstat(filepath.Join(r.image(), versionFile)); err != nil {
			return err // the folder would be refused if it held a blob now
		}
		for _, d := range ready {
			if err := e.shared.link(d, r.image()); err != nil && !os.IsExist(err) {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Info{}, diskError(err)
	}
	defer g.close()
	return e.copy(ctx, r, g.dir, total)
}

// registriesDir is the folder that skopeo would read (containers-registries.d(5)).
func (e *skopeo) registriesDir() string {
	if e.cfg.RegistriesDir != "" {
		return e.cfg.RegistriesDir
	}
	if home := e.cfg.env("HOME"); home != "" {
		dir := filepath.Join(home, ".config/containers/registries.d")
		if _, err := os.Stat(dir); err == nil {
			return dir
		}
	}
	return "/etc/containers/registries.d"
}

// copy runs skopeo and reports how much it has written.
func (e *skopeo) copy(ctx context.Context, r *Request, registriesDir string, total int64) (Info, error) {
	args, err := e.copyArgs(r, registriesDir)
	if err != nil {
		return Info{}, err
	}
	if r.Progress != nil {
		stop := watch(r, total)
		defer stop()
	}
	_, err = e.start(ctx, r, args, func(line string) {
		e.cfg.Logger.Debug("skopeo", "line", cleanText(line))
	})
	return Info{Bytes: written(r.Dest), Image: r.reference()}, err
}

// watchEvery is how often the size of what skopeo has written is looked up.
const watchEvery = 250 * time.Millisecond

// watch reports progress until stop is called: skopeo itself reports none to a
// pipe.
func watch(r *Request, total int64) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for ticker := time.NewTicker(watchEvery); ; {
			select {
			case <-done:
				ticker.Stop()
				return
			case <-ticker.C:
				n := written(r.Dest)
				if total >= 0 {
					n = min(n, total)
				}
				r.Progress(n, total)
			}
		}
	}()
	return func() {
		close(done)
		<-ended
		if total >= 0 {
			r.Progress(total, total)
		}
	}
}

// written is the size of all files in dir, in bytes.
func written(dir string) int64 {
	var n int64
	filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // it may have gone in the meantime
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			n += info.Size()
		}
		return nil
	})
	return n
}
