package e2e

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rclone/gofakes3"
	"github.com/rclone/gofakes3/s3mem"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// examples are the plugins of plugins/examples, each built and packed once.
var examples sync.Map // of func() (string, error), by name

// example returns the path of a plugin of plugins/examples.
func example(t *testing.T, name string) string {
	t.Helper()
	make, _ := examples.LoadOrStore(name, sync.OnceValues(func() (string, error) {
		dir := filepath.Join("../../plugins/examples", name)
		raw, path := filepath.Join(built.dir, name+"-raw.wasm"), filepath.Join(built.dir, name+".wasm")
		build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-buildmode=c-shared", "-o", raw, "./"+dir)
		build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
		pack := exec.Command(built.program, "plugin", "pack", raw, "--manifest", filepath.Join(dir, "plugin.json"), "-o", path)
		if out, err := pack.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w: %s", err, out)
		}
		return path, nil
	}))
	path, err := make.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// chained configures a plugin of plugins/examples in front of the source. The TOML
// is the rest of its tables.
func (s *sandbox) chained(name, toml string) {
	s.t.Helper()
	s.configure(fmt.Sprintf("%s[source.\"org.osbuild.curl\"]\nprepare = [%q]\n[plugin.%s]\npath = %q\n%s", quick, name, name, example(s.t, name), toml))
}

func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// TestBearerToken has items fetched with a token of a service that knows its client.
func TestBearerToken(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	login := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		user, password, _ := r.BasicAuth()
		w.Header().Set("Content-Type", "application/json")
		if r.Method != "POST" || r.PostFormValue("grant_type") != "client_credentials" || r.PostFormValue("scope") != "repo.read all" || user != "build" || password != vault {
			w.WriteHeader(401)
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return
		}
		fmt.Fprint(w, `{"access_token":"a-token-of-the-service","token_type":"Bearer","expires_in":3600}`)
	})
	s, repo, all, keys := newSandbox(t), hosttest.Start(t, hosttest.Options{}), items{}, []string{}
	for i := range 300 { // two pages
		path := fmt.Sprintf("/pool/%d.rpm", i)
		data := content("bearer"+path, 100)
		repo.Put(path, hosttest.File{Content: data})
		repo.Script(path, func(x *hosttest.Exchange) {
			if x.R.Header.Get("Authorization") != "Bearer a-token-of-the-service" {
				hosttest.Status(401)(x)
				return
			}
			hosttest.Good(x)
		})
		all[key(data)] = repo.URL(path)
		keys = append(keys, key(data))
	}
	configure := func(client, grant string) {
		s.chained("bearer-token", fmt.Sprintf(`[plugin.bearer-token.grant]
%s
[plugin.bearer-token.config]
urls = [%q]
token_url = "%s/token"
client_id = %q
client_secret = "acme-client"
scope = "repo.read all"
[secret.acme-client]
file = "secret"
hosts = [%q]
`, grant, repo.URL("/"), login, client, login))
	}
	s.write("secret", []byte(vault))
	grant := fmt.Sprintf("http = [\"%s/\"]\nsecrets = [\"acme-client\"]\n", login)
	m := s.manifest(all)

	configure("build", grant)
	s.fetch(m).ends(1).failed(keys[0], "denied", "clock = true")
	configure("somebody", grant+"clock = true")
	o := s.fetch(m).ends(1)
	o.failed(keys[0], "denied", "status 401", "invalid_client", "client_id")
	o.hides(vault)
	configure("build", "clock = true")
	s.fetch(m).ends(1).failed(keys[0], "denied", "http", login, "[plugin.bearer-token.grant]")
	if n := asked.Swap(0); n != 1 {
		t.Errorf("the service was asked %d times by clients that it does not know, want once", n)
	}
	s.holds()

	configure("build", grant+"clock = true")
	o = s.fetch(m, "--log-level", "debug").ends(0).counts(len(all), 0, 0)
	o.hides(vault)
	s.holds(keys...)
	if n := asked.Load(); n != 1 {
		t.Errorf("the service was asked %d times, want once", n)
	}
}

// TestMirrorPlugin has one mirror fail, one lack items, and the original have them.
func TestMirrorPlugin(t *testing.T) {
	t.Parallel()
	s, all := newSandbox(t), items{}
	origin, mirror := hosttest.Start(t, hosttest.Options{}), hosttest.Start(t, hosttest.Options{})
	dead := "http://" + hosttest.Refused(t)
	var keys []string
	for i, release := range []string{"39", "39", "40"} {
		data := content(fmt.Sprint("mirror", i), 1000)
		path := fmt.Sprintf("/pub/%s/%d.rpm", release, i)
		origin.Put(path, hosttest.File{Content: data})
		if i != 1 {
			mirror.Put(fmt.Sprintf("/r%s/%d.rpm", release, i), hosttest.File{Content: data})
		}
		all[key(data)] = origin.URL(path)
		keys = append(keys, key(data))
	}
	s.chained("mirror", fmt.Sprintf(`[plugin.mirror.grant]
download = ["%s/", %q]
[[plugin.mirror.config.rule]]
pattern = 'http://[^/]+/pub/(?P<release>[0-9]+)/(.*)'
mirrors = ["%s/$2", "%sr${release}/$2"]
`, dead, mirror.URL("/"), dead, mirror.URL("/")))
	o := s.fetch(s.manifest(all)).ends(0).counts(3, 0, 0)
	s.holds(keys...)
	for i, k := range keys {
		from := mirror.URL("/")
		if i == 1 {
			from = origin.URL("/")
		}
		if it := o.items[k]; !strings.HasPrefix(it.URL, from) {
			t.Errorf("item %d came from %s, want %s", i, it.URL, from)
		}
	}
	if n := len(origin.Log()); n != 1 {
		t.Errorf("the original server was asked %d times, want once", n)
	}
}

// TestSignedURLPlugin fetches from a private bucket of the S3 server that rclone has.
func TestSignedURLPlugin(t *testing.T) {
	t.Parallel()
	const secretKey = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	backend := s3mem.New()
	if err := backend.CreateBucket(context.Background(), "rpms"); err != nil {
		t.Fatal(err)
	}
	s3 := httptest.NewServer(gofakes3.New(backend, gofakes3.WithV4Auth(map[string]string{"AKIDEXAMPLE": secretKey})).Server())
	t.Cleanup(s3.Close)
	s, all := newSandbox(t), items{}
	var keys []string
	for name, path := range map[string]string{"a.rpm": "a.rpm", "dir/b c+d.rpm": "dir/b%20c+d.rpm", "ü~(1)$&'.rpm": "ü~(1)$&'.rpm", "100%.rpm": "100%25.rpm"} {
		data := content("s3"+name, 5000)
		if _, err := backend.PutObject(context.Background(), "rpms", name, map[string]string{}, bytes.NewReader(data), int64(len(data))); err != nil {
			t.Fatal(err)
		}
		all[key(data)] = s3.URL + "/rpms/" + path
		keys = append(keys, key(data))
	}
	m := s.manifest(all)
	s.fetch(m).ends(1).failed(keys[0], "denied", "403") // the bucket is private

	configure := func(id, hosts string) {
		s.chained("signed-url", fmt.Sprintf(`[plugin.signed-url.grant]
download = ["%[1]s/rpms/"]
secrets = ["acme-s3"]
clock = true
[[plugin.signed-url.config.bucket]]
url = "%[1]s/rpms/"
region = "eu-central-1"
access_key_id = %[2]q
secret = "acme-s3"
[secret.acme-s3]
file = "key"
hosts = [%[3]q]
`, s3.URL, id, hosts))
	}
	s.write("key", []byte(secretKey+"\n"))
	configure("AKIDOTHER", s3.URL)
	s.fetch(m).ends(1).failed(keys[0], "denied", "403")
	configure("AKIDEXAMPLE", "http://elsewhere.example")
	s.fetch(m).ends(1).failed(keys[0], "denied", "acme-s3", "elsewhere.example")
	s.write("key", []byte("not-the-key-but-long-enough"))
	configure("AKIDEXAMPLE", s3.URL)
	s.fetch(m).ends(1).failed(keys[0], "denied", "403")
	s.write("key", []byte("short-key"))
	s.fetch(m).ends(1).failed(keys[0], "denied", "too short")
	s.holds()

	s.write("key", []byte(secretKey+"\n"))
	o := s.fetch(m, "--log-level", "debug").ends(0).counts(len(all), 0, 0)
	o.hides(secretKey)
	s.holds(keys...)
}

// TestCloudRHUI fetches from a server that wants a client certificate and the
// instance's identity, as that of AWS does.
func TestCloudRHUI(t *testing.T) {
	t.Parallel()
	const document, signature = "{\n  \"instanceId\" : \"i-0815\"\n}", "c2lnbmF0dXJl\n?>"
	var asked atomic.Int32
	metadata := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		switch {
		case r.URL.Path == "/latest/api/token" && r.Method == "PUT" && r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") != "":
			fmt.Fprint(w, "session")
		case r.Header.Get("X-aws-ec2-metadata-token") != "session" || r.Method != "GET":
			w.WriteHeader(401)
		case r.URL.Path == "/latest/dynamic/instance-identity/document":
			fmt.Fprint(w, document)
		case r.URL.Path == "/latest/dynamic/instance-identity/signature":
			fmt.Fprint(w, signature)
		default:
			w.WriteHeader(404)
		}
	})
	v := newVendor(t, "rhui", hosttest.HTTPS1)
	s, all := newSandbox(t), items{}
	var keys []string
	for i := range 3 {
		path := fmt.Sprintf("/pulp/%d.rpm", i)
		data := content("rhui"+path, 1000)
		v.server.Put(path, hosttest.File{Content: data})
		v.server.Script(path, func(x *hosttest.Exchange) {
			if x.R.Header.Get("X-RHUI-ID") != base64.URLEncoding.EncodeToString([]byte(document)) ||
				x.R.Header.Get("X-RHUI-SIGNATURE") != base64.URLEncoding.EncodeToString([]byte(signature)) {
				hosttest.Status(403)(x)
				return
			}
			hosttest.Good(x)
		})
		all[key(data)] = v.server.URL(path)
		keys = append(keys, key(data))
	}
	for to, from := range map[string]string{"product/content.crt": v.client.Cert, "content.key": v.client.Key, "ca.pem": v.ca.Path} {
		copyFile(t, from, filepath.Join(s.dir, "root/etc/pki/rhui", to))
	}
	configure := func(grant string) {
		s.chained("cloud-rhui", fmt.Sprintf(`[plugin.cloud-rhui.grant]
%s
[plugin.cloud-rhui.config]
urls = [%q]
cert = "/etc/pki/rhui/product/content.crt"
key = "/etc/pki/rhui/content.key"
ca = "/etc/pki/rhui/ca.pem"
metadata_url = %q
`, grant, v.server.URL("/pulp/"), metadata))
		text, err := os.ReadFile(s.config)
		if err != nil {
			t.Fatal(err)
		}
		s.configure("root = \"root\"\n" + string(text))
	}
	m := s.manifest(all)
	configure(`tls = ["/etc/pki/rhui/"]`)
	s.fetch(m).ends(1).failed(keys[0], "denied", "http", metadata)
	configure(fmt.Sprintf(`http = ["%s/latest/"]`, metadata))
	s.fetch(m).ends(1).failed(keys[0], "denied", "tls", "/etc/pki/rhui/")
	asked.Store(0)
	configure(fmt.Sprintf("http = [\"%s/latest/\"]\ntls = [\"/etc/pki/rhui/\"]", metadata))
	s.fetch(m).ends(0).counts(3, 0, 0)
	s.holds(keys...)
	if n := asked.Load(); n != 3 {
		t.Errorf("the metadata service was asked %d times, want 3", n)
	}
}

// TestPolicyFilter refuses and skips, and says why.
func TestPolicyFilter(t *testing.T) {
	t.Parallel()
	s, server := newSandbox(t), hosttest.Start(t, hosttest.Options{})
	good, listed, elsewhere := content("good", 500), content("listed", 500), content("elsewhere", 500)
	for path, data := range map[string][]byte{"/good": good, "/listed": listed} {
		server.Put(path, hosttest.File{Content: data})
	}
	const weak = "md5:0123456789abcdef0123456789abcdef"
	all := items{key(good): server.URL("/good"), key(listed): server.URL("/listed"), key(elsewhere): "http://elsewhere.example/x", weak: server.URL("/weak")}
	s.chained("policy-filter", fmt.Sprintf(`
[[plugin.policy-filter.config.rule]]
algorithms = ["md5", "sha1"]
reason = "md5 and sha1 can be forged"
[[plugin.policy-filter.config.rule]]
other_hosts_than = ["127.0.0.1"]
reason = "only servers that we know"
[[plugin.policy-filter.config.rule]]
keys = [%q]
reason = "CVE-2026-0001"
action = "skip"
`, key(listed)))
	o := s.fetch(s.manifest(all)).ends(1)
	o.failed(weak, "denied", "md5 and sha1 can be forged", "policy-filter")
	o.failed(key(elsewhere), "denied", "only servers that we know", "elsewhere.example")
	o.fetched(key(good))
	contains(t, o.out, "CVE-2026-0001: it is on the deny list")
	s.holds(key(good))
	if n := server.Count("/listed") + server.Count("/weak"); n != 0 {
		t.Errorf("%d requests were made for items that the policy forbids", n)
	}
}

// The configuration in the README of each example is accepted, and grants what the
// plugin uses of what it requests.
func TestExampleReadmes(t *testing.T) {
	t.Parallel()
	all, err := filepath.Glob("../../plugins/examples/*/README.md")
	if err != nil || len(all) < 5 {
		t.Fatalf("%d READMEs, %v", len(all), err)
	}
	for _, readme := range all {
		name := filepath.Base(filepath.Dir(readme))
		text, err := os.ReadFile(readme)
		if err != nil {
			t.Fatal(err)
		}
		_, toml, _ := strings.Cut(string(text), "```toml\n")
		toml, _, found := strings.Cut(toml, "```")
		s := newSandbox(t)
		s.configure(strings.Replace(toml, "/usr/lib/sourcehost/plugins/"+name+".wasm", example(t, name), 1))
		cmd := exec.Command(built.program, "sources", "-v")
		cmd.Env = s.env
		out, err := cmd.CombinedOutput()
		if !found || err != nil || !strings.Contains(string(out), name) || strings.Contains(string(out), "not requested") {
			t.Errorf("%s: %v\n%s\n%s", readme, err, out, toml)
		}
	}
}
