package metricstest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/localkinesis"
)

// trouble is what happens while records are read, besides fetches and handlers
// that fail.
type trouble string

const (
	calm     trouble = "calm"
	reshards trouble = "reshards"
	losses   trouble = "losses" // of leases, and stops, besides reshards
)

// consumerBalance is for records that are no containers. What is received is
// handled or waits; with losses some of it may be left to others.
func consumerBalance(with trouble) func(shown) string {
	return func(all shown) string {
		received, handled, waiting := all.sums["consumer_records_received_total"], all.sums["consumer_user_records_handled_total"], all.sums["consumer_queue_size"]
		left := received - handled - waiting
		if left < 0 || waiting < 0 || left > 0 && with != losses {
			return fmt.Sprintf("%v records are received, %v handled and %v wait", received, handled, waiting)
		}
		return ""
	}
}

// ways are how the caller's code is given the records.
var ways = []struct {
	name   string
	perKey int
	run    func(c *consumer.Consumer, ctx context.Context, handle func(kinetrail.Record) error) error
}{
	{"one by one", 0, runOne},
	{"per key", 4, runOne},
	{"in batches", 0, runBatch},
}

func runOne(c *consumer.Consumer, ctx context.Context, handle func(kinetrail.Record) error) error {
	return c.Run(ctx, func(_ context.Context, r kinetrail.Record) error { return handle(r) })
}

func runBatch(c *consumer.Consumer, ctx context.Context, handle func(kinetrail.Record) error) error {
	return c.RunBatch(ctx, func(_ context.Context, batch []kinetrail.Record) error {
		var errs []error
		for _, r := range batch {
			errs = append(errs, handle(r))
		}
		return errors.Join(errs...)
	})
}

func TestWhatIsReceivedIsHandledOrWaitsAtEveryScrape(t *testing.T) {
	t.Parallel()
	for seed := *firstSeed; seed < *firstSeed+*programs; seed++ {
		for i, way := range ways {
			for j, with := range []trouble{calm, reshards, losses} {
				s := scrapedSinks(t)[(uint64(3*i+j)+seed)%4]
				t.Run(fmt.Sprintf("%s %s %s seed=%d", way.name, with, s.name, seed), func(t *testing.T) {
					t.Parallel()
					p := &readProgram{
						s: s, server: newServer(t, 2), store: memlease.New(), with: with, run: way.run, perKey: way.perKey,
						random: rand.New(rand.NewPCG(seed, 3)), failures: rand.New(rand.NewPCG(seed, 4)), handled: make(map[string]bool),
					}
					p.play(t)
				})
			}
		}
	}
}

// readProgram reads what is put while there is trouble.
type readProgram struct {
	s      scraped
	server *localkinesis.Server
	store  lease.Store
	with   trouble
	run    func(*consumer.Consumer, context.Context, func(kinetrail.Record) error) error
	perKey int
	random *rand.Rand

	put int

	mu       sync.Mutex
	failures *rand.Rand
	handled  map[string]bool
}

func (p *readProgram) play(t *testing.T) {
	stop := p.s.watch(t, consumerBalance(p.with))
	worker := p.start(t)
	for range 12 {
		p.putSome(t)
		spoil(t, p.server, "GetRecords", p.random)
		if p.with != calm && p.random.IntN(2) == 0 {
			reshard(t, p.server, p.random)
		}
		if p.with == losses && p.random.IntN(3) == 0 {
			p.steal(t)
		}
		if p.with == losses && p.random.IntN(4) == 0 {
			worker.stop()
			worker = p.start(t)
		}
	}
	eventually(t, "every record is handled", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return len(p.handled) == p.put
	})
	finished := p.finished(t)
	eventually(t, "no series is left of finished shards", func() bool {
		all := p.s.scrape(t)
		for _, id := range finished {
			if all.shards[id] {
				return false
			}
		}
		return true
	})
	worker.drain(t)
	stop()

	all := p.s.scrape(t)
	want := map[string]float64{
		"consumer_queue_size": 0, "consumer_lag_records": 0, "consumer_leases_held": 0, "consumer_shards_stalled": 0, "consumer_iterator_age_milliseconds": 0,
	}
	if p.with == calm { // else a finished shard takes its counts with it
		want["consumer_records_received_total"], want["consumer_user_records_handled_total"] = float64(p.put), float64(p.put)
	}
	for name, want := range want {
		if got, ok := all.sums[name]; !ok || got != want {
			t.Errorf("at the end %s is %v (there: %t); want %v", name, got, ok, want)
		}
	}
}

// finished are the shards that have ended.
func (p *readProgram) finished(t *testing.T) (ids []string) {
	t.Helper()
	shards, err := p.server.Shards(stream)
	if err != nil {
		t.Fatal(err)
	}
	for _, shard := range shards {
		if shard.Closed {
			ids = append(ids, shard.ID)
		}
	}
	return ids
}

func (p *readProgram) putSome(t *testing.T) {
	t.Helper()
	var entries []types.PutRecordsRequestEntry
	for range 1 + p.random.IntN(100) {
		p.put++
		entries = append(entries, types.PutRecordsRequestEntry{
			PartitionKey: aws.String(fmt.Sprint("key-", p.random.IntN(20))), Data: []byte(strconv.Itoa(p.put)),
		})
	}
	out, err := p.server.Client().PutRecords(t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String(stream), Records: entries})
	if err != nil || *out.FailedRecordCount > 0 {
		t.Fatalf("PutRecords = %v, %v; want every record accepted", out, err)
	}
}

// steal takes a lease away, for a worker that does not exist.
func (p *readProgram) steal(t *testing.T) {
	t.Helper()
	rows, err := p.store.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) > 0 {
		_, _ = p.store.Take(t.Context(), rows[p.random.IntN(len(rows))], "thief") // the owner may be quicker
	}
}

func (p *readProgram) handle(r kinetrail.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failures.IntN(50) == 0 {
		return errors.New("the handler is told to fail")
	}
	p.handled[string(r.Data)] = true
	return nil
}

// working is a consumer that runs.
type working struct {
	*consumer.Consumer
	stop func()
}

func (w working) drain(t *testing.T) {
	t.Helper()
	if err := w.Drain(t.Context()); err != nil {
		t.Errorf("Drain = %v; want nil", err)
	}
	w.stop()
}

func (p *readProgram) start(t *testing.T) working {
	t.Helper()
	c, err := consumer.New(p.server.Client(), stream, p.store, fast, func(o *consumer.Options) {
		o.Metrics, o.Logger, o.PerKey = p.s.sink, quiet, p.perKey
		o.MaxRecords = 1 + p.random.IntN(50)
		o.CheckpointInterval = time.Duration(p.random.IntN(3)) * 5 * time.Millisecond
		o.LeaseDuration, o.ScanInterval = patience, 20*time.Millisecond
		if p.with == losses {
			o.LeaseDuration = time.Second // as long as a stolen lease is left alone
		}
		o.Failure.Backoff = time.Millisecond
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := p.run(c, ctx, p.handle); err != nil && ctx.Err() == nil {
			t.Errorf("the consumer ends with %v", err)
		}
	}()
	stop := func() {
		cancel()
		<-ended
	}
	t.Cleanup(stop)
	return working{c, stop}
}
