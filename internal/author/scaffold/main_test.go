package scaffold

import (
	"os"
	"testing"

	"github.com/sourcehost/sourcehost/host/guest"
)

// TestMain makes this test binary, started again, the process of a plugin.
func TestMain(m *testing.M) {
	guest.ServeWorker()
	os.Exit(m.Run())
}
