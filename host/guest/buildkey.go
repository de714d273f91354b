package guest

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/cpu"
)

// runtimeModule is the module of the WebAssembly runtime.
const runtimeModule = "github.com/tetratelabs/wazero"

// buildKey names what compiled code depends on beside the plugin: the runtime's
// version and sources, Go's version, and the processor. The runtime keys its
// files by its version alone, which it does not know in every build.
func buildKey() string {
	version, sum := "unknown", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == runtimeModule {
				version, sum = dep.Version, dep.Sum
				if dep.Replace != nil {
					sum += dep.Replace.Path + dep.Replace.Version + dep.Replace.Sum
				}
			}
		}
	}
	h := sha256.New()
	fmt.Fprintln(h, version, sum, runtime.Version(), runtime.GOOS, runtime.GOARCH, cpu.X86, cpu.ARM64)
	short := hex.EncodeToString(h.Sum(nil)[:8])
	return strings.ReplaceAll("wazero-"+version+"-"+runtime.GOARCH+"-"+short, "/", "_")
}
