package download

import (
	"context"
	"errors"
)

// Engine fetches files. It is safe for use by many goroutines, which share its
// connections.
type Engine struct {
	cfg Config
}

// New returns an engine. It costs nothing until the first fetch.
func New(cfg Config) *Engine {
	return &Engine{cfg: cfg.withDefaults()}
}

// Close closes the connections that are idle. Fetches should have returned.
func (e *Engine) Close() {}

// Fetch brings the bytes of req to t. Any error is an *Error.
func (e *Engine) Fetch(ctx context.Context, req Request, t Target) (Info, error) {
	return Info{}, &Error{Kind: KindInvalid, Name: req.Name, Err: errors.New("no URL was given")}
}
