package otelsink_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/metrics/otelsink"
	"github.com/kinetrail/kinetrail/producer"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"
)

const (
	stream = "orders"
	shard  = "shardId-000000000000"
)

// newSink returns a sink and what reads it.
func newSink(t testing.TB, opts ...func(*otelsink.Options)) (*otelsink.Sink, *sdk.ManualReader) {
	t.Helper()
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	sink, err := otelsink.New(append([]func(*otelsink.Options){func(o *otelsink.Options) { o.MeterProvider = provider }}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return sink, reader
}

// collect is what an exporter would get, by name.
func collect(t testing.TB, reader sdk.Reader) map[string]metricdata.Metrics {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]metricdata.Metrics)
	for _, scope := range all.ScopeMetrics {
		if got, want := scope.Scope.Name, "github.com/kinetrail/kinetrail"; got != want {
			t.Errorf("a scope is named %q; want %q", got, want)
		}
		for _, m := range scope.Metrics {
			found[m.Name] = m
		}
	}
	return found
}

// points are the values of a metric by their attributes, "a=b,c=d": the sum of a
// counter, the value of a gauge, the count of a histogram.
func points(m metricdata.Metrics) map[string]float64 {
	all := make(map[string]float64)
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		for _, p := range data.DataPoints {
			all[p.Attributes.Encoded(attribute.DefaultEncoder())] = float64(p.Value)
		}
	case metricdata.Gauge[float64]:
		for _, p := range data.DataPoints {
			all[p.Attributes.Encoded(attribute.DefaultEncoder())] = p.Value
		}
	case metricdata.Histogram[float64]:
		for _, p := range data.DataPoints {
			all[p.Attributes.Encoded(attribute.DefaultEncoder())] = float64(p.Count)
		}
	}
	return all
}

func mustHave(t *testing.T, found map[string]metricdata.Metrics, name string, want map[string]float64) {
	t.Helper()
	if got := points(found[name]); !maps.Equal(got, want) {
		t.Errorf("%s is %v; want %v", name, got, want)
	}
}

func values(in *metrics.Instrument) []string {
	known := map[string]string{
		metrics.LabelStream: stream, metrics.LabelShard: shard,
		metrics.LabelErrorType: "InternalFailure", metrics.LabelReason: "size",
	}
	var all []string
	for _, label := range in.Labels {
		all = append(all, known[label])
	}
	return all
}

func fill(ctx context.Context, sink metrics.Sink) {
	for _, in := range metrics.Catalog() {
		switch in.Kind {
		case metrics.KindCounter:
			c := sink.Counter(in, values(in)...)
			c.Add(5)
			c.Add(2)
			c.Add(-3)
		case metrics.KindGauge:
			g := sink.Gauge(in, values(in)...)
			g.Set(9)
			g.Set(4.5)
		case metrics.KindHistogram:
			h := sink.Histogram(in, values(in)...)
			h.Observe(ctx, in.Buckets[0])
			h.Observe(ctx, 1e6)
		}
	}
}

// prometheusName is what Prometheus makes of a name and a unit that come over
// OTLP: dots become underscores, a unit that the name lacks is appended, and so
// is _total to a sum.
func prometheusName(m metricdata.Metrics) string {
	name := strings.ReplaceAll(m.Name, ".", "_")
	if unit := map[string]string{"s": "seconds", "ms": "milliseconds", "By": "bytes"}[m.Unit]; unit != "" && !strings.Contains(name, unit) {
		name += "_" + unit
	}
	if _, ok := m.Data.(metricdata.Sum[int64]); ok {
		name += "_total"
	}
	return name
}

func TestEveryInstrumentOfTheCatalogueArrivesUnderTheNameItHasInPrometheus(t *testing.T) {
	t.Parallel()
	sink, reader := newSink(t, func(o *otelsink.Options) { o.Messaging = false })
	fill(t.Context(), sink)
	byName := make(map[string]metricdata.Metrics)
	for _, m := range collect(t, reader) {
		byName[prometheusName(m)] = m
	}
	if got, want := len(byName), len(metrics.Catalog()); got != want {
		t.Errorf("%d metrics arrive; want %d", got, want)
	}
	for _, in := range metrics.Catalog() {
		m, ok := byName["kinetrail_"+in.Name]
		if !ok {
			t.Errorf("%s does not arrive; these do: %v", in.Name, slices.Sorted(maps.Keys(byName)))
			continue
		}
		if m.Description != in.Help || m.Unit != in.Unit {
			t.Errorf("%s has unit %q and description %q; want %q and %q", m.Name, m.Unit, m.Description, in.Unit, in.Help)
		}
		var labels []string
		for i, value := range values(in) {
			labels = append(labels, in.Labels[i]+"="+value)
		}
		slices.Sort(labels)
		want := map[metrics.Kind]float64{metrics.KindCounter: 7, metrics.KindGauge: 4.5, metrics.KindHistogram: 2}[in.Kind]
		if got := points(m); !maps.Equal(got, map[string]float64{strings.Join(labels, ","): want}) {
			t.Errorf("%s is %v; want %v{%s}", m.Name, got, want, strings.Join(labels, ","))
		}
		checkKind(t, in, m)
	}
}

func checkKind(t *testing.T, in *metrics.Instrument, m metricdata.Metrics) {
	t.Helper()
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		if in.Kind != metrics.KindCounter || !data.IsMonotonic {
			t.Errorf("%s is a sum, monotonic %t; want a %s", m.Name, data.IsMonotonic, in.Kind)
		}
	case metricdata.Gauge[float64]:
		if in.Kind != metrics.KindGauge {
			t.Errorf("%s is a gauge; want a %s", m.Name, in.Kind)
		}
	case metricdata.Histogram[float64]:
		if in.Kind != metrics.KindHistogram || !slices.Equal(data.DataPoints[0].Bounds, in.Buckets) {
			t.Errorf("%s is a histogram with the bounds %v; want a %s with %v", m.Name, data.DataPoints[0].Bounds, in.Kind, in.Buckets)
		}
	default:
		t.Errorf("%s is a %T", m.Name, data)
	}
}

func TestTheNamespaceStandsBeforeTheNames(t *testing.T) {
	t.Parallel()
	for namespace, want := range map[string]string{"shop": "shop.producer.records_sent", "": "producer.records_sent"} {
		sink, reader := newSink(t, func(o *otelsink.Options) { o.Namespace = namespace })
		sink.Counter(metrics.ProducerRecordsSent, stream)
		mustHave(t, collect(t, reader), want, map[string]float64{"stream_name=orders": 0})
	}
}

func TestACounterShowsAtZeroAndAGaugeFromItsFirstValueOn(t *testing.T) {
	t.Parallel()
	sink, reader := newSink(t)
	sink.Counter(metrics.ProducerRecordsSent, stream)
	gauge := sink.Gauge(metrics.ProducerQueueSize, stream)
	found := collect(t, reader)
	mustHave(t, found, "kinetrail.producer.records_sent", map[string]float64{"stream_name=orders": 0})
	mustHave(t, found, "kinetrail.producer.queue_size", map[string]float64{})
	gauge.Set(0)
	mustHave(t, collect(t, reader), "kinetrail.producer.queue_size", map[string]float64{"stream_name=orders": 0})
}

func TestCountersAndGaugesOfAFinishedShardVanishAndItsHistogramStandsStill(t *testing.T) {
	t.Parallel()
	for name, temporality := range map[string]metricdata.Temporality{
		"cumulative": metricdata.CumulativeTemporality, "delta": metricdata.DeltaTemporality,
	} {
		reader := sdk.NewManualReader(sdk.WithTemporalitySelector(func(sdk.InstrumentKind) metricdata.Temporality { return temporality }))
		sink, err := otelsink.New(func(o *otelsink.Options) { o.MeterProvider = sdk.NewMeterProvider(sdk.WithReader(reader)) })
		if err != nil {
			t.Fatal(err)
		}
		received := sink.Counter(metrics.ConsumerRecordsReceived, stream, shard)
		received.Add(3)
		age := sink.Gauge(metrics.ConsumerIteratorAge, stream, shard)
		age.Set(70)
		took := sink.Histogram(metrics.ConsumerProcessingTime, stream, shard)
		took.Observe(t.Context(), .001)
		sink.Counter(metrics.ConsumerRecordsReceived, stream, "shardId-000000000001").Add(4)
		collect(t, reader)

		metrics.ForgetShard(sink, stream, shard)
		received.Add(1)
		age.Set(80)
		took.Observe(t.Context(), .001)
		found := collect(t, reader)
		other := map[metricdata.Temporality]float64{metricdata.CumulativeTemporality: 4, metricdata.DeltaTemporality: 0}[temporality]
		mustHave(t, found, "kinetrail.consumer.records_received", map[string]float64{"shard_id=shardId-000000000001,stream_name=orders": other})
		mustHave(t, found, "kinetrail.consumer.iterator_age", map[string]float64{})
		stands := map[string]float64{}
		if temporality == metricdata.CumulativeTemporality {
			stands["shard_id=shardId-000000000000,stream_name=orders"] = 1
		}
		mustHave(t, found, "kinetrail.consumer.processing_time", stands)

		sink.Counter(metrics.ConsumerRecordsReceived, stream, shard).Add(2)
		back := points(collect(t, reader)["kinetrail.consumer.records_received"])["shard_id=shardId-000000000000,stream_name=orders"]
		if back != 2 {
			t.Errorf("%s: the shard that came back has received %v; want 2", name, back)
		}
	}
}

const (
	sentOK    = "messaging.destination.name=orders,messaging.operation.name=put_records,messaging.system=aws.kinesis"
	sentWrong = "error.type=InternalFailure,messaging.destination.name=orders,messaging.operation.name=put_records,messaging.system=aws.kinesis"
	fetched   = "messaging.destination.name=orders,messaging.operation.name=get_records,messaging.system=aws.kinesis"
	sending   = "messaging.destination.name=orders,messaging.operation.name=put_records,messaging.operation.type=send,messaging.system=aws.kinesis"
	handling  = "messaging.destination.name=orders,messaging.operation.name=process,messaging.system=aws.kinesis"
)

func TestTheConventionsInstrumentsGetTheValuesOfTheCatalogues(t *testing.T) {
	t.Parallel()
	sink, reader := newSink(t)
	sink.Counter(metrics.ProducerRecordsSent, stream).Add(9)
	sink.Counter(metrics.ProducerErrors, stream, "InternalFailure").Add(1)
	for i, id := range []string{shard, "shardId-000000000001"} {
		sink.Counter(metrics.ConsumerRecordsReceived, stream, id).Add(int64(4 + i))
		sink.Histogram(metrics.ConsumerProcessingTime, stream, id).Observe(t.Context(), .001)
	}
	sink.Histogram(metrics.ProducerFlushDuration, stream).Observe(t.Context(), .01)
	metrics.ForgetShard(sink, stream, shard)

	found := collect(t, reader)
	mustHave(t, found, "messaging.client.sent.messages", map[string]float64{sentOK: 9, sentWrong: 1})
	mustHave(t, found, "messaging.client.consumed.messages", map[string]float64{fetched: 9})
	mustHave(t, found, "messaging.client.operation.duration", map[string]float64{sending: 1})
	mustHave(t, found, "messaging.process.duration", map[string]float64{handling: 2})
	for name, unit := range map[string]string{
		"messaging.client.sent.messages": "{message}", "messaging.client.consumed.messages": "{message}",
		"messaging.client.operation.duration": "s", "messaging.process.duration": "s",
	} {
		if got := found[name].Unit; got != unit {
			t.Errorf("the unit of %s is %q; want %q", name, got, unit)
		}
	}
	bounds := found["messaging.process.duration"].Data.(metricdata.Histogram[float64]).DataPoints[0].Bounds
	if want := []float64{.005, .01, .025, .05, .075, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}; !slices.Equal(bounds, want) {
		t.Errorf("messaging.process.duration has the bounds %v; want %v", bounds, want)
	}
}

func TestWithoutMessagingTheConventionsInstrumentsAreAbsent(t *testing.T) {
	t.Parallel()
	sink, reader := newSink(t, func(o *otelsink.Options) { o.Messaging = false })
	fill(t.Context(), sink)
	for name := range collect(t, reader) {
		if strings.HasPrefix(name, "messaging.") {
			t.Errorf("%s arrives; want it absent", name)
		}
	}
}

// Ten records are put, one of them twice, and read.
func TestAProducerAndAReaderAreMeasured(t *testing.T) {
	t.Parallel()
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{stream: 2} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	once, err := fault.Parse("PutRecords nth=1 records=1 error=InternalFailure")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Faults().Add(once); err != nil {
		t.Fatal(err)
	}
	sink, reader := newSink(t)
	p, err := producer.New(server.Client(), stream, func(o *producer.Options) {
		o.Metrics = sink
		o.Linger = 10 * time.Second
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		record := kinetrail.Record{PartitionKey: fmt.Sprint("key-", i), Data: []byte("12345678")}
		if err := p.PutAsync(t.Context(), record, func(producer.Result) {}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, err := range consumer.Read(t.Context(), server.Client(), stream, consumer.From(kinetrail.TrimHorizon()), consumer.StopAtTip(),
		func(o *consumer.Options) { o.Metrics, o.PollInterval = sink, 0 }) {
		if err != nil {
			t.Fatal(err)
		}
	}
	found := collect(t, reader)
	mustHave(t, found, "kinetrail.producer.records_sent", map[string]float64{"stream_name=orders": 10})
	mustHave(t, found, "kinetrail.producer.queue_size", map[string]float64{"stream_name=orders": 0})
	mustHave(t, found, "messaging.client.consumed.messages", map[string]float64{fetched: 10})
	mustHave(t, found, "messaging.client.operation.duration", map[string]float64{sending: 2})
	mustHave(t, found, "messaging.process.duration", map[string]float64{handling: 10})
	sent := points(found["messaging.client.sent.messages"])
	if sent[sentOK] != 10 || sent[sentWrong] != 1 {
		t.Errorf("messaging.client.sent.messages is %v; want 10 without an error and 1 with InternalFailure", sent)
	}
}

func TestAHistogramsValueCarriesTheSpanItWasMeasuredIn(t *testing.T) {
	t.Parallel()
	sink, reader := newSink(t)
	id := trace.TraceID{0: 0x4b, 15: 0x36}
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: trace.SpanID{7: 0xb7}, TraceFlags: trace.FlagsSampled,
	}))
	sink.Histogram(metrics.ProducerFlushDuration, stream).Observe(ctx, .01)
	data, ok := collect(t, reader)["kinetrail.producer.flush_duration"].Data.(metricdata.Histogram[float64])
	if !ok || len(data.DataPoints) != 1 || len(data.DataPoints[0].Exemplars) != 1 {
		t.Fatalf("the histogram is %v; want one value with one exemplar", data)
	}
	if got := data.DataPoints[0].Exemplars[0].TraceID; !bytes.Equal(got, id[:]) {
		t.Errorf("the exemplar has the trace %x; want %v", got, id)
	}
}

// Not parallel: it sets the provider of the whole process.
func TestTheGlobalProviderIsTheDefaultAlsoWhenItIsSetLater(t *testing.T) {
	before := otel.GetMeterProvider()
	t.Cleanup(func() { otel.SetMeterProvider(before) })
	sink, err := otelsink.New()
	if err != nil {
		t.Fatal(err)
	}
	counter := sink.Counter(metrics.ProducerRecordsSent, stream)
	counter.Add(2)
	reader := sdk.NewManualReader()
	otel.SetMeterProvider(sdk.NewMeterProvider(sdk.WithReader(reader)))
	counter.Add(1)
	mustHave(t, collect(t, reader), "kinetrail.producer.records_sent", map[string]float64{"stream_name=orders": 3})
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTwoSinksOfOneProviderAddUp(t *testing.T) {
	t.Parallel()
	reader := sdk.NewManualReader()
	provider := sdk.NewMeterProvider(sdk.WithReader(reader))
	for range 2 {
		sink, err := otelsink.New(func(o *otelsink.Options) { o.MeterProvider = provider })
		if err != nil {
			t.Fatal(err)
		}
		sink.Counter(metrics.ProducerRecordsSent, stream).Add(2)
	}
	mustHave(t, collect(t, reader), "kinetrail.producer.records_sent", map[string]float64{"stream_name=orders": 4})
}

func TestAClosedSinkIsReadNoMore(t *testing.T) {
	t.Parallel()
	sink, reader := newSink(t)
	counter := sink.Counter(metrics.ProducerRecordsSent, stream)
	if err := sink.Close(); err != nil {
		t.Fatal(err)
	}
	counter.Add(1)
	mustHave(t, collect(t, reader), "kinetrail.producer.records_sent", map[string]float64{})
	if err := sink.Close(); err != nil {
		t.Errorf("a second Close = %v; want nil", err)
	}
}

func TestANameThatTheProviderRefusesIsTold(t *testing.T) {
	t.Parallel()
	_, err := otelsink.New(func(o *otelsink.Options) {
		o.MeterProvider, o.Namespace = sdk.NewMeterProvider(), "1 shop"
	})
	if err == nil || !strings.Contains(err.Error(), "1 shop") {
		t.Errorf("New = %v; want an error that names the namespace", err)
	}
}

func TestWrongUseIsToldOnceAndCostsNothingElse(t *testing.T) {
	t.Parallel()
	var told bytes.Buffer
	sink, reader := newSink(t, func(o *otelsink.Options) { o.Logger = slog.New(slog.NewTextHandler(&told, nil)) })
	own := &metrics.Instrument{Name: "own_total", Kind: metrics.KindCounter}
	for range 3 {
		sink.Counter(metrics.ProducerQueueSize, stream).Add(1)
		sink.Gauge(metrics.ProducerBufferedBytes, stream, "too", "many").Set(1)
		sink.Gauge(metrics.ConsumerQueueSize, "\xff").Set(1)
		sink.Histogram(metrics.ProducerBatchSize).Observe(t.Context(), 1)
		sink.Counter(metrics.ProducerBytesSent, "\xff").Add(1)
		sink.Counter(own).Add(1)
		sink.Counter(nil).Add(1)
		sink.Forget(nil)
		sink.Forget(metrics.ProducerThrottles, stream, "too", "many")
		sink.Forget(own)
	}
	for _, want := range []string{
		"producer_queue_size is a gauge, used as a counter", "used with 3 values", "used with 0 values",
		"consumer_queue_size: a label value is not valid UTF-8", "producer_bytes_sent_total: a label value is not valid UTF-8",
		"own_total is not in the catalogue", "no instrument given", "more label values",
	} {
		if got := strings.Count(told.String(), want); got != 1 {
			t.Errorf("the log has %q %d times; want once:\n%s", want, got, told.String())
		}
	}
	for name, m := range collect(t, reader) {
		if got := points(m); len(got) != 0 {
			t.Errorf("%s is %v; want no value", name, got)
		}
	}
}

// The race detector watches this test.
func TestCollectionsLoadAndForgettingGoOnAtOnce(t *testing.T) {
	t.Parallel()
	sink, reader := newSink(t)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for range 100 {
				received := sink.Counter(metrics.ConsumerRecordsReceived, stream, shard)
				age := sink.Gauge(metrics.ConsumerIteratorAge, stream, shard)
				took := sink.Histogram(metrics.ConsumerProcessingTime, stream, shard)
				for i := range 10 {
					received.Add(1)
					age.Set(float64(i))
					took.Observe(t.Context(), .001)
				}
				metrics.ForgetShard(sink, stream, shard)
			}
		})
	}
	all.Go(func() {
		for range 20 {
			collect(t, reader)
		}
	})
	all.Wait()
	found := collect(t, reader)
	mustHave(t, found, "messaging.client.consumed.messages", map[string]float64{fetched: 2000})
	mustHave(t, found, "kinetrail.consumer.records_received", map[string]float64{})
}

// Not parallel: allocations are counted for the whole process.
func TestNoValueCostsAnAllocation(t *testing.T) {
	sink, _ := newSink(t)
	isolated := metrics.Isolate(sink, nil)
	counter := isolated.Counter(metrics.ProducerRecordsSent, stream)
	gauge := isolated.Gauge(metrics.ProducerQueueSize, stream)
	histogram := isolated.Histogram(metrics.ProducerFlushDuration, stream)
	ctx := t.Context()
	for name, record := range map[string]func(){
		"an add":  func() { counter.Add(1) },
		"a set":   func() { gauge.Set(1) },
		"a value": func() { histogram.Observe(ctx, .003) },
	} {
		if got := testing.AllocsPerRun(100, record); got != 0 {
			t.Errorf("%s makes %g allocations; want 0", name, got)
		}
	}
}

func BenchmarkCounterAdd(b *testing.B) {
	sink, _ := newSink(b)
	counter := metrics.Isolate(sink, nil).Counter(metrics.ProducerRecordsSent, stream)
	b.ReportAllocs()
	for b.Loop() {
		counter.Add(1)
	}
}

func BenchmarkHistogramObserve(b *testing.B) {
	sink, _ := newSink(b)
	histogram := metrics.Isolate(sink, nil).Histogram(metrics.ConsumerProcessingTime, stream, shard)
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		histogram.Observe(ctx, .003)
	}
}
