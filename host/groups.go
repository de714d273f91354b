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

// maxMirrorLists bounds how many lists of mirrors are kept to be shared.
const maxMirrorLists = 64

// mirrorLists keeps equal lists of mirrors once: thousands of items can have the
// same hundred mirrors.
type mirrorLists struct {
	mu    sync.Mutex
	lists [][]string
}

// same returns the list, or an equal one that is there already.
func (m *mirrorLists) same(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lists {
		if slices.Equal(l, list) {
			return l
		}
	}
	if len(m.lists) < maxMirrorLists {
		m.lists = append(m.lists, list)
	}
	return list
}
