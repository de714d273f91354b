package host_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host"
	"github.com/sourcehost/sourcehost/host/secret"
)

// A plugin signs with a secret that it may refer to, for a server that the secret
// is bound to, and sees nothing of it.
func TestHMAC(t *testing.T) {
	t.Parallel()
	const value = "a-secret-of-24-bytes-xxx"
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	long := []secret.Spec{
		{Name: "token", File: file("token", value), Hosts: []string{"s3.example"}},
		{Name: "other", File: file("other", value), Hosts: []string{"s3.example"}},
	}
	short := []secret.Spec{{Name: "token", File: file("short", "fifteen-bytes-x"), Hosts: []string{"s3.example"}}}
	sum := func(key []byte, part string) []byte {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		return mac.Sum(nil)
	}
	granted := host.Grant{Secrets: []string{"token"}}
	for _, tt := range []struct {
		name, request, want string
		grant               host.Grant
		secrets             []secret.Spec
	}{
		{"chained", `{"secret":"token","prefix":"P","url":"https://s3.example/a","data":["a","","b"]}`,
			`{"digest":"` + hex.EncodeToString(sum(sum(sum([]byte("P"+value), "a"), ""), "b")) + `"}`, granted, long},
		{"one", `{"secret":"token","url":"https://S3.example:443/","data":["a"]}`, hex.EncodeToString(sum([]byte(value), "a")), granted, long},
		{"not granted", `{"secret":"token","url":"https://s3.example/","data":["a"]}`, `not granted secrets`, host.Grant{}, long},
		{"not requested", `{"secret":"other","url":"https://s3.example/","data":["a"]}`, `does not request secrets`, host.Grant{Secrets: []string{"other"}}, long},
		{"another server", `{"secret":"token","url":"https://evil.example/","data":["a"]}`, `must not be sent to`, granted, long},
		{"not encrypted", `{"secret":"token","url":"http://s3.example/","data":["a"]}`, `must not be sent to`, granted, long},
		{"no server", `{"secret":"token","url":"s3.example","data":["a"]}`, `url is to be the http or https URL`, granted, long},
		{"nothing", `{"secret":"token","url":"https://s3.example/"}`, `data has 0 parts`, granted, long},
		{"too much", `{"secret":"token","url":"https://s3.example/","data":["a"` + strings.Repeat(`,"a"`, 16) + `]}`, `data has 17 parts`, granted, long},
		{"too short", `{"secret":"token","url":"https://s3.example/","data":["a"]}`, `too short to sign with`, granted, short},
		{"not JSON", `secret`, `expected an object`, granted, long},
	} {
		log := saying(t, func(c *host.Config) { c.Secrets = tt.secrets }, asking(t, tt.grant, "hmac/v1 "+tt.request))
		if !strings.Contains(log, tt.want) || strings.Contains(log, value) {
			t.Errorf("%s: the log does not say %s, or the secret:\n%s", tt.name, tt.want, log)
		}
	}
}
