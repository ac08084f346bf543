package metrics_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail/metrics"
)

// A test gives its client a Memory and looks at what the client counted.
func Example() {
	sink := metrics.NewMemory()

	// What a producer does with the sink it is given:
	sent := sink.Counter(metrics.ProducerRecordsSent, "my-stream")
	errors := metrics.NewCounterSet(sink, metrics.ProducerErrors, "my-stream")
	batch := sink.Histogram(metrics.ProducerBatchSize, "my-stream")
	sent.Add(9)
	errors.Add("InternalFailure", 1)
	batch.Observe(context.Background(), 10)

	// What the test asserts:
	fmt.Println(sink.Counters()["producer_records_sent_total{stream_name=my-stream}"])
	fmt.Println(sink.Counters()["producer_errors_total{error_type=InternalFailure,stream_name=my-stream}"])
	fmt.Println(sink.Histograms()["producer_batch_size{stream_name=my-stream}"].Values)
	// Output:
	// 9
	// 1
	// [10]
}

func ExampleMemory_Snapshot() {
	sink := metrics.NewMemory()
	sink.Counter(metrics.ProducerRecordsSent, "my-stream").Add(3)
	sink.Gauge(metrics.ProducerQueueSize, "my-stream").Set(0)
	for _, seconds := range []float64{.004, .002} {
		sink.Histogram(metrics.ProducerFlushDuration, "my-stream").Observe(context.Background(), seconds)
	}
	for key, value := range sink.Snapshot() {
		fmt.Println(key, value)
	}
	// Unordered output:
	// producer_records_sent_total{stream_name=my-stream} 3
	// producer_queue_size{stream_name=my-stream} 0
	// producer_flush_duration_seconds{stream_name=my-stream} [0.004 0.002]
}

func ExampleStartTimer() {
	sink := metrics.NewMemory()
	duration := sink.Histogram(metrics.ProducerFlushDuration, "my-stream")

	flush := func(ctx context.Context) {
		defer metrics.StartTimer(duration).Stop(ctx)
		// … the work that is timed
	}
	flush(context.Background())

	took := sink.Histograms()["producer_flush_duration_seconds{stream_name=my-stream}"]
	fmt.Println(took.Count, took.Sum < time.Minute.Seconds())
	// Output: 1 true
}

func ExampleCatalog() {
	for _, in := range metrics.Catalog()[:3] {
		fmt.Println(in.Name, in.Kind, in.Unit, in.Labels)
	}
	// Output:
	// producer_records_sent_total counter {record} [stream_name]
	// producer_bytes_sent_total counter By [stream_name]
	// producer_errors_total counter {record} [stream_name error_type]
}

// statsD writes each value as a line of the StatsD protocol, with the labels
// as tags the way Datadog reads them.
type statsD struct {
	mu  sync.Mutex
	out io.Writer
}

func (s *statsD) Counter(in *metrics.Instrument, labelValues ...string) metrics.Counter {
	return s.line(in, "c", labelValues)
}

func (s *statsD) Gauge(in *metrics.Instrument, labelValues ...string) metrics.Gauge {
	return s.line(in, "g", labelValues)
}

func (s *statsD) Histogram(in *metrics.Instrument, labelValues ...string) metrics.Histogram {
	return s.line(in, "h", labelValues)
}

// Forget has nothing to do: StatsD keeps no series.
func (s *statsD) Forget(*metrics.Instrument, ...string) {}

func (s *statsD) line(in *metrics.Instrument, kind string, labelValues []string) *statsDLine {
	tags := make([]string, len(labelValues))
	for i, value := range labelValues {
		tags[i] = in.Labels[i] + ":" + value
	}
	return &statsDLine{s, in.Name, "|" + kind + "|#" + strings.Join(tags, ",")}
}

// statsDLine is the handle of one series: the line without its value.
type statsDLine struct {
	sink        *statsD
	name, after string
}

func (l *statsDLine) Add(n int64)                          { l.write(n) }
func (l *statsDLine) Set(v float64)                        { l.write(v) }
func (l *statsDLine) Observe(_ context.Context, v float64) { l.write(v) }

func (l *statsDLine) write(value any) {
	l.sink.mu.Lock()
	defer l.sink.mu.Unlock()
	_, _ = fmt.Fprintf(l.sink.out, "%s:%v%s\n", l.name, value, l.after)
}

// A sink of your own is four methods and its handles. It may write to a
// network, and block there: the clients put Isolate before it, as is done here
// by hand.
func Example_customSink() {
	sink := metrics.Isolate(&statsD{out: os.Stdout}, nil)

	sink.Counter(metrics.ProducerRecordsSent, "orders").Add(500)
	sink.Gauge(metrics.ConsumerIteratorAge, "orders", "shardId-000000000001").Set(1200)
	sink.Histogram(metrics.ProducerFlushDuration, "orders").Observe(context.Background(), .012)

	if err := sink.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Unordered output:
	// producer_records_sent_total:500|c|#stream_name:orders
	// consumer_iterator_age_milliseconds:1200|g|#stream_name:orders,shard_id:shardId-000000000001
	// producer_flush_duration_seconds:0.012|h|#stream_name:orders
}

// gaugesOnly is a sink that keeps the gauges of one stream, to be read now and
// then.
type gaugesOnly struct {
	*metrics.Memory // takes all else

	scrapes metrics.Scrapes
	values  map[string]*value
}

type value struct{ v float64 }

func (g *value) Set(v float64) { g.v = v }

func (s *gaugesOnly) OnScrape(collect func()) (stop func()) { return s.scrapes.OnScrape(collect) }

func (s *gaugesOnly) Gauge(in *metrics.Instrument, _ ...string) metrics.Gauge {
	if s.values[in.Name] == nil {
		s.values[in.Name] = new(value)
	}
	return s.values[in.Name]
}

// read returns what there is at one moment.
func (s *gaugesOnly) read() map[string]float64 {
	all := make(map[string]float64)
	s.scrapes.Scrape(func() {
		for name, g := range s.values {
			all[name] = g.v
		}
	})
	return all
}

// A sink that is read now and then asks for what there is. Clients do what is
// done here by hand.
func ExampleScrapes() {
	sink := &gaugesOnly{Memory: metrics.NewMemory(), values: make(map[string]*value)}
	guard := metrics.Isolate(sink, nil)

	waiting := 0
	queue := guard.Gauge(metrics.ProducerQueueSize, "orders")
	guard.OnScrape(func() { queue.Set(float64(waiting)) })

	waiting = 3
	fmt.Println(sink.read())
	// Output: map[producer_queue_size:3]
}

// Two sinks at once: one of your own, and a Memory to look into.
func ExampleMulti() {
	memory := metrics.NewMemory()
	sink := metrics.Multi(&statsD{out: os.Stdout}, memory)
	sink.Counter(metrics.StreamReshardingEvents, "orders").Add(1)
	fmt.Println(memory.Counters())
	// Output:
	// stream_resharding_events_total:1|c|#stream_name:orders
	// map[stream_resharding_events_total{stream_name=orders}:1]
}

// The default is what a client takes that was given no sink of its own.
func ExampleSetDefault() {
	memory := metrics.NewMemory()
	metrics.SetDefault(memory)
	defer metrics.SetDefault(nil)

	fmt.Println(metrics.Default() == memory, metrics.Enabled(metrics.Default()))
	// Output: true true
}
