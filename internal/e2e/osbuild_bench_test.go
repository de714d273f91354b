package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkOsbuildStart measures what osbuild waits for when everything is in the
// store: from the start of the program to its first reply.
func BenchmarkOsbuildStart(b *testing.B) {
	for _, n := range []int{1, 2000} {
		b.Run(fmt.Sprint(n, "items"), func(b *testing.B) {
			dir := b.TempDir()
			request := cachedRequest(b, dir, n)
			source := filepath.Join(dir, "org.osbuild.curl")
			if err := os.Symlink(built.program, source); err != nil {
				b.Fatal(err)
			}
			env := []string{"SOURCEHOST_CACHE=" + built.cache, "HOME=" + dir, "SOURCEHOST_CONFIG=" + filepath.Join(built.dir, "empty.toml")}
			var total time.Duration
			least := time.Hour // what it takes when nothing else runs
			for b.Loop() {
				took := firstReply(b, source, env, request)
				total += took
				least = min(least, took)
			}
			b.ReportMetric(float64(least.Microseconds())/1000, "least-ms/reply")
			b.ReportMetric(float64(total.Microseconds())/1000/float64(b.N), "ms/reply")
		})
	}
}

// cachedRequest fills a store and asks for what is in it.
func cachedRequest(b *testing.B, dir string, n int) []byte {
	b.Helper()
	files := filepath.Join(dir, "sources", "org.osbuild.files")
	if err := os.MkdirAll(files, 0o755); err != nil {
		b.Fatal(err)
	}
	all := items{}
	for i := range n {
		k := fmt.Sprintf("sha256:%064x", i)
		if err := os.WriteFile(filepath.Join(files, k), []byte("x"), 0o644); err != nil {
			b.Fatal(err)
		}
		all[k] = map[string]string{"url": fmt.Sprintf("http://127.0.0.1:1/%0100d.rpm", i)}
	}
	request, err := json.Marshal(object{"type": "method", "data": object{"name": "download", "args": object{
		"items": all, "options": object{}, "cache": filepath.Join(dir, "sources"), "output": nil, "checksums": []string{},
	}}})
	if err != nil {
		b.Fatal(err)
	}
	return request
}

// firstReply starts the source and returns how long its first reply took. Its end
// is waited for, but not measured.
func firstReply(b *testing.B, source string, env []string, request []byte) time.Duration {
	b.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	theirs := os.NewFile(uintptr(fds[1]), "theirs")
	cmd := exec.Command(source, "--service-id", "source/org.osbuild.curl", "--service-fd", "3")
	cmd.Env, cmd.ExtraFiles = env, []*os.File{theirs}
	if err := unix.SetsockoptInt(fds[0], unix.SOL_SOCKET, unix.SO_SNDBUF, len(request)); err != nil {
		b.Fatal(err)
	}
	reply := make([]byte, 4<<20)
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	theirs.Close()
	if err := unix.Sendmsg(fds[0], request, nil, nil, 0); err != nil {
		b.Fatal(err)
	}
	n, err := unix.Read(fds[0], reply)
	took := time.Since(start)
	if err != nil || !bytes.Contains(reply[:n], []byte(`"success":true`)) {
		b.Fatalf("%v: %.300s", err, reply[:n])
	}
	unix.Close(fds[0])
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
	return took
}
