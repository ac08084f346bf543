package metrics_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/kinetrail/kinetrail/metrics"
)

// bare is an instrument without labels; the catalogue has none.
func bare(kind metrics.Kind) *metrics.Instrument {
	return &metrics.Instrument{Name: "test_" + kind.String(), Kind: kind}
}

// Acceptance criterion A2.
func TestMemoryAddsUpACounterPerLabelSet(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	m.Counter(metrics.ProducerRecordsSent, "orders").Add(5)
	m.Counter(metrics.ProducerRecordsSent, "orders").Add(3)
	m.Counter(metrics.ProducerRecordsSent, "events").Add(1)
	want := map[string]int64{
		"producer_records_sent_total{stream_name=orders}": 8,
		"producer_records_sent_total{stream_name=events}": 1,
	}
	if got := m.Counters(); !maps.Equal(got, want) {
		t.Errorf("Counters() = %v; want %v", got, want)
	}
}

func TestMemoryIgnoresAddsBelowZero(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	c := m.Counter(bare(metrics.KindCounter))
	c.Add(2)
	c.Add(-1)
	if got := m.Counters()["test_counter"]; got != 2 {
		t.Errorf("after Add(2) and Add(-1) the counter is %d; want 2", got)
	}
}

// Acceptance criterion A3.
func TestMemoryKeepsTheLastValueOfAGauge(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	g := m.Gauge(metrics.ProducerQueueSize, "orders")
	g.Set(7)
	g.Set(4)
	want := map[string]float64{"producer_queue_size{stream_name=orders}": 4}
	if got := m.Gauges(); !maps.Equal(got, want) {
		t.Errorf("Gauges() = %v; want %v", got, want)
	}
}

// Acceptance criterion A4.
func TestMemoryKeepsTheValuesOfAHistogramInOrder(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	h := m.Histogram(metrics.ProducerBatchSize, "orders")
	for _, v := range []float64{10, 20, 15} {
		h.Observe(t.Context(), v)
	}
	want := map[string]metrics.Distribution{
		"producer_batch_size{stream_name=orders}": {Count: 3, Sum: 45, Values: []float64{10, 20, 15}},
	}
	if got := m.Histograms(); !reflect.DeepEqual(got, want) {
		t.Errorf("Histograms() = %v; want %v", got, want)
	}
}

func TestMemoryKeepsTheLastValuesAndTheExactCountAndSumOfALongHistogram(t *testing.T) {
	t.Parallel()
	for _, n := range []int{metrics.KeptValues - 1, metrics.KeptValues, metrics.KeptValues + 1, 2*metrics.KeptValues + 17} {
		m := metrics.NewMemory()
		h := m.Histogram(bare(metrics.KindHistogram))
		var all []float64
		sum := 0.0
		for i := range n {
			v := float64(i + 1)
			h.Observe(t.Context(), v)
			all, sum = append(all, v), sum+v
		}
		got := m.Histograms()["test_histogram"]
		if got.Count != int64(n) || got.Sum != sum {
			t.Errorf("after %d values: count %d, sum %g; want %d, %g", n, got.Count, got.Sum, n, sum)
		}
		if want := all[max(0, n-metrics.KeptValues):]; !slices.Equal(got.Values, want) {
			t.Errorf("after %d values the kept ones run from %v to %v (%d); want from %v to %v (%d)", n,
				got.Values[0], got.Values[len(got.Values)-1], len(got.Values), want[0], want[len(want)-1], len(want))
		}
	}
}

// Acceptance criterion A6.
func TestMemoryKeysHaveSortedLabels(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	m.Counter(metrics.ConsumerErrors, "test", "shardId-000000000000", "timeout").Add(1)
	m.Counter(metrics.ConsumerCheckpointSuccess, metrics.Standalone, "").Add(1)
	m.Counter(bare(metrics.KindCounter)).Add(1)
	got := slices.Sorted(maps.Keys(m.Counters()))
	want := []string{
		"consumer_checkpoint_success_total{shard_id=,stream_name=<standalone>}",
		"consumer_errors_total{error_type=timeout,shard_id=shardId-000000000000,stream_name=test}",
		"test_counter",
	}
	if !slices.Equal(got, want) {
		t.Errorf("the keys are %q; want %q", got, want)
	}
}

func TestMemoryKeysMarkCommasEqualsSignsAndBackslashesInValues(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	m.Counter(metrics.ProducerErrors, "s", `a,b=c\d}`).Add(1)
	want := map[string]int64{`producer_errors_total{error_type=a\,b\=c\\d},stream_name=s}`: 1}
	if got := m.Counters(); !maps.Equal(got, want) {
		t.Errorf("Counters() = %v; want %v", got, want)
	}
}

func TestMemoryNeverMixesUpTwoLabelSets(t *testing.T) {
	t.Parallel()
	value := rapid.StringOf(rapid.SampledFrom([]rune(`a,=\{}é`)))
	rapid.Check(t, func(t *rapid.T) {
		a := []string{value.Draw(t, "stream"), value.Draw(t, "error")}
		b := []string{value.Draw(t, "other stream"), value.Draw(t, "other error")}
		m := metrics.NewMemory()
		m.Counter(metrics.ProducerErrors, a...).Add(1)
		m.Counter(metrics.ProducerErrors, b...).Add(1)
		want := 2
		if slices.Equal(a, b) {
			want = 1
		}
		if got := len(m.Counters()); got != want {
			t.Errorf("label values %q and %q make %d series (%v); want %d", a, b, got, m.Counters(), want)
		}
	})
}

// Acceptance criterion A7.
func TestMemorySnapshotIsOneFlatMap(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	m.Counter(bare(metrics.KindCounter)).Add(1)
	m.Gauge(bare(metrics.KindGauge)).Set(2.5)
	m.Histogram(bare(metrics.KindHistogram)).Observe(t.Context(), 3)
	want := map[string]any{"test_counter": int64(1), "test_gauge": 2.5, "test_histogram": []float64{3}}
	if got := m.Snapshot(); !reflect.DeepEqual(got, want) {
		t.Errorf("Snapshot() = %v; want %v", got, want)
	}
}

func TestMemoryShowsACounterAtZeroAndNoGaugeThatWasNeverSet(t *testing.T) {
	t.Parallel()
	var m metrics.Memory
	m.Counter(bare(metrics.KindCounter))
	m.Gauge(bare(metrics.KindGauge))
	m.Histogram(bare(metrics.KindHistogram))
	want := map[string]any{"test_counter": int64(0)}
	if got := m.Snapshot(); !reflect.DeepEqual(got, want) {
		t.Errorf("Snapshot() after resolving one handle of each kind = %v; want %v", got, want)
	}
}

func TestMemoryShowsAGaugeSetToNaN(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	m.Gauge(bare(metrics.KindGauge)).Set(math.NaN())
	if got, ok := m.Gauges()["test_gauge"]; !ok || !math.IsNaN(got) {
		t.Errorf("after Set(NaN) the gauge is %g, %t; want NaN, true", got, ok)
	}
}

func TestMemoryResetEmptiesEverythingAndKeepsHandlesAlive(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	c, g, h := m.Counter(bare(metrics.KindCounter)), m.Gauge(bare(metrics.KindGauge)), m.Histogram(bare(metrics.KindHistogram))
	record := func() {
		c.Add(1)
		g.Set(2)
		h.Observe(t.Context(), 3)
	}
	record()
	m.Reset()
	if got, want := m.Snapshot(), map[string]any{"test_counter": int64(0)}; !reflect.DeepEqual(got, want) {
		t.Errorf("Snapshot() after Reset = %v; want %v", got, want)
	}
	record()
	want := map[string]any{"test_counter": int64(1), "test_gauge": 2.0, "test_histogram": []float64{3}}
	if got := m.Snapshot(); !reflect.DeepEqual(got, want) {
		t.Errorf("Snapshot() after Reset and new values = %v; want %v", got, want)
	}
}

func TestMemoryHandsOutCopies(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	m.Histogram(bare(metrics.KindHistogram)).Observe(t.Context(), 1)
	m.Histograms()["test_histogram"].Values[0] = 99
	clear(m.Histograms())
	if got := m.Histograms()["test_histogram"].Values; !slices.Equal(got, []float64{1}) {
		t.Errorf("values = %v after a copy was changed; want [1]", got)
	}
}

func TestMemoryForgetsSeriesByTheirFirstLabels(t *testing.T) {
	t.Parallel()
	tests := []struct {
		forget []string
		want   []string
	}{
		{[]string{"orders", "shard-0", "timeout"}, []string{"orders/shard-0/unknown", "orders/shard-1/timeout", "events/shard-0/timeout"}},
		{[]string{"orders", "shard-0"}, []string{"orders/shard-1/timeout", "events/shard-0/timeout"}},
		{[]string{"orders"}, []string{"events/shard-0/timeout"}},
		{nil, nil},
		{[]string{"nothing"}, []string{"orders/shard-0/timeout", "orders/shard-0/unknown", "orders/shard-1/timeout", "events/shard-0/timeout"}},
	}
	for _, tt := range tests {
		m := metrics.NewMemory()
		for _, series := range []string{"orders/shard-0/timeout", "orders/shard-0/unknown", "orders/shard-1/timeout", "events/shard-0/timeout"} {
			m.Counter(metrics.ConsumerErrors, strings.Split(series, "/")...).Add(1)
		}
		m.Forget(metrics.ConsumerErrors, tt.forget...)
		want := map[string]int64{}
		for _, series := range tt.want {
			v := strings.Split(series, "/")
			want[fmt.Sprintf("consumer_errors_total{error_type=%s,shard_id=%s,stream_name=%s}", v[2], v[1], v[0])] = 1
		}
		if got := m.Counters(); !maps.Equal(got, want) {
			t.Errorf("after Forget(%q): %v; want %v", tt.forget, got, want)
		}
	}
}

func TestMemoryStartsAfreshWhenAForgottenSeriesIsResolvedAgain(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	old := m.Counter(metrics.ConsumerDeadLetters, "s", "shard-0")
	old.Add(5)
	m.Forget(metrics.ConsumerDeadLetters, "s", "shard-0")
	old.Add(1)
	if got := m.Counters(); len(got) != 0 {
		t.Errorf("after Forget and an Add through the old handle: %v; want nothing", got)
	}
	m.Counter(metrics.ConsumerDeadLetters, "s", "shard-0").Add(2)
	want := map[string]int64{"consumer_dead_letters_total{shard_id=shard-0,stream_name=s}": 2}
	if got := m.Counters(); !maps.Equal(got, want) {
		t.Errorf("after resolving again and Add(2): %v; want %v", got, want)
	}
}

func TestForgetShardRemovesEverySeriesOfThatShardAndNoOther(t *testing.T) {
	t.Parallel()
	m := metrics.NewMemory()
	resolveAll := func(stream, shard string) {
		for _, in := range metrics.Catalog() {
			values := []string{stream, shard, metrics.ErrorTimeout}
			if !slices.Contains(in.Labels, metrics.LabelShard) {
				values = []string{stream, metrics.ErrorTimeout}
			}
			values = values[:len(in.Labels)]
			switch in.Kind {
			case metrics.KindCounter:
				m.Counter(in, values...)
			case metrics.KindGauge:
				m.Gauge(in, values...).Set(1)
			case metrics.KindHistogram:
				m.Histogram(in, values...).Observe(t.Context(), 1)
			}
		}
	}
	resolveAll("s", "shard-1")
	want := m.Snapshot()
	resolveAll("s", "shard-0")
	metrics.ForgetShard(m, "s", "shard-0")
	// What has no shard label was observed twice.
	for key, v := range m.Snapshot() {
		if values, ok := v.([]float64); ok && len(values) == 2 {
			want[key] = v
		}
	}
	if got := m.Snapshot(); !reflect.DeepEqual(got, want) {
		t.Errorf("Snapshot() after ForgetShard = %v; want %v", got, want)
	}
}

// A mistake in the use of an instrument costs its values, and is said once.
// Not parallel: it looks at the default logger.
func TestWrongUseOfAnInstrumentIsLoggedOnceAndRecordsNothing(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	defer slog.SetDefault(before)

	twin := &metrics.Instrument{Name: metrics.ProducerRecordsSent.Name, Kind: metrics.KindGauge, Labels: metrics.ProducerRecordsSent.Labels}
	kindless := &metrics.Instrument{Name: "x"}
	tests := []struct {
		name string
		use  func(metrics.Sink)
		want string
	}{
		{"too few values", func(s metrics.Sink) { s.Counter(metrics.ProducerErrors, "s").Add(1) },
			"producer_errors_total has 2 labels (stream_name, error_type), used with 1 values"},
		{"too many values", func(s metrics.Sink) { s.Gauge(metrics.ProducerQueueSize, "s", "x").Set(1) },
			"producer_queue_size has 1 labels (stream_name), used with 2 values"},
		{"no values", func(s metrics.Sink) { s.Histogram(metrics.ProducerBatchSize).Observe(t.Context(), 1) },
			"producer_batch_size has 1 labels (stream_name), used with 0 values"},
		{"a gauge as a counter", func(s metrics.Sink) { s.Counter(metrics.ProducerQueueSize, "s").Add(1) },
			"producer_queue_size is a gauge, used as a counter"},
		{"a counter as a gauge", func(s metrics.Sink) { s.Gauge(metrics.ProducerRecordsSent, "s").Set(1) },
			"producer_records_sent_total is a counter, used as a gauge"},
		{"a counter as a histogram", func(s metrics.Sink) { s.Histogram(metrics.ProducerRecordsSent, "s").Observe(t.Context(), 1) },
			"producer_records_sent_total is a counter, used as a histogram"},
		{"no kind", func(s metrics.Sink) { s.Counter(kindless).Add(1) },
			"x is a kind 0, used as a counter"},
		{"no instrument", func(s metrics.Sink) { s.Counter(nil, "s").Add(1) },
			"no instrument given"},
		{"forgetting with too many values", func(s metrics.Sink) { s.Forget(metrics.ProducerQueueSize, "s", "x") },
			"producer_queue_size has 1 labels (stream_name), forgotten with 2 values"},
		{"forgetting no instrument", func(s metrics.Sink) { s.Forget(nil) },
			"no instrument given"},
	}
	for _, tt := range tests {
		m := metrics.NewMemory()
		for name, sink := range map[string]metrics.Sink{"Memory": m, "Isolated": metrics.Isolate(m, nil)} {
			log.Reset()
			tt.use(sink)
			tt.use(sink)
			got := log.String()
			if strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, tt.want) {
				t.Errorf("%s, %s, used twice, logs %q; want one warning with %q", name, tt.name, got, tt.want)
			}
			if s := m.Snapshot(); len(s) != 0 {
				t.Errorf("%s, %s, recorded %v; want nothing", name, tt.name, s)
			}
		}
	}

	log.Reset()
	m := metrics.NewMemory()
	m.Counter(metrics.ProducerRecordsSent, "s").Add(1)
	m.Gauge(twin, "s").Set(5)
	if got, want := log.String(), "producer_records_sent_total names a counter and a gauge"; !strings.Contains(got, want) {
		t.Errorf("a second instrument of the same name logs %q; want %q", got, want)
	}
}

func TestMemoryIsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	const workers, rounds = 8, 500
	m := metrics.NewMemory()
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			shard := fmt.Sprintf("shard-%d", worker)
			shared := m.Counter(metrics.ProducerRecordsSent, "s")
			set := metrics.NewCounterSet(m, metrics.ProducerErrors, "s")
			for i := range rounds {
				shared.Add(1)
				set.Add(fmt.Sprint("code-", i%3), 1)
				m.Gauge(metrics.ProducerQueueSize, "s").Set(float64(i))
				m.Histogram(metrics.ProducerBatchSize, "s").Observe(context.Background(), 1)
				m.Counter(metrics.ConsumerOutOfRange, "s", shard).Add(1)
				if i%50 == 0 {
					m.Snapshot()
					metrics.ForgetShard(m, "s", shard)
				}
			}
			metrics.ForgetShard(m, "s", shard)
		})
	}
	all.Wait()

	counters := m.Counters()
	errors := counters["producer_errors_total{error_type=code-0,stream_name=s}"] +
		counters["producer_errors_total{error_type=code-1,stream_name=s}"] +
		counters["producer_errors_total{error_type=code-2,stream_name=s}"]
	if sent := counters["producer_records_sent_total{stream_name=s}"]; sent != workers*rounds || errors != workers*rounds {
		t.Errorf("after %d adds each: sent %d, errors %d", workers*rounds, sent, errors)
	}
	if d := m.Histograms()["producer_batch_size{stream_name=s}"]; d.Count != workers*rounds || d.Sum != workers*rounds {
		t.Errorf("after %d values of 1: count %d, sum %g", workers*rounds, d.Count, d.Sum)
	}
	for key := range counters {
		if strings.Contains(key, "shard_id") {
			t.Errorf("%s is still there after its shard was forgotten", key)
		}
	}
}
