package metricstest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/producer"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// Taking any one emission out of a client makes this test fail: every metric
// must come with a value above zero, from a real producer or consumer.
func TestEveryMetricIsEmittedByRealClients(t *testing.T) {
	t.Parallel()
	sink := newEmissions()
	for _, scene := range []func(*testing.T, *emissions){
		throttledProducer, deniedProducer, splitUnderProducer, tracedProducer,
		busyConsumer, failingConsumer, stalledConsumer, robbedConsumer, reshardedConsumer, cutConsumer,
	} {
		scene(t, sink)
	}
	if missing := sink.missing(); len(missing) > 0 {
		t.Errorf("these are not emitted: %q; want every one of the catalogue", missing)
	}
	for _, in := range metrics.Catalog() {
		if missing := sink.without(in).missing(); !slices.Equal(missing, []string{in.Name}) {
			t.Errorf("with the emission of %s taken out, these are not emitted: %q; want that one", in.Name, missing)
		}
	}
}

// emissions is a sink that notes which instruments got a value above zero.
type emissions struct {
	mu   sync.Mutex
	seen map[string]bool
}

func newEmissions() *emissions { return &emissions{seen: make(map[string]bool)} }

func (s *emissions) Trusted() {}

func (s *emissions) Counter(in *metrics.Instrument, _ ...string) metrics.Counter {
	return emission{s, in}
}

func (s *emissions) Gauge(in *metrics.Instrument, _ ...string) metrics.Gauge {
	return emission{s, in}
}

func (s *emissions) Histogram(in *metrics.Instrument, _ ...string) metrics.Histogram {
	return emission{s, in}
}

func (s *emissions) Forget(*metrics.Instrument, ...string) {}

func (s *emissions) has(in *metrics.Instrument) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[in.Name]
}

// missing are the instruments of the catalogue that got no value.
func (s *emissions) missing() (names []string) {
	for _, in := range metrics.Catalog() {
		if !s.has(in) {
			names = append(names, in.Name)
		}
	}
	return names
}

// without is what would have been seen if one instrument got no values.
func (s *emissions) without(taken *metrics.Instrument) *emissions {
	rest := newEmissions()
	for _, in := range metrics.Catalog() {
		if in != taken && s.has(in) {
			emission{rest, in}.note(1)
		}
	}
	return rest
}

// await waits until all of these have come.
func (s *emissions) await(t *testing.T, all ...*metrics.Instrument) {
	t.Helper()
	for _, in := range all {
		eventually(t, in.Name+" has a value", func() bool { return s.has(in) })
	}
}

type emission struct {
	to *emissions
	in *metrics.Instrument
}

func (e emission) note(v float64) {
	if v > 0 {
		e.to.mu.Lock()
		e.to.seen[e.in.Name] = true
		e.to.mu.Unlock()
	}
}

func (e emission) Add(n int64)                          { e.note(float64(n)) }
func (e emission) Set(v float64)                        { e.note(v) }
func (e emission) Observe(_ context.Context, v float64) { e.note(v) }

func throttledProducer(t *testing.T, sink *emissions) {
	produce(t, newServer(t, 1, "PutRecords nth=1 records=1"), sink, 10)
}

func deniedProducer(t *testing.T, sink *emissions) {
	produce(t, newServer(t, 1, "PutRecords error=AccessDeniedException"), sink, 1)
}

// splitUnderProducer splits the only shard when the producer has listed it, so
// that a container has records of both children.
func splitUnderProducer(t *testing.T, sink *emissions) {
	server := newServer(t, 1)
	p, err := producer.New(server.Client(), stream, func(o *producer.Options) {
		o.Metrics, o.Logger = sink, quiet
		o.Aggregation, o.RefreshInterval, o.Linger = producer.ByShard, 0, 10*time.Second
	})
	if err != nil {
		t.Fatal(err)
	}
	split(t, server.Client(), shard0, middle)
	for _, partitionKey := range strings.Split("abcdefghijklmnop", "") {
		if err := p.PutAsync(t.Context(), kinetrail.Record{PartitionKey: partitionKey, Data: []byte("data")}, func(producer.Result) {}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	sink.await(t, metrics.ProducerWrongShard, metrics.ProducerAggregationRatio)
}

// aTrace is one that a record may carry.
var aTrace = kinetrail.TraceContext{Parent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}

// tracedProducer puts a record whose key has room for a trace, and one whose key
// has none, and reads them beside one that only looks like one with a trace.
func tracedProducer(t *testing.T, sink *emissions) {
	server := newServer(t, 1)
	p, err := producer.New(server.Client(), stream, func(o *producer.Options) {
		o.Metrics, o.Carrier = sink, tracecarrier.Lossless
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, partitionKey := range []string{"key", strings.Repeat("k", kinetrail.MaxPartitionKeyLength)} {
		if _, err := p.Put(t.Context(), kinetrail.Record{PartitionKey: partitionKey, Data: []byte("data"), Trace: aTrace}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	putRaw(t, server, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-k", []byte("data"))
	putRaw(t, server, "00-00000000000000000000000000000000-00f067aa0ba902b7-01", []byte("data"))
	putRaw(t, server, aTrace.Parent+"-k2=key", []byte("data"))
	read(t, server.Client(), sink)
}

// putRaw puts a record as it is.
func putRaw(t *testing.T, server *localkinesis.Server, partitionKey string, data []byte) {
	t.Helper()
	_, err := server.Client().PutRecord(t.Context(), &kinesis.PutRecordInput{
		StreamName: aws.String(stream), PartitionKey: &partitionKey, ExplicitHashKey: aws.String("0"), Data: data,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// busyConsumer reads records that are a minute old, one by one, after a fetch
// that fails: among them a container that is none, and one with a record of the
// other shard.
func busyConsumer(t *testing.T, sink *emissions) {
	server := newServer(t, 2, "GetRecords nth=1 error=InternalFailure")
	var container aggregate.Builder
	container.Add(&aggregate.UserRecord{PartitionKey: "key", ExplicitHashKey: middle, Data: []byte("elsewhere")})
	whole := container.AppendTo(nil)
	broken := slices.Clone(whole)
	broken[len(broken)-1]++
	putRaw(t, server, "a", whole)
	putRaw(t, server, "a", broken)
	putRaw(t, server, "a", []byte("plain"))
	server.Clock().Advance(time.Minute)
	g := startGroup(t, server.Client(func(o *kinesis.Options) { o.RetryMaxAttempts = 1 }), memlease.New(), sink, func(o *consumer.Options) {
		o.MaxRecords, o.CheckpointInterval, o.Logger = 1, 0, quiet
	})
	g.take(t, 3)
	sink.await(t, metrics.ConsumerErrors, metrics.ConsumerIteratorAge, metrics.ConsumerCheckpointSuccess, metrics.ConsumerLeasesHeld)
	g.drain(t)
}

// run runs a consumer whose handler fails, until the metrics have come.
func run(t *testing.T, sink *emissions, store lease.Store, failure consumer.FailurePolicy, until ...*metrics.Instrument) {
	t.Helper()
	server := newServer(t, 1)
	put(t, server, "one")
	c, err := consumer.New(server.Client(), stream, store, fast, func(o *consumer.Options) {
		o.Metrics, o.Logger, o.Failure = sink, quiet, failure
		o.CheckpointInterval, o.LeaseDuration = 10*time.Millisecond, time.Second
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- c.Run(ctx, func(context.Context, kinetrail.Record) error { return errors.New("the handler is told to fail") })
	}()
	defer func() { <-ended }()
	defer cancel()
	sink.await(t, until...)
}

func failingConsumer(t *testing.T, sink *emissions) {
	store := &failing{Store: memlease.New(), shards: map[string]error{shard0: errStore}}
	defer store.set(nil)
	run(t, sink, store, consumer.FailurePolicy{
		MaxAttempts: 1, Then: consumer.DeadLetter,
		DeadLetter: func(context.Context, kinetrail.Record, error) error { return nil },
	}, metrics.ConsumerDeadLetters, metrics.ConsumerHandlerErrors, metrics.ConsumerCheckpointFailure)
}

func stalledConsumer(t *testing.T, sink *emissions) {
	run(t, sink, memlease.New(), consumer.FailurePolicy{MaxAttempts: 1, Then: consumer.StopShard}, metrics.ConsumerShardsStalled)
}

// robbedConsumer finds its lease taken by another.
func robbedConsumer(t *testing.T, sink *emissions) {
	store, server := memlease.New(), newServer(t, 1)
	g := startGroup(t, server.Client(), store, sink, func(o *consumer.Options) { o.LeaseDuration, o.Logger = time.Second, quiet })
	<-g.Ready()
	rows, err := store.List(t.Context())
	if err != nil || len(rows) != 1 {
		t.Fatalf("the store has %v, %v; want one row", rows, err)
	}
	eventually(t, "the lease is taken", func() bool {
		rows, err := store.List(t.Context())
		if err != nil {
			return false
		}
		_, err = store.Take(t.Context(), rows[0], "thief")
		return err == nil
	})
	sink.await(t, metrics.ConsumerLeasesLost, metrics.ConsumerLeasesTaken)
}

func reshardedConsumer(t *testing.T, sink *emissions) {
	server := newServer(t, 1)
	g := startGroup(t, server.Client(), memlease.New(), sink)
	<-g.Ready()
	split(t, server.Client(), shard0, middle)
	sink.await(t, metrics.StreamReshardingEvents, metrics.StreamShardsActive, metrics.StreamShardsClosed)
	g.drain(t)
}

// cutConsumer loses its first subscription. The second comes no earlier than five
// seconds after it, by a clock that does not keep the test waiting.
func cutConsumer(t *testing.T, sink *emissions) {
	synctest.Test(t, func(t *testing.T) {
		server := newServer(t, 1, "SubscribeToShard nth=1 cut=1")
		g := startGroup(t, server.Client(), memlease.New(), sink, func(o *consumer.Options) {
			o.Fetch, o.ConsumerName, o.Logger = consumer.FanOut, "group", quiet
		})
		sink.await(t, metrics.ConsumerFanoutReconnects)
		g.drain(t)
	})
}

// The sink of the test knows every instrument by its own name.
func TestTheCatalogueHasNoNameTwice(t *testing.T) {
	t.Parallel()
	names := make(map[string]int)
	for _, in := range metrics.Catalog() {
		names[in.Name]++
	}
	if len(names) != len(metrics.Catalog()) {
		t.Errorf("%d instruments have %d names: %v", len(metrics.Catalog()), len(names), slices.Sorted(maps.Keys(names)))
	}
}
