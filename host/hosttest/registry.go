package hosttest

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// RegistryOptions configures StartRegistry. The zero value is a registry over
// plain http that anybody may read and write.
type RegistryOptions struct {
	// Certificate makes the registry speak https.
	Certificate *Pair
	// User and Password are asked for when set.
	User, Password string
}

// StartRegistry starts Debian's docker-registry on a free port of 127.0.0.1,
// with a configuration and a storage of its own, until the test ends. It returns
// its host and port. Without the program the test fails where CI is set, and is
// skipped elsewhere.
func StartRegistry(tb testing.TB, opts RegistryOptions) string {
	tb.Helper()
	program := NeedProgram(tb, "docker-registry", "docker-registry")
	dir, addr := tb.TempDir(), Free(tb)
	conf := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(conf, []byte(registryConfig(tb, dir, addr, opts)), 0o600); err != nil {
		tb.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		tb.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(program, "serve", conf)
	cmd.Stdout, cmd.Stderr, cmd.Env = log, log, []string{"HOME=" + dir}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		cmd.Wait()
		close(exited)
	}()
	tb.Cleanup(func() {
		cmd.Process.Kill()
		<-exited
	})
	awaitRegistry(tb, addr, opts, exited, log.Name())
	return addr
}

// NeedProgram returns the absolute path of a program of the given Debian
// package. Without it the test fails where CI is set, and is skipped elsewhere.
func NeedProgram(tb testing.TB, name, pkg string) string {
	tb.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		if path, err = filepath.Abs(path); err == nil {
			return path
		}
	}
	message := fmt.Sprintf("%s is missing: install the package %s", name, pkg)
	if os.Getenv("CI") != "" {
		tb.Fatal(message)
	}
	tb.Skip(message)
	return ""
}

func registryConfig(tb testing.TB, dir, addr string, opts RegistryOptions) string {
	tb.Helper()
	conf := fmt.Sprintf("version: 0.1\nlog:\n  level: warn\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: %s\nhttp:\n  addr: %s\n",
		filepath.Join(dir, "storage"), addr)
	if opts.Certificate != nil {
		conf += fmt.Sprintf("  tls:\n    certificate: %s\n    key: %s\n", opts.Certificate.Cert, opts.Certificate.Key)
	}
	if opts.User == "" {
		return conf
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(opts.Password), bcrypt.MinCost)
	if err != nil {
		tb.Fatal(err)
	}
	users := filepath.Join(dir, "htpasswd")
	if err := os.WriteFile(users, fmt.Appendf(nil, "%s:%s\n", opts.User, hash), 0o600); err != nil {
		tb.Fatal(err)
	}
	return conf + fmt.Sprintf("auth:\n  htpasswd:\n    realm: test\n    path: %s\n", users)
}

// awaitRegistry waits until the registry answers.
func awaitRegistry(tb testing.TB, addr string, opts RegistryOptions, exited <-chan struct{}, log string) {
	tb.Helper()
	scheme, transport := "http", &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // without a proxy
	if opts.Certificate != nil {
		scheme = "https"
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Second}
	for end := time.Now().Add(patience); time.Now().Before(end); {
		resp, err := client.Get(scheme + "://" + addr + "/v2/")
		if err == nil {
			resp.Body.Close()
			return
		}
		select {
		case <-exited:
			text, _ := os.ReadFile(log)
			tb.Fatalf("docker-registry ended: %s", text)
		case <-time.After(20 * time.Millisecond):
		}
	}
	tb.Fatalf("docker-registry does not answer on %s", addr)
}
