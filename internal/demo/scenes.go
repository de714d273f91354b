package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// certVars is how users give a client certificate to osbuild's sources.
func (d *demo) certVars() []string {
	return []string{
		"OSBUILD_SOURCES_CURL_SSL_CA_CERT=" + d.certs.ca,
		"OSBUILD_SOURCES_CURL_SSL_CLIENT_CERT=" + d.certs.cert,
		"OSBUILD_SOURCES_CURL_SSL_CLIENT_KEY=" + d.certs.key,
	}
}

// command prints a command line, runs it with our terminal, and returns what it
// wrote to standard output. The exit status must be the one that is wanted.
func (d *demo) command(want int, env []string, args ...string) (string, error) {
	for _, v := range env {
		fmt.Printf("$ export %s\n", v)
	}
	fmt.Printf("$ sourcehost %s\n", strings.Join(args, " "))
	var out bytes.Buffer
	cmd := exec.Command(d.bin, args...)
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + d.path("home"), "TERM=" + os.Getenv("TERM"), "XDG_CACHE_HOME=" + d.path("cache"),
		"SOURCEHOST_CONFIG=" + d.path("sourcehost.toml"),
	}, env...)
	cmd.Dir = d.dir
	cmd.Stdout = io.MultiWriter(os.Stdout, &out)
	cmd.Stderr = os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", err
	}
	if got := cmd.ProcessState.ExitCode(); got != want {
		return "", fmt.Errorf("sourcehost %s ended with exit status %d, expected %d", args[0], got, want)
	}
	if want != 0 {
		fmt.Printf("(exit status %d)\n", want)
	}
	return out.String(), nil
}

func (d *demo) listSources() error {
	out, err := d.command(0, nil, "sources")
	return errors.Join(err, mention(out, "org.osbuild.curl", "org.osbuild.skopeo"))
}

func (d *demo) fetchAll() error {
	out, err := d.command(0, d.certVars(), "fetch", "--store", "store", "manifest.json")
	if err != nil {
		return err
	}
	_, refused := d.plain.counts()
	if refused == 0 {
		return errors.New("the server refused no request, so that nothing had to be tried again")
	}
	fmt.Printf("(%d requests were answered with 503 and made again)\n", refused)
	return mention(out, fmt.Sprintf("%d fetched", len(d.files)+2), "0 failed") // with image and list
}

func (d *demo) fetchAgain() error {
	before := d.requests()
	out, err := d.command(0, nil, "fetch", "--store", "store", "manifest.json")
	if err != nil {
		return err
	}
	if n := d.requests() - before; n != 0 {
		return fmt.Errorf("%d requests were made for what is in the store already", n)
	}
	return mention(out, "0 fetched", fmt.Sprintf("%d cached", len(d.files)+2))
}

func (d *demo) requests() int {
	a, _ := d.plain.counts()
	b, _ := d.tls.counts()
	return a + b + d.images.registry.Total()
}

func (d *demo) checkBroken() error {
	out, err := d.command(2, nil, "check", "broken.json")
	return errors.Join(err, mention(out, brokenPlaces...))
}

// verifyStore compares the folder with the files that were served, and lists
// the largest.
func (d *demo) verifyStore() error {
	folder := d.path("store/sources/org.osbuild.files")
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			names[e.Name()] = true
		}
	}
	delete(names, d.images.list.Digest())
	bySize := append([]file(nil), d.files...)
	sort.SliceStable(bySize, func(i, j int) bool { return len(bySize[i].data) > len(bySize[j].data) })
	for i, f := range bySize {
		info, err := verify(folder, f)
		if err != nil {
			return err
		}
		delete(names, f.key)
		if i < 6 {
			fmt.Printf("  %s %10d  %.32s...  %s\n", info.Mode(), info.Size(), f.key, f.name)
		}
	}
	fmt.Printf("  ... %d files in %s, each with the checksum that its name says\n", len(d.files), "store/sources/org.osbuild.files")
	if err := d.images.verify(d.path("store")); err != nil {
		return err
	}
	for extra := range names {
		return fmt.Errorf("the store has an entry %s that the manifest does not name", extra)
	}
	return nil
}

// verify reads one entry of the store and hashes it.
func verify(folder string, f file) (os.FileInfo, error) {
	path := filepath.Join(folder, f.key)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	algorithm, _, _ := strings.Cut(f.key, ":")
	if got := key(algorithm, data); got != f.key {
		return nil, fmt.Errorf("%s: the content of the entry is %s", f.key, got)
	}
	info, err := os.Lstat(path)
	if err == nil && info.Mode() != 0o644 {
		err = fmt.Errorf("%s: the mode of the entry is %v, expected -rw-r--r--", f.key, info.Mode())
	}
	return info, err
}

// mention fails unless all words are in the output.
func mention(out string, words ...string) error {
	var missing []error
	for _, w := range words {
		if !strings.Contains(out, w) {
			missing = append(missing, fmt.Errorf("the output does not mention %q", w))
		}
	}
	return errors.Join(missing...)
}
