package manifest

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/santhosh-tekuri/jsonschema/v5"
)

// batchSize is how many members of an object are checked in one go.
const batchSize = 64

// crew checks members of an object in batches, several at once.
type crew struct {
	schema  *jsonschema.Schema
	pointer string

	pending *batch
	batches []*batch // in the order of the text
	work    chan *batch
	workers sync.WaitGroup
	count   atomic.Int64 // findings so far
}

// batch is some members, and what was found in them.
type batch struct {
	names  []string
	values []any
	explainer
}

// add takes a member over.
func (c *crew) add(name string, v any) {
	if c.pending == nil {
		c.pending = &batch{}
		c.batches = append(c.batches, c.pending)
	}
	b := c.pending
	b.names, b.values = append(b.names, name), append(b.values, v)
	if len(b.names) == batchSize {
		c.send()
	}
}

// send gives the pending batch to a worker. Their channel holds little, so that few
// decoded values are in memory at a time.
func (c *crew) send() {
	if c.work == nil {
		n := runtime.GOMAXPROCS(0)
		c.work = make(chan *batch, n)
		for range n {
			c.workers.Go(func() {
				for b := range c.work {
					c.check(b)
				}
			})
		}
	}
	c.work <- c.pending
	c.pending = nil
}

// finish waits for all batches, and hands their findings over.
func (c *crew) finish(e *explainer) {
	if c.pending != nil {
		c.check(c.pending) // few members need no workers
	}
	if c.work != nil {
		close(c.work)
		c.workers.Wait()
	}
	for _, b := range c.batches {
		e.append(&b.explainer)
	}
}

// check checks a batch, and lets go of its values.
func (c *crew) check(b *batch) {
	single := make(map[string]any, 1)
	for i, name := range b.names {
		if c.count.Load() >= maxCounted {
			break
		}
		before := b.count
		clear(single)
		single[name] = b.values[i]
		b.value(c.schema, single, c.pointer)
		c.count.Add(int64(b.count - before))
	}
	b.names, b.values = nil, nil
}
