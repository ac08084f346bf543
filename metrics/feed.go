package metrics

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
)

// A feed stands before one sink. Its handles note what is to be delivered, and
// its goroutine is the only one that calls the sink.
type feed struct {
	sink    Sink
	logger  *slog.Logger
	dropped atomic.Int64
	done    chan struct{} // closed when the goroutine has ended

	panicked bool // seen a panic; the goroutine's own

	mu      sync.Mutex
	wake    sync.Cond        // the queue has got its first cell, or closed is set
	cells   map[string]*cell // by key
	queue   []*cell          // cells with something to deliver, each once
	forgets []series         // series of other feeds to be forgotten, before the queue; values may be a part
	waiting int              // values in all cells
	closed  bool
}

// A cell is one series on its way to the sink, and the handle for it.
type cell struct {
	series
	feed *feed
	key  string

	// The sink's own handles, one of them per kind; the goroutine's own.
	resolved  bool
	counter   Counter
	gauge     Gauge
	histogram Histogram

	// Guarded by feed.mu.
	pending pending
	queued  bool // is in the queue
	gone    bool // was forgotten: its handle leads nowhere
}

// pending is what a cell has to deliver.
type pending struct {
	added    int64
	gauge    float64
	gaugeSet bool
	values   []observation
	forget   bool // remove the series
	renew    bool // it was resolved again after forget
}

type observation struct {
	ctx context.Context
	v   float64
}

func newFeed(sink Sink, logger *slog.Logger) *feed {
	f := &feed{
		sink:   sink,
		logger: orDefault(logger),
		done:   make(chan struct{}),
		cells:  map[string]*cell{},
	}
	f.wake.L = &f.mu
	go f.run()
	return f
}

func (f *feed) Counter(in *Instrument, labelValues ...string) Counter {
	return f.resolve(in, labelValues)
}

func (f *feed) Gauge(in *Instrument, labelValues ...string) Gauge {
	return f.resolve(in, labelValues)
}

func (f *feed) Histogram(in *Instrument, labelValues ...string) Histogram {
	return f.resolve(in, labelValues)
}

// resolve finds a cell or makes it. A new cell is queued at once, so that the
// sink resolves its handle and a counter exists at 0.
func (f *feed) resolve(in *Instrument, labelValues []string) *cell {
	key := string(appendKey(nil, in, labelValues))
	f.mu.Lock()
	defer f.mu.Unlock()
	c, ok := f.cells[key]
	if !ok {
		c = &cell{series: newSeries(in, labelValues), feed: f, key: key}
		f.cells[key] = c
		f.enqueue(c)
	} else if c.pending.forget {
		c.pending.renew = true
	}
	return c
}

// Forget forgets the series of this feed, and those that the sink has from a
// feed before it: of a consumer that was stopped and made again.
func (f *feed) Forget(in *Instrument, labelValues ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return
	}
	if len(labelValues) < len(in.Labels) || f.cells[string(appendKey(nil, in, labelValues))] == nil {
		f.forgetOthers(newSeries(in, labelValues))
	}
	for _, c := range f.cells {
		if c.listens() && c.beginsWith(in, labelValues) {
			c.pending.forget, c.pending.renew = true, false
			c.pending.gaugeSet = false
			f.enqueue(c)
		}
	}
}

// forgetOthers notes what is to be forgotten, once. It is called with the lock
// held.
func (f *feed) forgetOthers(s series) {
	known := func(noted series) bool { return noted.in == s.in && slices.Equal(noted.values, s.values) }
	if !slices.ContainsFunc(f.forgets, known) {
		f.forgets = append(f.forgets, s)
		f.wake.Signal()
	}
}

// Add implements Counter.
func (c *cell) Add(n int64) {
	if n > 0 {
		c.note(func(p *pending) { p.added += n })
	}
}

// Set implements Gauge.
func (c *cell) Set(v float64) {
	c.note(func(p *pending) { p.gauge, p.gaugeSet = v, true })
}

func (c *cell) note(change func(*pending)) {
	c.feed.mu.Lock()
	defer c.feed.mu.Unlock()
	if c.listens() {
		change(&c.pending)
		c.feed.enqueue(c)
	}
}

// listens is called with the lock held.
func (c *cell) listens() bool { return !c.gone && !c.feed.closed }

// Observe implements Histogram.
func (c *cell) Observe(ctx context.Context, v float64) {
	if c.feed.observe(c, observation{ctx, v}) {
		return
	}
	// Logged outside the lock: a logger may be slow as well.
	if c.feed.dropped.Add(1) == 1 {
		c.feed.logger.Warn("metrics: the sink is too slow, values of histograms are dropped",
			"sink", fmt.Sprintf("%T", c.feed.sink), "waiting", MaxWaitingValues)
	}
}

// observe reports whether there was a place for the value.
func (f *feed) observe(c *cell, o observation) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !c.listens() {
		return true
	}
	if f.waiting == MaxWaitingValues {
		return false
	}
	f.waiting++
	c.pending.values = append(c.pending.values, o)
	f.enqueue(c)
	return true
}

// enqueue is called with the lock held.
func (f *feed) enqueue(c *cell) {
	if !c.queued {
		c.queued = true
		f.queue = append(f.queue, c)
		f.wake.Signal()
	}
}

func (f *feed) run() {
	defer close(f.done)
	for {
		forgets, c, work := f.next()
		for _, s := range forgets {
			f.try(s.in, func() { f.sink.Forget(s.in, s.values...) })
		}
		switch {
		case c != nil:
			f.deliver(c, work)
		case len(forgets) == 0:
			return
		}
	}
}

// next waits for a cell with something to deliver and takes that from it, or for
// series to be forgotten, which come first: a cell may have been resolved again
// after they were. It returns nothing when the feed is closed and everything is
// delivered.
func (f *feed) next() ([]series, *cell, pending) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.queue) == 0 && len(f.forgets) == 0 {
		if f.closed {
			return nil, nil, pending{}
		}
		f.wake.Wait()
	}
	if forgets := f.forgets; len(forgets) > 0 {
		f.forgets = nil
		return forgets, nil, pending{}
	}
	c := f.queue[0]
	f.queue[0] = nil
	f.queue = f.queue[1:]
	work := c.pending
	c.pending, c.queued = pending{}, false
	f.waiting -= len(work.values)
	if work.forget && !work.renew {
		delete(f.cells, c.key)
		c.gone = true
	}
	return nil, c, work
}

// deliver calls the sink. A series that is forgotten gets its last values
// first; one that came back in the meantime is forgotten before it gets what
// is waiting.
func (f *feed) deliver(c *cell, work pending) {
	if work.forget && work.renew {
		f.forget(c)
	}
	if !c.resolved {
		f.try(c.in, func() { c.resolve(f.sink) })
	}
	if c.resolved {
		f.hand(c, work)
	}
	if work.forget && !work.renew {
		f.forget(c)
	}
}

func (f *feed) forget(c *cell) {
	f.try(c.in, func() { f.sink.Forget(c.in, c.values...) })
	c.resolved = false
}

func (c *cell) resolve(sink Sink) {
	switch c.in.Kind {
	case KindCounter:
		c.counter = sink.Counter(c.in, c.values...)
	case KindGauge:
		c.gauge = sink.Gauge(c.in, c.values...)
	case KindHistogram:
		c.histogram = sink.Histogram(c.in, c.values...)
	}
	c.resolved = true
}

func (f *feed) hand(c *cell, work pending) {
	if work.added > 0 {
		f.try(c.in, func() { c.counter.Add(work.added) })
	}
	if work.gaugeSet {
		f.try(c.in, func() { c.gauge.Set(work.gauge) })
	}
	for _, o := range work.values {
		f.try(c.in, func() { c.histogram.Observe(o.ctx, o.v) })
	}
}

// try makes one call of the sink and survives its panic.
func (f *feed) try(in *Instrument, call func()) {
	defer func() {
		if p := recover(); p != nil && !f.panicked {
			f.panicked = true
			f.logger.Warn("metrics: the sink panicked, such calls are skipped",
				"sink", fmt.Sprintf("%T", f.sink), "instrument", in.Name,
				"panic", p, "stack", string(debug.Stack()))
		}
	}()
	call()
}

func (f *feed) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	f.wake.Signal()
}

func (f *feed) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return nil
	default:
	}
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close metrics sink %T: it has not taken its last values: %w", f.sink, context.Cause(ctx))
	}
}
