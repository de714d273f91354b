package thread

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOwn marks threads by their names, which they have from the thread that has
// started them and keep to their end, and looks for the mark in others.
func TestOwn(t *testing.T) {
	const mark = "own"
	marked := func() bool {
		name, err := os.ReadFile("/proc/self/task/" + strconv.Itoa(unix.Gettid()) + "/comm")
		if err != nil {
			t.Error(err)
		}
		return strings.TrimSpace(string(name)) == mark
	}
	var all sync.WaitGroup
	for range 200 {
		all.Add(1)
		go Own(func() {
			defer all.Done()
			if unix.Gettid() == unix.Getpid() {
				t.Error("it is the main thread")
			}
			if marked() {
				t.Error("another call had this thread")
			}
			if err := os.WriteFile("/proc/self/task/"+strconv.Itoa(unix.Gettid())+"/comm", []byte(mark), 0); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for range 200 {
		all.Go(func() {
			if marked() {
				t.Error("a thread went on after what was done in it")
			}
		})
	}
	all.Wait()
}

// The main thread is never given away, even if it is the only one that is free.
func TestMainThreadIsKept(t *testing.T) {
	pid := unix.Getpid()
	for range 2000 {
		tid := make(chan int)
		go Own(func() { tid <- unix.Gettid() })
		if <-tid == pid {
			t.Fatal("the main thread was given away")
		}
	}
}
