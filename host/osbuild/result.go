package osbuild

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/sourcehost/sourcehost/host"
)

// document is what osbuild 186 and later read from a reply.
type document struct {
	Name       string         `json:"name"`
	SourceType string         `json:"source_type"`
	Success    bool           `json:"success"`
	Output     string         `json:"output"`
	Results    []itemDocument `json:"results"`
}

type itemDocument struct {
	Success  bool             `json:"success"`
	Metadata metadataDocument `json:"metadata"`
	Error    string           `json:"error"`
}

type metadataDocument struct {
	Checksum string `json:"checksum"`
	Cached   bool   `json:"cached"`
}

// failure is an item that is not in the store, and why. An empty key means the
// request as a whole.
type failure struct{ key, text string }

// failureBudget is how many characters the failures of a reply may take. Osbuild
// copies them into a result of its own, whose reader cannot take 31,000.
const failureBudget = 24_000

// successReply tells that all items are in the store. Before version 186 nobody
// reads it, and a long one could not be received.
func successReply(v Version, source string, res *host.Result) []byte {
	if !v.structured() {
		return encodeReply(map[string]any{})
	}
	doc := newDocument(source, true)
	for _, it := range res.Items {
		doc.Results = append(doc.Results, itemDocument{
			Success: true, Metadata: metadataDocument{Checksum: it.Key, Cached: it.State == host.Cached},
		})
	}
	return encodeReply(doc)
}

func newDocument(source string, success bool) document {
	return document{Name: "source " + source, SourceType: source, Success: success, Results: []itemDocument{}}
}

// failureReply tells what failed, as the osbuild of this version understands it.
// Summary is one line.
func failureReply(v Version, source, summary string, failed []failure) []byte {
	kept := fit(failed, failureBudget)
	if !v.structured() {
		return encodeException("RuntimeError", exceptionText(source, summary, kept), "")
	}
	doc := newDocument(source, false)
	doc.Output = summary
	for _, f := range kept {
		doc.Results = append(doc.Results, itemDocument{Metadata: metadataDocument{Checksum: f.key}, Error: f.text})
	}
	return encodeReply(doc)
}

// exceptionText is for people: osbuild prints it.
func exceptionText(source, summary string, failed []failure) string {
	if len(failed) == 1 && strings.Contains(failed[0].text, failed[0].key) {
		return source + ": " + failed[0].text
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", source, summary)
	for _, f := range failed {
		fmt.Fprintf(&b, "\n%s: %s", f.key, f.text)
	}
	return b.String()
}

// fit shortens the texts, and then leaves failures out, until the rest takes at
// most budget characters. The last one says how many are missing.
func fit(failed []failure, budget int) []failure {
	const shortest = 240
	for _, limit := range []int{4000, 1500, 600, shortest} {
		if short := shortened(failed, limit); cost(short) <= budget {
			return short
		}
	}
	const notice = 80
	short := shortened(failed, shortest)
	n, used := 0, notice
	for ; n < len(short); n++ {
		c := cost(short[n : n+1])
		if used+c > budget {
			break
		}
		used += c
	}
	kept := short[:max(n, 1)]
	if left := len(short) - len(kept); left > 0 {
		last := &kept[len(kept)-1]
		last.text += fmt.Sprintf(" (and %d more items failed; see the log)", left)
	}
	return kept
}

// maxKey is where keys are cut, in characters: longer ones are never valid.
const maxKey = 160

func shortened(failed []failure, limit int) []failure {
	short := make([]failure, len(failed))
	for i, f := range failed {
		short[i] = failure{key: cut(f.key, maxKey), text: cut(f.text, limit)}
	}
	return short
}

// frame is what stands around key and text of an item in the JSON of a result.
const frame = len(`{"success": false, "metadata": {"checksum": "", "cached": false}, "error": ""}, `)

func cost(failed []failure) int {
	n := 0
	for _, f := range failed {
		n += frame + width(f.key) + width(f.text)
	}
	return n
}

// width is how many characters Python's json module makes of a string.
func width(s string) int {
	n := 0
	for _, r := range s {
		n += runeWidth(r)
	}
	return n
}

func runeWidth(r rune) int {
	switch {
	case r == '"' || r == '\\' || r == '\n' || r == '\r' || r == '\t' || r == '\b' || r == '\f':
		return 2
	case r >= 0x10000:
		return len(`\ud800\udc00`)
	case r < 0x20 || r > 0x7e:
		return len(`\u0000`)
	}
	return 1
}

// cut shortens s to at most limit characters as width counts them.
func cut(s string, limit int) string {
	if width(s) <= limit {
		return s
	}
	const mark = "..."
	n, end := len(mark), 0
	for i, r := range s {
		if n += runeWidth(r); n > limit {
			break
		}
		end = i + utf8.RuneLen(r)
		if r == utf8.RuneError {
			end = i + 1 // may stand for one invalid byte
		}
	}
	return strings.ToValidUTF8(s[:end], "") + mark
}
