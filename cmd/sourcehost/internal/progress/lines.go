package progress

import (
	"io"
	"sync"
	"time"
)

// lockedWriter makes each Write one piece of the output, whoever else writes.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// ticker calls fn each interval in a goroutine of its own until stop is called,
// which waits for a running fn. An interval of 0 never calls it.
type ticker struct {
	once sync.Once
	quit chan struct{}
	done chan struct{}
}

func startTicker(interval time.Duration, fn func()) *ticker {
	t := &ticker{quit: make(chan struct{}), done: make(chan struct{})}
	if interval <= 0 {
		close(t.done)
		return t
	}
	go func() {
		defer close(t.done)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				fn()
			case <-t.quit:
				return
			}
		}
	}()
	return t
}

func (t *ticker) stop() {
	t.once.Do(func() { close(t.quit) })
	<-t.done
}
