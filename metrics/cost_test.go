package metrics_test

import (
	"context"
	"log/slog"
	"testing"

	"github.com/kinetrail/kinetrail/metrics"
)

// Not parallel: allocations are counted for the whole process.
func TestNoValueCostsAnAllocation(t *testing.T) {
	memory := metrics.NewMemory()
	full := memory.Histogram(metrics.ProducerBatchSize, "s")
	for range metrics.KeptValues {
		full.Observe(t.Context(), 1)
	}
	errors := metrics.NewCounterSet(memory, metrics.ProducerErrors, "s")
	errors.Add("code", 1)
	errorsOff := metrics.NewCounterSet(metrics.Noop, metrics.ProducerErrors, "s")
	errorsNil := metrics.NewCounterSet(nil, metrics.ProducerErrors, "s")
	nothingNamed := metrics.NewCounterSet(memory, nil)

	off := metrics.Isolate(nil, nil)
	on := metrics.Isolate(memory, nil)
	ctx := t.Context()
	for name, record := range map[string]func(){
		"an add, off":                         adds(off.Counter(metrics.ProducerRecordsSent, "s")),
		"an add, on":                          adds(on.Counter(metrics.ProducerRecordsSent, "s")),
		"a set, off":                          sets(off.Gauge(metrics.ProducerQueueSize, "s")),
		"a set, on":                           sets(on.Gauge(metrics.ProducerQueueSize, "s")),
		"a value, off":                        observes(ctx, off.Histogram(metrics.ProducerBatchSize, "s")),
		"a value, on":                         observes(ctx, on.Histogram(metrics.ProducerBatchSize, "s")),
		"a timer, off":                        times(ctx, off.Histogram(metrics.ProducerBatchSize, "s")),
		"a timer, on":                         times(ctx, on.Histogram(metrics.ProducerBatchSize, "s")),
		"a counter set's add, off":            func() { errorsOff.Add("code", 1) },
		"a counter set's add, nil sink":       func() { errorsNil.Add("code", 1) },
		"a counter set's add, nil instrument": func() { nothingNamed.Add("code", 1) },
		"a counter set's add, on":             func() { errors.Add("code", 1) },
	} {
		if got := testing.AllocsPerRun(100, record); got != 0 {
			t.Errorf("%s makes %g allocations; want 0", name, got)
		}
	}
}

func adds(c metrics.Counter) func() { return func() { c.Add(1) } }

func sets(g metrics.Gauge) func() { return func() { g.Set(1) } }

func observes(ctx context.Context, h metrics.Histogram) func() { return func() { h.Observe(ctx, 1) } }

func times(ctx context.Context, h metrics.Histogram) func() {
	return func() { defer metrics.StartTimer(h).Stop(ctx) }
}

// handles are what a client keeps.
type handles struct {
	counter   metrics.Counter
	gauge     metrics.Gauge
	histogram metrics.Histogram
}

func handlesOf(sink metrics.Sink) handles {
	return handles{
		sink.Counter(metrics.ProducerRecordsSent, "orders"),
		sink.Gauge(metrics.ProducerQueueSize, "orders"),
		sink.Histogram(metrics.ProducerFlushDuration, "orders"),
	}
}

// Off is what a client pays when nothing listens; compare with Nothing, the
// same loop without a call.
func BenchmarkOff(b *testing.B) { benchmark(b, metrics.Isolate(metrics.Default(), nil)) }

func BenchmarkMemory(b *testing.B) { benchmark(b, metrics.Isolate(metrics.NewMemory(), nil)) }

// Fed is a sink that is not Trusted and does nothing.
func BenchmarkFed(b *testing.B) {
	fed := metrics.Isolate(quiet{}, slog.New(slog.DiscardHandler))
	defer func() { _ = fed.Close(context.Background()) }()
	benchmark(b, fed)
}

func BenchmarkNothing(b *testing.B) {
	n := 0
	for b.Loop() {
		n++
	}
}

func benchmark(b *testing.B, sink metrics.Sink) {
	h, ctx := handlesOf(sink), b.Context()
	b.Run("add", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.counter.Add(1)
		}
	})
	b.Run("set", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.gauge.Set(1)
		}
	})
	b.Run("observe", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			h.histogram.Observe(ctx, 1)
		}
	})
	b.Run("time", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			metrics.StartTimer(h.histogram).Stop(ctx)
		}
	})
	b.Run("lookup", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sink.Counter(metrics.ConsumerErrors, "orders", "shardId-000000000000", metrics.ErrorTimeout)
		}
	})
}

// quiet is a foreign sink: it hides that Noop is Trusted.
type quiet struct{}

func (quiet) Counter(*metrics.Instrument, ...string) metrics.Counter     { return quiet{} }
func (quiet) Gauge(*metrics.Instrument, ...string) metrics.Gauge         { return quiet{} }
func (quiet) Histogram(*metrics.Instrument, ...string) metrics.Histogram { return quiet{} }
func (quiet) Forget(*metrics.Instrument, ...string)                      {}
func (quiet) Add(int64)                                                  {}
func (quiet) Set(float64)                                                {}
func (quiet) Observe(context.Context, float64)                           {}
