package main

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/sourcehost/sourcehost/sdk"
	"github.com/sourcehost/sourcehost/sdk/sdktest"
)

const (
	id  = "0000000000000000000000000000000000000000000000000000000000000000"
	key = "sha256:" + id
)

// asked returns the reference that skopeo is asked for.
func asked(t *testing.T, files fstest.MapFS) (string, *sdk.Error) {
	t.Helper()
	h := &sdktest.Host{FS: files}
	out := sdktest.FetchOne(t, newPlugin(), h, sdktest.Item{Key: key, Desc: `{}`})
	if out.Err != nil {
		return "", out.Err
	}
	if len(h.Runs) != 1 || len(h.Runs[0].Steps) != 1 || h.Runs[0].Key != key {
		t.Fatalf("asked for %+v", h.Runs)
	}
	step := h.Runs[0].Steps[0]
	if diff := cmp.Diff([]string{"inspect", "--raw", "--config"}, step.Args[:3]); diff != "" || step.Program != "skopeo" {
		t.Errorf("%s: %s", step.Program, diff)
	}
	return step.Args[3], nil
}

func file(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }

func TestStorage(t *testing.T) {
	const etc, share = "etc/containers/storage.conf", "usr/share/containers/storage.conf"
	for name, test := range map[string]struct {
		files fstest.MapFS
		want  string
	}{
		"none":  {nil, "[overlay@/var/lib/containers/storage+/run/containers/storage]"},
		"share": {fstest.MapFS{share: file("[storage]\ngraphroot = '/g'\n")}, "[overlay@/g+/run/containers/storage]"},
		"etc wins": {fstest.MapFS{share: file("[storage]\ngraphroot = '/g'\n"), etc: file("[storage]\ndriver=\"vfs\"\n")},
			"[vfs@/var/lib/containers/storage+/run/containers/storage]"},
		"other tables": {fstest.MapFS{etc: file("driver = \"a\"\n[other]\ndriver = \"b\"\n[storage] # here\n  runroot = \"/r\" # why\n#driver = \"c\"\n[storage.options]\ngraphroot = \"/no\"\n")},
			"[overlay@/var/lib/containers/storage+/r]"},
		"empty": {fstest.MapFS{etc: file("[storage]\ndriver = \"\"\ngraphroot = 7\n")},
			"[overlay@/var/lib/containers/storage+/run/containers/storage]"},
	} {
		got, err := asked(t, test.files)
		if err != nil || got != "containers-storage:"+test.want+"@"+id {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for conf, part := range map[string]string{
		"[storage]\ngraphroot = \"relative\"\n": "the folder relative",
		"[storage]\nrunroot = \"/a]b\"\n":       "the folder /a]b",
		"[storage]\ndriver = \"x@y\"\n":         "the driver x@y",
	} {
		if _, err := asked(t, fstest.MapFS{etc: file(conf)}); err == nil || err.Kind != sdk.ErrInvalid || !strings.Contains(err.Message, part) {
			t.Errorf("%q: %v", conf, err)
		}
	}
}

func TestNotInstalled(t *testing.T) {
	err := explain(&sdk.Error{Kind: sdk.ErrNotFound, Message: "skopeo: there is no such program"})
	if err == nil || !strings.Contains(err.Error(), "install the package skopeo") {
		t.Error(err)
	}
	other := &sdk.Error{Kind: sdk.ErrDenied, Message: "no"}
	if err := explain(other); err != other {
		t.Error(err)
	}
}

// A configuration of any content makes a reference that is one argument and names
// the image, or an error.
func FuzzStorageConf(f *testing.F) {
	f.Add("[storage]\ndriver = \"vfs\"\ngraphroot = '/g'\n")
	f.Fuzz(func(t *testing.T, conf string) {
		got, err := asked(t, fstest.MapFS{"etc/containers/storage.conf": file(conf)})
		if err != nil {
			return
		}
		spec, found := strings.CutSuffix(got, "]@"+id)
		if !found || strings.Count(spec, "[") != 1 || strings.Count(spec, "]") != 0 || strings.Count(spec, "@") != 1 || strings.Count(spec, "+") != 1 {
			t.Errorf("%q makes %q", conf, got)
		}
	})
}
