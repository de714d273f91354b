package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/sourcehost/sourcehost/host/hosttest"
)

// librepoSource is a source of org.osbuild.librepo.
type librepoSource struct {
	Items   map[string]map[string]any `json:"items"`
	Options struct {
		Mirrors map[string]map[string]any `json:"mirrors"`
	} `json:"options"`
}

func newLibrepoSource() *librepoSource {
	r := &librepoSource{Items: map[string]map[string]any{}}
	r.Options.Mirrors = map[string]map[string]any{}
	return r
}

// mirror adds a mirror; more are pairs of names and values.
func (r *librepoSource) mirror(id, kind, url string, more ...any) *librepoSource {
	m := map[string]any{"type": kind, "url": url}
	for i := 0; i < len(more); i += 2 {
		m[more[i].(string)] = more[i+1]
	}
	r.Options.Mirrors[id] = m
	return r
}

// item adds an item and returns its key.
func (r *librepoSource) item(mirror, path string, data []byte) string {
	r.Items[key(data)] = map[string]any{"mirror": mirror, "path": path}
	return key(data)
}

// write writes a manifest with the source.
func (r *librepoSource) write(s *sandbox) string {
	s.t.Helper()
	data, err := json.Marshal(map[string]any{"version": "2", "sources": map[string]any{"org.osbuild.librepo": r}})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.write("manifest.json", data)
}

// metalink is a metalink of these base URLs, the most preferred first, among entries
// that must be passed over.
func metalink(bases ...string) []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="utf-8"?>
<!-- made for a test -->
<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic" xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files>
  <file name="repomd.xml">
   <mm0:timestamp>1700000000</mm0:timestamp><size>1</size>
   <verification><hash type="sha256">` + strings.Repeat("0", 64) + `</hash></verification>
   <resources maxconnections="1">
    <url protocol="rsync" type="rsync" location="DE" preference="100">rsync://127.0.0.1:1/repodata/repomd.xml</url>
`)
	// The least preferred stand first, so that their order does not do it.
	for i, base := range slices.Backward(bases) {
		u, _ := url.Parse(base)
		fmt.Fprintf(&b, "    <url protocol=%q type=%q location=\"DE\" preference=\"%d\">%srepodata/repomd.xml</url>\n",
			u.Scheme, u.Scheme, 100-i, strings.ReplaceAll(base, "&", "&amp;"))
	}
	b.WriteString("   </resources>\n  </file>\n </files>\n</metalink>\n")
	return []byte(b.String())
}

// mirrorlist is a list of these base URLs.
func mirrorlist(bases ...string) []byte {
	return []byte("# repo = fedora arch = x86_64\n\n" + strings.Join(bases, "\n") + "\n")
}

var listKinds = map[string]func(...string) []byte{"metalink": metalink, "mirrorlist": mirrorlist}

// uris are the requests that nginx has answered.
func (n *nginx) uris(min int) (all []string) {
	for _, r := range n.log(min) {
		all = append(all, r.uri)
	}
	return all
}

// TestLibrepoKinds fetches from a repository of each kind, with one mirror and with
// two, and then again from the cache, for which no server is asked.
func TestLibrepoKinds(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newCA(t, "ca"))
	one, two := n.url(n.plain, "one/"), n.url(n.plain, "two/")
	paths := []string{"Packages/a/a-1.0-1.x86_64.rpm", "Packages/c/c++-1:2~rc1^git#5%-1 (x).rpm", "/Packages/g/gü.rpm"}
	for _, mirrors := range []int{1, 2} {
		for _, kind := range []string{"metalink", "mirrorlist", "baseurl"} {
			s := newSandbox(t)
			r := newLibrepoSource()
			var keys []string
			before := len(n.log(0))
			for i, path := range paths {
				data := content(fmt.Sprint(kind, mirrors, path), 3000)
				place := "one/"
				if mirrors == 2 && i == 1 {
					place = "two/" // 404 at the first
				}
				n.put(place+path, data)
				id := "fedora:39"
				if mirrors == 2 && i == 1 && kind == "baseurl" {
					id = "other"
				}
				keys = append(keys, r.item(id, path, data))
			}
			bases := []string{one, two}[:mirrors]
			asked := len(paths)
			switch kind {
			case "baseurl":
				r.mirror("fedora:39", kind, one).mirror("other", kind, strings.TrimSuffix(two, "/"))
			default:
				n.put(fmt.Sprint(kind, mirrors), listKinds[kind](bases...))
				r.mirror("fedora:39", kind, n.url(n.plain, fmt.Sprint(kind, mirrors, "?repo=fedora&arch=x86_64")))
				asked += mirrors // the list, and a second mirror for one item
			}
			manifest := r.write(s)
			s.fetch(manifest).ends(0).counts(len(keys), 0, 0)
			s.holds(keys...)
			if got := len(n.log(before+asked)) - before; got != asked {
				t.Errorf("%s with %d mirrors: %d requests, want %d: %q", kind, mirrors, got, asked, n.uris(0)[before:])
			}
			s.fetch(manifest).ends(0).counts(0, len(keys), 0)
			if got := len(n.log(before+asked)) - before; got != asked {
				t.Errorf("%s with %d mirrors: a second run asked the server", kind, mirrors)
			}
		}
	}
}

// TestLibrepoNowhere: what no mirror has fails, and the error names each that was
// asked; so does a list that is not there, or that is none.
func TestLibrepoNowhere(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newCA(t, "ca"))
	one, two := n.url(n.plain, "one/"), n.url(n.plain, "two/")
	lost := content("lost", 100)
	for kind, list := range listKinds {
		n.put(kind, list(one, two))
		n.put("empty-"+kind, list())
		n.put("page-"+kind, []byte("<html><body>http://example.org/</body>"))
		for _, c := range []struct {
			list, kind string
			parts      []string
		}{
			{kind, "not found", []string{one + "lost.rpm", two + "lost.rpm", "404", "2 attempts"}},
			{"nothing", "not found", []string{`mirror "fedora"`, kind, "/nothing", "404"}},
			{"empty-" + kind, "not found", []string{`mirror "fedora"`, "lists no mirror"}},
			{"page-" + kind, map[string]string{"metalink": "failed", "mirrorlist": "not found"}[kind], []string{`mirror "fedora"`, "/page-" + kind}},
		} {
			s := newSandbox(t)
			r := newLibrepoSource().mirror("fedora", kind, n.url(n.plain, c.list))
			k := r.item("fedora", "lost.rpm", lost)
			s.fetch(r.write(s)).ends(1).failed(k, c.kind, c.parts...)
			s.holds()
			s.nothingStaged()
		}
	}
	s := newSandbox(t)
	r := newLibrepoSource().mirror("fedora", "baseurl", one)
	k := r.item("fedora", "lost.rpm", lost)
	other := r.item("updates", "a.rpm", content("other", 10))
	o := s.fetch(r.write(s)).ends(1)
	o.failed(k, "not found", one+"lost.rpm", "404")
	o.failed(other, "invalid", `"updates"`, "options.mirrors", "known are fedora")
}

// TestLibrepoBadMirrors: whatever is wrong with the first mirror, the second one is
// asked, and a mirror that keeps failing is set aside, also when the others share its
// host.
func TestLibrepoBadMirrors(t *testing.T) {
	t.Parallel()
	server := hosttest.Start(t, hosttest.Options{})
	const items = 40
	for name, behaviour := range map[string]hosttest.Behaviour{
		"missing": hosttest.Status(404), "failing": hosttest.Status(503), "wrong": hosttest.WrongBytes, "hangup": hosttest.Hangup,
		"slow": hosttest.Stalled,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSandbox(t)
			if name == "slow" {
				s.configure(hasty)
			}
			r := newLibrepoSource().mirror("fedora", "mirrorlist", server.URL("/"+name+"/list"))
			server.Put("/"+name+"/list", hosttest.File{Content: mirrorlist(server.URL("/"+name+"/bad"), server.URL("/"+name+"/good"))})
			var keys []string
			for i := range items {
				path := fmt.Sprintf("Packages/%d.rpm", i)
				data := content(name+path, 20_000)
				server.Put("/"+name+"/good/"+path, hosttest.File{Content: data})
				server.Put("/"+name+"/bad/"+path, hosttest.File{Content: data})
				server.Script("/"+name+"/bad/"+path, behaviour)
				keys = append(keys, r.item("fedora", path, data))
			}
			o := s.fetch(r.write(s), "--workers", "2").ends(0).counts(items, 0, 0)
			s.holds(keys...)
			bad := 0
			for i := range items {
				bad += server.Count(fmt.Sprintf("/%s/bad/Packages/%d.rpm", name, i))
			}
			if bad < 3 || bad > 9 { // some are under way when it is noticed
				t.Errorf("the bad mirror was asked %d times, want it set aside after three items", bad)
			}
			contains(t, o.errOut, "keeps failing", "/"+name+"/bad")
			if n := server.Count("/" + name + "/list"); n != 1 {
				t.Errorf("the list was asked for %d times", n)
			}
		})
	}
}

// TestLibrepoDeadMirror: nobody listens at the first mirror.
//
// adversary: B35
func TestLibrepoDeadMirror(t *testing.T) {
	t.Parallel()
	n := startNginx(t, newCA(t, "ca"))
	s := newSandbox(t)
	s.configure(hasty) // for the mirror that cannot be connected to
	r := newLibrepoSource().mirror("fedora", "metalink", n.url(n.plain, "metalink"))
	n.put("metalink", metalink("http://"+hosttest.Refused(t)+"/", "http://"+hosttest.BlackHole(t, "127.0.0.1:0")+"/", n.url(n.plain, "repo/")))
	var keys []string
	for i := range 30 {
		data := content(fmt.Sprint("dead", i), 1000)
		n.put(fmt.Sprintf("repo/%d.rpm", i), data)
		keys = append(keys, r.item("fedora", fmt.Sprintf("%d.rpm", i), data))
	}
	s.fetch(r.write(s)).ends(0).counts(len(keys), 0, 0)
	s.holds(keys...)
}

// TestLibrepoAsksOnce: many pages and two instances of the plugin ask for the list
// once, as they do when it is not there.
func TestLibrepoAsksOnce(t *testing.T) {
	t.Parallel()
	const items = 2000
	n := startNginx(t, newCA(t, "ca"))
	s := newSandbox(t)
	r := newLibrepoSource().mirror("fedora", "metalink", n.url(n.plain, "metalink")).mirror("gone", "mirrorlist", n.url(n.plain, "gone"))
	n.put("metalink", metalink(n.url(n.plain, "repo/")))
	for i := range items {
		data := content(fmt.Sprint("many", i), 100)
		n.put(fmt.Sprintf("repo/%d.rpm", i), data)
		r.item("fedora", fmt.Sprintf("%d.rpm", i), data)
	}
	r.item("gone", "a", content("gone", 1))
	r.item("gone", "b", content("gone", 2))
	s.fetch(r.write(s)).ends(1).counts(items, 0, 2)
	times := map[string]int{}
	for _, uri := range n.uris(items + 2) {
		times[uri]++
	}
	if times["/metalink"] != 1 || times["/gone"] != 1 || len(times) != items+2 {
		t.Errorf("the metalink was asked for %d times, the missing list %d times, %d URIs in all", times["/metalink"], times["/gone"], len(times))
	}
}
