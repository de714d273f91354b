package plugin

import (
	"errors"
	"strings"
	"testing"
)

func TestLocate(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"syntax":     {"{\n  \"abi\": 1,\n  \"name\" \"x\"\n}", "p.json:3:10: expected ':' after the name of a member, found a string"},
		"twice":      {"{\"abi\": 1,\n\"abi\": 1}", "p.json:2:1: abi: the name stands twice in this object"},
		"no object":  {"[]", "p.json:1:1: document: expected an object, found an array"},
		"unknown":    {"{\"abi\": 1,\n \"é\": 1, \"hoks\": []}", "p.json:2:2: \"é\": expected one of abi, capabilities, config, content_type, description, formats, hooks, items_alias, manifest_versions, max_instances, name, prepared, produces, schema, sources, summary, version, found an unknown field\np.json:2:10: \"hoks\": found an unknown field; did you mean \"hooks\"?"},
		"an element": {"{\"abi\": 1, \"name\": \"x\", \"version\": \"1\",\n \"hooks\": [\"prepare\",\n  \"fliter\"]}", "p.json:3:3: hooks: expected some of [\"setup\" \"filter\" \"prepare\" \"fetch_one\"], found \"fliter\"; did you mean \"filter\"?"},
		"nested":     {"{\"capabilities\": [\n {\"nmae\": \"env\"},\n {\"name\": 7}]}", "p.json:2:3: capabilities[0].\"nmae\": found an unknown field; did you mean \"name\"?\np.json:3:11: capabilities[1].name: expected a string, found a number"},
		"missing":    {"{\"abi\": 1, \"version\": \"1\", \"capabilities\": [\n{\"name\": \"env\", \"values\": [\"A\", \"1\"]}]}", "p.json:1:1: name: expected a name of letters, digits, dots, underscores and hyphens that starts with a letter or digit, found \"\"\np.json:2:33: capabilities[0].values: expected the name of an environment variable, found \"1\"\np.json:2:1: capabilities[0].reason: expected a sentence for the operator, found none"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseManifest([]byte(c.text))
			if err == nil {
				t.Fatal("it is accepted")
			}
			if got := Locate("p.json", []byte(c.text), err).Error(); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
	inside := &Problem{Field: "schema", Element: -1, Pointer: "/a~1b/1", Message: "m"}
	if got := Locate("p.json", []byte("{\"schema\":\n{\"a/b\": [1,\n 2]}}"), inside).Error(); got != "p.json:3:2: schema: /a~1b/1: m" {
		t.Errorf("within a schema: %s", got)
	}
	if got := Locate("p.json", nil, errors.New("other")); !strings.HasPrefix(got.Error(), "p.json:1:1: expected a value") {
		t.Errorf("no document: %v", got)
	}
}
