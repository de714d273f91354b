package guest

import (
	"crypto/rand"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/sys"
)

// fakeStart is the time that a guest without the capability "clock" is given
// when its instance starts: 2020-01-01 00:00:00 UTC, in nanoseconds.
const fakeStart = 1577836800 * int64(time.Second)

// clock is what a guest sees as time. Without the capability it starts at
// fakeStart and moves on by a microsecond whenever it is read, and by the
// length of each sleep, so that guests that wait for time to pass do not hang.
type clock struct {
	real  bool
	fake  int64 // nanoseconds since fakeStart
	state func() *callState
}

func (c *clock) wall() (int64, int32) {
	now := time.Now().UnixNano()
	if !c.real {
		now = fakeStart + c.tick()
	}
	return now / int64(time.Second), int32(now % int64(time.Second))
}

func (c *clock) mono() int64 {
	if c.real {
		return time.Now().UnixNano()
	}
	return c.tick()
}

func (c *clock) tick() int64 {
	c.fake += int64(time.Microsecond)
	return c.fake
}

// sleep waits, but not beyond the deadline of the call: a guest that still
// sleeps then is ended.
func (c *clock) sleep(ns int64) {
	if ns <= 0 {
		return
	}
	if !c.real {
		c.fake = max(c.fake, c.fake+ns) // an overflow leaves the clock as it is
		return
	}
	st := c.state()
	if st == nil {
		return
	}
	t := time.NewTimer(time.Duration(ns))
	defer t.Stop()
	select {
	case <-t.C:
	case <-st.ctx.Done():
		panic(&fault{cause: Deadline, err: fmt.Errorf("the call was ended while the plugin slept")})
	}
}

// moduleConfig is the world that WASI shows to one instance: no arguments, no
// environment, no files; standard output and error go to the log.
func (in *wasmInstance) moduleConfig() wazero.ModuleConfig {
	src := in.plugin.src
	state := func() *callState { return in.state }
	c := &clock{real: src.Clock, state: state}
	return wazero.NewModuleConfig().
		WithName("").
		WithStartFunctions().
		WithStdout(stream{state: state}).
		WithStderr(stream{state: state, stderr: true}).
		WithWalltime(c.wall, sys.ClockResolution(time.Microsecond)).
		WithNanotime(c.mono, sys.ClockResolution(time.Microsecond)).
		WithNanosleep(c.sleep).
		WithRandSource(randSource(src.Random))
}

// randSource returns real random numbers, or the same ones for each instance:
// Go guests need some to start.
func randSource(random bool) io.Reader {
	if random {
		return rand.Reader
	}
	return mathrand.NewChaCha8([32]byte{})
}
