package osbuild

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// lossy reads as osbuild does: a buffer full whenever the pipe becomes readable,
// of which it takes the first line and may never come to the rest.
func lossy(r *os.File, lines chan<- string) {
	defer close(lines)
	buf := make([]byte, 8192)
	for {
		n, err := r.Read(buf)
		if err != nil {
			return
		}
		first, _, _ := strings.Cut(string(buf[:n]), "\n")
		lines <- first
		time.Sleep(100 * time.Microsecond)
	}
}

// A reader that takes one line at a time gets each.
func TestLinesReachOsbuild(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make(chan string, 1000)
	go lossy(r, got)
	l := NewLines(w)
	l.patience = time.Hour
	for i := range 300 {
		l.Printf("line %d", i)
	}
	l.Flush(time.Minute)
	w.Close()
	i := 0
	for line := range got {
		if want := fmt.Sprintf("line %d", i); line != want {
			t.Fatalf("got %q, want %q", line, want)
		}
		i++
	}
	if i != 300 {
		t.Errorf("%d lines came, want 300", i)
	}
}

// Each line is one write of valid UTF-8, whatever it was made of.
func TestLinesAreValid(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0) // keeps writes apart
	if err != nil {
		t.Fatal(err)
	}
	w := os.NewFile(uintptr(fds[0]), "w")
	defer w.Close()
	defer unix.Close(fds[1])
	l := NewLines(w)
	bad := []string{"a\xffb", "two\nlines", "\x1b[31mred", strings.Repeat("ü", 4000), strings.Repeat("x", 1<<20), "", "\u202e"}
	for _, s := range bad {
		l.Printf("%s", s)
	}
	fmt.Fprint(l, "one\ntwo\n")
	buf := make([]byte, 1<<16)
	for range len(bad) + 2 {
		n, err := unix.Read(fds[1], buf)
		line := string(buf[:n])
		if err != nil || n > 4096 || !utf8.ValidString(line) || strings.Count(line, "\n") != 1 || !strings.HasSuffix(line, "\n") || strings.Contains(line, "\x1b") {
			t.Errorf("a write of %d bytes: %.80q, %v", n, line, err)
		}
	}
	l.Close(time.Second)
}

// Nobody reads, and nothing waits; who reads later gets all that fits.
func TestLinesNobodyReads(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	l := NewLines(w)
	l.patience = time.Hour // nothing is written meanwhile
	start := time.Now()
	for i := range maxQueue + 500 {
		l.Printf("line %d %s", i, strings.Repeat("x", 100))
	}
	l.Flush(50 * time.Millisecond)
	l.Close(50 * time.Millisecond)
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	count, last := 0, ""
	scan := bufio.NewScanner(io.LimitReader(r, 2<<20))
	for scan.Scan() {
		last = scan.Text()
		if count++; strings.Contains(last, "left out") {
			break
		}
	}
	if count < maxQueue || !strings.Contains(last, "further lines were left out") {
		t.Errorf("%d lines came, the last is %q", count, last)
	}
}
