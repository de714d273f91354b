package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// libdir makes a library folder of osbuild.
func (s *sandbox) libdir(name string) string {
	s.t.Helper()
	dir := filepath.Join(s.dir, name)
	s.write(filepath.Join(dir, "sources", "org.osbuild.curl"), []byte("#!/usr/bin/python3\nraise SystemExit(\"the old source\")\n"))
	s.write(filepath.Join(dir, "stages", "org.osbuild.rpm"), []byte("#!/usr/bin/python3\n"))
	return dir
}

// run runs a command that must succeed.
func (s *sandbox) run(args ...string) {
	s.t.Helper()
	cmd := exec.Command(built.program, args...)
	cmd.Env, cmd.Dir = s.env, filepath.Join(s.dir, "cwd")
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// However it is installed, osbuild starts the program and gets its files.
func TestOsbuildInstalled(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newCA(t, "ca"))
	k := n.put("file", content("file", 3000))
	for _, c := range []struct {
		version int
		args    []string
	}{
		{56, nil}, {104, []string{"--link", "copy"}}, {112, []string{"--link", "hard"}},
		{113, nil}, {150, []string{"--link", "copy"}}, {191, []string{"--shadow", "shadow"}},
	} {
		t.Run(fmt.Sprint("v", c.version, c.args), func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t)
			dir := s.libdir("lib")
			args := append([]string{"osbuild", "install", "--libdir", dir, "--osbuild-version", fmt.Sprint(c.version)}, c.args...)
			if c.args != nil && c.args[0] == "--shadow" {
				dir = filepath.Join(s.dir, "shadow")
				args[len(args)-1] = dir
			}
			s.run(args...)
			s.run("osbuild", "status", "--libdir", dir, "--osbuild-version", fmt.Sprint(c.version))
			source := object{"executable": filepath.Join(dir, "sources", "org.osbuild.curl")}
			call := s.download(items{k: n.url(n.plain, "file")})
			r := s.osbuildWith(source, c.version, "org.osbuild.curl", call, call, s.download(items{key(nil): n.url(n.plain, "none")}))
			r.succeeded(0, 1)
			r.failed(2, c.version, "404")
			s.holds(k)
			s.run("osbuild", "uninstall", "--libdir", dir)
			if _, err := os.Lstat(filepath.Join(s.dir, "lib", "sourcehost")); !os.IsNotExist(err) {
				t.Errorf("something is left: %v", err)
			}
		})
	}
}
