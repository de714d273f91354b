package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/sourcehost/sourcehost/internal/abi"
	"github.com/sourcehost/sourcehost/internal/plugin"
)

// put accepts a producing call, or a further part of one.
func (c *caller) put(raw []byte) (abi.Status, []byte, error) {
	message, content, found := abi.CutBytes(raw)
	if !found {
		return abi.Invalid, nil, errors.New("a line feed and the content must follow the message")
	}
	p, err := abi.DecodePut(message)
	if err != nil {
		return abi.Invalid, nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	it, body, err := c.begun(p.Key)
	if err != nil {
		return abi.Invalid, nil, err
	}
	if limit := putLimit(c.run.host.cfg); body.size+int64(len(content)) > limit {
		body.close()
		body.failed = fmt.Errorf("the content has more than %d bytes; put = SIZE under [limits] in the configuration allows more", limit)
		return abi.Limit, nil, body.failed
	}
	if err := body.write(c.run, content); err != nil {
		body.close()
		body.failed = err
		return abi.Failed, nil, err
	}
	if !p.More {
		body.complete = true
		c.page.jobs[it] = &job{item: it, producer: body}
	}
	return abi.OK, nil, nil
}

// begun finds the item of a put, and the content that earlier calls have given.
func (c *caller) begun(key string) (*item, *putting, error) {
	it, err := c.producing(abi.OpPut, key, plugin.ProducesFile)
	if err != nil {
		return nil, nil, err
	}
	if c.over {
		return nil, nil, errors.New("the call of the hook is over")
	}
	if c.puts == nil {
		c.puts = map[*item]*putting{}
	}
	body := c.puts[it]
	if body == nil {
		body = &putting{}
		c.puts[it] = body
	}
	return it, body, body.failed
}

// endPuts forgets content that will not be produced: that which no further call has
// completed, and all of it when the hook has failed. A call of the plugin that was
// given up may be under way still.
func (c *caller) endPuts(failed bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	for _, body := range c.puts {
		if failed || !body.complete {
			body.close()
		}
	}
}

func putLimit(cfg Config) int64 {
	if cfg.PutBytes > 0 {
		return cfg.PutBytes
	}
	return abi.DefaultPutBytes
}

// spoolFrom is from how many bytes on the content of an item waits in a file
// without a name and not in memory: a page can have hundreds of items.
const spoolFrom = 256 << 10

// putting is a producer of files whose content a plugin has handed over.
type putting struct {
	memory   []byte
	file     *os.File // an unlinked one, which is also closed when the job is dropped
	size     int64
	complete bool
	failed   error
}

func (p *putting) from() string { return "" }

func (p *putting) write(r *run, content []byte) error {
	p.size += int64(len(content))
	if p.file == nil && p.size <= spoolFrom {
		p.memory = append(p.memory, content...)
		return nil
	}
	if r.req.DryRun {
		return nil // only the size is of interest
	}
	if p.file == nil {
		fd, err := r.files.Spool()
		if err != nil {
			return err
		}
		p.file = os.NewFile(uintptr(fd), "content of an item")
		content, p.memory = append(p.memory, content...), nil
	}
	_, err := p.file.Write(content)
	return err
}

func (p *putting) close() {
	if p.file != nil {
		p.file.Close()
	}
	p.memory = nil
}

func (p *putting) produce(ctx context.Context, r *run, it *item) (staged, error) {
	defer p.close()
	if p.file == nil {
		return r.stageContent(ctx, it, bytes.NewReader(p.memory), p.size)
	}
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return r.stageContent(ctx, it, p.file, p.size)
}
