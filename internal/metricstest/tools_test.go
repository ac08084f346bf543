package metricstest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/producer"
)

const (
	stream = "s"
	shard0 = "shardId-000000000000"
	shard1 = "shardId-000000000001"
)

// newServer is a server with the stream, and rules of what goes wrong.
func newServer(t *testing.T, shards int, rules ...string) *localkinesis.Server {
	t.Helper()
	server, err := localkinesis.New(func(o *localkinesis.Options) { o.Streams = map[string]int{stream: shards} })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	for _, text := range rules {
		rule, err := fault.Parse(text)
		if err == nil {
			err = server.Faults().Add(rule)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return server
}

// put puts data on the shards in turn, without metrics.
func put(t *testing.T, server *localkinesis.Server, data ...string) {
	t.Helper()
	shards, err := server.Shards(stream)
	if err != nil {
		t.Fatal(err)
	}
	for i, text := range data {
		_, err := server.Client().PutRecord(t.Context(), &kinesis.PutRecordInput{
			StreamName: aws.String(stream), PartitionKey: aws.String("key"), Data: []byte(text),
			ExplicitHashKey: aws.String(string(shards[i%len(shards)].Range.Start.AppendDecimal(nil))),
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// produce puts n records of 8 bytes and of different keys in one request, and
// waits for the end.
func produce(t *testing.T, server *localkinesis.Server, sink metrics.Sink, n int, opts ...func(*producer.Options)) (results []producer.Result) {
	t.Helper()
	p, err := producer.New(server.Client(), stream, append([]func(*producer.Options){func(o *producer.Options) {
		o.Metrics = sink
		o.Linger = 10 * time.Second
	}}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	for i := range n {
		record := kinetrail.Record{PartitionKey: fmt.Sprint("key-", i), Data: fmt.Appendf(nil, `{"i": %d}`, i%10)}
		if err := p.PutAsync(t.Context(), record, func(r producer.Result) {
			mu.Lock()
			defer mu.Unlock()
			results = append(results, r)
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return results
}

// fast is how to poll a local server.
func fast(o *consumer.Options) {
	o.PollInterval, o.MaxPollInterval = 0, 5*time.Millisecond
	o.ShardSyncInterval = 10 * time.Millisecond
}

// read reads the stream to its tip.
func read(t *testing.T, client consumer.API, sink metrics.Sink, opts ...func(*consumer.Options)) (records []kinetrail.Record) {
	t.Helper()
	all := append([]func(*consumer.Options){consumer.From(kinetrail.TrimHorizon()), consumer.StopAtTip(), fast, func(o *consumer.Options) { o.Metrics = sink }}, opts...)
	for r, err := range consumer.Read(t.Context(), client, stream, all...) {
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, r)
	}
	return records
}

// altered is a client whose answers to GetRecords are changed on their way.
type altered struct {
	*kinesis.Client

	mu     sync.Mutex
	calls  int
	answer func(ctx context.Context, call int, out *kinesis.GetRecordsOutput, err error) (*kinesis.GetRecordsOutput, error)
}

func (c *altered) GetRecords(ctx context.Context, in *kinesis.GetRecordsInput, opts ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error) {
	c.mu.Lock()
	c.calls++
	call := c.calls
	c.mu.Unlock()
	out, err := c.Client.GetRecords(ctx, in, opts...)
	return c.answer(ctx, call, out, err)
}

// group is a running consumer whose handled records come out of a channel.
type group struct {
	*consumer.Consumer
	records chan kinetrail.Record
	ended   chan error
}

// startGroup runs a consumer until the test ends, at the latest.
func startGroup(t *testing.T, client consumer.API, store lease.Store, sink metrics.Sink, opts ...func(*consumer.Options)) *group {
	t.Helper()
	c, err := consumer.New(client, stream, store, append([]func(*consumer.Options){fast, func(o *consumer.Options) {
		o.Metrics = sink
		o.CheckpointInterval = time.Hour
	}}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	g := &group{c, make(chan kinetrail.Record, 100), make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		g.ended <- c.Run(ctx, func(_ context.Context, r kinetrail.Record) error {
			g.records <- r
			return nil
		})
		close(g.ended)
	}()
	t.Cleanup(func() {
		cancel()
		for range g.ended {
		}
	})
	return g
}

// take waits for n handled records.
func (g *group) take(t *testing.T, n int) (records []kinetrail.Record) {
	t.Helper()
	for range n {
		select {
		case r := <-g.records:
			records = append(records, r)
		case <-time.After(patience):
			t.Fatalf("%d records were handled after %v; want %d", len(records), patience, n)
		}
	}
	return records
}

// drain ends the consumer as a program does.
func (g *group) drain(t *testing.T) {
	t.Helper()
	if err := g.Drain(t.Context()); err != nil {
		t.Errorf("Drain = %v; want nil", err)
	}
}

// manual is the option of manual checkpoints.
func manual(o *consumer.Options) { o.ManualCheckpoints = true }

// failing is a store whose checkpoints of some shards fail.
type failing struct {
	lease.Store

	mu     sync.Mutex
	shards map[string]error
	before func() // called before each checkpoint
}

func (s *failing) set(shards map[string]error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shards = shards
}

func (s *failing) Checkpoint(ctx context.Context, held lease.Lease, done kinetrail.Position) (lease.Lease, error) {
	s.mu.Lock()
	err, before := s.shards[held.ShardID], s.before
	s.mu.Unlock()
	if before != nil {
		before()
	}
	if err != nil {
		return lease.Lease{}, err
	}
	return s.Store.Checkpoint(ctx, held, done)
}

// quiet drops what the clients say.
var quiet = slog.New(slog.DiscardHandler)

// patience is how long a test waits for what takes a moment, unless the machine
// is busy.
const patience = 2 * time.Minute

var errStore = errors.New("the store is told to fail")

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline:
			t.Fatalf("not after %v: %s", patience, what)
		case <-tick.C:
		}
	}
}

// key is the key of a series in a Memory.
func key(name string, labels ...string) string {
	all := append([]string{"stream_name=" + stream}, labels...)
	slices.Sort(all)
	return name + "{" + strings.Join(all, ",") + "}"
}

// inShard is the label of a shard.
func inShard(shard string) string { return "shard_id=" + shard }

// mustCount compares counters.
func mustCount(t *testing.T, sink *metrics.Memory, want map[string]int64) {
	t.Helper()
	got := sink.Counters()
	for key, n := range want {
		if value, ok := got[key]; !ok || value != n {
			t.Errorf("%s is %d (there: %t); want %d", key, value, ok, n)
		}
	}
}

// mustGauge compares gauges.
func mustGauge(t *testing.T, sink *metrics.Memory, want map[string]float64) {
	t.Helper()
	got := sink.Gauges()
	for key, v := range want {
		if value, ok := got[key]; !ok || value != v {
			t.Errorf("%s is %v (there: %t); want %v", key, value, ok, v)
		}
	}
}
