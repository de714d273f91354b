//go:build sourcehost_profile

package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

// startProfile writes profiles of the whole process where the variables
// CPUPROFILE and MEMPROFILE say.
func startProfile() (stop func()) {
	cpu := os.Getenv("CPUPROFILE")
	if cpu != "" {
		// 100 samples a second say little about a run of 200 ms. The runtime warns
		// that the second setting is ignored, which is what is wanted.
		runtime.SetCPUProfileRate(1000)
		f, err := os.Create(cpu)
		if err == nil {
			err = pprof.StartCPUProfile(f)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "profile:", err)
		}
	}
	return func() {
		pprof.StopCPUProfile()
		if path := os.Getenv("MEMPROFILE"); path != "" {
			if f, err := os.Create(path); err == nil {
				_ = pprof.Lookup("allocs").WriteTo(f, 0)
				_ = f.Close()
			}
		}
	}
}
