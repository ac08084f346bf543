package metrics

import (
	"context"
	"errors"
	"log/slog"
	"sync"
)

// MaxWaitingValues is how many values of histograms may wait for an isolated
// sink. Further ones are dropped and counted. Counters and gauges lose
// nothing: adds are summed up while they wait, and a gauge keeps its last
// value.
const MaxWaitingValues = 8192

// Isolated is a sink that can neither panic nor block, whatever stands behind
// it. Isolate makes one.
type Isolated struct {
	sink   Sink    // what the caller's handles come from: a Trusted sink itself, a feed before any other
	feeds  []*feed // what Close has to end
	misuse misuse

	mu    sync.Mutex
	stops []func() // of what OnScrape has begun
}

// Isolate puts a guard before sink. Every client does so with the sink it is
// given, and closes the guard when it closes.
//
// A Trusted sink is called directly: its handles are handed out as they are.
// For any other sink, each member of a Multi on its own, a goroutine takes
// over all calls, until Close:
//
//	handle ──► what waits: sums, last values, at most MaxWaitingValues values ──► goroutine ──► sink
//
// A call that panics is skipped, and the first one is logged with its stack. A
// call that does not return leaves the others waiting within these bounds; the
// first value that is dropped is logged. Only calls that pass Instrument.Check
// reach the sink; others are logged once for each instrument.
//
// A nil sink is Noop, a nil logger slog.Default().
func Isolate(sink Sink, logger *slog.Logger) *Isolated {
	i := &Isolated{misuse: misuse{logger: logger}}
	i.sink = i.isolate(sink, logger)
	return i
}

func (i *Isolated) isolate(sink Sink, logger *slog.Logger) Sink {
	switch s := sink.(type) {
	case nil:
		return Noop
	case Trusted:
		return s
	case *multi:
		members := make([]Sink, len(s.members))
		for n, member := range s.members {
			members[n] = i.isolate(member, logger)
		}
		return &multi{members}
	}
	f := newFeed(sink, logger)
	i.feeds = append(i.feeds, f)
	return f
}

// Trusted marks that an Isolated neither blocks nor panics: it is not isolated
// a second time.
func (i *Isolated) Trusted() {}

// Counter resolves a counter.
func (i *Isolated) Counter(in *Instrument, labelValues ...string) Counter {
	if err := in.Check(KindCounter, labelValues); err != nil {
		i.misuse.report(in, err)
		return noopHandle{}
	}
	return i.sink.Counter(in, labelValues...)
}

// Gauge resolves a gauge.
func (i *Isolated) Gauge(in *Instrument, labelValues ...string) Gauge {
	if err := in.Check(KindGauge, labelValues); err != nil {
		i.misuse.report(in, err)
		return noopHandle{}
	}
	return i.sink.Gauge(in, labelValues...)
}

// Histogram resolves a histogram.
func (i *Isolated) Histogram(in *Instrument, labelValues ...string) Histogram {
	if err := in.Check(KindHistogram, labelValues); err != nil {
		i.misuse.report(in, err)
		return noopHandle{}
	}
	return i.sink.Histogram(in, labelValues...)
}

// Forget removes every series of in whose label values begin with these. A
// sink that is fed hears of all, and again of each of these series that came
// through this guard, after what was still waiting for it. A counter that is resolved again before the sink has
// heard of it keeps the adds that were waiting.
func (i *Isolated) Forget(in *Instrument, labelValues ...string) {
	if err := in.checkForget(labelValues); err != nil {
		i.misuse.report(in, err)
		return
	}
	i.sink.Forget(in, labelValues...)
}

// Dropped is how many values of histograms found no place and were dropped.
func (i *Isolated) Dropped() int64 {
	var sum int64
	for _, f := range i.feeds {
		sum += f.dropped.Load()
	}
	return sum
}

// Close asks for the last time what OnScrape was told to ask, hands over what is
// still waiting and ends the goroutines. A sink that is fed drops what is
// recorded later. When ctx ends first, Close returns an error that
// names the sink and wraps the cause; the goroutine that hangs in a call of
// that sink ends when the call returns. Further calls wait for the same end.
func (i *Isolated) Close(ctx context.Context) error {
	i.stopScrapes()
	for _, f := range i.feeds {
		f.close()
	}
	var errs []error
	for _, f := range i.feeds {
		errs = append(errs, f.wait(ctx))
	}
	return errors.Join(errs...)
}
