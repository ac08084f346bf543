package promsink_test

import (
	"testing"

	"github.com/kinetrail/kinetrail/metrics"
)

// Not parallel: allocations are counted for the whole process.
func TestNoValueCostsAnAllocation(t *testing.T) {
	sink, _ := newSink(t)
	isolated := metrics.Isolate(sink, nil)
	counter := isolated.Counter(metrics.ProducerRecordsSent, "orders")
	gauge := isolated.Gauge(metrics.ProducerQueueSize, "orders")
	histogram := isolated.Histogram(metrics.ProducerBatchSize, "orders")
	ctx := t.Context()
	for name, record := range map[string]func(){
		"an add":  func() { counter.Add(1) },
		"a set":   func() { gauge.Set(1) },
		"a value": func() { histogram.Observe(ctx, 5) },
	} {
		if got := testing.AllocsPerRun(100, record); got != 0 {
			t.Errorf("%s makes %g allocations; want 0", name, got)
		}
	}
}

func BenchmarkCounterAdd(b *testing.B) {
	sink, _ := newSink(b)
	counter := metrics.Isolate(sink, nil).Counter(metrics.ProducerRecordsSent, "orders")
	b.ReportAllocs()
	for b.Loop() {
		counter.Add(1)
	}
}

func BenchmarkGaugeSet(b *testing.B) {
	sink, _ := newSink(b)
	gauge := metrics.Isolate(sink, nil).Gauge(metrics.ProducerQueueSize, "orders")
	b.ReportAllocs()
	for b.Loop() {
		gauge.Set(1)
	}
}

func BenchmarkHistogramObserve(b *testing.B) {
	sink, _ := newSink(b)
	histogram := metrics.Isolate(sink, nil).Histogram(metrics.ConsumerProcessingTime, "orders", "shardId-000000000000")
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		histogram.Observe(ctx, .003)
	}
}
