package store

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// wholeFrom is from how many files on one sync of the file system is used in
	// place of one for each file.
	wholeFrom = 8
	// gatherMost is how many entries are enough for a sync: waiting for more would
	// hold back whoever can have only so many files open.
	gatherMost = 256
	// gatherTimes is how long a sync waits for more entries, as a multiple of what
	// the last one took, and gatherLongest how long at most: so the disk is busy
	// with syncs for a quarter of the time.
	gatherTimes   = 3
	gatherLongest = 100 * time.Millisecond
	// syncers is how many files are synced at once otherwise: journals combine
	// the commits of concurrent syncs.
	syncers = 8
)

// entry is what the committer knows about something that is staged: a name in the
// staging folder that becomes a name in the content folder once all that fd stands
// for is on the disk. Without a staging folder it stands for a name that somebody
// else gave, and that is to be put on the disk.
type entry struct {
	files   *Files
	staging *folder
	fd      int
	staged  string
	final   string
	err     error
	finish  func(err error) // told the outcome: nil, ErrExists or what failed
}

// committer syncs and names staged entries. Those that arrive while a sync is
// running wait and share the next one; where many come, a sync waits for more. Its
// goroutine exists only while there is work.
type committer struct {
	disk disk

	mu      sync.Mutex
	queue   []*entry
	running chan struct{} // closed when all is done; nil while nothing runs
	enough  chan struct{} // closed when a sync need not wait for more; nil while none does
	hurried bool          // no sync waits any more

	took time.Duration // of the last sync; of the goroutine
}

// add hands an entry over. The committer calls its finish exactly once.
func (c *committer) add(e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queue = append(c.queue, e)
	if c.running == nil {
		c.running = make(chan struct{})
		go c.run()
	}
	if len(c.queue) >= gatherMost {
		c.stopGathering()
	}
}

// hurry has no sync wait for further entries any more.
func (c *committer) hurry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hurried = true
	c.stopGathering()
}

// stopGathering ends the wait of gather. The caller holds the lock.
func (c *committer) stopGathering() {
	if c.enough != nil {
		close(c.enough)
		c.enough = nil
	}
}

// gather waits for more entries to share the next sync with, when the last one had
// many: each sync makes the journal write the same folders again.
func (c *committer) gather(last int) {
	c.mu.Lock()
	if c.hurried || last < wholeFrom || len(c.queue) >= gatherMost {
		c.mu.Unlock()
		return
	}
	enough := make(chan struct{})
	c.enough = enough
	c.mu.Unlock()
	timer := time.NewTimer(min(gatherTimes*c.took, gatherLongest))
	defer timer.Stop()
	select {
	case <-enough:
		return
	case <-timer.C:
	}
	c.mu.Lock()
	c.enough = nil
	c.mu.Unlock()
}

// wait returns when what was queued is done, or after limit.
func (c *committer) wait(limit time.Duration) {
	c.mu.Lock()
	running := c.running
	c.mu.Unlock()
	if running == nil {
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-running:
	case <-timer.C:
	}
}

func (c *committer) run() {
	last := 0
	for {
		c.gather(last)
		c.mu.Lock()
		batch := c.queue
		c.queue = nil
		if len(batch) == 0 {
			close(c.running)
			c.running = nil
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		last = len(batch)
		start := time.Now()
		for _, group := range byFolder(batch) {
			c.commit(group)
		}
		c.took = time.Since(start)
	}
}

// byFolder splits a batch into entries of the same content type, since content
// types may be on different file systems.
func byFolder(batch []*entry) map[*Files][]*entry {
	groups := make(map[*Files][]*entry, 1)
	for _, e := range batch {
		groups[e.files] = append(groups[e.files], e)
	}
	return groups
}

// commit puts the entries' content on the disk, then gives them their names, then
// puts the names on the disk, and only then tells of success.
func (c *committer) commit(group []*entry) {
	files := group[0].files
	staged := make([]*entry, 0, len(group))
	for _, e := range group {
		if e.staging == nil {
			e.err = ErrExists
			continue
		}
		staged = append(staged, e)
	}
	c.syncContent(files, staged)
	for _, e := range staged {
		if e.err == nil {
			e.err = c.name(e)
		}
	}
	if slices.ContainsFunc(group, (*entry).named) {
		if err := c.disk.syncDir(files.content.fd); err != nil {
			failNamed(group, files.content.fail("sync folder", "", err))
		}
	}
	for _, e := range group {
		e.finish(e.err)
	}
}

// name gives an entry its name; ErrExists when the name is taken.
func (c *committer) name(e *entry) error {
	err := c.disk.rename(e.staging, e.staged, e.files.content, e.final)
	switch err {
	case nil:
		return nil
	case unix.EEXIST:
		return ErrExists
	}
	return e.files.content.fail("name", e.final, err)
}

// named tells whether the entry has its name, perhaps from somebody else: in either
// case the name may not be on the disk yet.
func (e *entry) named() bool { return e.err == nil || e.err == ErrExists }

func failNamed(group []*entry, err error) {
	for _, e := range group {
		if e.named() {
			e.err = err
		}
	}
}

// syncContent puts content on the disk and sets the error of each entry for which
// that failed.
func (c *committer) syncContent(files *Files, group []*entry) {
	if len(group) >= wholeFrom && files.whole && c.disk.syncFS(files.content.fd) == nil {
		for _, e := range group {
			e.err = e.syncError(c.disk.checkFile(e.fd))
		}
		return
	}
	// Also after a failed sync of the whole file system: the fault may be in
	// somebody else's file.
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(syncers, len(group)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(group)); i = next.Add(1) - 1 {
				e := group[i]
				e.err = e.syncError(c.disk.syncFile(e.fd))
			}
		})
	}
	wg.Wait()
}

func (e *entry) syncError(err error) error {
	if err == nil {
		return nil
	}
	return e.staging.fail("sync", e.staged, err)
}
