package secret

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
)

// Handler wraps a slog.Handler so that no resolved value reaches it: in the
// message, in keys, and in values of every kind, groups, errors and structs
// included. A value that holds a secret arrives as redacted text; every other
// one arrives as it is. Attributes added by With are redacted when a record is
// written, so that a secret resolved in between is hidden too.
func (r *Resolver) Handler(next slog.Handler) slog.Handler {
	return &handler{r: r, plain: next, base: next}
}

// handler is what Handler returns.
type handler struct {
	r     *Resolver
	base  slog.Handler // without the attributes and groups
	plain slog.Handler // with them, as they were given
	steps []step       // what With added, in order
}

// step is one call of WithGroup or WithAttrs.
type step struct {
	group string
	attrs []slog.Attr
}

// Enabled asks the wrapped handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.base.Enabled(ctx, level)
}

// WithAttrs returns a handler that adds attributes to each record.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	return h.with(h.plain.WithAttrs(attrs), step{attrs: attrs})
}

// WithGroup returns a handler that puts what follows into a group.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return h.with(h.plain.WithGroup(name), step{group: name})
}

func (h *handler) with(plain slog.Handler, s step) slog.Handler {
	steps := append(h.steps[:len(h.steps):len(h.steps)], s)
	return &handler{r: h.r, base: h.base, plain: plain, steps: steps}
}

// Handle redacts a record and passes it on.
func (h *handler) Handle(ctx context.Context, rec slog.Record) error {
	if h.r.redactor.Load() == nil {
		return h.plain.Handle(ctx, rec)
	}
	next := h.base
	for _, s := range h.steps {
		if s.group != "" {
			next = next.WithGroup(h.r.Redact(s.group))
		} else {
			next = next.WithAttrs(h.r.attrs(s.attrs))
		}
	}
	clean := slog.NewRecord(rec.Time, rec.Level, h.r.Redact(rec.Message), rec.PC)
	rec.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(h.r.attr(a))
		return true
	})
	return next.Handle(ctx, clean)
}

func (r *Resolver) attrs(attrs []slog.Attr) []slog.Attr {
	clean := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		clean[i] = r.attr(a)
	}
	return clean
}

func (r *Resolver) attr(a slog.Attr) slog.Attr {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindGroup:
		v = slog.GroupValue(r.attrs(v.Group())...)
	case slog.KindAny:
		v = r.anyValue(v.Any())
	default:
		v = r.text(v, v.String())
	}
	return slog.Attr{Key: r.Redact(a.Key), Value: v}
}

// text returns v, or the redacted text where that differs.
func (r *Resolver) text(v slog.Value, text string) slog.Value {
	if clean := r.Redact(text); clean != text {
		return slog.StringValue(clean)
	}
	return v
}

// anyValue looks at a value in the two ways in which handlers write it: as fmt
// does and as JSON.
func (r *Resolver) anyValue(x any) (v slog.Value) {
	defer func() {
		if p := recover(); p != nil { // a String, Error or MarshalJSON that panics
			v = slog.StringValue(r.Redact(fmt.Sprintf("!PANIC: %v", p)))
		}
	}()
	v = slog.AnyValue(x)
	if b, ok := x.([]byte); ok {
		return r.text(v, string(b))
	}
	if _, isErr := x.(error); !isErr {
		if b, err := json.Marshal(x); err == nil {
			if clean := r.text(v, string(b)); clean.Kind() == slog.KindString {
				return clean
			}
		}
	}
	return r.text(v, fmt.Sprintf("%+v", x))
}
