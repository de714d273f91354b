package progress

import (
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/sourcehost/sourcehost/host"
)

const (
	// barInterval is the time between two frames.
	barInterval = 150 * time.Millisecond
	// slowest is how many items are named beneath the bar.
	slowest = 4
)

// bars draws on a terminal. mpb owns the cursor and the width; what the lines
// say comes from render.go.
type bars struct {
	out     io.Writer
	tracker *tracker
	box     *mpb.Progress
	bar     *mpb.Bar
	once    sync.Once
}

func newBars(w io.Writer, items int) *bars {
	b := &bars{out: w, tracker: newTracker(items, time.Now)}
	b.box = mpb.New(mpb.WithOutput(w), mpb.WithRefreshRate(barInterval), mpb.WithAutoRefresh())
	// A total of 0 keeps the bar alive until Close, whatever the counts are.
	b.bar = b.box.MustAdd(0, mpb.BarFillerFunc(b.total),
		mpb.BarFillerTrim(),
		mpb.BarRemoveOnComplete(),
		mpb.BarExtender(mpb.BarFillerFunc(b.slow), false))
	return b
}

func (b *bars) total(w io.Writer, s decor.Statistics) error {
	_, err := io.WriteString(w, totalLine(b.tracker.snapshot(), s.AvailableWidth-1))
	return err
}

func (b *bars) slow(w io.Writer, s decor.Statistics) error {
	for _, l := range slowLines(b.tracker.snapshot(), s.AvailableWidth-1, slowest) {
		if _, err := io.WriteString(w, l+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func (b *bars) Event(e host.Event) { b.tracker.event(e) }

// Write prints lines above the bar, or as they are once the bar is gone.
func (b *bars) Write(p []byte) (int, error) {
	if n, err := b.box.Write(p); err == nil {
		return n, nil
	}
	return b.out.Write(p)
}

func (b *bars) SourceFailed(source string, items int, _ Failure) {
	b.tracker.sourceFailed(source, items)
}

func (b *bars) Close(*Failure) {
	b.once.Do(func() {
		b.bar.Abort(true)
		b.box.Wait()
	})
}
