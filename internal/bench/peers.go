package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// contender is a program that can fetch the files of a case.
type contender struct {
	name    string
	version string
	missing string // what to install, when it cannot be run
	// takesPart tells whether the case is for it.
	takesPart func(c benchCase) bool
	// commands fetch a job's files into dir.
	commands func(b *bench, j *job, dir string) ([]*exec.Cmd, error)
	// files is where they are then, beneath dir.
	files string
}

// job is what the runs of one case have in common.
type job struct {
	benchCase
	base     string // URL of the folder with the files
	served   []served
	dir      string // for what contenders need beside their results
	manifest string
	cache    string // compiled plugins
	store    string // for cached runs
	heavy    bool
	leftover []string
}

// heavyFiles is from how few files on what a run leaves is removed at once.
const heavyFiles = 20

func (b *bench) newJob(c benchCase, files []served, base string) (*job, error) {
	dir, err := b.newFolder()
	if err != nil {
		return nil, err
	}
	j := &job{benchCase: c, base: base, served: files, dir: dir, cache: filepath.Join(b.dir, "cache"),
		manifest: filepath.Join(dir, "manifest.json"), store: filepath.Join(dir, "store"), heavy: len(files) < heavyFiles}
	items := make(map[string]any, len(files))
	for _, f := range files {
		items["sha256:"+f.SHA256] = map[string]string{"url": base + f.Name}
	}
	data, err := json.Marshal(map[string]any{"version": "2", "pipelines": []any{},
		"sources": map[string]any{"org.osbuild.curl": map[string]any{"items": items}}})
	if err != nil {
		return nil, err
	}
	return j, os.WriteFile(j.manifest, data, 0o644)
}

// complete checks that a run has left every file, whole.
func (j *job) complete(p *contender, dir string) error {
	var want, got int64
	for _, f := range j.served {
		want += f.Size
	}
	n := 0
	folder := filepath.Join(dir, p.files)
	if j.mode == cachedRun {
		folder = filepath.Join(j.store, p.files)
	}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			got, n = got+info.Size(), n+1
		}
		return err
	})
	if err != nil {
		return err
	}
	if n != len(j.served) || got != want {
		return fmt.Errorf("left %d files with %d bytes, not %d with %d", n, got, len(j.served), want)
	}
	return nil
}

func findPeers(b *bench) []*contender {
	all := []*contender{
		{name: "sourcehost", version: version(b.bin, "version"), files: "sources",
			takesPart: func(benchCase) bool { return true },
			commands:  func(b *bench, j *job, dir string) ([]*exec.Cmd, error) { return sourcehost(b.bin, j, dir) }},
		{name: "unsynced", version: "sourcehost that never syncs", files: "sources",
			takesPart: func(c benchCase) bool { return c.mode == durableRun },
			commands:  func(b *bench, j *job, dir string) ([]*exec.Cmd, error) { return sourcehost(b.unsynced, j, dir) }},
		{name: "second run", version: "sourcehost, plugins compiled before", files: "sources",
			takesPart: func(c benchCase) bool { return c.mode == firstRun },
			commands: func(b *bench, j *job, dir string) ([]*exec.Cmd, error) {
				second := *j
				second.mode = plainRun
				return sourcehost(b.bin, &second, dir)
			}},
		{name: "curl", takesPart: plainOver(overHTTP, overHTTP1, overHTTP2), commands: curl("--http1.1")},
		{name: "curl http2", takesPart: plainOver(overHTTP2), commands: curl("--http2")},
		{name: "curl+sha256sum", takesPart: func(c benchCase) bool { return c.load.name == realistic.name }, commands: curlAndDigest},
		{name: "aria2c", takesPart: plainOver(overHTTP, overHTTP1, overHTTP2), commands: aria2c},
	}
	if _, err := os.Stat(b.unsynced); err != nil {
		all[1].missing = "make " + filepath.Base(b.unsynced)
	}
	for _, p := range all[3:] {
		program, _, _ := strings.Cut(p.name, " ")
		program, _, _ = strings.Cut(program, "+")
		if _, err := exec.LookPath(program); err != nil {
			p.missing = "install " + strings.Replace(program, "aria2c", "aria2", 1)
		}
		p.version = version(program, "--version")
	}
	return all
}

// plainOver is for peers that take part in ordinary runs over these protocols.
func plainOver(protocols ...protocol) func(benchCase) bool {
	return func(c benchCase) bool {
		for _, p := range protocols {
			if c.mode == plainRun && c.proto == p {
				return true
			}
		}
		return false
	}
}

// version is the first line that a program prints about itself.
func version(program, flag string) string {
	out, err := exec.Command(program, flag).Output()
	if err != nil {
		return "unknown version"
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if words := strings.Fields(line); len(words) > 3 {
		line = strings.Join(words[:2], " ")
	}
	return line
}

func sourcehost(bin string, j *job, dir string) ([]*exec.Cmd, error) {
	store, cache := dir, j.cache
	switch j.mode {
	case cachedRun:
		store = j.store
	case firstRun:
		cache = filepath.Join(dir, "cache")
	}
	cmd := exec.Command(bin, "fetch", "--progress", "none", "--store", store, j.manifest)
	cmd.Env = append(os.Environ(), "SOURCEHOST_CACHE="+cache, "SOURCEHOST_CONFIG=", "SSL_CERT_FILE="+caFile(j.dir))
	return []*exec.Cmd{cmd}, nil
}

// curl is `curl --parallel` as it comes: 50 transfers at once, nothing verified.
func curl(protocol string) func(*bench, *job, string) ([]*exec.Cmd, error) {
	return func(_ *bench, j *job, dir string) ([]*exec.Cmd, error) {
		var config strings.Builder
		for _, f := range j.served {
			fmt.Fprintf(&config, "url = \"%s%s\"\noutput = \"%s\"\n", j.base, f.Name, filepath.Join(dir, f.Name))
		}
		path := filepath.Join(j.dir, "curl.conf")
		if err := os.WriteFile(path, []byte(config.String()), 0o644); err != nil {
			return nil, err
		}
		return []*exec.Cmd{exec.Command("curl", "-q", "--silent", "--show-error", "--fail", "--parallel", protocol,
			"--cacert", caFile(j.dir), "--config", path)}, nil
	}
}

// curlAndDigest also does what sourcehost does for whoever fetches with curl.
func curlAndDigest(b *bench, j *job, dir string) ([]*exec.Cmd, error) {
	cmds, err := curl("--http1.1")(b, j, dir)
	if err != nil {
		return nil, err
	}
	var sums strings.Builder
	for _, f := range j.served {
		fmt.Fprintf(&sums, "%s  %s\n", f.SHA256, filepath.Join(dir, f.Name))
	}
	path := filepath.Join(j.dir, "SHA256SUMS")
	if err := os.WriteFile(path, []byte(sums.String()), 0o644); err != nil {
		return nil, err
	}
	return append(cmds, exec.Command("sha256sum", "--quiet", "--check", path)), nil
}

// aria2c gets as many transfers as curl; it allocates no space in advance, which
// would write everything twice.
func aria2c(_ *bench, j *job, dir string) ([]*exec.Cmd, error) {
	var input strings.Builder
	for _, f := range j.served {
		fmt.Fprintf(&input, "%s%s\n  dir=%s\n  out=%s\n", j.base, f.Name, dir, f.Name)
	}
	path := filepath.Join(j.dir, "aria2.txt")
	if err := os.WriteFile(path, []byte(input.String()), 0o644); err != nil {
		return nil, err
	}
	return []*exec.Cmd{exec.Command("aria2c", "--no-conf", "--quiet", "--file-allocation=none", "--max-concurrent-downloads=50",
		"--ca-certificate="+caFile(j.dir), "--input-file="+path)}, nil
}

// caFile is where the certificate authority stands, seen from a job's folder.
func caFile(jobDir string) string { return filepath.Join(filepath.Dir(jobDir), caName) }

var errNoServer = errors.New("the server did not start")
