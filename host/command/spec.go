package command

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"
)

const (
	defaultMaxStdout    = 16 << 20
	defaultMaxProcesses = 256
	defaultTailLines    = 20
	maxGrace            = 500 * time.Millisecond
	// maxStderr bounds how much a program may write to its standard error, in bytes:
	// it is read and thrown away, but a program that floods it is at fault.
	maxStderr = 64 << 20
)

// Spec says what to run.
type Spec struct {
	// Program is the absolute path of the program.
	Program string
	// Args are the arguments, without the program's own name.
	Args []string
	// Env is the whole environment, as NAME=VALUE; none by default.
	Env []string
	// Dir is the absolute path of the folder to run in; "" means "/".
	Dir string
	// Stdin is what the program reads; nil means /dev/null. When reading from it
	// fails, the program is killed and Run fails. A Read that is under way when
	// the program ends is left alone: Run does not wait for it.
	Stdin io.Reader
	// NoNewPrivileges has the program and its children gain no rights by the
	// set-user-ID bits and capabilities of files that they execute.
	NoNewPrivileges bool
	// Writable, unless nil, are absolute paths: the program and its children may write
	// to them, to what is beneath, to Dir, which must not be "/" then, and to /dev, and
	// nowhere else. They gain no privileges then, and cannot mount. It takes
	// Landlock; where the kernel has none, nothing is run.
	Writable []string
	// MaxStdout is how many bytes of standard output are accepted; a program that
	// writes more is killed. 0 means 16 MiB.
	MaxStdout int64
	// MaxProcesses is how many processes may exist at once; a program that starts
	// many more is killed. They are counted a few times a second. 0 means 256.
	MaxProcesses int
	// TailLines is how many of the last lines of standard error an error shows; 0
	// means 20.
	TailLines int
	// Timeout is how long the program may run; 0 means as long as the context allows.
	Timeout time.Duration
	// Grace is the time between SIGTERM and SIGKILL for a program that must end
	// early; 0 and more than 500 ms mean 500 ms.
	Grace time.Duration
	// Redact takes secrets out of text; nil means that there are none.
	Redact func(string) string
	// Progress is called, by one goroutine, with each line of standard error as it
	// comes, redacted and at most 4096 bytes long; a line ends with "\n" or "\r". It
	// must return soon. nil means that nobody wants to know.
	Progress func(line string)
}

// Result is what a program that succeeded has left.
type Result struct {
	Stdout   []byte
	Duration time.Duration // from start to the end of its last process
}

// complete fills in the defaults.
func (s Spec) complete() Spec {
	if s.Dir == "" {
		s.Dir = "/"
	}
	if s.MaxStdout <= 0 {
		s.MaxStdout = defaultMaxStdout
	}
	if s.MaxProcesses <= 0 {
		s.MaxProcesses = defaultMaxProcesses
	}
	if s.TailLines <= 0 {
		s.TailLines = defaultTailLines
	}
	if s.Grace <= 0 || s.Grace > maxGrace {
		s.Grace = maxGrace
	}
	if s.Redact == nil {
		s.Redact = func(text string) string { return text }
	}
	return s
}

// check refuses what the kernel would cut short or resolve in surprising ways.
func (s Spec) check() error {
	if !filepath.IsAbs(s.Program) {
		return fmt.Errorf("the program's path must be absolute")
	}
	if !filepath.IsAbs(s.Dir) {
		return fmt.Errorf("the folder to run in must be an absolute path")
	}
	if s.Writable != nil && s.Dir == "/" {
		return fmt.Errorf("the folder to run in must not be / for a program whose writing is confined")
	}
	if strings.ContainsRune(s.Program, 0) || strings.ContainsRune(s.Dir, 0) {
		return fmt.Errorf("a path holds a NUL byte")
	}
	for i, arg := range s.Args {
		if strings.ContainsRune(arg, 0) {
			return fmt.Errorf("argument %d holds a NUL byte", i+1)
		}
	}
	for i, entry := range s.Env {
		if strings.IndexByte(entry, '=') < 1 {
			return fmt.Errorf("entry %d of the environment is not NAME=VALUE", i+1)
		}
		if strings.ContainsRune(entry, 0) {
			return fmt.Errorf("entry %d of the environment holds a NUL byte", i+1)
		}
	}
	return nil
}
