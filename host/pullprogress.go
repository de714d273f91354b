package host

import (
	"io/fs"
	"path/filepath"
	"time"
)

const (
	// pollEvery is how often it is looked how much a program has loaded.
	pollEvery = time.Second
	// pollShare bounds the time that the looking takes: a commit can have a hundred
	// thousand files.
	pollShare = 20
)

// watchSize tells progress how many bytes are in a folder until the returned function
// is called. Programs say it in no form that could be read; nil means that nobody
// wants to know.
func watchSize(dir string, progress func(done, total int64)) (stop func()) {
	if progress == nil {
		return func() {}
	}
	ended, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for pause := pollEvery; ; {
			select {
			case <-time.After(pause):
			case <-stopped:
				return
			}
			begun := time.Now()
			progress(sizeOf(dir), -1)
			pause = max(pollEvery, pollShare*time.Since(begun))
		}
	}()
	return func() {
		close(stopped)
		<-ended
	}
}

// sizeOf adds up the files in a folder that is being written to: what goes away
// meanwhile is no error.
func sizeOf(dir string) (size int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return nil
		}
		if info, err := e.Info(); err == nil {
			size += info.Size()
		}
		return nil
	})
	return size
}
