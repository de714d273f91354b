package guest

import (
	"os"
	"testing"
)

// TestMain makes this test binary, started again, the process of a plugin, or a host
// that is going to be killed.
func TestMain(m *testing.M) {
	ServeWorker()
	if file := os.Getenv(hostOfLoop); file != "" {
		hostLoop(file)
		return
	}
	os.Exit(m.Run())
}
