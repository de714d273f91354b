package host

import (
	"slices"
	"sync"
)

// group is what a job says about the group that it belongs to: jobs with the same
// name, of which at most parallel are performed at once. Without a name or a number
// there is no bound.
type group struct {
	name     string
	parallel int64
}

// groups are those of one run. A job that must wait waits here and not in a worker,
// so that it does not keep jobs of other groups from being performed.
type groups struct {
	mu     sync.Mutex
	active map[string]int64
	parked map[string][]*job
}

// enter reports whether a job may be performed now. When not, it will be handed to
// the worker that leaves the group.
func (g *groups) enter(j *job) bool {
	if j.group.name == "" || j.group.parallel == 0 {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.active == nil {
		g.active, g.parked = map[string]int64{}, map[string][]*job{}
	}
	name := j.group.name
	if g.active[name] >= j.group.parallel {
		g.parked[name] = append(g.parked[name], j)
		return false
	}
	g.active[name]++
	return true
}

// leave ends a job, and returns one of the same group that may be performed now.
func (g *groups) leave(j *job) (next *job, ok bool) {
	if j.group.name == "" || j.group.parallel == 0 {
		return nil, false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	name := j.group.name
	if waiting := g.parked[name]; len(waiting) > 0 {
		next, waiting[0] = waiting[0], nil
		g.parked[name] = waiting[1:]
		return next, true
	}
	g.active[name]--
	return nil, false
}

// maxMirrorLists bounds of how many groups the mirrors are kept.
const maxMirrorLists = 1000

// mirrorLists keeps the mirrors of each group of a run: thousands of items can have
// the same hundred.
type mirrorLists struct {
	mu    sync.Mutex
	lists map[string][]string
}

// of returns the mirrors of the group's last download.
func (m *mirrorLists) of(group string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lists[group]
}

// keep makes the mirrors those of the group, and returns them; the ones that are
// there already when they are the same, so that one copy serves all.
func (m *mirrorLists) keep(group string, mirrors []string) []string {
	if group == "" || len(mirrors) == 0 {
		return mirrors
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	there, known := m.lists[group]
	switch {
	case known && slices.Equal(there, mirrors):
		return there
	case !known && len(m.lists) >= maxMirrorLists:
		return mirrors
	case m.lists == nil:
		m.lists = map[string][]string{}
	}
	m.lists[group] = mirrors
	return mirrors
}
