package main

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/config"
	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/secret"
)

func TestCacheDir(t *testing.T) {
	home := t.TempDir()
	for _, c := range []struct {
		env        map[string]string
		configured string
		want       string
	}{
		{map[string]string{envCache: "/e", "HOME": home}, "/c", "/e"},
		{map[string]string{envCache: "", "HOME": home}, "/c", ""},
		{map[string]string{"HOME": home, "XDG_CACHE_HOME": "/x"}, "/c", "/c"},
		{map[string]string{"HOME": home, "XDG_CACHE_HOME": "/x"}, "", "/x/sourcehost"},
		{map[string]string{"HOME": home, "XDG_CACHE_HOME": "relative"}, "", home + "/.cache/sourcehost"},
		{map[string]string{"HOME": home}, "", home + "/.cache/sourcehost"},
	} {
		a := &app{env: func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }}
		if diff := cmp.Diff(c.want, a.cacheDir(c.configured)); diff != "" {
			t.Errorf("%v, configured %q: %s", c.env, c.configured, diff)
		}
	}
	a := &app{env: func(string) (string, bool) { return "", false }}
	if got := a.cacheDir(""); got != "" && got != systemCache {
		t.Errorf("without a home folder it is %q", got)
	}
}

// Flags win over the environment, and the environment over the file.
func TestPrecedence(t *testing.T) {
	needPlugins(t)
	path := filepath.Join(t.TempDir(), "sourcehost.toml")
	if err := os.WriteFile(path, []byte("workers = 3\nroot = \"/sysroot\"\n[limits]\nlog_lines = 5\n[download]\nper_host = 7\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	type settings struct {
		Workers int
		Store   string
	}
	for _, c := range []struct {
		env  map[string]string
		args []string
		want settings
	}{
		{nil, nil, settings{3, ".osbuild"}},
		{map[string]string{envWorkers: "4", envStore: "/env"}, nil, settings{4, "/env"}},
		{map[string]string{envWorkers: "4", envStore: "/env"}, []string{"--workers", "5", "--store", "/flag"}, settings{5, "/flag"}},
		{map[string]string{envWorkers: "", envStore: ""}, nil, settings{3, ".osbuild"}},
	} {
		a := &app{configPath: path, env: func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }}
		var f fetchFlags
		cmd := a.fetchCommandWith(&f)
		if err := cmd.ParseFlags(c.args); err != nil {
			t.Fatal(err)
		}
		cfg, err := a.fetchConfig(cmd, &f)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, settings{cfg.Workers, f.store}); diff != "" {
			t.Errorf("environment %v, arguments %v: %s", c.env, c.args, diff)
		}
		checkFile(t, cfg)
	}
}

// checkFile looks for what only the file says.
func checkFile(t *testing.T, cfg host.Config) {
	t.Helper()
	if cfg.Root != "/sysroot" || cfg.Limits.LogLines != 5 || cfg.Download.PerHost != 7 {
		t.Errorf("root %q, log lines %d, connections per host %d", cfg.Root, cfg.Limits.LogLines, cfg.Download.PerHost)
	}
}

// TestFileReachesTheHost: what the file says about containers, programs, grants
// and the config of plugins arrives, field by field.
func TestFileReachesTheHost(t *testing.T) {
	needPlugins(t)
	path, err := filepath.Abs("../../host/config/testdata/sourcehost.toml")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{configPath: path, env: func(string) (string, bool) { return "", false }}
	cfg, err := a.hostConfig()
	if err != nil {
		t.Fatal(err)
	}
	want := container.Config{
		Engine: "skopeo", Policy: "accept-anything", PolicyFile: "/etc/containers/policy.json", AuthFile: filepath.Join(filepath.Dir(path), "auth.json"),
		RegistriesConf: "/etc/containers/registries.conf", RegistriesDir: "/etc/containers/registries.d", CertsDir: "/etc/containers/certs.d", MaxAttempts: 3,
	}
	got := cfg.Container
	got.Environ = nil
	if diff := cmp.Diff(want, got); diff != "" || cfg.ImageFormat != "docker-archive" {
		t.Errorf("format %q, %s", cfg.ImageFormat, diff)
	}
	if diff := cmp.Diff(map[string]string{"skopeo": "/usr/local/bin/skopeo", "acme-helper": "/usr/libexec/acme-helper"}, cfg.Programs); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]host.ProgramRule{"acme-helper": {SetUserID: true, Writable: []string{"/var/cache/acme"}}}, cfg.ProgramRules); diff != "" {
		t.Error(diff)
	}
	for _, p := range cfg.Plugins {
		switch p.Name {
		case "curl":
			if string(p.Config) != "{}" || !p.Builtin {
				t.Errorf("the built-in plugin got %s", p.Config)
			}
		case "acme-auth":
			if len(p.Grant.Image) != 2 || len(p.Grant.Exec) != 2 || !p.Grant.Clock || len(p.Config) == 0 {
				t.Errorf("the plugin got %+v", p)
			}
		}
	}
	if i := slices.IndexFunc(cfg.Secrets, func(s secret.Spec) bool { return s.Name == "vault-token" }); i < 0 || len(cfg.Secrets[i].Command) != 5 {
		t.Errorf("secrets: %+v", cfg.Secrets)
	}
}

// TestDefaults: every key whose default is a value has it in the table of
// defaults.
func TestDefaults(t *testing.T) {
	file := &config.File{}
	without := map[string]bool{
		"cache_dir": true, "policy": true, "policy_file": true, "auth_file": true, "registries_conf": true, "registries_dir": true, "certs_dir": true, "skopeo": true,
	}
	for _, s := range file.Settings(defaults()) {
		if (s.Value == nil) != without[s.Key] {
			t.Errorf("%v %s: the default is %v", s.Table, s.Key, s.Value)
		}
	}
}
