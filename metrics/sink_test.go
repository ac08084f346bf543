package metrics_test

import (
	"maps"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail/metrics"
)

// Acceptance criterion A1.
func TestNoopTakesEverything(t *testing.T) {
	t.Parallel()
	for _, in := range append(metrics.Catalog(), nil) {
		metrics.Noop.Counter(in, "s").Add(1)
		metrics.Noop.Gauge(in).Set(1)
		h := metrics.Noop.Histogram(in, "s", "x", "y", "z")
		h.Observe(t.Context(), 1)
		metrics.StartTimer(h).Stop(t.Context())
		metrics.Noop.Forget(in)
	}
}

func TestEnabledIsFalseWhereNothingListens(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		sink metrics.Sink
		want bool
	}{
		{"nil", nil, false},
		{"Noop", metrics.Noop, false},
		{"Multi of nothing", metrics.Multi(), false},
		{"Multi of nil and Noop", metrics.Multi(nil, metrics.Noop, metrics.Multi(metrics.Noop)), false},
		{"Isolate of nil", metrics.Isolate(nil, nil), false},
		{"Isolate of Noop", metrics.Isolate(metrics.Noop, nil), false},
		{"Isolate of Isolate of Noop", metrics.Isolate(metrics.Isolate(metrics.Noop, nil), nil), false},
		{"Memory", metrics.NewMemory(), true},
		{"Multi of Noop and Memory", metrics.Multi(metrics.Noop, metrics.NewMemory()), true},
		{"Isolate of Memory", metrics.Isolate(metrics.NewMemory(), nil), true},
	}
	for _, tt := range tests {
		if got := metrics.Enabled(tt.sink); got != tt.want {
			t.Errorf("Enabled(%s) = %t; want %t", tt.name, got, tt.want)
		}
	}
}

// Acceptance criterion A9. Not parallel: the default belongs to the process.
func TestDefaultIsNoopUntilSetAndAfterNil(t *testing.T) {
	if got := metrics.Default(); got != metrics.Noop {
		t.Errorf("Default() = %T at the start; want Noop", got)
	}
	m := metrics.NewMemory()
	metrics.SetDefault(m)
	if got := metrics.Default(); got != m {
		t.Errorf("Default() = %v after SetDefault; want what was set", got)
	}
	metrics.SetDefault(nil)
	if got := metrics.Default(); got != metrics.Noop {
		t.Errorf("Default() = %T after SetDefault(nil); want Noop", got)
	}
}

func TestMultiPassesEverythingOnToEach(t *testing.T) {
	t.Parallel()
	a, b, c := metrics.NewMemory(), metrics.NewMemory(), metrics.NewMemory()
	all := metrics.Multi(a, nil, metrics.Multi(b, metrics.Noop, c))
	all.Counter(metrics.ProducerRecordsSent, "s").Add(3)
	all.Gauge(metrics.ProducerQueueSize, "s").Set(2)
	all.Histogram(metrics.ProducerBatchSize, "s").Observe(t.Context(), 5)
	all.Counter(metrics.ConsumerOutOfRange, "s", "shard-0").Add(1)
	all.Forget(metrics.ConsumerOutOfRange, "s")
	want := map[string]any{
		"producer_records_sent_total{stream_name=s}": int64(3),
		"producer_queue_size{stream_name=s}":         2.0,
		"producer_batch_size{stream_name=s}":         []float64{5},
	}
	for name, m := range map[string]*metrics.Memory{"first": a, "second": b, "third": c} {
		if got := m.Snapshot(); !reflect.DeepEqual(got, want) {
			t.Errorf("the %s sink holds %v; want %v", name, got, want)
		}
	}
}

func TestMultiOfOneSinkIsThatSink(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	if got := metrics.Multi(metrics.Noop, m, nil); got != m {
		t.Errorf("Multi of Noop, a Memory and nil is a %T; want that Memory", got)
	}
}

// deaf is a sink that is not interested in any instrument.
type deaf struct{}

func (deaf) Counter(*metrics.Instrument, ...string) metrics.Counter {
	return metrics.Noop.Counter(nil)
}

func (deaf) Gauge(*metrics.Instrument, ...string) metrics.Gauge {
	return metrics.Noop.Gauge(nil)
}

func (deaf) Histogram(*metrics.Instrument, ...string) metrics.Histogram {
	return metrics.Noop.Histogram(nil)
}

func (deaf) Forget(*metrics.Instrument, ...string) {}

func TestMultiLeavesOutHandlesThatLeadNowhere(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	tests := []struct {
		name string
		sink metrics.Sink
		want metrics.Sink
	}{
		{"two that do not listen", metrics.Multi(deaf{}, deaf{}), metrics.Noop},
		{"one that listens", metrics.Multi(deaf{}, m, deaf{}), m},
	}
	for _, tt := range tests {
		if got, want := tt.sink.Counter(metrics.ProducerRecordsSent, "s"), tt.want.Counter(metrics.ProducerRecordsSent, "s"); got != want {
			t.Errorf("%s: the counter is a %T; want the %T itself", tt.name, got, want)
		}
		if got, want := tt.sink.Gauge(metrics.ProducerQueueSize, "s"), tt.want.Gauge(metrics.ProducerQueueSize, "s"); got != want {
			t.Errorf("%s: the gauge is a %T; want the %T itself", tt.name, got, want)
		}
		if got, want := tt.sink.Histogram(metrics.ProducerBatchSize, "s"), tt.want.Histogram(metrics.ProducerBatchSize, "s"); got != want {
			t.Errorf("%s: the histogram is a %T; want the %T itself", tt.name, got, want)
		}
	}
}

// Acceptance criteria A5 and A8.
func TestTimerObservesTheSecondsThatPassed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := metrics.NewMemory()
		func() {
			defer metrics.StartTimer(m.Histogram(metrics.ProducerFlushDuration, "s")).Stop(t.Context())
			<-time.After(250 * time.Millisecond)
		}()
		got := m.Histograms()["producer_flush_duration_seconds{stream_name=s}"]
		want := metrics.Distribution{Count: 1, Sum: .25, Values: []float64{.25}}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("after 250 ms: %v; want %v", got, want)
		}
	})
}

func TestTimerObservesAlsoWhenThePathPanics(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	func() {
		defer func() { _ = recover() }()
		defer metrics.StartTimer(m.Histogram(metrics.ProducerFlushDuration, "s")).Stop(t.Context())
		panic("on the way")
	}()
	if got := m.Histograms()["producer_flush_duration_seconds{stream_name=s}"].Count; got != 1 {
		t.Errorf("%d values after a panic; want 1", got)
	}
}

func TestTimerReadsNoClockWhenNothingListens(t *testing.T) {
	t.Parallel()
	handles := map[string]metrics.Histogram{
		"nil":             nil,
		"Noop":            metrics.Noop.Histogram(metrics.ProducerFlushDuration, "s"),
		"Isolate of Noop": metrics.Isolate(metrics.Noop, nil).Histogram(metrics.ProducerFlushDuration, "s"),
		"a wrong use":     metrics.Isolate(metrics.NewMemory(), nil).Histogram(nil),
	}
	for name, h := range handles {
		timer := metrics.StartTimer(h)
		if timer != (metrics.Timer{}) {
			t.Errorf("StartTimer(%s) = %v; want the zero Timer", name, timer)
		}
		timer.Stop(t.Context())
	}
}

func TestCounterSetShowsKnownValuesAtZeroFromTheStart(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	errors := metrics.NewCounterSet(m, metrics.ConsumerErrors, "s", "shard-0")
	skipped := metrics.NewCounterSet(m, metrics.TraceSkipped, "s")
	errors.Add("InternalFailure", 2)
	errors.Add(metrics.ErrorTimeout, 1)
	skipped.Add(metrics.SkippedSize, 4)
	want := map[string]int64{
		"consumer_errors_total{error_type=connection,shard_id=shard-0,stream_name=s}":      0,
		"consumer_errors_total{error_type=timeout,shard_id=shard-0,stream_name=s}":         1,
		"consumer_errors_total{error_type=unknown,shard_id=shard-0,stream_name=s}":         0,
		"consumer_errors_total{error_type=InternalFailure,shard_id=shard-0,stream_name=s}": 2,
		"trace_skipped_total{reason=no_carrier,stream_name=s}":                             0,
		"trace_skipped_total{reason=key_length,stream_name=s}":                             0,
		"trace_skipped_total{reason=size,stream_name=s}":                                   4,
		"trace_skipped_total{reason=invalid_utf8,stream_name=s}":                           0,
		"trace_skipped_total{reason=aggregated,stream_name=s}":                             0,
		"trace_skipped_total{reason=existing,stream_name=s}":                               0,
	}
	if got := m.Counters(); !maps.Equal(got, want) {
		t.Errorf("Counters() = %v; want %v", got, want)
	}
}

func TestKindsAreWrittenAsPrometheusWritesThem(t *testing.T) {
	t.Parallel()
	for kind, want := range map[metrics.Kind]string{
		metrics.KindCounter:   "counter",
		metrics.KindGauge:     "gauge",
		metrics.KindHistogram: "histogram",
		metrics.Kind(9):       "kind 9",
	} {
		if got := kind.String(); got != want {
			t.Errorf("Kind(%d).String() = %q; want %q", uint8(kind), got, want)
		}
	}
}
