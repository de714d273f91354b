package host

import (
	"context"
	"sync"

	"github.com/sourcehost/sourcehost/internal/abi"
)

const (
	// maxSharedCalls and maxSharedBytes bound what a run keeps of requests that are
	// made once. Beyond them, such a request is made each time.
	maxSharedCalls = 1000
	maxSharedBytes = 64 << 20
	// sharedAtOnce is how many of them are under way at once.
	sharedAtOnce = 16
)

// sharedCalls are the requests that a run makes once, whichever instance of a
// plugin asks, and however often: they outlive the hook that began them.
type sharedCalls struct {
	ctx   context.Context // of the run
	stop  context.CancelFunc
	slots chan struct{}
	wg    sync.WaitGroup

	mu    sync.Mutex
	calls map[string]*sharedCall
	bytes int
}

// sharedCall is one of them. Its answer may be read when done is closed.
type sharedCall struct {
	done   chan struct{}
	answer answer
}

func (s *sharedCalls) init() {
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.slots = make(chan struct{}, sharedAtOnce)
	s.calls = map[string]*sharedCall{}
}

// close ends what is under way.
func (s *sharedCalls) close() {
	s.stop()
	s.wg.Wait()
}

// get returns the answer to a request, which is performed when it has not been yet.
// With start it does not wait.
func (s *sharedCalls) get(ctx context.Context, request string, start bool, perform func(context.Context) answer) answer {
	limited, cancel := withMargin(ctx)
	defer cancel()
	call := s.begin(request, perform)
	switch {
	case call == nil && start:
		return answer{status: abi.OK}
	case call == nil:
		return perform(limited)
	case start:
		return answer{status: abi.OK}
	}
	select {
	case <-call.done:
		return call.answer
	case <-limited.Done():
		return answer{abi.Failed, nil, &abi.Error{Kind: abi.ErrTimeout, Message: context.Cause(limited).Error()}}
	}
}

// begin returns the call for a request, nil when no more can be kept.
func (s *sharedCalls) begin(request string, perform func(context.Context) answer) *sharedCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	if call := s.calls[request]; call != nil {
		return call
	}
	if len(s.calls) >= maxSharedCalls || s.bytes >= maxSharedBytes || s.ctx.Err() != nil {
		return nil
	}
	call := &sharedCall{done: make(chan struct{})}
	s.calls[request] = call
	s.bytes += len(request)
	s.wg.Go(func() {
		defer close(call.done)
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		case <-s.ctx.Done():
		}
		call.answer = perform(s.ctx)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.bytes += len(call.answer.result); s.bytes > maxSharedBytes {
			// Who waits for it gets it, and nobody else.
			s.bytes -= len(call.answer.result) + len(request)
			delete(s.calls, request)
		}
	})
	return call
}
