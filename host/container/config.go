package container

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// AcceptAnything is the Config.Policy under which no signature is checked.
const AcceptAnything = "accept-anything"

// The names of the engines, for Config.Engine.
const (
	// Embedded is the engine that is part of this program.
	Embedded = "embedded"
	// Skopeo is the engine that runs the program skopeo.
	Skopeo = "skopeo"
)

// Config is shared by a Copier and its engines. The zero value is usable.
type Config struct {
	// Engine is Embedded or Skopeo. "": the embedded one where there is one.
	Engine string
	// AuthFile has the credentials of registries, containers-auth.json(5). "":
	// the file that $REGISTRY_AUTH_FILE names, and then the usual ones.
	AuthFile string
	// Policy is AcceptAnything or "": what the policy file says.
	Policy string
	// PolicyFile is the signature policy, containers-policy.json(5). "": the
	// user's or /etc/containers/policy.json.
	PolicyFile string
	// RegistriesConf is containers-registries.conf(5). "": the file that
	// $CONTAINERS_REGISTRIES_CONF names, and then the usual one.
	RegistriesConf string
	// RegistriesDir is containers-registries.d(5). "": the usual folder.
	RegistriesDir string
	// CertsDir is containers-certs.d(5). "": the usual folders.
	CertsDir string
	// Environ looks up environment variables. nil: os.LookupEnv. The embedded
	// engine's library also reads HOME and XDG_RUNTIME_DIR from the process.
	Environ func(string) (string, bool)
	// MaxAttempts is how often a copy is begun. 0: DefaultMaxAttempts.
	MaxAttempts int
	// BackoffBase is the pause after the first attempt; each further one is
	// twice as long, and a random part of up to half is taken away. 0: 1 s.
	BackoffBase time.Duration
	// BackoffMax is the longest pause. 0: 30 s.
	BackoffMax time.Duration
	// BlobDir is a folder of this run, in which images share their blobs: each
	// is loaded once. It is made when needed, and the caller removes it after
	// the run. "": nothing is shared.
	BlobDir string
	// Redact takes secrets out of what registries and programs have said, before
	// it is cut to a length. nil: nothing is taken out.
	Redact func(string) string
	// Logger may be nil.
	Logger *slog.Logger
}

// DefaultMaxAttempts is the default of Config.MaxAttempts.
const DefaultMaxAttempts = 5

const (
	defaultBackoffBase = time.Second
	defaultBackoffMax  = 30 * time.Second
)

// Runner runs a program: an argument vector without the program itself, the
// whole environment, a working folder, and a function that is given the lines
// of its stderr. It kills the program and its children when ctx is done. Its
// error should have the last lines of stderr in its text.
type Runner func(ctx context.Context, program string, args, env []string, dir string, progress func(line string)) (stdout []byte, err error)

// withDefaults returns c with nothing left to default.
func (c Config) withDefaults() Config {
	if c.MaxAttempts <= 0 {
		c.MaxAttempts = DefaultMaxAttempts
	}
	if c.BackoffBase <= 0 {
		c.BackoffBase = defaultBackoffBase
	}
	if c.BackoffMax <= 0 {
		c.BackoffMax = defaultBackoffMax
	}
	if c.Environ == nil {
		c.Environ = os.LookupEnv
	}
	if c.Redact == nil {
		c.Redact = func(text string) string { return text }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c *Config) env(name string) string {
	value, _ := c.Environ(name)
	return value
}

// authVariable names the file with credentials for all container tools.
const authVariable = "REGISTRY_AUTH_FILE"

// authFile returns the file with credentials, "" for the usual ones. One that the
// configuration names must be there. The variable is set for whoever may need it,
// as by who starts osbuild in a container, and so the file may be missing.
func (c *Config) authFile() (string, error) {
	path, from := c.AuthFile, "the configuration"
	if path == "" {
		path, from = c.env(authVariable), authVariable
	}
	if path == "" {
		return "", nil
	}
	path = absolute(path)
	file, err := os.Open(path)
	if err != nil && from == authVariable && errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	if err != nil {
		return "", &Error{Kind: KindInvalid, Err: err, Hint: from + " names this file: make it readable, or name another"}
	}
	file.Close()
	return path, nil
}

// absolute is for skopeo, which runs in another folder.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path // the working folder is gone, and opening the file says so
}

// authHint says what to do when a registry wants other credentials.
func (c *Config) authHint() string {
	path := c.env(authVariable)
	if c.AuthFile != "" || path == "" {
		return hintAuth
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return "there is no file " + path + ", which " + authVariable + " names: make it with `skopeo login --authfile`"
	}
	return hintAuth
}

// registriesConf returns the registries.conf to use, "" for the usual one.
func (c *Config) registriesConf() string {
	if c.RegistriesConf != "" {
		return c.RegistriesConf
	}
	conf := c.env("CONTAINERS_REGISTRIES_CONF")
	if conf == "" {
		return ""
	}
	return absolute(conf)
}

// checkPolicy refuses a policy that is not known.
func (c *Config) checkPolicy() error {
	if c.Policy != "" && c.Policy != AcceptAnything {
		return invalid("the signature policy %q is not known: leave it out, or use %q", c.Policy, AcceptAnything)
	}
	return nil
}
