package container

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Passwords are the credentials in the file for registries, or in the usual ones,
// containers-auth.json(5), each also as Basic authentication sends it. A registry can
// repeat what it was sent. What credential helpers know is not among them.
func (c Config) Passwords() (all []string) {
	c = c.withDefaults()
	for _, path := range c.authFiles() {
		data, err := os.ReadFile(path)
		if err != nil {
			continue // the engines say so where it matters
		}
		var file struct {
			Auths map[string]struct{ Auth, IdentityToken string }
		}
		if json.Unmarshal(data, &file) != nil {
			continue
		}
		for _, entry := range file.Auths {
			all = append(all, entry.Auth, entry.IdentityToken)
			if plain, err := base64.StdEncoding.DecodeString(entry.Auth); err == nil {
				_, password, _ := strings.Cut(string(plain), ":")
				all = append(all, strings.TrimRight(password, "\x00"))
			}
		}
	}
	return all
}

// authFiles are the files that the engines look into.
func (c *Config) authFiles() []string {
	if path := c.AuthFile; path != "" {
		return []string{path}
	}
	if path := c.env("REGISTRY_AUTH_FILE"); path != "" {
		return []string{path}
	}
	paths := []string{"/run/containers/" + strconv.Itoa(os.Geteuid()) + "/auth.json"}
	for variable, names := range map[string][]string{
		"XDG_RUNTIME_DIR": {"containers/auth.json"}, "XDG_CONFIG_HOME": {"containers/auth.json"}, "DOCKER_CONFIG": {"config.json"},
		"HOME": {".config/containers/auth.json", ".docker/config.json"},
	} {
		if dir := c.env(variable); dir != "" {
			for _, name := range names {
				paths = append(paths, filepath.Join(dir, name))
			}
		}
	}
	return paths
}
