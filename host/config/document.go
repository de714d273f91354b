package config

import (
	"fmt"
	"strings"
)

// TableDoc describes a table of the file for its documentation.
type TableDoc struct {
	// Name is the table's name, with NAME for the part that is free; empty for
	// the file itself.
	Name string
	Keys []KeyDoc
}

// KeyDoc describes a key. Its texts are Markdown.
type KeyDoc struct {
	Name, Type, Default, Meaning string
}

// Document describes every key. The defaults are those that packages have.
func Document(defaults *File) []TableDoc {
	var docs []TableDoc
	add := func(name string, keys []key) {
		t := TableDoc{Name: name}
		for _, k := range keys {
			t.Keys = append(t.Keys, k.document())
		}
		docs = append(docs, t)
	}
	add("", rootKeys(defaults))
	add("download", downloadKeys(&defaults.Download))
	add("limits", limitsKeys(&defaults.Limits))
	add("container", containerKeys(&defaults.Container))
	add("source.NAME", sourceKeys(&Source{}))
	add("plugin.NAME", pluginKeys(&Plugin{}))
	add("plugin.NAME.grant", grantKeys(&Grant{}))
	add("program.NAME", programKeys(&Program{}))
	add("secret.NAME", secretKeys(&Secret{}))
	return docs
}

func (k key) document() KeyDoc {
	d := KeyDoc{Name: k.name, Type: k.kind.String(), Default: k.unset, Meaning: k.meaning}
	if k.most > 0 {
		d.Type += ", at most `" + k.boundText() + "`"
	}
	if len(k.words) > 0 {
		words := make([]string, len(k.words))
		for i, w := range k.words {
			words[i] = fmt.Sprintf("`%q`", w)
		}
		d.Type = strings.Join(words, " or ")
	}
	if _, text := k.value(); text != "" {
		d.Default = "`" + text + "`"
	}
	if d.Default == "" {
		d.Default = "none"
	}
	return d
}
