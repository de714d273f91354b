package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// write puts files into a folder of the test and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDropInDir(t *testing.T) {
	for path, want := range map[string]string{DefaultPath: "/etc/sourcehost/sourcehost.d", "x.toml": "x.d", "/a/conf": "/a/conf.d"} {
		if got := DropInDir(path); got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestDropIns(t *testing.T) {
	dir := write(t, map[string]string{
		"s.toml": "workers = 1\n[download]\nper_host = 1\nmax_attempts = 1\n[source.a]\nprepare = [\"p\", \"q\"]\n" +
			"[plugin.p]\npath = \"p.wasm\"\n[plugin.p.config]\nrealm = \"a\"\n[plugin.p.config.deep]\nx = 1\ny = 1\n[secret.t]\nfile = \"t\"\nhosts = [\"h\"]\n",
		"s.d/20-last.toml":  "workers = 3\n[source.a]\nprepare = [\"q\"]\n[plugin.p.config]\ndeep.y = 3\nlist = [{a = 1}]\n",
		"s.d/10-first.toml": "workers = 2\n[download]\nper_host = 2\n[plugin.q]\npath = \"q.wasm\"\n[secret.t]\nenv = \"T\"\n",
		"s.d/.hidden.toml":  "nonsense",
		"s.d/README":        "nonsense",
		"s.d/old.toml.bak":  "nonsense",
	})
	main := filepath.Join(dir, "s.toml")
	f, err := Load(main)
	if err != nil {
		t.Fatal(err)
	}
	first, last := filepath.Join(dir, "s.d/10-first.toml"), filepath.Join(dir, "s.d/20-last.toml")
	want := &File{
		Path: main, Files: []string{main, first, last}, Workers: 3,
		Download: Download{PerHost: 2, MaxAttempts: 1},
		Source:   map[string]Source{"a": {Prepare: []string{"q"}}},
		Plugin: map[string]Plugin{
			"p": {Path: filepath.Join(dir, "p.wasm"), Config: map[string]any{
				"realm": "a", "deep": map[string]any{"x": int64(1), "y": int64(3)}, "list": []any{map[string]any{"a": int64(1)}}}},
			"q": {Path: filepath.Join(dir, "s.d/q.wasm")}, // relative to the file that says so
		},
		Secret: map[string]Secret{"t": {Env: "T", Hosts: []string{"h"}}},
	}
	places := f.Places
	f.Places = nil
	if diff := cmp.Diff(want, f); diff != "" {
		t.Error(diff)
	}
	for way, want := range map[string]Place{
		"workers":                {last, 1, 1},
		"download":               {main, 2, 2},
		"download/per_host":      {first, 3, 1},
		"download/max_attempts":  {main, 4, 1},
		"source/a/prepare/0":     {last, 3, 12},
		"plugin/p/config/deep/x": {main, 12, 1},
		"plugin/p/config/deep/y": {last, 5, 6},
		// The way into what a later file has.
		"plugin/p/config/list/0/a": {last, 6, 10},
		"secret/t/env":             {first, 7, 1},
	} {
		if got, _ := places.Of(strings.Split(way, "/")...); got != want {
			t.Errorf("%s is at %v, want %v", way, got, want)
		}
	}
	if at, ok := places.Of("source", "a", "prepare", "1"); ok {
		t.Errorf("an entry of the list that was replaced is at %v", at)
	}
}

// Every mistake is reported once and in its own file, also where a later file has
// the key right, and in the order in which the files apply.
func TestMistakesInDropIns(t *testing.T) {
	dir := write(t, map[string]string{
		"s.toml":     "workers = \"many\"\n[plugin.p]\nsha256 = \"00\"\n",
		"s.d/a.toml": "workers = 3\nwrokers = 4\n[secret.t]\nhosts = [\"h\"]\n",
		"s.d/b.toml": "[source.s]\nprepare = [\"q\"]\n",
	})
	_, err := Load(filepath.Join(dir, "s.toml"))
	want := strings.ReplaceAll(`DIR/s.toml:1:1: workers: expected an integer, found the string "many"
DIR/s.toml:2:9: plugin "p" has no path; give the .wasm file as path = "..."
DIR/s.toml:3:1: sha256: expected 64 hexadecimal digits, found "00" (2 characters)
DIR/s.d/a.toml:2:1: unknown key "wrokers"; did you mean "workers"?
DIR/s.d/a.toml:3:9: secret "t" has neither file nor env nor command; give one to get it from
DIR/s.d/b.toml:2:12: prepare: there is no plugin "q": no table [plugin.q]; known are: p`, "DIR", dir)
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
	// A file that is not TOML does not hide the mistakes of the others.
	dir = write(t, map[string]string{"s.toml": "workers = 0\n", "s.d/a.toml": "[\n", "s.d/b.toml": "x = 1\n"})
	_, err = Load(filepath.Join(dir, "s.toml"))
	for _, want := range []string{"s.toml:1:1: workers", "a.toml:1:2: not valid TOML", "b.toml:1:1: unknown key"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
}

func TestDropInsWithoutMainFile(t *testing.T) {
	dir := write(t, map[string]string{"s.d/a.toml": "workers = 7\n"})
	main := filepath.Join(dir, "s.toml")
	if _, err := Load(main); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file that was named: %v", err)
	}
	f, err := load(main, false, nil)
	if err != nil || f.Path != "" || f.Workers != 7 || len(f.Files) != 1 {
		t.Errorf("got %+v, %v", f, err)
	}
}

func TestDropInsThatCannotBeRead(t *testing.T) {
	dir := write(t, map[string]string{"s.toml": "", "s.d/a.toml/x": "", "t.toml": "", "t.d": ""})
	if _, err := Load(filepath.Join(dir, "s.toml")); err == nil || !strings.Contains(err.Error(), "a.toml is not a regular file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := Load(filepath.Join(dir, "t.toml")); err == nil || !strings.Contains(err.Error(), "t.d: not a directory") {
		t.Errorf("a file in place of the folder: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "s.d/a.toml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "nothing"), filepath.Join(dir, "s.d/a.toml")); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(filepath.Join(dir, "s.toml")); err == nil || !strings.Contains(err.Error(), "s.d/a.toml: no such file") {
		t.Errorf("a link to nothing: %v", err)
	}
}

func TestBelongs(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for file, want := range map[string]bool{
		"main.toml": true, "./main.toml": true, dir + "/main.toml": true, "main.d/a.toml": true, dir + "/main.d/a.toml": true,
		"other.toml": false, "main.d": false, "main.d/a.tmol": false, "main.d/.a.toml": false, "main.d/x/a.toml": false, "mian.d/a.toml": false,
	} {
		if Belongs(file, dir+"/main.toml") != want || Belongs(file, "main.toml") != want {
			t.Errorf("%s: want %v", file, want)
		}
	}
}
