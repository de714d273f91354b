package guest

import (
	"os"
	"testing"
)

// TestMain makes this test binary, started again, the process of a plugin.
func TestMain(m *testing.M) {
	ServeWorker()
	os.Exit(m.Run())
}
