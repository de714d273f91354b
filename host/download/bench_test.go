package download

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// BenchmarkFetch compares the engine with a bare loop over http.Client, on the
// same server in the same run: many small files, and a few large ones.
func BenchmarkFetch(b *testing.B) {
	const workers = 8
	for _, proto := range hosttest.Protocols {
		for _, load := range []struct {
			name        string
			files, size int
		}{{"2000x20kB", 2000, 20 << 10}, {"4x100MB", 4, 100 << 20}} {
			url, conf := benchServer(b, proto, load.size)
			b.Run(string(proto)+"/"+load.name+"/engine", func(b *testing.B) {
				e := New(Config{Environ: func(string) string { return "" }})
				defer e.Close()
				measure(b, load.files, load.size, workers, func() error {
					_, err := e.Fetch(context.Background(), Request{URLs: []string{url}, Insecure: true}, &hosttest.Discard{})
					return err
				})
			})
			b.Run(string(proto)+"/"+load.name+"/bare", func(b *testing.B) {
				client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers, DisableCompression: true,
					TLSClientConfig: conf, ForceAttemptHTTP2: proto == hosttest.HTTPS2}}
				measure(b, load.files, load.size, workers, func() error {
					resp, err := client.Get(url)
					if err != nil {
						return err
					}
					defer resp.Body.Close()
					_, err = io.Copy(io.Discard, resp.Body)
					return err
				})
			})
		}
	}
}

// benchServer serves size bytes under every path.
func benchServer(b *testing.B, proto hosttest.Protocol, size int) (string, *tls.Config) {
	content := randomBytes(1 << 20)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(size))
		for rest := size; rest > 0; rest -= len(content) {
			w.Write(content[:min(rest, len(content))])
		}
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	b.Cleanup(s.Close)
	if proto == hosttest.HTTP {
		s.Start()
		return s.URL + "/f", nil
	}
	s.EnableHTTP2 = proto == hosttest.HTTPS2
	s.StartTLS()
	return s.URL + "/f", &tls.Config{InsecureSkipVerify: true}
}

// measure fetches all files once for each iteration, and reports the time and
// the CPU time per file, the server's part included.
func measure(b *testing.B, files, size, workers int, fetch func() error) {
	b.SetBytes(int64(files) * int64(size))
	b.ReportAllocs()
	before := cpuTime()
	for b.Loop() {
		jobs := make(chan struct{}, files)
		for range files {
			jobs <- struct{}{}
		}
		close(jobs)
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for range jobs {
					if err := fetch(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	per := float64(b.N) * float64(files)
	b.ReportMetric(float64((cpuTime()-before).Microseconds())/per, "cpu-µs/file")
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
