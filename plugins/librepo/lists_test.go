package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fedora is a metalink as Fedora's mirror manager writes it, shortened.
const fedora = "\ufeff" + `<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE metalink>
<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic" pubdate="Tue, 01 Oct 2024 10:00:00 GMT" generator="mirrormanager" xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files>
  <file name="other.xml"><resources><url preference="100">https://other.example/repodata/other.xml</url></resources></file>
  <file name="repomd.xml">
   <mm0:timestamp>1681346838</mm0:timestamp>
   <size>4274</size>
   <verification><hash type="md5">x</hash></verification>
   <mm0:alternates><mm0:alternate><mm0:timestamp>1</mm0:timestamp></mm0:alternate></mm0:alternates>
   <resources maxconnections="1">
    <url protocol="http" type="http" location="DE" preference="98">http://third.example/fedora/os/repodata/repomd.xml</url>
    <url protocol='rsync' type='rsync' location='DE' preference='100'>rsync://first.example/fedora/os/repodata/repomd.xml</url>
    <!-- <url preference="100">https://comment.example/repodata/repomd.xml</url> -->
    <url protocol="https" type="https" location="FR" preference="100" >
      https://first.example/fedora/os&amp;x/repodata/repomd.xml
    </url >
    <url protocol="https" preference="99"><![CDATA[https://second.example/repodata/os/repodata/repomd.xml]]></url>
    <url protocol="http" preference="98">HTTP://fourth.example/&#x66;edora/repodata/repomd.xml</url>
    <url protocol="file" preference="100">file:///etc/repodata/repomd.xml</url>
    <url protocol="https" preference="100">https://no-repodata.example/</url>
    <url/>
    <url protocol="https">https://last.example/repodata/repomd.xml</url>
   </resources>
  </file>
 </files>
</metalink>
`

func TestParseMetalink(t *testing.T) {
	got, err := parseMetalink([]byte(fedora))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"https://first.example/fedora/os&x/", "https://second.example/repodata/os/", "http://third.example/fedora/os/",
		"HTTP://fourth.example/fedora/", "https://last.example/",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestParseMetalinkErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                               "it is no metalink",
		"<html><body></body></html>":     "it is no metalink",
		"<metalink>":                     "ends within the element metalink",
		fedora[:len(fedora)-22]:          "ends within",
		"<metalink></files>":             `the end of an element "files"`,
		"<metalink></metalink></x>":      `the end of an element "x"`,
		"<metalink/><metalink/>":         "second outermost element",
		"<metalink/>text":                "text outside",
		"not found":                      "text outside",
		"<metalink>&unknown;</metalink>": "unknown entity &unknown",
		"<metalink>&#0;</metalink>":      "unknown entity &#0",
		"<metalink>&#xd800;</metalink>":  "unknown entity",
		"<metalink>&</metalink>":         "unknown entity",
		"<metalink a>":                   "malformed attribute",
		"<metalink a=b>":                 "malformed attribute",
		`<metalink a="b>`:                "malformed attribute",
		"< metalink>":                    "no name after <",
		"<metalink><!-- ":                "has no end",
		"<?xml":                          "has no end",
		"<!DOCTYPE a [ <!ENTITY b 'c'> ": "has no end",
		"<metalink><![CDATA[":            "has no end",
		strings.Repeat("<a>", 101):       "nested too deep",
	} {
		if got, err := parseMetalink([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %q, %v; want an error that says %q", text, got, err, want)
		}
	}
	bomb := `<!DOCTYPE metalink [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><metalink>&b;</metalink>`
	if _, err := parseMetalink([]byte(bomb)); err == nil || !strings.Contains(err.Error(), "unknown entity &b") {
		t.Errorf("entities of a document's own: %v", err)
	}
}

func TestParseMirrorlist(t *testing.T) {
	text := "\ufeff# repo = a\r\n\r\nhttp://a/b/ # near\r\n  https://c/d  \nrsync://e/\nfile:///etc/\n#http://f/\nhttp://\nHTTPS://g"
	if diff := cmp.Diff([]string{"http://a/b/", "https://c/d", "HTTPS://g"}, parseMirrorlist(text)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestReadListLooksAtTheContent(t *testing.T) {
	got, err := readList(typeMirrorlist, []byte(strings.TrimPrefix(fedora, "\ufeff")))
	if err != nil || len(got) != 5 {
		t.Errorf("a metalink in place of a list: %q, %v", got, err)
	}
	if _, err := readList(typeMetalink, []byte("http://a/\n")); err == nil {
		t.Error("a list in place of a metalink was read")
	}
}

func FuzzParseMetalink(f *testing.F) {
	f.Add(fedora)
	f.Add(`<metalink><file name="repomd.xml"><url preference="1">http://a/repodata/repomd.xml</url></file></metalink>`)
	f.Add("<!DOCTYPE a [<!ENTITY b 'c'>]><a b='&#60;'/>")
	f.Fuzz(func(t *testing.T, text string) {
		bases, err := parseMetalink([]byte(text))
		if err != nil {
			if bases != nil || len(err.Error()) > 300 {
				t.Fatalf("%q and %v", bases, err)
			}
			return
		}
		if i := slices.IndexFunc(bases, func(b string) bool { return !isWeb(b) || !strings.HasSuffix(b, "/") }); i >= 0 {
			t.Fatalf("the base %q", bases[i])
		}
		// What was read, written down plainly, reads the same.
		var b strings.Builder
		b.WriteString(`<metalink><file name="repomd.xml">`)
		escape := strings.NewReplacer("&", "&amp;", "<", "&lt;")
		for _, base := range bases {
			b.WriteString("<url>" + escape.Replace(base) + "repodata/repomd.xml</url>")
		}
		b.WriteString("</file></metalink>")
		again, err := parseMetalink([]byte(b.String()))
		if err != nil || !slices.Equal(again, bases) && len(bases) > 0 {
			t.Fatalf("%q became %q, %v", bases, again, err)
		}
	})
}

func FuzzParseMirrorlist(f *testing.F) {
	f.Add("# x\nhttp://a/\n")
	f.Fuzz(func(t *testing.T, text string) {
		bases := parseMirrorlist(text)
		if again := parseMirrorlist(strings.Join(bases, "\n")); !slices.Equal(again, bases) && len(bases) > 0 {
			t.Fatalf("%q became %q", bases, again)
		}
	})
}
