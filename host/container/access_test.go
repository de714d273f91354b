package container_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sourcehost/sourcehost/host/container"
	"github.com/sourcehost/sourcehost/host/hosttest"
)

// TestTLS trusts a registry by the CA in certs.d, and not without it.
//
// adversary: B39
func TestTLS(t *testing.T) {
	ca, err := hosttest.NewCA(t.TempDir(), "ca")
	must(t, err)
	pair, err := ca.Issue(hosttest.Leaf{Name: "registry", Hosts: []string{"127.0.0.1"}})
	must(t, err)
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{Certificate: pair})
	certs := t.TempDir()
	pem, err := os.ReadFile(ca.Path)
	must(t, err)
	must(t, os.Mkdir(filepath.Join(certs, registry), 0o755))
	must(t, os.WriteFile(filepath.Join(certs, registry, "ca.crt"), pem, 0o600))
	img := newImage(t, ociManifest, "x", "amd64", gzipLayer(t, ociLayer, "l", 100))
	img.push(t, registry+"/x:latest", "--dest-tls-verify=false")
	eachEngine(t, func(t *testing.T, engine string) {
		for _, test := range []struct {
			certs string
			skip  bool
			kind  container.Kind
		}{{certs, false, ""}, {"", true, ""}, {"", false, container.KindTLS}} {
			cfg := anything
			cfg.CertsDir = test.certs
			r := request(t, registry+"/x", img)
			r.Image.SkipTLSVerify = test.skip
			_, err := newCopier(t, engine, cfg).Copy(t.Context(), r)
			if test.kind == "" {
				must(t, err)
			} else {
				wantError(t, r, err, test.kind, "certs.d", "1 attempt")
			}
		}
	})
}

func authFile(t *testing.T, registry, user, password string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "auth.json")
	secret := base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
	must(t, os.WriteFile(path, fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, registry, secret), 0o600))
	return path
}

// TestAuth uses the credentials that REGISTRY_AUTH_FILE names.
//
// adversary: B39
func TestAuth(t *testing.T) {
	const right, wrong = "correct-horse", "battery-staple"
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{User: "user", Password: right})
	img := newImage(t, dockerManifest, "x", "amd64", gzipLayer(t, dockerLayer, "l", 100))
	img.push(t, registry+"/x:latest", "--dest-tls-verify=false", "--dest-creds", "user:"+right)
	eachEngine(t, func(t *testing.T, engine string) {
		copyWith := func(file string) (container.Request, error) {
			cfg := anything
			cfg.Environ = environ(map[string]string{"REGISTRY_AUTH_FILE": file})
			cfg.BlobDir = t.TempDir()
			r := request(t, registry+"/x", img)
			_, err := newCopier(t, engine, cfg).Copy(t.Context(), r)
			return r, err
		}
		if _, err := copyWith(authFile(t, registry, "user", right)); err != nil {
			t.Error(err)
		}
		r, err := copyWith(authFile(t, registry, "user", wrong))
		wantError(t, r, err, container.KindDenied, "REGISTRY_AUTH_FILE", "1 attempt")
		if text := err.Error(); strings.Contains(text, wrong) || strings.Contains(text, base64.StdEncoding.EncodeToString([]byte("user:"+wrong))) {
			t.Errorf("the password is in %q", text)
		}
		here, err := os.Getwd()
		must(t, err)
		relative, err := filepath.Rel(here, authFile(t, registry, "user", right))
		must(t, err)
		if _, err := copyWith(relative); err != nil {
			t.Errorf("a relative path: %v", err)
		}
		// As for skopeo, there are no credentials then.
		r, err = copyWith("/nonexistent/auth.json")
		wantError(t, r, err, container.KindDenied, "there is no file /nonexistent/auth.json", "REGISTRY_AUTH_FILE", "1 attempt")
		for name, text := range map[string]string{"broken": "{nope", "folder": ""} {
			path := filepath.Join(t.TempDir(), name)
			if text == "" {
				must(t, os.Mkdir(path, 0o700))
			} else {
				must(t, os.WriteFile(path, []byte(text), 0o600))
			}
			r, err = copyWith(path)
			wantError(t, r, err, container.KindInvalid, path, "check the file with the credentials", "1 attempt")
		}
		open := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
		img.push(t, open+"/x:latest", "--dest-tls-verify=false")
		cfg := anything
		cfg.Environ, cfg.BlobDir = environ(map[string]string{"REGISTRY_AUTH_FILE": "/nonexistent/auth.json"}), t.TempDir()
		if _, err := newCopier(t, engine, cfg).Copy(t.Context(), request(t, open+"/x", img)); err != nil {
			t.Error(err)
		}
		cfg.AuthFile = "/nonexistent/other.json"
		r = request(t, registry+"/x", img)
		_, err = newCopier(t, engine, cfg).Copy(t.Context(), r)
		wantError(t, r, err, container.KindInvalid, "/nonexistent/other.json", "the configuration")
	})
}

// TestPolicy: none, and one that wants signatures, which are beside the registry.
func TestPolicy(t *testing.T) {
	registry := hosttest.StartRegistry(t, hosttest.RegistryOptions{})
	l := gzipLayer(t, dockerLayer, "l", 100)
	signed, unsigned := newImage(t, dockerManifest, "signed", "amd64", l), newImage(t, dockerManifest, "unsigned", "amd64", l)
	signed.push(t, registry+"/x:signed", "--dest-tls-verify=false")
	unsigned.push(t, registry+"/x:unsigned", "--dest-tls-verify=false")
	policy, lookaside := signWith(t, registry, "x:signed", signed)
	want := t.TempDir()
	skopeoRun(t, "--policy", policy, "--registries.d", lookaside, "copy", "--quiet", "--src-tls-verify=false",
		"docker://"+registry+"/x@"+signed.digest(), "dir:"+want)
	if _, err := os.Stat(filepath.Join(want, "signature-1")); err != nil {
		t.Fatal(err)
	}
	eachEngine(t, func(t *testing.T, engine string) {
		// Once for itself and once after another image brought the layer.
		cfg := container.Config{PolicyFile: policy, RegistriesDir: lookaside, BlobDir: t.TempDir()}
		copier := newCopier(t, engine, cfg)
		for range 2 {
			r := request(t, registry+"/x", signed)
			if _, err := copier.Copy(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(readDir(t, want), readDir(t, filepath.Join(r.Dest, "image"))); diff != "" {
				t.Errorf("the signed image differs from skopeo's:\n%s", diff)
			}
		}
		for format, remove := range map[container.Format]bool{container.Dir: true, container.DockerArchive: true} {
			r := request(t, registry+"/x", signed)
			r.Format, r.RemoveSignatures = format, remove
			if _, err := copier.Copy(t.Context(), r); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(r.Dest, "image", "signature-1")); err == nil {
				t.Error("the signature was kept")
			}
			r = request(t, registry+"/x", unsigned)
			r.Format, r.RemoveSignatures = format, remove
			_, err := copier.Copy(t.Context(), r)
			wantError(t, r, err, container.KindDenied, "signature", "policy", "1 attempt")
		}
		r := request(t, registry+"/x", unsigned)
		_, err := newCopier(t, engine, container.Config{PolicyFile: "/nonexistent/policy.json"}).Copy(t.Context(), r)
		wantError(t, r, err, container.KindInvalid, "/nonexistent/policy.json", `policy = "accept-anything"`)
		r = request(t, registry+"/x", unsigned)
		if _, err := newCopier(t, engine, anything).Copy(t.Context(), r); err != nil {
			t.Error(err)
		}
		r = request(t, registry+"/x", unsigned)
		_, err = newCopier(t, engine, container.Config{Policy: "none"}).Copy(t.Context(), r)
		wantError(t, r, err, container.KindInvalid, `"none"`)
	})
}

// signWith signs the image that has a tag with a throw-away key. It returns a
// policy that wants this key's signatures, and a registries.d that says where
// they are.
func signWith(t *testing.T, registry, tagged string, img testImage) (policy, registriesDir string) {
	t.Helper()
	gpg := hosttest.NeedProgram(t, "gpg", "gnupg")
	home, err := os.MkdirTemp("", "gpg") // the path of a socket must be short
	must(t, err)
	t.Cleanup(func() {
		kill := exec.Command("gpgconf", "--homedir", home, "--kill", "all")
		kill.Run()
		os.RemoveAll(home)
	})
	run := func(args ...string) []byte {
		cmd := exec.Command(gpg, append([]string{"--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", ""}, args...)...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("gpg %v: %v", args, err)
		}
		return out
	}
	run("--quick-gen-key", "test@example.com", "rsa2048", "sign", "never")
	dir := t.TempDir()
	key := filepath.Join(dir, "key.gpg")
	must(t, os.WriteFile(key, run("--export", "test@example.com"), 0o600))
	payload := filepath.Join(dir, "payload")
	must(t, os.WriteFile(payload, fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"atomic container signature"},"optional":{}}`,
		registry+"/"+tagged, img.digest()), 0o600))
	run("--output", filepath.Join(dir, "signature"), "--sign", payload)
	signature, err := os.ReadFile(filepath.Join(dir, "signature"))
	must(t, err)

	path := "/x@sha256=" + strings.TrimPrefix(img.digest(), "sha256:") + "/signature-1"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		w.Write(signature)
	}))
	t.Cleanup(server.Close)
	registriesDir = filepath.Join(dir, "registries.d")
	must(t, os.Mkdir(registriesDir, 0o755))
	must(t, os.WriteFile(filepath.Join(registriesDir, "test.yaml"), fmt.Appendf(nil, "docker:\n  %s:\n    lookaside: %s\n", registry, server.URL), 0o600))
	policy = filepath.Join(dir, "policy.json")
	must(t, os.WriteFile(policy, fmt.Appendf(nil, `{"default":[{"type":"reject"}],"transports":{"docker":{%q:[{"type":"signedBy","keyType":"GPGKeys","keyPath":%q,"signedIdentity":{"type":"matchRepository"}}]}}}`, registry, key), 0o600))
	return policy, registriesDir
}
