package metrics

import (
	"context"
	"time"
)

// Timer measures how long something takes, by the monotonic clock:
//
//	defer metrics.StartTimer(histogram).Stop(ctx)
//
// It allocates nothing. When nothing listens to the histogram, it does not
// read the clock either. The zero Timer measures nothing.
type Timer struct {
	histogram Histogram
	start     time.Duration // since epoch
}

// epoch is some moment: the time since it is the monotonic clock alone, which is
// read in half the time of time.Now.
var epoch = time.Now()

// StartTimer starts measuring for a histogram of seconds.
func StartTimer(h Histogram) Timer {
	if !live(h) {
		return Timer{}
	}
	return Timer{h, time.Since(epoch)}
}

// Stop observes the seconds since the start. A caller that stops twice
// observes twice.
func (t Timer) Stop(ctx context.Context) {
	if t.histogram != nil {
		t.histogram.Observe(ctx, (time.Since(epoch) - t.start).Seconds())
	}
}
