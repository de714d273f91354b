package config

import (
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"
)

// kind says what a key's value is.
type kind int

const (
	kindText kind = iota
	kindCount
	kindSize
	kindDuration
	kindFlag
	kindPath // resolved against the folder of the file that has it
	kindProgram
	kindEnv
	kindChoice
	kindDigest
	kindTexts
	kindPaths
	kindURLs
	kindImages
	kindEnvs
	kindPrograms
	kindCommand
)

// String names a kind for the documentation.
func (k kind) String() string {
	return map[kind]string{
		kindText: "string", kindCount: "integer", kindSize: "size", kindDuration: "duration", kindFlag: "boolean",
		kindPath: "path", kindProgram: "absolute path", kindEnv: "name of a variable", kindChoice: "string", kindDigest: "digest",
		kindTexts: "array of strings", kindPaths: "array of absolute paths", kindURLs: "array of URL prefixes", kindImages: "array of image prefixes",
		kindEnvs: "array of names of variables", kindPrograms: "array of programs", kindCommand: "array of strings",
	}[k]
}

// want returns the check of a single string of a kind, which says what is
// expected, or nothing when the string is that. It is nil where any will do.
func (k kind) want() func(string) string {
	switch k {
	case kindPaths:
		return wantPath
	case kindURLs:
		return wantURL
	case kindImages:
		return wantImage
	case kindEnv, kindEnvs:
		return wantEnv
	case kindProgram:
		return wantAbsolute
	case kindPrograms:
		return wantProgram
	}
	return nil
}

// read takes the value of a key of the table, if it has one.
func (t *table) read(k key) {
	switch dst := k.field.(type) {
	case *int:
		t.count(k, dst)
	case *int64:
		t.size(k, dst)
	case *time.Duration:
		t.duration(k, dst)
	case *bool:
		t.boolean(k.name, dst)
	case *string:
		t.readText(k, dst)
	case *[]string:
		t.texts(k.name, dst, k.kind.want())
		if k.kind == kindCommand {
			t.command(k.name, *dst)
		}
	}
}

func (t *table) readText(k key, dst *string) {
	switch k.kind {
	case kindPath:
		t.path(k.name, dst)
	case kindChoice:
		t.choice(k.name, dst, k.words)
	case kindDigest:
		t.digest(k.name, dst)
	default:
		t.text(k.name, dst)
		if want := k.kind.want(); want != nil && *dst != "" {
			if text := want(*dst); text != "" {
				t.fail(k.name, "%s: expected %s, found %s", k.name, text, quote(*dst))
			}
		}
	}
}

func wantPath(s string) string {
	if clean := filepath.Clean(s); !filepath.IsAbs(s) || s != clean && s != clean+"/" {
		return "an absolute path without . and .. in it"
	}
	return ""
}

func wantAbsolute(s string) string {
	if !filepath.IsAbs(s) || filepath.Clean(s) != s || s == "/" {
		return "the absolute path of a program"
	}
	return ""
}

func wantProgram(s string) string {
	if wantAbsolute(s) == "" || validName().MatchString(s) {
		return ""
	}
	return "the plain name of a program or its absolute path"
}

// envName is what POSIX allows as the name of a variable.
var envName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
})

func wantEnv(s string) string {
	if !envName().MatchString(s) {
		return "the name of an environment variable"
	}
	return ""
}

// wantURL takes what the host can match: a prefix that it would never match is
// a mistake.
func wantURL(s string) string {
	if s == "*" {
		return ""
	}
	const want = `"*", or a URL prefix such as "https://example.org/" or "file:///srv/"`
	u, err := url.Parse(s)
	if err != nil || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(s, "?#") {
		return want
	}
	switch u.Scheme {
	case "http", "https":
		if u.Hostname() != "" && u.Opaque == "" {
			return ""
		}
	case "file":
		if u.Host == "" && strings.HasPrefix(u.Path, "/") {
			return ""
		}
	}
	return want
}

func wantImage(s string) string {
	if s == "*" || s == "containers-storage:" {
		return ""
	}
	name, ok := strings.CutPrefix(s, "docker://")
	if !ok || name == "" || strings.ContainsAny(name, "@?# ") || strings.HasPrefix(name, "/") || path.Clean("/"+name) != "/"+strings.TrimSuffix(name, "/") {
		return `"*", "containers-storage:", or a registry such as "docker://quay.io/" or "docker://quay.io/team/app"`
	}
	return ""
}
