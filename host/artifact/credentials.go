package artifact

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
)

// authFile is the file of containers-auth.json(5), which is that of docker, too.
type authFile struct {
	Auths map[string]struct {
		Auth          string `json:"auth"`
		IdentityToken string `json:"identitytoken"`
	} `json:"auths"`
	CredHelpers map[string]string `json:"credHelpers"`
	CredsStore  string            `json:"credsStore"`
}

// authPaths are where credentials are looked for, the first that has some wins. A
// file that the environment names must be there.
func (c *Client) authPaths() (paths []string, required bool) {
	if path := c.getenv("REGISTRY_AUTH_FILE"); path != "" {
		return []string{path}, true
	}
	run := c.getenv("XDG_RUNTIME_DIR")
	if run == "" {
		paths = append(paths, fmt.Sprintf("/run/containers/%d/auth.json", os.Getuid()))
	} else {
		paths = append(paths, filepath.Join(run, "containers", "auth.json"))
	}
	home := c.getenv("HOME")
	config := c.getenv("XDG_CONFIG_HOME")
	if config == "" && home != "" {
		config = filepath.Join(home, ".config")
	}
	if config != "" {
		paths = append(paths, filepath.Join(config, "containers", "auth.json"))
	}
	if docker := c.getenv("DOCKER_CONFIG"); docker != "" {
		paths = append(paths, filepath.Join(docker, "config.json"))
	} else if home != "" {
		paths = append(paths, filepath.Join(home, ".docker", "config.json"))
	}
	return paths, false
}

// credential returns what finds the credentials for the reference's repository.
func (c *Client) credential(r Reference) auth.CredentialFunc {
	return func(ctx context.Context, hostport string) (auth.Credential, error) {
		if hostport != r.ref.Host() && hostport != r.ref.Registry {
			return auth.EmptyCredential, nil // a realm elsewhere gets its own or none
		}
		paths, required := c.authPaths()
		for _, path := range paths {
			found, err := lookUp(ctx, path, r)
			switch {
			case errors.Is(err, fs.ErrNotExist) && !required:
				continue
			case err != nil:
				return auth.EmptyCredential, fmt.Errorf("reading credentials: %w", err)
			case found != auth.EmptyCredential:
				return found, nil
			}
		}
		return auth.EmptyCredential, nil
	}
}

// lookUp reads one file.
func lookUp(ctx context.Context, path string, r Reference) (auth.Credential, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return auth.EmptyCredential, err
	}
	var file authFile
	if err := json.Unmarshal(data, &file); err != nil {
		return auth.EmptyCredential, fmt.Errorf("%s: not a file of credentials: %w", path, err)
	}
	if helper := file.CredHelpers[r.ref.Registry]; helper != "" {
		return credentials.NewNativeStore(helper).Get(ctx, r.ref.Registry)
	}
	for _, name := range scopes(r) {
		entry, ok := file.Auths[name]
		if !ok || entry.Auth == "" && entry.IdentityToken == "" {
			continue
		}
		user, password, err := decodeAuth(entry.Auth)
		if err != nil {
			return auth.EmptyCredential, fmt.Errorf("%s: the entry %s: %w", path, name, err)
		}
		if entry.IdentityToken != "" {
			return auth.Credential{RefreshToken: entry.IdentityToken}, nil
		}
		return auth.Credential{Username: user, Password: password}, nil
	}
	if file.CredsStore != "" {
		return credentials.NewNativeStore(file.CredsStore).Get(ctx, r.ref.Registry)
	}
	return auth.EmptyCredential, nil
}

// scopes are the names of entries that fit, the most specific first: the
// repository, what it lies in, and the registry.
func scopes(r Reference) []string {
	var names []string
	name := r.ref.Registry + "/" + r.ref.Repository
	for {
		names = append(names, name)
		i := strings.LastIndexByte(name, '/')
		if i < 0 {
			break
		}
		name = name[:i]
	}
	if r.ref.Registry == "docker.io" {
		names = append(names, "index.docker.io", "https://index.docker.io/v1/")
	}
	return append(names, "https://"+r.ref.Registry, "http://"+r.ref.Registry)
}

// decodeAuth reads a user and a password; its errors show neither.
func decodeAuth(text string) (user, password string, err error) {
	if text == "" {
		return "", "", nil
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "", "", errors.New(`"auth" is not base64`)
	}
	user, password, ok := strings.Cut(string(raw), ":")
	if !ok {
		return "", "", errors.New(`"auth" has no user and password`)
	}
	return user, strings.TrimRight(password, "\x00"), nil
}

// certFolders are where containers-certs.d(5) looks, the first that there is wins.
func (c *Client) certFolders(registry string) []string {
	var dirs []string
	if config := c.getenv("XDG_CONFIG_HOME"); config != "" {
		dirs = append(dirs, filepath.Join(config, "containers", "certs.d", registry))
	} else if home := c.getenv("HOME"); home != "" {
		dirs = append(dirs, filepath.Join(home, ".config", "containers", "certs.d", registry))
	}
	return append(dirs, filepath.Join("/etc/containers/certs.d", registry), filepath.Join("/etc/docker/certs.d", registry))
}

// tlsConfig trusts the system's authorities and those of the registry's folder,
// and presents the client certificates that lie there.
func (c *Client) tlsConfig(registry string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, dir := range c.certFolders(registry) {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if err := addCertificate(config, filepath.Join(dir, e.Name())); err != nil {
				return nil, err
			}
		}
		break
	}
	return config, nil
}

func addCertificate(config *tls.Config, path string) error {
	switch filepath.Ext(path) {
	case ".crt":
		pem, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if config.RootCAs == nil {
			if config.RootCAs, err = x509.SystemCertPool(); err != nil {
				return fmt.Errorf("reading the system's certificate authorities: %w", err)
			}
		}
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s holds no certificate", path)
		}
	case ".cert":
		pair, err := tls.LoadX509KeyPair(path, strings.TrimSuffix(path, ".cert")+".key")
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		config.Certificates = append(config.Certificates, pair)
	}
	return nil
}
