package metricstest

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/producer"
)

var (
	programs  = flag.Uint64("programs", 1, "how many random programs of each kind to play; four go through all sinks")
	firstSeed = flag.Uint64("first-seed", 0, "the seed of the first program")
)

// user records put = sent + failed + waiting.
func producerBalance(all shown) string {
	put, sent, failed, waiting := all.sums["producer_user_records_put_total"], all.sums["producer_user_records_sent_total"],
		all.sums["producer_user_records_failed_total"], all.sums["producer_queue_size"]
	if put != sent+failed+waiting || waiting < 0 {
		return fmt.Sprintf("%v records are put, %v sent, %v failed and %v wait", put, sent, failed, waiting)
	}
	return ""
}

func TestWhatIsPutIsSentOrFailedOrWaitsAtEveryScrape(t *testing.T) {
	t.Parallel()
	for seed := *firstSeed; seed < *firstSeed+*programs; seed++ {
		for i, aggregation := range []producer.Aggregation{producer.Off, producer.SameKey, producer.ByShard} {
			for j, order := range []producer.Order{producer.PerKey, producer.BestEffort} {
				s := scrapedSinks(t)[(uint64(2*i+j)+seed)%4]
				t.Run(fmt.Sprintf("%v %v %s seed=%d", aggregation, order, s.name, seed), func(t *testing.T) {
					t.Parallel()
					putProgram(t, s, rand.New(rand.NewPCG(seed, 1)), func(o *producer.Options) {
						o.Aggregation, o.Order = aggregation, order
					})
				})
			}
		}
	}
}

// putProgram puts records from several goroutines while requests fail and shards
// are split and merged, and closes the producer, sometimes too early.
func putProgram(t *testing.T, s scraped, random *rand.Rand, opts ...func(*producer.Options)) {
	server := newServer(t, 1+random.IntN(3))
	p, err := producer.New(server.Client(), stream, append(opts, func(o *producer.Options) {
		o.Metrics, o.Logger = s.sink, quiet
		o.Linger = time.Duration(random.IntN(3)) * time.Millisecond
		o.MaxAttempts = 1 + random.IntN(3)
		o.MaxBufferedRecords = 20 + random.IntN(200)
		if random.IntN(2) == 0 {
			o.Deadline = 100 * time.Millisecond
		}
	})...)
	if err != nil {
		t.Fatal(err)
	}
	stop := s.watch(t, producerBalance)
	var outcomes outcomes
	var writers sync.WaitGroup
	for range 3 {
		own := rand.New(rand.NewPCG(random.Uint64(), 2))
		writers.Go(func() {
			for range 300 {
				outcomes.put(t, p, own)
			}
		})
	}
	for range 10 {
		spoil(t, server, "PutRecords", random)
		reshard(t, server, random)
	}
	writers.Wait()
	closing, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(3))*20*time.Second)
	_ = p.Close(closing) // the records it gives up have a result
	cancel()
	stop()

	all := s.scrape(t)
	for name, want := range map[string]int64{
		"producer_user_records_put_total":    outcomes.accepted.Load(),
		"producer_user_records_sent_total":   outcomes.sent.Load(),
		"producer_user_records_failed_total": outcomes.failed.Load(),
		"producer_queue_size":                0,
		"producer_buffered_bytes":            0,
	} {
		if got, ok := all.sums[name]; !ok || got != float64(want) {
			t.Errorf("after Close %s is %v (there: %t); want %d", name, got, ok, want)
		}
	}
}

// outcomes are what became of records, by the producer's word.
type outcomes struct{ accepted, sent, failed atomic.Int64 }

func (o *outcomes) put(t *testing.T, p *producer.Producer, random *rand.Rand) {
	record := kinetrail.Record{PartitionKey: fmt.Sprint("key-", random.IntN(50)), Data: make([]byte, random.IntN(200))}
	done := func(r producer.Result) {
		if r.Err == nil {
			o.sent.Add(1)
		} else {
			o.failed.Add(1)
		}
	}
	switch random.IntN(10) {
	case 0:
		r, _ := p.Put(t.Context(), record)
		o.accepted.Add(1)
		done(r)
	case 1:
		if p.TryPut(t.Context(), record, done) == nil {
			o.accepted.Add(1)
		}
	default:
		if err := p.PutAsync(t.Context(), record, done); err != nil {
			t.Error(err)
			return
		}
		o.accepted.Add(1)
	}
}

// spoil lets one of the next calls of an operation fail, or some of its records.
func spoil(t *testing.T, server *localkinesis.Server, operation string, random *rand.Rand) {
	t.Helper()
	rules := []fault.Rule{
		{Error: "InternalFailure"},
		{Error: "ProvisionedThroughputExceededException"},
		{Drop: fault.DropBefore},
		{Drop: fault.DropAfter},
		{Delay: 5 * time.Millisecond},
	}
	if operation == "PutRecords" {
		rules = append(rules, fault.Rule{Records: 3}, fault.Rule{Records: 2, Error: "SomethingNew"})
	}
	rule := rules[random.IntN(len(rules))]
	rule.Operation, rule.Nth, rule.Seed = operation, 1+random.IntN(5), 1+random.Uint64N(1<<40)
	if err := server.Faults().Add(rule); err != nil {
		t.Fatal(err)
	}
}

// reshard splits a shard, or merges one with its neighbour.
func reshard(t *testing.T, server *localkinesis.Server, random *rand.Rand) {
	t.Helper()
	shards, err := server.Shards(stream)
	if err != nil {
		t.Fatal(err)
	}
	shards = slices.DeleteFunc(shards, func(s localkinesis.Shard) bool { return s.Closed })
	slices.SortFunc(shards, func(a, b localkinesis.Shard) int { return a.Range.Start.Compare(b.Range.Start) })
	i := random.IntN(len(shards))
	if len(shards) > 3 && i+1 < len(shards) {
		_, err = server.Client().MergeShards(t.Context(), &kinesis.MergeShardsInput{
			StreamName: aws.String(stream), ShardToMerge: &shards[i].ID, AdjacentShardToMerge: &shards[i+1].ID,
		})
	} else if at, ok := shards[i].Range.Middle(); ok {
		_, err = server.Client().SplitShard(t.Context(), &kinesis.SplitShardInput{
			StreamName: aws.String(stream), ShardToSplit: &shards[i].ID, NewStartingHashKey: aws.String(at.String()),
		})
	}
	if err != nil {
		t.Fatal(err)
	}
}
