package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/internal/sampleimage"
)

// acceptAnything is a signature policy (containers-policy.json(5)).
const acceptAnything = `{"default": [{"type": "insecureAcceptAnything"}]}`

// imageSandbox is a sandbox of a user whose signature policy accepts anything.
func imageSandbox(t *testing.T) *sandbox {
	t.Helper()
	s := newSandbox(t)
	s.policy(acceptAnything)
	return s
}

// policy gives the user a home folder with this policy.
func (s *sandbox) policy(text string) {
	s.t.Helper()
	file := s.write("user/.config/containers/policy.json", []byte(text))
	home := "HOME=" + strings.TrimSuffix(file, "/.config/containers/policy.json")
	s.env = slices.DeleteFunc(s.env, func(v string) bool { return strings.HasPrefix(v, "HOME=") })
	s.env = append(s.env, home)
}

func newImage(t *testing.T, name string, contents ...[]byte) *sampleimage.Image {
	t.Helper()
	i, err := sampleimage.New(name, contents...)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// push has the real skopeo put an image into a registry.
func push(t *testing.T, i *sampleimage.Image, to string, args ...string) {
	t.Helper()
	dir := t.TempDir()
	if err := i.WriteDir(dir); err != nil {
		t.Fatal(err)
	}
	argv := append([]string{"--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"}, args...)
	runProgram(t, need(t, "skopeo", "skopeo"), append(argv, "dir:"+dir, "docker://"+to)...)
}

// runProgram runs a real program, which must succeed, and returns its output.
func runProgram(t *testing.T, program string, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, stderr.String())
	}
	return out
}

// described is the description of an image in a repository.
func described(repository string, i *sampleimage.Image) map[string]any {
	image := map[string]any{"name": repository, "tls-verify": false}
	if i.Config != nil {
		image["digest"] = i.Digest()
	}
	return map[string]any{"image": image}
}

// sources writes a manifest with the items of several sources.
func (s *sandbox) sources(sources map[string]items) string {
	s.t.Helper()
	all := map[string]any{}
	for name, list := range sources {
		all[name] = map[string]any{"items": list}
	}
	data, err := json.Marshal(map[string]any{"version": "2", "sources": all})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.write("sources.json", data)
}

// images writes a manifest of images of org.osbuild.skopeo, all in one repository.
func (s *sandbox) images(repository string, images ...*sampleimage.Image) string {
	s.t.Helper()
	list := items{}
	for _, i := range images {
		list[i.ID()] = described(repository, i)
	}
	return s.sources(map[string]items{"org.osbuild.skopeo": list})
}

// entry is where the store has an image.
func (s *sandbox) entry(i *sampleimage.Image, parts ...string) string {
	return filepath.Join(append([]string{s.store, "sources", "org.osbuild.containers", i.ID()}, parts...)...)
}

// hasImage checks that the store has the image in the format dir, byte for byte.
func (s *sandbox) hasImage(i *sampleimage.Image) {
	s.t.Helper()
	want := s.t.TempDir()
	if err := i.WriteDir(want); err != nil {
		s.t.Fatal(err)
	}
	runProgram(s.t, need(s.t, "diff", "diffutils"), "-r", want, s.entry(i, "image"))
}

// serveImages starts a registry of the test's own in this process; wrap, which
// may be nil, stands in front of it.
func serveImages(t *testing.T, wrap func(http.Handler) http.Handler, images ...*sampleimage.Image) (repository string, registry *sampleimage.Registry) {
	t.Helper()
	registry = sampleimage.NewRegistry()
	for _, i := range images {
		registry.Add("team/app", i)
	}
	var handler http.Handler = registry
	if wrap != nil {
		handler = wrap(registry)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://") + "/team/app", registry
}

// engines are the values of --container-engine.
var engines = []string{"embedded", "skopeo"}
