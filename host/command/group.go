package command

import (
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// watchEvery is how often it is looked whether the machine's tasks have grown
	// in number, which costs one system call.
	watchEvery = 50 * time.Millisecond
	// growth is how many new tasks are a reason to count a program's processes.
	growth = 64
	// rescan is how often they are counted without a reason, to get to know
	// processes that leave the session.
	rescan = 20 * watchEvery
)

// group is the processes of a program: those of its session, those that bear its
// mark, and all descendants of these.
type group struct {
	leader int            // whose id is that of the process group and session, too
	start  uint64         // of the leader
	mark   uint64         // see brand
	known  map[int]uint64 // start time of each, since ids are used again

	tasks   int
	scanned time.Time
	count   int
}

// newGroup makes the group of a program that has just been started.
func newGroup(leader int) group {
	g := group{leader: leader, known: make(map[int]uint64), mark: brand(leader)}
	if st, ok := readStatus(strconv.Itoa(leader)); ok {
		g.start = st.start
	}
	return g
}

// signal sends a signal to the program's first process group.
func (g *group) signal(sig unix.Signal) { _ = unix.Kill(-g.leader, sig) }

// watch returns how many processes there are, as far as it is worth knowing.
func (g *group) watch() int {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		info.Procs = 0
	}
	tasks := int(info.Procs)
	if tasks < g.tasks {
		g.tasks = tasks
	}
	if tasks-g.tasks >= growth || time.Since(g.scanned) >= rescan {
		g.tasks, g.scanned = tasks, time.Now()
		g.count = len(g.scan())
	}
	return g.count
}

// kill kills all processes and returns when none is left, or after limit.
func (g *group) kill(limit time.Duration) {
	deadline := time.Now().Add(limit)
	for pause := time.Millisecond; ; pause = min(2*pause, 16*time.Millisecond) {
		// One signal for the whole group: no fork in it can escape this.
		g.signal(unix.SIGKILL)
		left := g.scan()
		for _, st := range left {
			st.kill()
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return
		}
		time.Sleep(pause)
	}
}

// scan finds the processes of the group that have not ended.
func (g *group) scan() []status {
	all := processes()
	children := make(map[int][]int) // indices into all
	var found []int
	member := make([]bool, len(all))
	add := func(i int) {
		if !member[i] {
			member[i] = true
			found = append(found, i)
		}
	}
	for i, st := range all {
		children[st.parent] = append(children[st.parent], i)
		start, known := g.known[st.pid]
		if st.group == g.leader || st.session == g.leader || known && start == st.start ||
			st.start >= g.start && g.mark != 0 && branded(st.pid, g.mark) {
			add(i)
		}
	}
	known := make(map[int]uint64)
	var live []status
	for n := 0; n < len(found); n++ { // found grows
		st := all[found[n]]
		known[st.pid] = st.start
		if st.state != 'Z' && st.state != 'X' {
			live = append(live, st)
		}
		for _, i := range children[st.pid] {
			add(i)
		}
	}
	g.known = known
	return live
}

// status is what proc_pid_stat(5) tells of a process.
type status struct {
	pid, parent, group, session int
	state                       byte
	start                       uint64 // in clock ticks since the machine's start
}

// kill kills the process, and no other that has got its id since.
func (st status) kill() {
	fd, err := unix.PidfdOpen(st.pid, 0)
	if err != nil {
		return // gone; or a kernel before 5.3, where the group's signal must do
	}
	defer unix.Close(fd)
	if now, ok := readStatus(strconv.Itoa(st.pid)); ok && now.start == st.start {
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

// processes lists all processes; none where /proc cannot be read.
func processes() []status {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1) // those that were read are better than none
	all := make([]status, 0, len(names))
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		if st, ok := readStatus(name); ok {
			all = append(all, st)
		}
	}
	return all
}

// readStatus returns false when the process is gone.
func readStatus(pid string) (status, bool) {
	fd, err := unix.Open("/proc/"+pid+"/stat", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return status{}, false
	}
	defer unix.Close(fd)
	var buf [1024]byte
	n, err := unix.Read(fd, buf[:])
	if err != nil {
		return status{}, false
	}
	return parseStatus(buf[:n])
}

// parseStatus reads "PID (NAME) STATE PPID PGRP SESSION ... START ...", in which
// the name may hold anything, blanks and parentheses included.
func parseStatus(text []byte) (st status, ok bool) {
	open, end := bytes.IndexByte(text, ' '), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return st, false
	}
	fields := bytes.Fields(text[end+1:])
	if len(fields) < 20 || len(fields[0]) != 1 {
		return st, false
	}
	st.state = fields[0][0]
	for _, number := range []struct {
		text []byte
		to   *int
	}{{text[:open], &st.pid}, {fields[1], &st.parent}, {fields[2], &st.group}, {fields[3], &st.session}} {
		n, err := strconv.Atoi(string(number.text))
		if err != nil {
			return st, false
		}
		*number.to = n
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	st.start = start
	return st, err == nil
}
