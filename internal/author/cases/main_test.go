package cases

import (
	"os"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

func TestMain(m *testing.M) {
	hosttest.PlainEnvironment()
	os.Exit(m.Run())
}
