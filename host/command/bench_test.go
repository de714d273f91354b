package command

import (
	"os/exec"
	"testing"
)

// BenchmarkRun compares Run with package os/exec, which does less.
func BenchmarkRun(b *testing.B) {
	b.Run("command", func(b *testing.B) {
		for b.Loop() {
			if _, err := Run(b.Context(), Spec{Program: "/bin/true"}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("exec", func(b *testing.B) {
		for b.Loop() {
			if _, err := exec.Command("/bin/true").Output(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
