package metrics

import "context"

// Sink takes the values of instruments. It gives out one handle per instrument
// and label set; the values go through the handles.
//
// Sinks and handles are used by many goroutines at once.
//
// Label values come in the order of in.Labels. A sink may keep the slice and
// must not change it. A sink that is reached through Isolate, as the clients
// do it, is only asked for handles that pass Instrument.Check.
type Sink interface {
	// Counter resolves a counter. Its series exists from then on, at 0, so
	// that the first event is seen as a change.
	Counter(in *Instrument, labelValues ...string) Counter

	// Gauge resolves a gauge. Its series exists from the first Set on: a
	// gauge that was never set must not show as 0.
	Gauge(in *Instrument, labelValues ...string) Gauge

	// Histogram resolves a histogram. Whether its series shows before the
	// first value is up to the sink.
	Histogram(in *Instrument, labelValues ...string) Histogram

	// Forget removes every series of in whose label values begin with these:
	// with a stream and a shard, the errors of that shard under every
	// error_type. Handles of a removed series lead nowhere; a series that
	// comes back is resolved again and starts afresh. A sink that keeps no
	// series does nothing.
	Forget(in *Instrument, labelValues ...string)
}

// Counter is a sum that only grows.
type Counter interface {
	// Add adds n. Sinks ignore an n below zero.
	Add(n int64)
}

// Gauge is a value that holds until the next one.
type Gauge interface {
	Set(v float64)
}

// Histogram is a distribution of values.
type Histogram interface {
	// Observe adds one value. From ctx a sink may take the span for an
	// exemplar, and nothing else: it can be over by the time the sink sees it.
	Observe(ctx context.Context, v float64)
}

// Trusted marks a sink whose methods, and whose handles' methods, return at
// once and never panic. Isolate gives out its handles as they are, where those
// of any other sink are fed by a goroutine. The sinks of this module are
// Trusted. A sink that writes to a network or a file, or takes a lock that
// somebody holds while doing so, is not.
type Trusted interface {
	Sink

	// Trusted does nothing.
	Trusted()
}

// Enabled reports whether anything listens to sink: false for nil and Noop,
// and for what Isolate and Multi make of them. Callers ask before work that is
// done for metrics alone, such as reading the clock.
func Enabled(sink Sink) bool {
	switch s := sink.(type) {
	case nil, noop:
		return false
	case *Isolated:
		return Enabled(s.sink)
	}
	return true
}

// ForgetShard removes every series of the catalogue that belongs to one shard.
func ForgetShard(sink Sink, streamName, shardID string) {
	for _, in := range catalog {
		if len(in.Labels) > 1 && in.Labels[0] == LabelStream && in.Labels[1] == LabelShard {
			sink.Forget(in, streamName, shardID)
		}
	}
}
