package metricstest

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/metrics/promsink"
	"github.com/kinetrail/kinetrail/producer"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func noopTakesEverything(t *testing.T) {
	metrics.Noop.Counter(metrics.ProducerRecordsSent, stream).Add(1)
	metrics.Noop.Gauge(metrics.ProducerQueueSize, stream).Set(1)
	h := metrics.Noop.Histogram(metrics.ProducerBatchSize, stream)
	h.Observe(t.Context(), 1)
	metrics.StartTimer(h).Stop(t.Context())
	if metrics.Enabled(metrics.Noop) {
		t.Error("Enabled(Noop) = true; want false")
	}
}

func countersAddUp(t *testing.T) {
	sink := metrics.NewMemory()
	sink.Counter(metrics.ProducerRecordsSent, stream).Add(5)
	sink.Counter(metrics.ProducerRecordsSent, stream).Add(3)
	sink.Counter(metrics.ProducerRecordsSent, "other").Add(2)
	mustCount(t, sink, map[string]int64{key("producer_records_sent_total"): 8, "producer_records_sent_total{stream_name=other}": 2})
}

func gaugesOverwrite(t *testing.T) {
	sink := metrics.NewMemory()
	sink.Gauge(metrics.ProducerQueueSize, stream).Set(10)
	sink.Gauge(metrics.ProducerQueueSize, stream).Set(4)
	mustGauge(t, sink, map[string]float64{key("producer_queue_size"): 4})
}

func histogramsKeepValues(t *testing.T) {
	sink := metrics.NewMemory()
	for _, v := range []float64{10, 20, 15} {
		sink.Histogram(metrics.ProducerBatchSize, stream).Observe(t.Context(), v)
	}
	if got, want := sink.Histograms()[key("producer_batch_size")].Values, []float64{10, 20, 15}; !slices.Equal(got, want) {
		t.Errorf("the values are %v; want %v", got, want)
	}
}

func timersMeasure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := metrics.NewMemory()
		timer := metrics.StartTimer(sink.Histogram(metrics.ProducerFlushDuration, stream))
		time.Sleep(50 * time.Millisecond) // in the bubble's time
		timer.Stop(t.Context())
		if got, want := sink.Histograms()[key("producer_flush_duration_seconds")].Values, []float64{.05}; !slices.Equal(got, want) {
			t.Errorf("the values are %v; want %v", got, want)
		}
	})
}

func keysAreSorted(t *testing.T) {
	sink := metrics.NewMemory()
	sink.Counter(metrics.ConsumerErrors, "test", shard0, "timeout")
	mustCount(t, sink, map[string]int64{"consumer_errors_total{error_type=timeout,shard_id=" + shard0 + ",stream_name=test}": 0})
}

func snapshotsAreFlat(t *testing.T) {
	sink := metrics.NewMemory()
	sink.Counter(&metrics.Instrument{Name: "c", Kind: metrics.KindCounter}).Add(1)
	sink.Gauge(&metrics.Instrument{Name: "g", Kind: metrics.KindGauge}).Set(2)
	sink.Histogram(&metrics.Instrument{Name: "h", Kind: metrics.KindHistogram}).Observe(t.Context(), 3)
	got := sink.Snapshot()
	values, _ := got["h"].([]float64)
	if got["c"] != int64(1) || got["g"] != 2.0 || !slices.Equal(values, []float64{3}) || len(got) != 3 {
		t.Errorf("the snapshot is %v; want c 1, g 2 and h [3]", got)
	}
}

// noting is a sink of somebody's own, which notes the values of histograms.
type noting struct {
	metrics.Sink
	noted chan string
}

func (s noting) Histogram(in *metrics.Instrument, labelValues ...string) metrics.Histogram {
	return notingHistogram{s, in.Name + " " + strings.Join(labelValues, " ")}
}

type notingHistogram struct {
	to  noting
	key string
}

func (h notingHistogram) Observe(_ context.Context, v float64) {
	h.to.noted <- h.key + " " + time.Duration(v*float64(time.Second)).String()
}

func timersHandOnLabels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := noting{metrics.Noop, make(chan string, 1)}
		timer := metrics.StartTimer(sink.Histogram(metrics.ProducerFlushDuration, stream))
		time.Sleep(time.Second) // in the bubble's time
		timer.Stop(t.Context())
		if got, want := <-sink.noted, "producer_flush_duration_seconds s 1s"; got != want {
			t.Errorf("the timer hands on %q; want %q", got, want)
		}
	})
}

func theDefaultCanBeSet(t *testing.T) {
	if metrics.Default() != metrics.Noop {
		t.Errorf("the default is %v; want Noop", metrics.Default())
	}
	sink := metrics.NewMemory()
	metrics.SetDefault(sink)
	if metrics.Default() != metrics.Sink(sink) {
		t.Errorf("after SetDefault the default is %v; want %v", metrics.Default(), sink)
	}
	metrics.SetDefault(nil)
	if metrics.Default() != metrics.Noop {
		t.Errorf("after SetDefault(nil) the default is %v; want Noop", metrics.Default())
	}
}

func prometheusNeedsNoArguments(t *testing.T) {
	sink, err := promsink.New()
	if err != nil {
		t.Fatal(err)
	}
	sink.Gauge(metrics.ProducerQueueSize, "default").Set(1)
	mustShow(t, prometheus.DefaultGatherer, `kinetrail_producer_queue_size{stream_name="default"} 1`)
}

func namesAreWords(t *testing.T) {
	word := regexp.MustCompile(`^[a-z]+(_[a-z]+)+$`)
	for _, in := range metrics.Catalog() {
		if !word.MatchString(in.Name) {
			t.Errorf("an instrument is named %q; want words in lower case with underscores", in.Name)
		}
	}
}

func consumersTakeTheDefault(t *testing.T) {
	server := newServer(t, 1)
	put(t, server, "one")
	own, shared := metrics.NewMemory(), metrics.NewMemory()
	metrics.SetDefault(shared)
	t.Cleanup(func() { metrics.SetDefault(nil) })
	read(t, server.Client(), own)
	received := key("consumer_records_received_total", inShard(shard0))
	if len(shared.Snapshot()) != 0 {
		t.Errorf("a consumer with a sink of its own tells the default one %v; want nothing", shared.Snapshot())
	}
	mustCount(t, own, map[string]int64{received: 1})
	read(t, server.Client(), nil)
	mustCount(t, shared, map[string]int64{received: 1})
	mustCount(t, own, map[string]int64{received: 1})
}

// mustShow looks for lines in what Prometheus would scrape.
func mustShow(t *testing.T, from prometheus.Gatherer, lines ...string) {
	t.Helper()
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(from, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range lines {
		if !strings.Contains("\n"+answer.Body.String(), "\n"+line+"\n") {
			t.Errorf("the scrape lacks %s:\n%s", line, answer.Body)
		}
	}
}

func newPrometheus(t *testing.T, namespace string) (*promsink.Sink, *prometheus.Registry) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	sink, err := promsink.New(func(o *promsink.Options) { o.Registerer, o.Namespace = registry, namespace })
	if err != nil {
		t.Fatal(err)
	}
	return sink, registry
}

func checkpointsInPrometheus(t *testing.T) {
	sink, registry := newPrometheus(t, "async_kinesis")
	for _, bound := range []bool{false, true} {
		store := lease.WithMetrics(memlease.New(), sink)
		if bound {
			if err := store.Bind(stream); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := store.Checkpoint(t.Context(), held(t, store), kinetrail.TrimHorizon()); err != nil {
			t.Fatal(err)
		}
	}
	mustShow(t, registry,
		`async_kinesis_consumer_checkpoint_success_total{shard_id="`+shard0+`",stream_name="<standalone>"} 1`,
		`async_kinesis_consumer_checkpoint_success_total{shard_id="`+shard0+`",stream_name="s"} 1`)
}

func theTextForPrometheus(t *testing.T) {
	sink, registry := newPrometheus(t, "async_kinesis")
	server := newServer(t, 1, "PutRecords nth=1 records=1 error=ProvisionedThroughputExceededException")
	produce(t, server, sink, 10)
	mustShow(t, registry,
		`async_kinesis_producer_batch_size_bucket{stream_name="s",le="10"} 2`,
		`async_kinesis_producer_batch_size_sum{stream_name="s"} 11`,
		`async_kinesis_producer_batch_size_count{stream_name="s"} 2`,
		`async_kinesis_producer_records_sent_total{stream_name="s"} 10`)
}

func twoSinksOfOneNamespace(t *testing.T) {
	one, registry := newPrometheus(t, "n")
	two, err := promsink.New(func(o *promsink.Options) { o.Registerer, o.Namespace = registry, "n" })
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(t, 1)
	produce(t, server, one, 2)
	produce(t, server, two, 3)
	mustShow(t, registry, `n_producer_records_sent_total{stream_name="s"} 5`)
}

// panicking is a sink that panics in its handles.
type panicking struct{}

func (panicking) Counter(*metrics.Instrument, ...string) metrics.Counter { return panickingHandle{} }
func (panicking) Gauge(*metrics.Instrument, ...string) metrics.Gauge     { return panickingHandle{} }
func (panicking) Histogram(*metrics.Instrument, ...string) metrics.Histogram {
	return panickingHandle{}
}
func (panicking) Forget(*metrics.Instrument, ...string) { panic("forget") }

type panickingHandle struct{}

func (panickingHandle) Add(int64)                        { panic("add") }
func (panickingHandle) Set(float64)                      { panic("set") }
func (panickingHandle) Observe(context.Context, float64) { panic("observe") }

// blocking is a sink whose calls wait until the test is over.
type blocking struct {
	over  chan struct{}
	calls *sync.WaitGroup
}

func (s blocking) wait() {
	s.calls.Add(1)
	defer s.calls.Done()
	<-s.over
}

func (s blocking) Counter(*metrics.Instrument, ...string) metrics.Counter     { return s }
func (s blocking) Gauge(*metrics.Instrument, ...string) metrics.Gauge         { return s }
func (s blocking) Histogram(*metrics.Instrument, ...string) metrics.Histogram { return s }
func (s blocking) Forget(*metrics.Instrument, ...string)                      { s.wait() }
func (s blocking) Add(int64)                                                  { s.wait() }
func (s blocking) Set(float64)                                                { s.wait() }
func (s blocking) Observe(context.Context, float64)                           { s.wait() }

func badSinksDoNotStopDelivery(t *testing.T) {
	stuck := blocking{make(chan struct{}), new(sync.WaitGroup)}
	t.Cleanup(stuck.calls.Wait)
	defer close(stuck.over)
	for name, sink := range map[string]metrics.Sink{"panics": panicking{}, "blocks": stuck} {
		server := newServer(t, 1)
		p, err := producer.New(server.Client(), stream, func(o *producer.Options) { o.Metrics, o.Logger = sink, quiet })
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Put(t.Context(), kinetrail.Record{PartitionKey: "key", Data: []byte("data")}); err != nil {
			t.Errorf("with a sink that %s, Put = %v; want nil", name, err)
		}
		g := startGroup(t, server.Client(), memlease.New(), sink, func(o *consumer.Options) { o.Logger = quiet })
		if got := string(g.take(t, 1)[0].Data); got != "data" {
			t.Errorf("with a sink that %s, the consumer reads %q; want data", name, got)
		}
		ending, cancel := context.WithTimeout(t.Context(), time.Second)
		_ = p.Close(ending) // tells that the sink hangs
		cancel()
	}
}

// The catalogue has every metric of async-kinesis, under its name.
func TestTheCatalogueHasTheirMetrics(t *testing.T) {
	t.Parallel()
	have := make(map[string]bool)
	for _, in := range metrics.Catalog() {
		have[in.Name] = true
	}
	theirs := map[string]bool{}
	for _, name := range strings.Fields(`producer_records_sent_total producer_bytes_sent_total producer_errors_total
		producer_throttles_total producer_batch_size producer_queue_size producer_flush_duration_seconds
		consumer_records_received_total consumer_bytes_received_total consumer_errors_total
		consumer_checkpoint_success_total consumer_checkpoint_failure_total consumer_iterator_age_milliseconds
		consumer_queue_size consumer_lag_records consumer_processing_time_seconds
		stream_shards_active stream_shards_closed stream_resharding_events_total`) {
		theirs[name] = true
	}
	if len(theirs) != 19 {
		t.Fatalf("they have %d metrics; want 19", len(theirs))
	}
	for _, name := range slices.Sorted(maps.Keys(theirs)) {
		if !have[name] {
			t.Errorf("the catalogue lacks %s", name)
		}
	}
}
