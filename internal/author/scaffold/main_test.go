package scaffold

import (
	"os"
	"testing"

	"github.com/sourcehost/sourcehost/host/guest"
	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestMain makes this test binary, started again, the process of a plugin.
func TestMain(m *testing.M) {
	guest.ServeWorker()
	hosttest.PlainEnvironment()
	os.Exit(m.Run())
}
