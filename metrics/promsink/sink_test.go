package promsink_test

import (
	"bytes"
	"context"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/metrics/promsink"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/trace"
)

var update = flag.Bool("update", false, "write testdata anew")

// newSink returns a sink on a registry of its own.
func newSink(t testing.TB, opts ...func(*promsink.Options)) (*promsink.Sink, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	sink, err := promsink.New(append([]func(*promsink.Options){func(o *promsink.Options) { o.Registerer = registry }}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return sink, registry
}

// values gives every label one that tells the label.
func values(in *metrics.Instrument) []string {
	known := map[string]string{
		metrics.LabelStream: "orders", metrics.LabelShard: "shardId-000000000000",
		metrics.LabelErrorType: "InternalFailure", metrics.LabelReason: "size",
	}
	var all []string
	for _, label := range in.Labels {
		all = append(all, known[label])
	}
	return all
}

// fill gives every instrument of the catalogue values.
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
			h.Observe(ctx, in.Buckets[1])
			h.Observe(ctx, 1e6)
		}
	}
}

// scrape is what an endpoint answers.
func scrape(t *testing.T, from prometheus.Gatherer, accept string) string {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", accept)
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(from, promhttp.HandlerOpts{EnableOpenMetrics: true, ErrorHandling: promhttp.HTTPErrorOnError}).ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		t.Fatalf("the endpoint answers %d: %s; want 200", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

func mustNotContain(t *testing.T, text, part string) {
	t.Helper()
	if strings.Contains(text, part) {
		t.Errorf("the scrape contains %q; want it absent:\n%s", part, text)
	}
}

func mustContain(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("the scrape lacks %q:\n%s", part, text)
	}
}

func TestTheExpositionIsTheGoldenOne(t *testing.T) {
	t.Parallel()
	sink, registry := newSink(t)
	fill(t.Context(), sink)
	got := scrape(t, registry, "text/plain")
	const golden = "testdata/exposition.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the exposition is\n%s\nwant that of %s; -update writes it anew", got, golden)
	}
}

// The catalogue keeps the name that async-kinesis gave the iterator age, though
// Prometheus would rather have seconds.
func TestTheLinterFindsNothingButMilliseconds(t *testing.T) {
	t.Parallel()
	sink, registry := newSink(t)
	fill(t.Context(), sink)
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.Metric+": "+p.Text)
	}
	want := []string{`kinetrail_consumer_iterator_age_milliseconds: use base unit "seconds" instead of "milliseconds"`}
	if !slices.Equal(got, want) {
		t.Errorf("the linter says %q; want %q", got, want)
	}
}

func TestACounterShowsAtZeroAndAGaugeFromItsFirstValueOn(t *testing.T) {
	t.Parallel()
	sink, registry := newSink(t)
	sink.Counter(metrics.ProducerRecordsSent, "orders")
	gauge := sink.Gauge(metrics.ConsumerIteratorAge, "orders", "shardId-000000000000")
	text := scrape(t, registry, "text/plain")
	mustContain(t, text, `kinetrail_producer_records_sent_total{stream_name="orders"} 0`)
	mustNotContain(t, text, "iterator_age")
	gauge.Set(0)
	mustContain(t, scrape(t, registry, "text/plain"),
		`kinetrail_consumer_iterator_age_milliseconds{shard_id="shardId-000000000000",stream_name="orders"} 0`)
}

func TestTwoSinksOfOneNamespaceShareTheirSeries(t *testing.T) {
	t.Parallel()
	one, registry := newSink(t)
	two, err := promsink.New(func(o *promsink.Options) { o.Registerer = registry })
	if err != nil {
		t.Fatalf("a second sink of the same namespace: %v; want it to share the series", err)
	}
	for _, sink := range []metrics.Sink{one, two} {
		sink.Counter(metrics.ProducerRecordsSent, "orders").Add(1)
		sink.Histogram(metrics.ProducerBatchSize, "orders").Observe(t.Context(), 5)
	}
	one.Gauge(metrics.ProducerQueueSize, "orders").Set(3)
	two.Gauge(metrics.ProducerQueueSize, "orders").Set(8)
	text := scrape(t, registry, "text/plain")
	mustContain(t, text, `kinetrail_producer_records_sent_total{stream_name="orders"} 2`)
	mustContain(t, text, `kinetrail_producer_batch_size_count{stream_name="orders"} 2`)
	mustContain(t, text, `kinetrail_producer_queue_size{stream_name="orders"} 8`)
}

func TestTwoSinksThroughOneWrappedRegistererShareTheirSeries(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewPedanticRegistry()
	for range 2 {
		sink, err := promsink.New(func(o *promsink.Options) {
			o.Registerer = prometheus.WrapRegistererWithPrefix("app_", registry)
		})
		if err != nil {
			t.Fatal(err)
		}
		sink.Counter(metrics.ProducerRecordsSent, "orders").Add(1)
	}
	mustContain(t, scrape(t, registry, "text/plain"), `app_kinetrail_producer_records_sent_total{stream_name="orders"} 2`)
}

func TestSinksWithDifferentConstantLabelsKeepTheirSeriesApart(t *testing.T) {
	t.Parallel()
	blue, registry := newSink(t, func(o *promsink.Options) { o.ConstLabels = map[string]string{"colour": "blue"} })
	green, err := promsink.New(func(o *promsink.Options) {
		o.Registerer = registry
		o.ConstLabels = map[string]string{"colour": "green"}
	})
	if err != nil {
		t.Fatal(err)
	}
	blue.Counter(metrics.ProducerRecordsSent, "orders").Add(1)
	green.Counter(metrics.ProducerRecordsSent, "orders").Add(2)
	blue.Gauge(metrics.ProducerQueueSize, "orders").Set(3)
	text := scrape(t, registry, "text/plain")
	mustContain(t, text, `kinetrail_producer_records_sent_total{colour="blue",stream_name="orders"} 1`)
	mustContain(t, text, `kinetrail_producer_records_sent_total{colour="green",stream_name="orders"} 2`)
	mustContain(t, text, `kinetrail_producer_queue_size{colour="blue",stream_name="orders"} 3`)
}

func TestTwoNamespacesKeepTwoStreamsApart(t *testing.T) {
	t.Parallel()
	orders, registry := newSink(t, func(o *promsink.Options) { o.Namespace = "orders" })
	bare, err := promsink.New(func(o *promsink.Options) { o.Registerer, o.Namespace = registry, "" })
	if err != nil {
		t.Fatal(err)
	}
	orders.Counter(metrics.ProducerRecordsSent, "s").Add(1)
	bare.Counter(metrics.ProducerRecordsSent, "s").Add(2)
	text := scrape(t, registry, "text/plain")
	mustContain(t, text, "\norders_producer_records_sent_total{stream_name=\"s\"} 1\n")
	mustContain(t, text, "\nproducer_records_sent_total{stream_name=\"s\"} 2\n")
}

// Not parallel: it uses the registry of the whole process.
func TestTheDefaultRegistererWorks(t *testing.T) {
	sink, err := promsink.New(func(o *promsink.Options) { o.Namespace = "the_default_registerer" })
	if err != nil {
		t.Fatal(err)
	}
	sink.Gauge(metrics.ProducerQueueSize, "orders").Set(7)
	answer := httptest.NewRecorder()
	promhttp.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	mustContain(t, answer.Body.String(), `the_default_registerer_producer_queue_size{stream_name="orders"} 7`)
}

func TestWhatCannotWorkIsRefusedByName(t *testing.T) {
	t.Parallel()
	label := func(name, value string) func(*promsink.Options) {
		return func(o *promsink.Options) { o.ConstLabels = map[string]string{name: value} }
	}
	buckets := func(in *metrics.Instrument, bounds ...float64) func(*promsink.Options) {
		return func(o *promsink.Options) { o.Buckets = map[*metrics.Instrument][]float64{in: bounds} }
	}
	for _, tt := range []struct {
		option func(*promsink.Options)
		want   string
	}{
		{label("stream.name", "x"), `ConstLabels: label "stream.name": its name takes letters`},
		{label("", "x"), `label "": its name takes letters`},
		{label("1st", "x"), `label "1st"`},
		{label("größe", "x"), `label "größe"`},
		{label("__env", "x"), `label "__env": names with two underscores`},
		{label("le", "x"), `label "le": the name belongs to Prometheus's histograms`},
		{label("shard_id", "x"), `label "shard_id": the clients set it themselves`},
		{label("env", "\xff"), `label "env": its value "\xff" is not valid UTF-8`},
		{func(o *promsink.Options) { o.Namespace = "my.app" }, `Namespace "my.app"`},
		{func(o *promsink.Options) { o.Registerer = nil }, "Registerer is nil"},
		{buckets(metrics.ProducerBatchSize), "producer_batch_size would have none"},
		{buckets(metrics.ProducerBatchSize, 5, 5), "producer_batch_size: the bounds [5 5] do not ascend"},
		{buckets(metrics.ProducerRecordsSent, 5), "producer_records_sent_total is a counter and has no buckets"},
		{buckets(&metrics.Instrument{Name: "own", Kind: metrics.KindHistogram}, 5), "own is not in the catalogue"},
		{buckets(nil, 5), "an instrument is nil"},
	} {
		registry := prometheus.NewRegistry()
		sink, err := promsink.New(func(o *promsink.Options) { o.Registerer = registry }, tt.option)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New = %v, %v; want an error with %q", sink, err, tt.want)
		}
	}
}

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := promsink.New(func(o *promsink.Options) {
		o.Registerer, o.Namespace, o.ConstLabels = nil, "a-b", map[string]string{"c.d": ""}
	})
	for _, want := range []string{"Registerer", "a-b", "c.d"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v; want it to name %q", err, want)
		}
	}
}

func TestANameThatIsTakenLeavesNothingRegistered(t *testing.T) {
	t.Parallel()
	last := metrics.Catalog()[len(metrics.Catalog())-1]
	for name, taken := range map[string]prometheus.Collector{
		"another help": prometheus.NewGauge(prometheus.GaugeOpts{Name: "kinetrail_" + last.Name, Help: "another"}),
		"another type": prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "kinetrail_" + last.Name, Help: last.Help}, last.Labels),
	} {
		registry := prometheus.NewPedanticRegistry()
		registry.MustRegister(taken)
		_, err := promsink.New(func(o *promsink.Options) { o.Registerer = registry })
		if err == nil || !strings.Contains(err.Error(), last.Name) {
			t.Errorf("%s: New = %v; want an error that names %s", name, err, last.Name)
		}
		first := metrics.Catalog()[0]
		again := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kinetrail_" + first.Name, Help: first.Help}, first.Labels)
		if err := registry.Register(again); err != nil {
			t.Errorf("%s: afterwards, registering %s by hand = %v; want its name free", name, first.Name, err)
		}
	}
}

func TestTheSeriesOfAFinishedShardVanish(t *testing.T) {
	t.Parallel()
	sink, registry := newSink(t)
	fill(t.Context(), sink)
	pending := sink.Gauge(metrics.ConsumerLagRecords, "orders", "shardId-000000000001")
	other := sink.Counter(metrics.ConsumerRecordsReceived, "orders", "shardId-000000000002")
	lost := sink.Counter(metrics.ConsumerRecordsReceived, "orders", "shardId-000000000000")
	for _, shard := range []string{"shardId-000000000000", "shardId-000000000001"} {
		metrics.ForgetShard(sink, "orders", shard)
	}
	lost.Add(1)
	pending.Set(1)
	other.Add(1)
	text := scrape(t, registry, "text/plain")
	mustNotContain(t, text, "shardId-000000000000")
	mustNotContain(t, text, "shardId-000000000001")
	mustContain(t, text, `kinetrail_consumer_records_received_total{shard_id="shardId-000000000002",stream_name="orders"} 1`)
	mustContain(t, text, `kinetrail_producer_records_sent_total{stream_name="orders"} 7`)

	sink.Counter(metrics.ConsumerRecordsReceived, "orders", "shardId-000000000000").Add(1)
	mustContain(t, scrape(t, registry, "text/plain"),
		`kinetrail_consumer_records_received_total{shard_id="shardId-000000000000",stream_name="orders"} 1`)
}

func TestForgettingWithoutValuesRemovesEverySeriesOfTheInstrument(t *testing.T) {
	t.Parallel()
	sink, registry := newSink(t)
	fill(t.Context(), sink)
	for _, in := range metrics.Catalog() {
		sink.Forget(in)
	}
	if text := scrape(t, registry, "text/plain"); text != "" {
		t.Errorf("after all is forgotten the scrape is\n%s\nwant nothing", text)
	}
}

func TestASampledSpanBecomesAnExemplar(t *testing.T) {
	t.Parallel()
	span := func(flags trace.TraceFlags) context.Context {
		return trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{0: 0x4b, 15: 0x36}, SpanID: trace.SpanID{7: 0xb7}, TraceFlags: flags,
		}))
	}
	const exemplar = `trace_id="4b000000000000000000000000000036"`
	for _, tt := range []struct {
		name string
		ctx  context.Context
		on   bool
		want bool
	}{
		{"a sampled span", span(trace.FlagsSampled), true, true},
		{"a span that is not sampled", span(0), true, false},
		{"no span", t.Context(), true, false},
		{"exemplars off", span(trace.FlagsSampled), false, false},
	} {
		sink, registry := newSink(t, func(o *promsink.Options) { o.Exemplars = tt.on })
		sink.Histogram(metrics.ConsumerProcessingTime, "orders", "shardId-000000000000").Observe(tt.ctx, .003)
		text := scrape(t, registry, "application/openmetrics-text; version=1.0.0")
		if got := strings.Contains(text, exemplar); got != tt.want {
			t.Errorf("%s: exemplar %t; want %t in\n%s", tt.name, got, tt.want, text)
		}
		mustContain(t, text, `kinetrail_consumer_processing_time_seconds_bucket{shard_id="shardId-000000000000",stream_name="orders",le="0.005"} 1`)
	}
}

func TestBucketsCanBeReplacedOneHistogramAtATime(t *testing.T) {
	t.Parallel()
	sink, registry := newSink(t, func(o *promsink.Options) {
		o.Buckets = map[*metrics.Instrument][]float64{metrics.ProducerBatchSize: {7}}
	})
	sink.Histogram(metrics.ProducerBatchSize, "orders").Observe(t.Context(), 6)
	sink.Histogram(metrics.ProducerFlushDuration, "orders").Observe(t.Context(), .001)
	text := scrape(t, registry, "text/plain")
	mustContain(t, text, "kinetrail_producer_batch_size_bucket{stream_name=\"orders\",le=\"7\"} 1\n"+
		"kinetrail_producer_batch_size_bucket{stream_name=\"orders\",le=\"+Inf\"} 1\n")
	mustContain(t, text, `kinetrail_producer_flush_duration_seconds_bucket{stream_name="orders",le="0.001"} 1`)
}

func TestNativeHistogramsStandBesideTheClassicOnes(t *testing.T) {
	t.Parallel()
	for _, native := range []bool{false, true} {
		sink, registry := newSink(t, func(o *promsink.Options) { o.NativeHistograms = native })
		sink.Histogram(metrics.ProducerBatchSize, "orders").Observe(t.Context(), 6)
		families, err := registry.Gather()
		if err != nil || len(families) != 1 {
			t.Fatalf("Gather = %v, %v; want one family", families, err)
		}
		h := families[0].GetMetric()[0].GetHistogram()
		if got := len(h.GetPositiveSpan()) > 0; got != native {
			t.Errorf("NativeHistograms %t: native buckets %t", native, got)
		}
		if got, want := len(h.GetBucket()), len(metrics.ProducerBatchSize.Buckets); got != want {
			t.Errorf("NativeHistograms %t: %d classic buckets; want %d", native, got, want)
		}
	}
}

func TestWrongUseIsToldOnceAndCostsNothingElse(t *testing.T) {
	t.Parallel()
	var told bytes.Buffer
	sink, registry := newSink(t, func(o *promsink.Options) { o.Logger = slog.New(slog.NewTextHandler(&told, nil)) })
	own := &metrics.Instrument{Name: "own_total", Kind: metrics.KindCounter}
	for range 3 {
		sink.Counter(metrics.ProducerQueueSize, "orders").Add(1)
		sink.Gauge(metrics.ProducerBufferedBytes, "orders", "too", "many").Set(1)
		sink.Gauge(metrics.ConsumerQueueSize, "\xff").Set(1)
		sink.Histogram(metrics.ProducerBatchSize).Observe(t.Context(), 1)
		sink.Histogram(metrics.ProducerFlushDuration, "\xff").Observe(t.Context(), 1)
		sink.Counter(metrics.ProducerBytesSent, "\xff").Add(1)
		sink.Counter(own).Add(1)
		sink.Counter(nil).Add(1)
		sink.Forget(nil)
		sink.Forget(metrics.ProducerThrottles, "orders", "too", "many")
		sink.Forget(own)
	}
	for _, want := range []string{
		"producer_queue_size is a gauge, used as a counter", "used with 3 values", "used with 0 values",
		"own_total is not in the catalogue", "no instrument given", "more label values",
	} {
		if got := strings.Count(told.String(), want); got != 1 {
			t.Errorf("the log has %q %d times; want once:\n%s", want, got, told.String())
		}
	}
	if got, want := strings.Count(told.String(), "\n"), 9; got != want {
		t.Errorf("the log has %d lines; want %d, one for each instrument:\n%s", got, want, told.String())
	}
	if text := scrape(t, registry, "text/plain"); text != "" {
		t.Errorf("the scrape is\n%s\nwant nothing", text)
	}
}

// The race detector watches this test.
func TestScrapesLoadAndForgettingGoOnAtOnce(t *testing.T) {
	t.Parallel()
	sink, registry := newSink(t)
	var all sync.WaitGroup
	for _, shard := range []string{"shardId-000000000000", "shardId-000000000001"} {
		for range 2 {
			all.Go(func() {
				for range 200 {
					received := sink.Counter(metrics.ConsumerRecordsReceived, "orders", shard)
					age := sink.Gauge(metrics.ConsumerIteratorAge, "orders", shard)
					took := sink.Histogram(metrics.ConsumerProcessingTime, "orders", shard)
					for i := range 10 {
						received.Add(1)
						age.Set(float64(i))
						took.Observe(t.Context(), .001)
					}
					metrics.ForgetShard(sink, "orders", shard)
				}
			})
		}
	}
	sent := sink.Counter(metrics.ProducerRecordsSent, "orders")
	for range 4 {
		all.Go(func() {
			for range 2000 {
				sent.Add(1)
			}
		})
	}
	for range 2 {
		all.Go(func() {
			for range 20 {
				if _, err := registry.Gather(); err != nil {
					t.Errorf("a scrape under load: %v", err)
				}
			}
		})
	}
	all.Wait()
	text := scrape(t, registry, "text/plain")
	mustContain(t, text, `kinetrail_producer_records_sent_total{stream_name="orders"} 8000`)
	mustNotContain(t, text, "shardId")
}

func TestANilLoggerIsTheDefaultOne(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	var told bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(io.Writer(&told), nil)))
	sink, _ := newSink(t, func(o *promsink.Options) { o.Logger = nil })
	sink.Counter(nil)
	if !strings.Contains(told.String(), "no instrument given") {
		t.Errorf("the default logger was told %q; want the wrong use", told.String())
	}
}
