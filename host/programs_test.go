package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/secret"
	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// shell is a capability to run sh, and the variable GREETING.
var shell = []plugin.Capability{
	{Name: "exec", Values: []string{"sh"}, Reason: "to run"}, {Name: "env", Values: []string{"GREETING"}, Reason: "to greet"},
}

// calling makes a host whose plugin makes the same calls for each page in fetch_one.
func calling(t *testing.T, produces string, caps []plugin.Capability, change func(*host.Config), calls ...string) *host.Host {
	t.Helper()
	builtin := func(p host.Plugin, _ plugin.Manifest) host.Plugin { return p }
	return callingAs(t, builtin, produces, caps, change, calls...)
}

// callingAs is calling with a plugin of a kind.
func callingAs(t *testing.T, kind func(host.Plugin, plugin.Manifest) host.Plugin, produces string, caps []plugin.Capability, change func(*host.Config), calls ...string) *host.Host {
	t.Helper()
	m := source()
	m.Capabilities, m.Produces = caps, produces
	if produces == plugin.ProducesNone {
		m.ContentType = ""
	}
	var list []string
	for _, c := range calls {
		list = append(list, quoted(c))
	}
	return newHost(t, change, kind(scripted(t, m, `{"fetch_one":{"calls":[`+strings.Join(list, ",")+`]}}`), m))
}

// runCall is a call of run/v1 with scripts for sh.
func runCall(key string, finally string, scripts ...string) string {
	r := abi.Run{Key: key, From: "https://user:secret@example.org/x"}
	for _, s := range scripts {
		r.Steps = append(r.Steps, abi.Exec{Program: "sh", Args: []string{"-c", s, "sh", abi.ScratchDir}, Env: []string{"GREETING"}})
	}
	if finally != "" {
		r.Finally = []abi.Exec{{Program: "sh", Args: []string{"-c", finally}}}
	}
	return abi.OpRun + " " + string(r.Append(nil))
}

func TestRunProducesFile(t *testing.T) {
	content := "hello from a program\n"
	item := host.Item{Key: keyOf(content)}
	dir, log := t.TempDir(), &lockedBuffer{}
	mark := filepath.Join(t.TempDir(), "mark")
	h := calling(t, plugin.ProducesFile, shell, func(c *host.Config) {
		logTo(log)(c)
		c.Environ = func(name string) (string, bool) { return "hello", name == "GREETING" || name == "SECRET" }
	}, runCall(item.Key, "echo done > '"+mark+"'",
		`test -z "$SECRET" && test "$PWD" = "$1"`, `echo "$GREETING from a program" > output`))
	wantStates(t, run(t, h, dir, []host.Item{item}), host.Fetched)
	if names := entries(t, dir); fmt.Sprint(names) != fmt.Sprint([]string{item.Key}) {
		t.Errorf("the store holds %v", names)
	}
	if _, err := os.Stat(mark); err != nil {
		t.Errorf("the last program did not run: %v", err)
	}
	wantStates(t, run(t, h, dir, []host.Item{item}), host.Cached)
}

// adversary: A12a, C7a, C7d, C7e
func TestRunFails(t *testing.T) {
	item := host.Item{Key: keyOf("x")}
	for name, c := range map[string]struct {
		script, kind string
		parts        []string
	}{
		"exit status":   {"echo the-reason >&2; exit 3", "failed", []string{"exit status 3", "the-reason"}},
		"wrong bytes":   {"echo other > output", "mismatch", []string{keyOf("other\n"), item.Key}},
		"no output":     {"true", "disk", []string{"output", "no such file"}},
		"a pipe":        {"mkfifo output", "failed", []string{"output", "not a regular file"}},
		"a device":      {"ln -s /dev/zero output", "failed", []string{"output", "not a regular file"}},
		"a folder":      {"mkdir output", "failed", []string{"output", "not a regular file"}},
		"killed":        {"kill -9 $$", "failed", []string{"SIGKILL"}},
		"too long":      {"sleep 600", "timeout", []string{"not done after"}},
		"shows secrets": {"echo the-value-of-the-secret >&2; exit 1", "failed", nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir, mark := t.TempDir(), filepath.Join(t.TempDir(), "mark")
			h := calling(t, plugin.ProducesFile, shell, func(c *host.Config) {
				if c.ProgramTimeout = patience; name == "too long" { // the last program has as much
					c.ProgramTimeout = 3 * time.Second
				}
				c.Secrets = []secret.Spec{{Name: "s", Env: "SECRET", Hosts: []string{"example.org"}}}
				c.Environ = func(name string) (string, bool) { return "the-value-of-the-secret", name == "SECRET" }
			}, runCall(item.Key, "echo done > '"+mark+"'", c.script))
			res := run(t, h, dir, []host.Item{item})
			wantError(t, res.Items[0], c.kind, c.parts...)
			if text := res.Items[0].Err.Error() + res.Items[0].URL; strings.Contains(text, "user:secret") {
				t.Errorf("credentials are shown: %s", text)
			}
			if names := entries(t, dir); len(names) > 0 {
				t.Errorf("the store holds %v", names)
			}
			if _, err := os.Stat(mark); err != nil {
				t.Errorf("the last program did not run: %v", err)
			}
		})
	}
}

// An item that is not stored is there when a program writes what the key names.
func TestRunProducesNothing(t *testing.T) {
	item := host.Item{Key: keyOf("here\n")}
	dir := filepath.Join(t.TempDir(), "store")
	ok := calling(t, plugin.ProducesNone, shell, nil, runCall(item.Key, "", "echo not this", "echo here"))
	wantStates(t, run(t, ok, dir, []host.Item{item}), host.Cached)
	wantStates(t, run(t, ok, dir, []host.Item{item}), host.Cached)
	other := calling(t, plugin.ProducesNone, shell, nil, runCall(item.Key, "", "echo there"))
	wantError(t, run(t, other, dir, []host.Item{item}).Items[0], "mismatch", keyOf("there\n"))
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("a store was made: %v", err)
	}
}

// What is refused before anything runs, with the status that the plugin gets.
//
// adversary: A10e, A10f
func TestProgramsAreChecked(t *testing.T) {
	eachKind(t, nil, testProgramsAreChecked)
}

func testProgramsAreChecked(t *testing.T, kind func(host.Plugin, plugin.Manifest) host.Plugin) {
	key := keyOf("x")
	steps := func(e abi.Exec) string {
		r := abi.Run{Key: key, Steps: []abi.Exec{e}}
		return abi.OpRun + " " + string(r.Append(nil))
	}
	sync := func(e abi.Exec) string { return abi.OpExec + " " + string(e.Append(nil)) }
	many := abi.Run{Key: key, Steps: make([]abi.Exec, 65)}
	for name, c := range map[string]struct{ call, want string }{
		"not requested":      {steps(abi.Exec{Program: "rm"}), `run/v1 -> denied {"kind":"denied","message":"the plugin test does not request exec \"rm\"`},
		"path for a name":    {steps(abi.Exec{Program: "/bin/sh"}), `run/v1 -> denied`},
		"variable":           {sync(abi.Exec{Program: "sh", Env: []string{"HOME"}}), `exec/v1 -> denied {"kind":"denied","message":"the plugin test does not request env \"HOME\"`},
		"NUL":                {steps(abi.Exec{Program: "sh", Args: []string{"a\x00b"}}), `run/v1 -> invalid`},
		"no steps":           {abi.OpRun + ` {"key":"` + key + `"}`, `run/v1 -> invalid`},
		"many steps":         {abi.OpRun + " " + string(many.Append(nil)), `run/v1 -> invalid`},
		"unknown item":       {abi.OpRun + ` {"key":"sha256:0","steps":[{"program":"sh"}]}`, `run/v1 -> invalid`},
		"not there":          {steps(abi.Exec{Program: "there-is-no-such-program"}), `run/v1 -> not found`},
		"output of exec":     {sync(abi.Exec{Program: "sh", Args: []string{"-c", "cat; pwd"}, Stdin: "typed "}), `exec/v1 -> ok typed /`},
		"failure of exec":    {sync(abi.Exec{Program: "sh", Args: []string{"-c", "echo why >&2; exit 7"}}), `why`},
		"image":              {abi.OpCopyImage + ` {"key":"` + key + `","name":"quay.io/x","digest":"` + key + `"}`, `copy-image/v1 -> invalid {"kind":"invalid","message":"copy-image/v1 makes items of the kind image`},
		"list, not granted":  {abi.OpCopyImage + ` {"key":"` + key + `","name":"quay.io/x","index":true}`, `copy-image/v1 -> denied`},
		"list, path outside": {abi.OpCopyImage + ` {"key":"` + key + `","name":"docker.io/team-b/x","index":true}`, `copy-image/v1 -> denied`},
		"list, granted":      {abi.OpCopyImage + ` {"key":"` + key + `","name":"docker.io/team/x","index":true}`, `copy-image/v1 -> ok`},
		"storage":            {abi.OpCopyImage + ` {"key":"` + key + `","name":"docker.io/team/x","index":true,"transport":"containers-storage"}`, `copy-image/v1 -> denied`},
		"name with a tag":    {abi.OpCopyImage + ` {"key":"` + key + `","name":"docker.io/team/x:1","index":true}`, `copy-image/v1 -> invalid`},
	} {
		t.Run(name, func(t *testing.T) {
			log := &lockedBuffer{}
			caps := append([]plugin.Capability{
				{Name: "exec", Values: []string{"there-is-no-such-program"}, Reason: "any"},
				{Name: "image", Values: []string{"docker://docker.io/team"}, Reason: "any"},
			}, shell...)
			h := callingAs(t, kind, plugin.ProducesFile, caps, logTo(log), c.call)
			_, err := h.Run(t.Context(), host.Request{Source: testSource, Items: []host.Item{{Key: key}}, Store: t.TempDir(), DryRun: true})
			if err != nil {
				t.Fatal(err)
			}
			if text := strings.ReplaceAll(log.String(), `\"`, `"`); !strings.Contains(strings.ReplaceAll(text, `\\"`, `\"`), c.want) && !strings.Contains(text, c.want) {
				t.Errorf("the log does not say %q:\n%s", c.want, log.String())
			}
		})
	}
}

// A program ends with the run.
func TestRunIsCanceled(t *testing.T) {
	item := host.Item{Key: keyOf("x")}
	started := filepath.Join(t.TempDir(), "started")
	h := calling(t, plugin.ProducesFile, shell, nil, runCall(item.Key, "", "touch '"+started+"'; sleep 600"))
	ctx, cancel := contextUntil(t, started)
	defer cancel()
	within(t, patience, func() {
		res, err := h.Run(ctx, host.Request{Source: testSource, Items: []host.Item{item}, Store: t.TempDir()})
		if err == nil || res == nil {
			t.Fatalf("the run ended with %v, %v", res, err)
		}
		wantError(t, res.Items[0], "canceled")
	})
}

// A program of exec/v1 has a folder of its own, which is removed, together with those of
// dead runs.
func TestExecLeavesNothing(t *testing.T) {
	if _, err := compileCache(); err != nil { // which is made where temporary files are
		t.Fatal(err)
	}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	dead := filepath.Join(tmp, "sourcehost-scratch-dead")
	if err := os.Mkdir(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	log := &lockedBuffer{}
	e := abi.Exec{Program: "sh", Args: []string{"-c", "pwd; ls -A; touch file"}}
	h := calling(t, plugin.ProducesFile, shell, logTo(log), abi.OpExec+" "+string(e.Append(nil)))
	if _, err := h.Run(t.Context(), host.Request{Source: testSource, Items: []host.Item{{Key: keyOf("x")}}, Store: t.TempDir(), DryRun: true}); err != nil {
		t.Fatal(err)
	}
	if want := "exec/v1 -> ok " + tmp + "/sourcehost-scratch-"; !strings.Contains(log.String(), want) {
		t.Errorf("the log does not say %q:\n%s", want, log.String())
	}
	if left, err := os.ReadDir(tmp); len(left) > 0 || err != nil {
		t.Errorf("left: %v, %v", left, err)
	}
}

// Programs that foreign plugins run gain no rights, unless the operator says so.
//
// adversary: A10i
func TestProgramsGainNoPrivileges(t *testing.T) {
	for name, c := range map[string]struct {
		builtin bool
		set     string // the program that may
		want    string
	}{
		"foreign": {false, "", "1"}, "foreign, another allowed": {false, "skopeo", "1"}, "foreign, allowed": {false, "sh", "0"}, "built in": {true, "", "0"},
	} {
		t.Run(name, func(t *testing.T) {
			kind := func(p host.Plugin, m plugin.Manifest) host.Plugin {
				p.Builtin, p.Grant.Exec = c.builtin, []string{"sh"}
				return p
			}
			item := host.Item{Key: keyOf("NoNewPrivs:\t" + c.want + "\n")}
			request := abi.Run{Key: item.Key, Steps: []abi.Exec{{Program: "sh", Args: []string{"-c", "grep NoNewPrivs /proc/self/status"}}}}
			change := func(cfg *host.Config) { cfg.ProgramRules = map[string]host.ProgramRule{c.set: {SetUserID: true}} }
			h := callingAs(t, kind, plugin.ProducesNone, shell[:1], change, abi.OpRun+" "+string(request.Append(nil)))
			wantStates(t, run(t, h, t.TempDir(), []host.Item{item}), host.Cached)
		})
	}
}

// A program that may write to some paths only writes there and to its scratch folder.
//
// adversary: A10k
func TestProgramsWriteWhereTheyMay(t *testing.T) {
	eachKind(t, nil, func(t *testing.T, kind func(host.Plugin, plugin.Manifest) host.Plugin) {
		allowed, other := t.TempDir(), t.TempDir()
		script := "echo x > output; mkdir a; mv output a/o; mv a/o output; echo x > '" + allowed + "/file'; echo x 2>/dev/null > '" + other + "/file' && exit 3; test ! -s /dev/null"
		item := host.Item{Key: keyOf("x\n")}
		request := abi.Run{Key: item.Key, Steps: []abi.Exec{{Program: "sh", Args: []string{"-c", script}}}}
		h := callingAs(t, kind, plugin.ProducesFile, shell, func(cfg *host.Config) {
			cfg.ProgramRules = map[string]host.ProgramRule{"sh": {Writable: []string{allowed}}}
		}, abi.OpRun+" "+string(request.Append(nil)))
		res := run(t, h, t.TempDir(), []host.Item{item})
		if err := res.Items[0].Err; err != nil && strings.Contains(err.Error(), "Landlock") && os.Getenv("CI") == "" {
			t.Skip(err)
		}
		wantStates(t, res, host.Fetched)
		if left, err := os.ReadDir(allowed); len(left) != 1 || err != nil {
			t.Errorf("the program has written %v, %v", left, err)
		}
	})
}

// Nor does the run wait for a file to be read that has no end.
func TestRunOutputIsCanceled(t *testing.T) {
	item := host.Item{Key: keyOf("x")}
	started := filepath.Join(t.TempDir(), "started")
	h := calling(t, plugin.ProducesFile, shell, nil, runCall(item.Key, "touch '"+started+"'", "truncate -s 4T output"))
	ctx, cancel := contextUntil(t, started)
	defer cancel()
	within(t, 10*time.Second, func() {
		res, err := h.Run(ctx, host.Request{Source: testSource, Items: []host.Item{item}, Store: t.TempDir()})
		if err == nil || res == nil {
			t.Fatalf("the run ended with %v, %v", res, err)
		}
		wantError(t, res.Items[0], "canceled")
	})
}
