package main

import (
	"bytes"
	"crypto/rand"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestMain lets the test binary take the roles of the benchmark's helpers.
func TestMain(m *testing.M) {
	if role := roleOf(os.Args); role != nil {
		fail(role())
		return
	}
	hosttest.PlainEnvironment()
	os.Exit(m.Run())
}

func TestRealisticSizes(t *testing.T) {
	sizes := realistic.sizes(1)
	if len(sizes) != 1965 {
		t.Fatalf("%d files", len(sizes))
	}
	sum := int64(0)
	for _, n := range sizes {
		sum += n
	}
	sorted := slices.Sorted(slices.Values(sizes))
	mean, median, largest := sum/1965, sorted[982], sorted[1964]
	if mean < 495_000 || mean > 505_000 || median < 59_000 || median > 61_000 || largest != 150_000_000 || sorted[0] < 1 {
		t.Errorf("mean %d, median %d, largest %d, least %d", mean, median, largest, sorted[0])
	}
	if !slices.Equal(sizes, realistic.sizes(1)) {
		t.Error("other sizes the second time")
	}
}

func TestSpread(t *testing.T) {
	if got := spreadOf([]float64{3, 1, 2}); got != (spread{1, 2, 3}) {
		t.Error(got)
	}
	if got := spreadOf([]float64{4, 1, 2, 3}); got != (spread{1, 2.5, 4}) {
		t.Error(got)
	}
	a, b := []sample{{wall: 1}, {wall: 6}}, []sample{{wall: 2}, {wall: 3}}
	if got := ratios(a, b, wallOf); !slices.Equal(got, []float64{0.5, 2}) {
		t.Error(got)
	}
}

// The line between delays and changes nothing.
func TestDelay(t *testing.T) {
	const rtt = 40 * time.Millisecond
	echo, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer echo.Close()
	go func() {
		for {
			c, err := echo.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(c, c); c.Close() }()
		}
	}()
	port, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	go delay(localhost(port), echo.Addr().String(), rtt)
	var c net.Conn
	for range 6000 {
		if c, err = net.Dial("tcp", localhost(port)); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	sent := make([]byte, 3<<20)
	rand.Read(sent)
	for _, part := range [][]byte{sent[:10], sent[10:]} {
		start := time.Now()
		go c.Write(part)
		got := make([]byte, len(part))
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < rtt {
			t.Errorf("%d bytes came back after %v", len(part), took)
		}
		if !bytes.Equal(got, part) {
			t.Error("other bytes came back")
		}
	}
}

// Every kind of case runs, small, and prints its table.
func TestCases(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	bin := filepath.Join(t.TempDir(), "sourcehost")
	if out, err := exec.Command("go", "build", "-o", bin, "../../cmd/sourcehost").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, goServer := range []bool{false, true} {
		pattern, wanted := `^small/(http|https1|https2|http/20ms|cached|first|durable)$|^realistic/http$`,
			[]string{"small/http: ", "small/https1: ", "small/https2: ", "small/http/20ms: ", "small/cached: ", "small/first: ", "small/durable: ", "realistic/http: ", "second run ", "unsynced "}
		if goServer {
			pattern, wanted = `^small/(http|https2)$`, []string{"small/http: ", "small/https2: "}
		}
		var out bytes.Buffer
		o := options{bin: bin, unsynced: bin, runs: 1, scale: 0.01, unsettled: true, goServer: goServer, scratch: t.TempDir(),
			pattern: pattern}
		if err := run(o, &out); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		for _, want := range wanted {
			if !strings.Contains(out.String(), "\n"+want) && !strings.Contains(out.String(), "\n  "+want) {
				t.Errorf("no %q in\n%s", want, out.String())
			}
		}
		if left, _ := os.ReadDir(o.scratch); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	if _, err := choose("no such case"); err == nil {
		t.Error("a pattern without a case is accepted")
	}
}
