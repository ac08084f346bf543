package promsink_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/metrics/promsink"
	"github.com/kinetrail/kinetrail/producer"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// What docs/metrics.md shows is copied from this file: internal/docs looks for
// each of its blocks here. The tests between them run it.

func TestOnePutIsCounted(t *testing.T) {
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"my-stream": 1} })
	sink := metrics.NewMemory()
	p, err := producer.New(server.Client(), "my-stream", func(o *producer.Options) { o.Metrics = sink })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close(t.Context()) }()

	record := kinetrail.Record{PartitionKey: "customer-7", Data: []byte("one espresso")}
	if err := p.PutAsync(t.Context(), record, func(producer.Result) {}); err != nil {
		t.Fatal(err)
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}

	if got := sink.Counters()["producer_records_sent_total{stream_name=my-stream}"]; got != 1 {
		t.Errorf("%d records sent; want 1 in %v", got, sink.Snapshot())
	}
}

// metricsHandler shows the metrics of every client that is made after it.
func metricsHandler() (http.Handler, error) {
	sink, err := promsink.New()
	if err != nil {
		return nil, err
	}
	metrics.SetDefault(sink)
	return promhttp.HandlerFor(prometheus.DefaultGatherer, promhttp.HandlerOpts{EnableOpenMetrics: true}), nil
}

// putOne makes a producer for my-stream and puts a record with it.
func putOne(t *testing.T, opts ...func(*producer.Options)) {
	t.Helper()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"my-stream": 1} })
	p, err := producer.New(server.Client(), "my-stream", opts...)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Put(t.Context(), kinetrail.Record{PartitionKey: "customer-7", Data: []byte("one espresso")}); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// Not parallel: it sets the sink of the whole process.
func TestTheEndpointOfTheGuideShowsAProducer(t *testing.T) {
	t.Cleanup(func() { metrics.SetDefault(nil) })
	handler, err := metricsHandler()
	if err != nil {
		t.Fatal(err)
	}
	if !metrics.Enabled(metrics.Default()) {
		t.Error("no default sink is set; want the Prometheus sink")
	}
	putOne(t)
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK {
		t.Errorf("the endpoint answers %d; want 200", answer.Code)
	}
	mustContain(t, answer.Body.String(), `kinetrail_producer_queue_size{stream_name="my-stream"} 0`)
}

// producers makes one producer for each of two streams. Their metrics are told
// apart by their names, and by stream_name besides.
func producers(client *kinesis.Client, registry prometheus.Registerer) (orders, events *producer.Producer, err error) {
	namespace := func(name string) func(*promsink.Options) {
		return func(o *promsink.Options) { o.Registerer, o.Namespace = registry, name }
	}
	ordersSink, ordersErr := promsink.New(namespace("orders"))
	eventsSink, eventsErr := promsink.New(namespace("events"))
	if err := errors.Join(ordersErr, eventsErr); err != nil {
		return nil, nil, err
	}
	orders, ordersErr = producer.New(client, "orders-stream", func(o *producer.Options) { o.Metrics = ordersSink })
	events, eventsErr = producer.New(client, "events-stream", func(o *producer.Options) { o.Metrics = eventsSink })
	return orders, events, errors.Join(ordersErr, eventsErr)
}

func TestTwoNamespacesOfTheGuideTellTwoStreamsApart(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) {
		o.Streams = map[string]int{"orders-stream": 1, "events-stream": 1}
	})
	registry := prometheus.NewPedanticRegistry()
	orders, events, err := producers(server.Client(), registry)
	if err != nil {
		t.Fatal(err)
	}
	for p, times := range map[*producer.Producer]int{orders: 2, events: 1} {
		for range times {
			if _, err := p.Put(t.Context(), kinetrail.Record{PartitionKey: "key", Data: []byte("data")}); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	text := scrape(t, registry, "text/plain")
	mustContain(t, text, `orders_producer_records_sent_total{stream_name="orders-stream"} 2`)
	mustContain(t, text, `events_producer_records_sent_total{stream_name="events-stream"} 1`)
}

// statsd is a sink for a client such as Datadog's.
type statsd struct {
	client interface {
		Count(name string, value int64, tags []string, rate float64) error
		Gauge(name string, value float64, tags []string, rate float64) error
		Histogram(name string, value float64, tags []string, rate float64) error
	}
}

func (s statsd) Counter(in *metrics.Instrument, labelValues ...string) metrics.Counter {
	return statsdSeries{s, in.Name, tags(in, labelValues)}
}

func (s statsd) Gauge(in *metrics.Instrument, labelValues ...string) metrics.Gauge {
	return statsdSeries{s, in.Name, tags(in, labelValues)}
}

func (s statsd) Histogram(in *metrics.Instrument, labelValues ...string) metrics.Histogram {
	return statsdSeries{s, in.Name, tags(in, labelValues)}
}

// Forget does nothing: a statsd client keeps no series.
func (s statsd) Forget(*metrics.Instrument, ...string) {}

// statsdSeries is one instrument with one set of tags.
type statsdSeries struct {
	to   statsd
	name string
	tags []string
}

func (s statsdSeries) Add(n int64)   { _ = s.to.client.Count("kinetrail."+s.name, n, s.tags, 1) }
func (s statsdSeries) Set(v float64) { _ = s.to.client.Gauge("kinetrail."+s.name, v, s.tags, 1) }
func (s statsdSeries) Observe(_ context.Context, v float64) {
	_ = s.to.client.Histogram("kinetrail."+s.name, v, s.tags, 1)
}

// tags are the labels, "stream_name:my-stream".
func tags(in *metrics.Instrument, labelValues []string) []string {
	var all []string
	for i, value := range labelValues {
		all = append(all, in.Labels[i]+":"+value)
	}
	return all
}

// fakeStatsd keeps what it is sent, by kind, name and tags.
type fakeStatsd struct {
	mu   sync.Mutex
	sent map[string]float64
}

func (f *fakeStatsd) note(kind, name string, value float64, tags []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent[kind+" "+name+" "+strings.Join(tags, ",")] += value
	return nil
}

func (f *fakeStatsd) Count(name string, value int64, tags []string, _ float64) error {
	return f.note("count", name, float64(value), tags)
}

func (f *fakeStatsd) Gauge(name string, value float64, tags []string, _ float64) error {
	return f.note("gauge", name, value, tags)
}

func (f *fakeStatsd) Histogram(name string, value float64, tags []string, _ float64) error {
	return f.note("histogram", name, value, tags)
}

func TestTheOwnSinkOfTheGuideGetsWhatAProducerCounts(t *testing.T) {
	t.Parallel()
	client := &fakeStatsd{sent: make(map[string]float64)}
	putOne(t, func(o *producer.Options) { o.Metrics = statsd{client} })
	for key, want := range map[string]float64{
		"count kinetrail.producer_records_sent_total stream_name:my-stream": 1,
		"count kinetrail.producer_bytes_sent_total stream_name:my-stream":   12,
		"histogram kinetrail.producer_batch_size stream_name:my-stream":     1,
	} {
		if got := client.sent[key]; got != want {
			t.Errorf("%s is %v; want %v among %q", key, got, want, slices.Sorted(maps.Keys(client.sent)))
		}
	}
	if _, ok := client.sent["gauge kinetrail.producer_queue_size stream_name:my-stream"]; !ok {
		t.Errorf("no queue size was sent, only %q", slices.Sorted(maps.Keys(client.sent)))
	}
}

// Not parallel: it reads the sink of the whole process.
func TestWithoutASinkNothingListens(t *testing.T) {
	if metrics.Enabled(metrics.Default()) {
		t.Errorf("the default sink is %s; want Noop", fmt.Sprintf("%T", metrics.Default()))
	}
}

func TestARecordThatWaitsIsCountedAfterAFlush(t *testing.T) {
	t.Parallel()
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"my-stream": 1} })
	sink := metrics.NewMemory()
	p, err := producer.New(server.Client(), "my-stream", func(o *producer.Options) {
		o.Metrics = sink
		o.Linger = o.Deadline / 2
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.PutAsync(t.Context(), kinetrail.Record{PartitionKey: "key", Data: []byte("data")}, func(producer.Result) {}); err != nil {
		t.Fatal(err)
	}
	const sent, queued = "producer_records_sent_total{stream_name=my-stream}", "producer_queue_size{stream_name=my-stream}"
	if sink.Counters()[sent] != 0 || sink.Gauges()[queued] != 1 {
		t.Errorf("before the flush: %v; want %s 0 and %s 1", sink.Snapshot(), sent, queued)
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if sink.Counters()[sent] != 1 || sink.Gauges()[queued] != 0 {
		t.Errorf("after the flush: %v; want %s 1 and %s 0", sink.Snapshot(), sent, queued)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}
