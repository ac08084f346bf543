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
	start     time.Time
}

// StartTimer starts measuring for a histogram of seconds.
func StartTimer(h Histogram) Timer {
	if !live(h) {
		return Timer{}
	}
	return Timer{h, time.Now()}
}

// Stop observes the seconds since the start. A caller that stops twice
// observes twice.
func (t Timer) Stop(ctx context.Context) {
	if t.histogram != nil {
		t.histogram.Observe(ctx, time.Since(t.start).Seconds())
	}
}
