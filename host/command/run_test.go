package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sh makes a Spec of a script for /bin/sh.
func sh(t *testing.T, script string, args ...string) Spec {
	t.Helper()
	return Spec{Program: "/bin/sh", Args: append([]string{"-c", script, "sh"}, args...), Dir: t.TempDir(), Timeout: patience}
}

func mustRun(t *testing.T, spec Spec) string {
	t.Helper()
	result, err := Run(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if result.Duration <= 0 {
		t.Errorf("it took %v", result.Duration)
	}
	return string(result.Stdout)
}

func mustFail(t *testing.T, ctx context.Context, spec Spec, kind Kind) *Error {
	t.Helper()
	result, err := Run(ctx, spec)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v (%T), want an *Error", err, err)
	}
	if e.Kind != kind || e.Err == nil {
		t.Fatalf("got kind %q (%v), want %q", e.Kind, err, kind)
	}
	if result.Stdout != nil {
		t.Errorf("output of a program that failed: %q", result.Stdout)
	}
	if e.Program != spec.Program || len(e.Args) != len(spec.Args) {
		t.Errorf("the error names %q %q", e.Program, e.Args)
	}
	return e
}

// pids reads the process ids that a script has written to files of that name.
func pids(t *testing.T, spec Spec, pattern string) []int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(spec.Dir, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v, %v", pattern, files, err)
	}
	var all []int
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, pid)
		}
	}
	return all
}

// wantDead asserts that processes are gone, but for those that wait to be reaped by
// init, which are nobody's fault here.
func wantDead(t *testing.T, ids ...int) {
	t.Helper()
	for _, pid := range ids {
		if st, ok := readStatus(strconv.Itoa(pid)); ok && st.state != 'Z' && st.state != 'X' {
			t.Errorf("process %d lives: %+v", pid, st)
		}
	}
}

func TestOutput(t *testing.T) {
	if got := mustRun(t, sh(t, `echo "$1-$2"; echo noise >&2`, "a b", "$c")); got != "a b-$c\n" {
		t.Errorf("got %q", got)
	}
}

func TestEnvironmentAndFolder(t *testing.T) {
	t.Setenv("SOURCEHOST_COMMAND_TEST", "of the host")
	spec := Spec{Program: "/usr/bin/env", Timeout: patience}
	if got := mustRun(t, spec); got != "" {
		t.Errorf("the environment is not empty: %q", got)
	}
	spec.Env = []string{"A=1", "B=x=y"}
	if got := mustRun(t, spec); got != "A=1\nB=x=y\n" {
		t.Errorf("got %q", got)
	}
	spec = sh(t, "pwd -P")
	spec.Dir = "/usr"
	if got := mustRun(t, spec); got != "/usr\n" {
		t.Errorf("got %q", got)
	}
	spec.Dir = ""
	if got := mustRun(t, spec); got != "/\n" {
		t.Errorf("got %q", got)
	}
}

// adversary: A10f
func TestInvalid(t *testing.T) {
	marker := filepath.Join(t.TempDir(), "ran")
	for name, spec := range map[string]Spec{
		"relative program":     {Program: "touch", Args: []string{marker}},
		"relative with slash":  {Program: "./touch", Args: []string{marker}},
		"no program":           {Args: []string{marker}},
		"NUL in an argument":   {Program: "/usr/bin/touch", Args: []string{marker + "\x00x"}},
		"NUL in the program":   {Program: "/usr/bin/touch\x00x", Args: []string{marker}},
		"NUL in the folder":    {Program: "/usr/bin/touch", Args: []string{marker}, Dir: "/tmp\x00"},
		"relative folder":      {Program: "/usr/bin/touch", Args: []string{marker}, Dir: "tmp"},
		"NUL in environment":   {Program: "/usr/bin/touch", Args: []string{marker}, Env: []string{"A=b\x00c"}},
		"environment: no name": {Program: "/usr/bin/touch", Args: []string{marker}, Env: []string{"=b"}},
		"environment: no =":    {Program: "/usr/bin/touch", Args: []string{marker}, Env: []string{"secret"}},
	} {
		e := mustFail(t, t.Context(), spec, KindInvalid)
		if strings.Contains(e.Error(), "\x00") || strings.Contains(e.Error(), "secret") {
			t.Errorf("%s: error %q", name, e)
		}
		if _, err := os.Lstat(marker); err == nil {
			t.Fatalf("%s: the program was run", name)
		}
	}
}

func TestExitStatus(t *testing.T) {
	spec := sh(t, `echo one >&2; echo two >&2; printf 'three\033[2J' >&2; exit 3`)
	e := mustFail(t, t.Context(), spec, KindFailed)
	if e.ExitCode != 3 || e.Signal != "" || e.Tail != "one\ntwo\nthree\uFFFD[2J" {
		t.Errorf("got %+v", e)
	}
	if text := e.Error(); !strings.HasPrefix(text, "/bin/sh -c ") || !strings.HasSuffix(text, "exit status 3:\n\tone\n\ttwo\n\tthree\uFFFD[2J") {
		t.Errorf("got %q", text)
	}
}

// adversary: C7d
func TestDiedBySignal(t *testing.T) {
	for signal, hint := range map[string]bool{"SEGV": false, "KILL": true} {
		e := mustFail(t, t.Context(), sh(t, "kill -"+signal+" $$"), KindFailed)
		if e.Signal != "SIG"+signal || e.ExitCode != -1 || (e.Hint != "") != hint {
			t.Errorf("got %+v", e)
		}
	}
}

func TestCannotStart(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct {
		spec Spec
		kind Kind
		text string
	}{
		{Spec{Program: dir + "/missing"}, KindNotFound, "install"},
		{Spec{Program: "/bin/true", Dir: dir + "/missing"}, KindFailed, "folder to run in"},
		{Spec{Program: write("lost", "#!/missing/interpreter\n", 0o755)}, KindFailed, "interpreter"},
		{Spec{Program: write("data", "\x01\x02", 0o755)}, KindFailed, "no program for this machine"},
		{Spec{Program: write("plain", "#!/bin/sh\n", 0o644)}, KindFailed, "executable"},
		{Spec{Program: dir}, KindFailed, "executable"},
	} {
		if e := mustFail(t, t.Context(), test.spec, test.kind); !strings.Contains(e.Error()+e.Hint, test.text) {
			t.Errorf("%v (%s) does not say %q", e, e.Hint, test.text)
		}
	}
}

func TestStdin(t *testing.T) {
	if got := mustRun(t, Spec{Program: "/bin/cat"}); got != "" {
		t.Errorf("read %q from nothing", got)
	}
	text := strings.Repeat("0123456789abcdef", 1<<16) // more than a pipe holds
	if got := mustRun(t, Spec{Program: "/bin/cat", Stdin: strings.NewReader(text)}); got != text {
		t.Errorf("got %d bytes, want %d", len(got), len(text))
	}
	// A program that does not want its input.
	mustRun(t, Spec{Program: "/bin/true", Stdin: strings.NewReader(text)})
}

type reader func(p []byte) (int, error)

func (r reader) Read(p []byte) (int, error) { return r(p) }

func TestStdinFails(t *testing.T) {
	broken := errors.New("broken")
	spec := Spec{Program: "/bin/cat", Stdin: reader(func([]byte) (int, error) { return 0, broken })}
	if e := mustFail(t, t.Context(), spec, KindFailed); !errors.Is(e, broken) {
		t.Errorf("got %v", e)
	}
}

// TestStdinHangs has a reader that never returns: Run does not wait for it.
func TestStdinHangs(t *testing.T) {
	block := make(chan struct{})
	defer close(block)
	mustRun(t, Spec{Program: "/bin/true", Stdin: reader(func([]byte) (int, error) { <-block; return 0, nil })})
}

// TestTimeout has a program that ignores SIGTERM run into its time-out. It must have come
// to ignore it by then: on a busy machine it is given more time.
//
// adversary: C7a
func TestTimeout(t *testing.T) {
	for timeout := 300 * time.Millisecond; ; timeout *= 4 {
		spec := sh(t, `trap '' TERM; echo stuck >&2; echo $$ > tmp; mv tmp pid; while :; do sleep 100; done`)
		spec.Timeout, spec.Grace = timeout, 50*time.Millisecond
		e := mustFail(t, t.Context(), spec, KindTimeout)
		if !errors.Is(e, context.DeadlineExceeded) || !strings.Contains(e.Error(), timeout.String()) {
			t.Errorf("got %v", e)
		}
		if _, err := os.Stat(filepath.Join(spec.Dir, "pid")); err != nil && timeout < patience {
			continue
		}
		if e.Tail != "stuck" {
			t.Errorf("got the output %q", e.Tail)
		}
		wantDead(t, pids(t, spec, "pid")...)
		return
	}
}

func TestContextDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	e := mustFail(t, ctx, sh(t, "sleep 100"), KindTimeout)
	if !errors.Is(e, context.DeadlineExceeded) {
		t.Errorf("got %v", e)
	}
}

// TestGrace lets a program clean up after SIGTERM. It has half a second at most, in which a
// busy machine may not get to it: it has several chances.
func TestGrace(t *testing.T) {
	for range 10 {
		spec := sh(t, `trap 'echo bye > bye; exit 1' TERM; : > ready; sleep 100 & wait`)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { waitFile(t, spec, "ready"); cancel() }()
		mustFail(t, ctx, spec, KindCanceled)
		if _, err := os.Stat(filepath.Join(spec.Dir, "bye")); err == nil {
			return
		}
	}
	t.Error("the program never had the time to end by itself")
}

// patience is how long anything may take before a test gives up.
const patience = time.Minute

// waitFile waits until a script has made a file.
func waitFile(t *testing.T, spec Spec, name string) {
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(filepath.Join(spec.Dir, name)); err == nil {
			return
		}
		if time.Now().After(end) {
			t.Errorf("the script does not make the file %s", name)
			return
		}
	}
}

// TestCancel cancels a tree of processes that ignore SIGTERM, some of which have
// left the session and their parents.
//
// adversary: C7a
func TestCancel(t *testing.T) {
	spec := sh(t, `trap '' TERM
		(sleep 100 & echo $! > pid.1; wait) &
		setsid sh -c 'trap "" TERM; echo $$ > pid.2; : > ready; sleep 100; :' > /dev/null 2>&1 < /dev/null &
		echo $$ > pid.3
		while :; do sleep 100; done`)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	go func() { waitFile(t, spec, "ready"); cancel(why) }()
	e := mustFail(t, ctx, spec, KindCanceled)
	if !errors.Is(e, why) {
		t.Errorf("got %v", e)
	}
	wantDead(t, pids(t, spec, "pid.*")...)
	if e := mustFail(t, ctx, spec, KindCanceled); !errors.Is(e, why) { // cancelled from the start
		t.Errorf("got %v", e)
	}
}

// TestGrandchildren lets a program succeed that leaves processes behind: in its
// session, and a daemon that has left session, parent, environment and output.
//
// adversary: C7c
func TestGrandchildren(t *testing.T) {
	spec := sh(t, `sleep 100 & echo $! > pid.1
		(env -i setsid sh -c 'echo $$ > pid.2; : > ready; sleep 100; :' < /dev/null > /dev/null 2>&1 &)
		while ! [ -e ready ]; do sleep 0.01; done
		echo done`)
	if got := mustRun(t, spec); got != "done\n" {
		t.Errorf("got %q", got)
	}
	wantDead(t, pids(t, spec, "pid.*")...)
}

// TestOutputHeld has a daemon hold the output open: it does not keep Run waiting.
func TestOutputHeld(t *testing.T) {
	spec := sh(t, `setsid sh -c 'echo $$ > pid; : > ready; sleep 100; :' &
		while ! [ -e ready ]; do sleep 0.01; done; echo done`)
	if got := mustRun(t, spec); got != "done\n" {
		t.Errorf("got %q", got)
	}
	wantDead(t, pids(t, spec, "pid")...)
}

// TestForkBomb has every process start two others, in its session or in one of
// their own. Nine generations are far beyond the limit, and no danger when this
// test, and with it the limit, fails.
//
// adversary: C7c
func TestForkBomb(t *testing.T) {
	for _, prefix := range []string{"", "setsid "} {
		spec := sh(t, "")
		script := filepath.Join(spec.Dir, "bomb")
		text := fmt.Sprintf(`[ "$1" = xxxxxxxxx ] || for i in 1 2; do %ssh "$0" x$1 & done; sleep 30; :`, prefix)
		if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		spec.Args, spec.MaxProcesses = []string{script}, 40
		if e := mustFail(t, t.Context(), spec, KindLimit); !strings.Contains(e.Error(), "40") {
			t.Errorf("got %v", e)
		}
		for _, st := range processes() {
			if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", st.pid)); strings.Contains(string(line), script) {
				wantDead(t, st.pid)
			}
		}
	}
}

// adversary: C7b
func TestFloods(t *testing.T) {
	spec := sh(t, `exec cat /dev/zero`)
	spec.MaxStdout = 1 << 20
	if e := mustFail(t, t.Context(), spec, KindLimit); !strings.Contains(e.Error(), "1048576 bytes to its standard output") {
		t.Errorf("got %v", e)
	}
	spec = sh(t, `exec cat /dev/zero >&2`)
	if e := mustFail(t, t.Context(), spec, KindLimit); !strings.Contains(e.Error(), "standard error") || len(e.Tail) > 100 {
		t.Errorf("got %v", e)
	}
	// One that is over before the limit is noticed.
	spec = sh(t, `echo 12345`)
	spec.MaxStdout = 5
	mustFail(t, t.Context(), spec, KindLimit)
	spec.MaxStdout = 6
	mustRun(t, spec)
}

// TestNothingLeaks runs programs in every way they can end and counts what is left.
func TestNothingLeaks(t *testing.T) {
	count := func() (fds, children int) {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range processes() {
			if st.parent == os.Getpid() {
				children++
			}
		}
		return len(names), children
	}
	all := func() {
		mustRun(t, Spec{Program: "/bin/true", Stdin: strings.NewReader("x")})
		mustFail(t, t.Context(), Spec{Program: "/nowhere/x", Stdin: strings.NewReader("x")}, KindNotFound)
		mustFail(t, t.Context(), sh(t, "exit 1"), KindFailed)
		spec := sh(t, "sleep 100")
		spec.Timeout = 20 * time.Millisecond
		mustFail(t, t.Context(), spec, KindTimeout)
		spec = sh(t, "exec cat /dev/zero")
		spec.MaxStdout = 10
		mustFail(t, t.Context(), spec, KindLimit)
	}
	all() // what the runtime opens once
	fds, children := count()
	for range 3 {
		all()
	}
	if f, c := count(); f > fds || c > children {
		t.Errorf("%d descriptors and %d children, before %d and %d", f, c, fds, children)
	}
}

func TestSession(t *testing.T) {
	spec := sh(t, `read -r pid name state ppid pgrp session rest < /proc/self/stat; echo $pid $pgrp $session`)
	words := strings.Fields(mustRun(t, spec))
	if len(words) != 3 || words[0] != words[1] || words[0] != words[2] {
		t.Errorf("process, group, session: %q", words)
	}
	if sid, err := unix.Getsid(0); err != nil || words[2] == strconv.Itoa(sid) {
		t.Errorf("it runs in our session: %v", err)
	}
}
