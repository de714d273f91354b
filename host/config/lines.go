package config

import (
	"bytes"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// lines tells on which line each key and table of a document first appears.
// The reader of values does not say, so the document is walked once more.
type lines map[string]int

// of returns the line of a key, given by the names that lead to it.
func (l lines) of(names ...string) (int, bool) {
	n, ok := l[strings.Join(names, "\x00")]
	return n, ok
}

// note records the line of a key and of the tables around it, unless known.
func (l lines) note(names []string, line int) {
	for i := range names {
		id := strings.Join(names[:i+1], "\x00")
		if _, ok := l[id]; !ok {
			l[id] = line
		}
	}
}

// keyLines walks a document that was found valid before.
func keyLines(data []byte) lines {
	w := walker{lines: lines{}}
	w.Reset(data)
	var at []string
	for w.NextExpression() {
		e := w.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			at = w.key(nil, e)
		case unstable.KeyValue:
			w.keyValue(at, e)
		}
	}
	return w.lines
}

type walker struct {
	unstable.Parser
	lines lines
	// The line of the last offset asked for: keys come in order.
	offset, line int
}

// key notes the key of an expression and returns the full names.
func (w *walker) key(at []string, e *unstable.Node) []string {
	names := at[:len(at):len(at)]
	for it := e.Key(); it.Next(); {
		names = append(names, string(it.Node().Data))
		w.lines.note(names, w.lineAt(int(it.Node().Raw.Offset)))
	}
	return names
}

func (w *walker) keyValue(at []string, e *unstable.Node) {
	names := w.key(at, e)
	if v := e.Value(); v.Kind == unstable.InlineTable {
		for it := v.Children(); it.Next(); {
			w.keyValue(names, it.Node())
		}
	}
}

// lineAt counts lines up to an offset.
func (w *walker) lineAt(offset int) int {
	if offset < w.offset {
		w.offset, w.line = 0, 0
	}
	w.line += bytes.Count(w.Data()[w.offset:offset], []byte("\n"))
	w.offset = offset
	return w.line + 1
}
