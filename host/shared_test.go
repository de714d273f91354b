package host

import (
	"context"
	"fmt"
	"testing"

	"github.com/sourcehost/sourcehost/internal/abi"
)

// What is kept of the answers of a run is bounded, also when all requests have begun
// before the first answer is there. What is not kept is asked for again.
func TestSharedAnswersAreBounded(t *testing.T) {
	var s sharedCalls
	s.init()
	defer s.close()
	big := make([]byte, 8<<20) // one for all, so that the test itself needs little
	begin := make(chan struct{})
	perform := func(context.Context) answer {
		<-begin
		return answer{status: abi.OK, result: big}
	}
	for i := range maxSharedCalls {
		s.get(t.Context(), fmt.Sprint(i), true, perform)
	}
	close(begin)
	s.wg.Wait()
	kept := 0
	for request, call := range s.calls {
		kept += len(request) + len(call.answer.result)
	}
	if kept > maxSharedBytes || kept < maxSharedBytes/2 || s.bytes != kept {
		t.Errorf("%d bytes are kept and %d counted, of at most %d", kept, s.bytes, maxSharedBytes)
	}
	for i := range 20 {
		if got := s.get(t.Context(), fmt.Sprint(i), false, perform); len(got.result) != len(big) {
			t.Errorf("request %d got %d bytes", i, len(got.result))
		}
	}
}
