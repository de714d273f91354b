package conformance

import (
	"os"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/host/hosttest"
)

// config is the runtime's configuration in all tests: a guest is compiled once, and
// may take its time on a machine that does other things.
var config = guest.Config{Limits: guest.Limits{LoadTime: 10 * time.Minute, HookTime: 10 * time.Minute}}

// TestMain makes this test binary, started again, the process of a plugin.
func TestMain(m *testing.M) {
	guest.ServeWorker()
	hosttest.PlainEnvironment()
	os.Exit(withCache(m))
}

// withCache runs the tests with a folder for compiled guests.
func withCache(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sourcehost-conformance-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	config.CacheDir = dir
	return m.Run()
}
