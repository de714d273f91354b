package hosttest

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ruling are the variables, and the beginnings of variables, that change what this
// program, osbuild, the programs that tests start or Go's own libraries do. Who runs
// the tests may have set them for work of his own.
var (
	ruling = []string{
		"http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy",
		"LANG", "LANGUAGE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"REGISTRY_AUTH_FILE", "REGISTRY_CONFIG_DIR", "DOCKER_CONFIG", "GNUPGHOME",
		"PYTHONPATH", "PYTHONHOME", "NO_COLOR", "COLUMNS", "G_MESSAGES_DEBUG",
		"POSIXLY_CORRECT", "CDPATH", "ENV", "BASH_ENV",
	}
	rulingPrefixes = []string{"SOURCEHOST_", "OSBUILD_", "XDG_", "LC_", "CONTAINERS_", "STORAGE_", "OSTREE_"}
)

// PlainEnvironment removes what must not decide how a test ends from the environment
// of the process, and sets the usual umask. It belongs at the begin of TestMain, after
// what asks whether the process is a child of a test. PATH, HOME, TMPDIR and the
// variables of Go stay.
//
// Go's compiler finds its cache by XDG_CACHE_HOME: that stays as GOCACHE.
func PlainEnvironment() {
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" && os.Getenv("GOCACHE") == "" {
		os.Setenv("GOCACHE", dir+"/go-build")
	}
	unix.Umask(0o022)
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if rules(name) {
			os.Unsetenv(name)
		}
	}
}

func rules(name string) bool {
	for _, r := range ruling {
		if name == r || strings.HasSuffix(r, "_proxy") && name == strings.ToUpper(r) {
			return true
		}
	}
	for _, prefix := range rulingPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
