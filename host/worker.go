package host

import "github.com/sourcehost/sourcehost/host/guest"

// WorkerMain must be the first thing that the main function of a program does that
// uses plugins which are not built in, and that TestMain does in its tests. Such a
// plugin runs in a process of its own, which is this program started again: there
// WorkerMain serves the plugin and does not return. Otherwise it returns at once.
// Without it New refuses such plugins.
func WorkerMain() { guest.ServeWorker() }

// IsolationInfo is one way in which the process of a plugin is confined.
type IsolationInfo struct {
	Name string
	// Applied is false where the kernel, or its operator, did not allow it.
	Applied bool
	// Detail says what it does, or why it was not applied.
	Detail string
}

// isolation tells how plugins that are not built in are confined on this machine.
// The first call starts a process to find out.
func (h *Host) isolation() []IsolationInfo {
	measures, err := h.runtime.Measures()
	if err != nil {
		return []IsolationInfo{{Name: "process", Detail: err.Error()}}
	}
	infos := make([]IsolationInfo, len(measures))
	for i, m := range measures {
		infos[i] = IsolationInfo(m)
	}
	return infos
}
