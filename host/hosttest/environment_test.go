package hosttest

import (
	"os"
	"testing"
)

func TestPlainEnvironment(t *testing.T) {
	gone := []string{"http_proxy", "HTTPS_PROXY", "SOURCEHOST_STORE", "OSBUILD_SOURCES_CURL_PROXY", "XDG_CACHE_HOME", "TZ", "LANG", "LC_ALL", "SSL_CERT_FILE"}
	kept := []string{"PATH", "HOME", "TMPDIR", "GOFLAGS", "MY_http_proxy", "CI"}
	for _, name := range append(gone, kept...) {
		t.Setenv(name, "/nonexistent")
	}
	t.Setenv("GOCACHE", "")
	PlainEnvironment()
	for _, name := range gone {
		if value, ok := os.LookupEnv(name); ok {
			t.Errorf("%s is still %q", name, value)
		}
	}
	for _, name := range kept {
		if os.Getenv(name) != "/nonexistent" {
			t.Errorf("%s is gone", name)
		}
	}
	if got := os.Getenv("GOCACHE"); got != "/nonexistent/go-build" {
		t.Errorf("GOCACHE is %q", got)
	}
}
