package host

import (
	"container/heap"
	"testing"
	"time"
)

// line is a simulated server at a distance, and the machine that fetches from it.
type line struct {
	rtt time.Duration // a new connection takes one more
	cpu time.Duration // what an item costs here, one after the other
}

// moment is something that happens to an item.
type moment struct {
	at    time.Duration
	begun time.Duration
	done  bool // else its answer arrives
}

type moments []moment

func (m moments) Len() int           { return len(m) }
func (m moments) Less(i, j int) bool { return m[i].at < m[j].at }
func (m moments) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *moments) Push(x any)        { *m = append(*m, x.(moment)) }
func (m *moments) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}

// simulate fetches items over a line and returns how long that takes, and how many
// were under way at most.
func simulate(f *flow, l line, items int) (took time.Duration, most int) {
	var next moments
	var now, busy time.Duration // busy: until when the processor has work
	idle := 0                   // connections
	begin := func() {
		for ; items > 0 && under(f) > 0; items-- {
			f.enter()
			wait := l.rtt
			if idle > 0 {
				idle--
			} else {
				wait += l.rtt
			}
			heap.Push(&next, moment{at: now + wait, begun: now})
		}
		most = max(most, f.light)
	}
	for begin(); len(next) > 0; begin() {
		m := heap.Pop(&next).(moment)
		now = m.at
		if m.done {
			f.leave()
			idle++
			continue
		}
		busy = max(busy, now) + l.cpu
		f.answered("server", busy-m.begun) // noticed when there is time for it
		heap.Push(&next, moment{at: busy, done: true})
	}
	return now, most
}

// TestFlowSimulation fetches 2,000 small files over lines of all lengths: with a
// number of workers that the flow adapts it takes hardly longer than with the best
// fixed one, and near servers see few at once. With -v it prints the table of
// docs/performance.md.
func TestFlowSimulation(t *testing.T) {
	const items = 2000
	fixed := []int{8, 16, 32, 64, 128}
	t.Logf("%8s %s   adaptive", "rtt", "seconds with 8, 16, 32, 64, 128")
	for _, rtt := range []time.Duration{200 * time.Microsecond, time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond} {
		l := line{rtt: rtt, cpu: 100 * time.Microsecond}
		best, all := time.Duration(0), []float64{}
		for _, n := range fixed {
			took, _ := simulate(newFlow(n, false), l, items)
			if all = append(all, took.Seconds()); best == 0 || took < best {
				best = took
			}
		}
		took, most := simulate(newFlow(DefaultWorkers, true), l, items)
		t.Logf("%8v %38.2f   %.2f with up to %d", rtt, all, took.Seconds(), most)
		if took > best*3/2 {
			t.Errorf("over %v the flow takes %v, a fixed number %v", rtt, took, best)
		}
		if rtt < farWait/2 && most > flowStart {
			t.Errorf("over %v there are %d items at once", rtt, most)
		}
	}
}
