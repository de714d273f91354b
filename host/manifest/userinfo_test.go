package manifest

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestWithoutUserinfo(t *testing.T) {
	for in, want := range map[string]string{
		"https://user:hunter22@host/a":                  "https://host/a",
		"https://token@host:8443/a@2x.png":              "https://host:8443/a@2x.png",
		"https://host/a@2x.png":                         "https://host/a@2x.png",
		"https://host:8443/a@b":                         "https://host:8443/a@b",
		"https://[fe80::1]:80/a@b":                      "https://[fe80::1]:80/a@b",
		"https://u:p@ss@host/a":                         "https://host/a",
		"https://u:pa/ss@host/a":                        "https://host/a",
		"https://u:p?#s@host/a":                         "https://host/a",
		"x https://u:p@h/?next=ftp://v:q@i/ y":          "x https://h/?next=ftp://i/ y",
		"https://h/https://u:p@i/":                      "https://h/https://i/",
		"user@host":                                     "user@host",
		"https://user:hunter22@":                        "https://",
		"://":                                           "://",
		"sha256:00":                                     "sha256:00",
		"https://u:" + strings.Repeat("p", 200) + "@h/": "https://h/",
	} {
		if got := WithoutUserinfo(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}

// secretText is in every password of the manifests below.
const secretText = "hunter22"

// Passwords in URLs are shown nowhere, wherever in a manifest they stand.
func TestProblemsShowNoPassword(t *testing.T) {
	const secretURL = "https://user:" + secretText + "@host/a"
	long := "https://user:" + strings.Repeat(secretText, 30) + "@host/a"
	item := `{"sources":{"s":{"items":{"` + sha256 + `":`
	for name, text := range map[string]string{
		"value of a wrong type":    item + `{"url":"a","insecure":"` + secretURL + `"}}}}}`,
		"a long one":               item + `{"url":"a","insecure":"` + long + `"}}}}}`,
		"key":                      `{"sources":{"s":{"items":{"` + secretURL + `":"a"}}}}`,
		"long key":                 `{"sources":{"s":{"items":{"` + long + `":"a"}}}}`,
		"unquoted password":        `{"sources":{"s":{"items":{"https://user:/` + secretText + ` \"/x@host/":"a"}}}}`,
		"property":                 item + `{"url":"a","` + secretURL + `":1}}}}}`,
		"the same name twice":      `{"sources":{"s":{"items":{"` + secretURL + `":1,"` + secretURL + `":1}}}}`,
		"a value cut off":          `{"sources":{"s":{"items":{"` + secretURL + `":`,
		"source that is no object": `{"sources":{"` + secretURL + `":1}}`,
		"no manifest":              `{"` + secretURL + `":1}`,
		"version":                  `{"version":"` + secretURL + `","sources":{}}`,
		"sources":                  `{"sources":"` + secretURL + `"}`,
		"items":                    `{"sources":{"s":{"items":"` + secretURL + `"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			var problems Problems
			m, err := Parse([]byte(text), Options{})
			if err != nil {
				problems = err.(Problems)
			} else {
				problems = curlSchema(t).CheckSource(&m.Sources[0])
			}
			if len(problems) == 0 {
				t.Fatal("there are no problems")
			}
			doc, err := json.Marshal(problems)
			if err != nil {
				t.Fatal(err)
			}
			shown := problems.Error() + "\n" + string(doc)
			for _, p := range problems {
				shown += "\n" + p.Message
			}
			if strings.Contains(shown, "user:") || strings.Contains(shown, secretText) {
				t.Errorf("a password is shown:\n%s", shown)
			}
			if !strings.Contains(shown, "host") {
				t.Errorf("the rest of the URL is not shown:\n%s", shown)
			}
		})
	}
}

// A program finds the value by its pointer, so that one is exact.
func TestPointerStaysExact(t *testing.T) {
	p := curlSchema(t).Check("", []byte(`{"items":{"https://u:p~@h/a":"a"}}`))
	if len(p) != 1 || p[0].Pointer != "/items/https:~1~1u:p~0@h~1a" {
		t.Errorf("the problems are %q", p)
	}
	if got := p[0].Shown().Pointer; got != "/items/https:~1~1h~1a" {
		t.Errorf("shown as %q", got)
	}
}

// Sentences that others have made may hold URLs, also such that were cut.
func TestShownMessage(t *testing.T) {
	for in, want := range map[string]string{
		`no plugin serves "https://u:p@h/"; known: a@b`: `no plugin serves "https://h/"; known: a@b`,
		`the key "https://user:hunt..." is too long`:    `the key "https://..." is too long`,
		`the key "https://host/pat..." is too long`:     `the key "https://host/pat..." is too long`,
		"see http://h/ and\tftp://u@h":                  "see http://h/ and\tftp://h",
	} {
		if got := (Problem{Message: in}).String(); got != want {
			t.Errorf("%s\nis shown as\n%s\nwant\n%s", in, got, want)
		}
	}
}
