// Package confine starts this program again as a process that can do nothing but
// compute and talk over one socket, and ends it whenever its maker wants.
//
// Start applies from outside what a process inherits: an empty environment, a
// session and process group of its own, the end with its maker's, no new
// privileges, namespaces of its own for users and the network, and Landlock. The
// process applies the rest itself, before it looks at anything foreign: Enter sets
// resource limits and a seccomp filter, Seal takes the last files away. Each
// reports what the kernel has accepted.
package confine

// Measure is one way in which a process is confined.
type Measure struct {
	// Name is what it is called in reports, for example "seccomp".
	Name string `json:"name"`
	// Applied is false where the kernel, or its operator, did not allow it.
	Applied bool `json:"applied"`
	// Detail says what it does, or why it was not applied.
	Detail string `json:"detail,omitempty"`
}

// applied reports a measure that was applied unless err says why not.
func applied(name, detail string, err error) Measure {
	if err != nil {
		return Measure{Name: name, Detail: err.Error()}
	}
	return Measure{Name: name, Applied: true, Detail: detail}
}

// Access is what a process may do with the folder that it is given.
type Access int

const (
	// None means that it gets no folder.
	None Access = iota
	// Read means that it may open the files in it for reading, until it is
	// sealed.
	Read
	// Write means that it may also make files in it.
	Write
)
