package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"

	"github.com/sourcehost/sourcehost/host/config"
)

// pinLines is what names a plugin in the configuration.
type pinLines struct{ name, reference, sha256 string }

// bareName is a name that TOML takes without quotes.
var bareName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
})

// table is the name of the plugin's table.
func (p pinLines) table() string {
	if bareName().MatchString(p.name) {
		return "plugin." + p.name
	}
	return "plugin." + strconv.Quote(p.name)
}

func (p pinLines) toml() string {
	return fmt.Sprintf("[%s]\npath   = %q\nsha256 = %q\n", p.table(), p.reference, p.sha256)
}

// pinFile is where a plugin is pinned.
type pinFile struct {
	path string
	// isNew says that it was not there, isRead that the configuration has it.
	isNew, isRead bool
}

// pinFile looks at the file that --pin names. A folder is made for drop-in files
// only: any other that is missing is a path that was mistyped.
func (a *app) pinFile(path string) (pinFile, error) {
	main, _ := config.Find(a.configPath, a.getenv)
	_, err := os.Stat(path)
	f := pinFile{path: path, isNew: errors.Is(err, fs.ErrNotExist), isRead: config.Belongs(path, main)}
	dir := filepath.Dir(path)
	if !f.isNew || isDir(dir) {
		return f, nil
	}
	if !f.isRead {
		return f, usagef("--pin %s: the folder %s does not exist", path, dir)
	}
	return f, os.MkdirAll(dir, 0o755)
}

// String says what became of the file.
func (f pinFile) String() string {
	switch {
	case f.isNew && !f.isRead:
		return f.path + ", a new file, which is read only where --config or $" + config.EnvPath + " names it"
	case f.isNew:
		return f.path + ", a new file"
	}
	return f.path
}

// write puts the lines into a file of the configuration: into the plugin's table
// when the file has it, else at the end.
func (p pinLines) write(path string) error {
	old, err := readIfThere(path)
	if err != nil {
		return err
	}
	text, err := p.edit(string(old))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	mode := fs.FileMode(0o644)
	if info, err := os.Stat(path); err == nil {
		mode = info.Mode().Perm()
	}
	if err := replaceFile(path, []byte(text)); err != nil {
		return err
	}
	return os.Chmod(path, mode)
}

// header is the line that begins a table.
var header = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\s*\[+\s*([^\]]*?)\s*\]`)
})

// keyLine is a line with a path or a sha256 on it, whole.
var keyLine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\s*(path|sha256)\s*=`)
})

// edit returns the text with the plugin pinned. What it made is read back before it
// is used, so that no file of the configuration is ever broken by it.
func (p pinLines) edit(text string) (string, error) {
	var before any
	if err := toml.Unmarshal([]byte(text), &before); err != nil {
		return "", fmt.Errorf("not valid TOML: %s", strings.TrimPrefix(err.Error(), "toml: "))
	}
	edited := p.replace(text)
	var doc struct {
		Plugin map[string]struct {
			Path   string `toml:"path"`
			SHA256 string `toml:"sha256"`
		} `toml:"plugin"`
	}
	if err := toml.Unmarshal([]byte(edited), &doc); err != nil || doc.Plugin[p.name].Path != p.reference || doc.Plugin[p.name].SHA256 != p.sha256 {
		return "", errors.New("the plugin's table is not written as `[" + p.table() + "]` with a line for each key; pin it by hand:\n" + p.toml())
	}
	return edited, nil
}

func (p pinLines) replace(text string) string {
	var out strings.Builder
	inside, found := false, false
	for line := range strings.Lines(text) {
		if m := header().FindStringSubmatch(line); m != nil {
			inside = m[1] == p.table() || m[1] == "plugin."+strconv.Quote(p.name)
			out.WriteString(line)
			if inside && !found {
				if !strings.HasSuffix(line, "\n") {
					out.WriteString("\n")
				}
				_, lines, _ := strings.Cut(p.toml(), "\n")
				out.WriteString(lines)
				found = true
			}
			continue
		}
		if inside && keyLine().MatchString(line) {
			continue
		}
		out.WriteString(line)
	}
	if found {
		return out.String()
	}
	kept := out.String()
	if kept != "" {
		kept = strings.TrimRight(kept, "\n") + "\n\n"
	}
	return kept + p.toml()
}
