package cases

import (
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/nearest"
)

// check finds what no case can mean, whatever the plugin.
func (c *Case) check(m *mistakes) {
	for i, h := range c.Hooks {
		c.checkHook(m, h, "hooks", strconv.Itoa(i))
	}
	c.checkItems(m)
	c.checkHost(m)
	c.checkGrant(m)
	c.checkExpect(m)
}

func (c *Case) checkHook(m *mistakes, h abi.Hook, way ...string) {
	if !slices.Contains(abi.Hooks, h) {
		m.add(way, "there is no hook %q%s", h, nearest.HintOrList(h, abi.Hooks))
	}
}

func (c *Case) checkItems(m *mistakes) {
	keys := map[string]bool{}
	for i, it := range c.Items {
		way := []string{"items", strconv.Itoa(i)}
		switch {
		case it.Key == "":
			m.add(way, "expected a key")
		case keys[it.Key]:
			m.add(append(way, "key"), "the key %q is there twice", it.Key)
		case len(it.Desc) == 0:
			m.add(way, "expected a description, \"desc\"")
		}
		if it.Key != "" {
			keys[it.Key] = true
		}
	}
	for i, o := range c.Expect.Items {
		if !keys[o.Key] {
			m.add([]string{"expect", "items", strconv.Itoa(i), "key"}, "the case has no item %q%s", o.Key, nearest.HintOrList(o.Key, slices.Sorted(maps.Keys(keys))))
		}
	}
}

func (c *Case) checkHost(m *mistakes) {
	for i, a := range c.Host.Calls {
		way := []string{"host", "calls", strconv.Itoa(i)}
		if a.Op == "" {
			m.add(way, "expected the name of an operation, \"op\"")
		}
		checkOp(m, a.Op, append(way, "op"))
		checkStatus(m, a.Status, append(way, "status"))
	}
	for path := range c.Host.Files {
		if !strings.HasPrefix(path, "/") || filepath.Clean(path) != path {
			m.addName([]string{"host", "files", path}, "expected a clean absolute path")
		}
	}
}

// checkOp finds a misspelled operation. Others may be of later versions.
func checkOp(m *mistakes, op string, way []string) {
	base, version, _ := strings.Cut(op, "/")
	var known []string
	for _, o := range abi.Ops {
		name, _, _ := strings.Cut(o, "/")
		known = append(known, name)
	}
	switch near := nearest.Name(base, known); {
	case slices.Contains(known, base) || near == "":
	case version == "":
		m.add(way, "there is no operation %q; did you mean %q?", op, near+"/v1")
	default:
		m.add(way, "there is no operation %q; did you mean %q?", op, near+"/"+version)
	}
}

func checkStatus(m *mistakes, status string, way []string) {
	if _, known := statusOf(status); known {
		return
	}
	var names []string
	for _, s := range statuses {
		names = append(names, s.String())
	}
	m.add(way, "there is no status %q%s", status, nearest.HintOrList(status, names))
}

func (c *Case) checkGrant(m *mistakes) {
	one := &Case{}
	for _, name := range slices.Sorted(maps.Keys(c.Grant)) {
		one.Grant = map[string]any{name: c.Grant[name]}
		if _, err := one.grant(noRequests()); err != nil {
			m.addName([]string{"grant", name}, "%s", strings.TrimPrefix(err.Error(), "grant/"+name+": "))
		}
	}
}

func (c *Case) checkExpect(m *mistakes) {
	c.checkFailure(m, c.Expect.Error, "expect", "error")
	for i, o := range c.Expect.Items {
		c.checkFailure(m, o.Error, "expect", "items", strconv.Itoa(i), "error")
	}
	for i, call := range c.Expect.Calls {
		way := []string{"expect", "calls", strconv.Itoa(i)}
		checkOp(m, call.Op, append(way, "op"))
		checkStatus(m, call.Status, append(way, "status"))
	}
	for i, line := range c.Expect.Log {
		level, _, _ := strings.Cut(line, " ")
		if !slices.Contains(levels(), level) {
			m.add([]string{"expect", "log", strconv.Itoa(i)}, "expected a level in front of the line%s", nearest.HintOrList(level, levels()))
		}
	}
}

// checkFailure finds kinds and hooks that no error can have.
func (c *Case) checkFailure(m *mistakes, f *Failure, way ...string) {
	if f == nil {
		return
	}
	if f.Hook != "" {
		c.checkHook(m, f.Hook, append(slices.Clone(way), "hook")...)
	}
	if f.Kind != "" && !slices.Contains(abi.Kinds, f.Kind) {
		m.add(append(slices.Clone(way), "kind"), "there is no kind of errors %q%s", f.Kind, nearest.HintOrList(f.Kind, abi.Kinds))
	}
}

// levels are the names of the levels of log lines, in the order of their numbers.
func levels() []string { return []string{"debug", "info", "warn", "error"} }
