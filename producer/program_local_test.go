package producer

import (
	"cmp"
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/shardmap"
)

// localWorld is a world of the local server, its SDK client and the time of the
// machine.
type localWorld struct {
	server *localkinesis.Server
	client *kinesis.Client

	mu        sync.Mutex
	resharded map[string]int // how often, by kind
}

func newLocalWorld(t *testing.T, shards int) *localWorld {
	server := localkinesis.Start(t, func(o *localkinesis.Options) { o.Streams = map[string]int{"orders": shards} })
	if err := server.Faults().Add(latency); err != nil {
		t.Fatal(err)
	}
	return &localWorld{server: server, client: server.Client(), resharded: map[string]int{}}
}

// latency lets a program take long enough for things to go wrong in it.
var latency = fault.Rule{Operation: "PutRecords", Delay: 4 * time.Millisecond}

func (w *localWorld) api() API { return w.client }

// troubles are the kinds of faults, by what they are called in the report.
var troubles = map[string]fault.Rule{
	"record failed":             {Records: 3, Error: "InternalFailure"},
	"record throttled":          {Records: 2},
	"request refused":           {Error: "ProvisionedThroughputExceededException"},
	"unknown code":              {Records: 1, Error: "SomethingNew"},
	"dropped before the effect": {Drop: fault.DropBefore},
	"dropped after the effect":  {Drop: fault.DropAfter},
}

func (w *localWorld) begin(random *rand.Rand) {
	for i, kind := range slices.Sorted(maps.Keys(troubles)) {
		w.strike(1+i, troubles[kind], random)
	}
}

func (w *localWorld) trouble(random *rand.Rand) {
	kinds := slices.Sorted(maps.Keys(troubles))
	w.strike(1+random.IntN(3), troubles[kinds[random.IntN(len(kinds))]], random)
}

// strike lets a kind of trouble happen to the nth of the next calls.
func (w *localWorld) strike(nth int, rule fault.Rule, random *rand.Rand) {
	rule.Operation, rule.Nth, rule.Seed = "PutRecords", nth, 1+random.Uint64N(1<<40)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.server.Faults().Add(rule) != nil {
		panic("the rule is not valid: " + rule.String())
	}
}

func (w *localWorld) hits() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := maps.Clone(w.resharded)
	for _, h := range w.server.Faults().Hits() {
		for kind, rule := range troubles {
			if rule.Records == h.Rule.Records && rule.Error == h.Rule.Error && rule.Drop == h.Rule.Drop {
				all[kind] += h.Hits
			}
		}
	}
	return all
}

// reshard splits a shard or merges two; the server refuses what cannot be done,
// such as merging shards that do not lie side by side, which is then no reshard.
func (w *localWorld) reshard(random *rand.Rand) {
	shards, err := w.server.Shards("orders")
	if err != nil {
		panic(err)
	}
	shards = slices.DeleteFunc(shards, func(s localkinesis.Shard) bool { return s.Closed })
	slices.SortFunc(shards, func(a, b localkinesis.Shard) int { return a.Range.Start.Compare(b.Range.Start) })
	i := random.IntN(len(shards))
	stream := aws.String("orders")
	kind := "split"
	if len(shards) > 3 && i+1 < len(shards) {
		kind = "merge"
		_, err = w.client.MergeShards(context.Background(), &kinesis.MergeShardsInput{StreamName: stream,
			ShardToMerge: aws.String(shards[i].ID), AdjacentShardToMerge: aws.String(shards[i+1].ID)})
	} else if start, ok := shards[i].Range.Middle(); ok {
		_, err = w.client.SplitShard(context.Background(), &kinesis.SplitShardInput{StreamName: stream,
			ShardToSplit: aws.String(shards[i].ID), NewStartingHashKey: aws.String(start.String())})
	}
	if err == nil {
		w.mu.Lock()
		w.resharded[kind]++
		w.mu.Unlock()
	}
}

func (w *localWorld) contents(t *testing.T) []storedRecord {
	t.Helper()
	records, err := w.server.Records("orders", "")
	if err != nil {
		t.Fatal(err)
	}
	// A child's ID is greater than its parents'.
	slices.SortFunc(records, func(a, b localkinesis.Record) int {
		return cmp.Or(cmp.Compare(a.ShardID, b.ShardID), a.Number.Compare(b.Number))
	})
	var stored []storedRecord
	for _, r := range records {
		stored = append(stored, storedRecord{shard: r.ShardID, sequence: r.Number.String(), key: r.PartitionKey, hashKey: r.ExplicitHashKey, data: r.Data})
	}
	return stored
}

func (w *localWorld) shardRange(t *testing.T, id string) shardmap.Range {
	t.Helper()
	shards, err := w.server.Shards("orders")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(shards, func(s localkinesis.Shard) bool { return s.ID == id })
	if i < 0 {
		t.Fatalf("there is no shard %s", id)
	}
	return shards[i].Range
}

func TestRandomProgramsKeepEveryPromiseOnTheLocalServer(t *testing.T) {
	t.Parallel()
	var all programs
	t.Run("programs", func(t *testing.T) {
		for seed := *firstSeed; seed < *firstSeed+*programCount/10; seed++ {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				wrong, seen := runProgram(t, newLocalWorld(t, 1+int(seed%3)), seed, 500, func(o *Options) {
					o.ShardShare = math.Ceil(o.ShardShare)                  // a lower one would take its time
					o.RequestTimeout, o.Deadline = time.Minute, time.Minute // however busy the machine is
				})
				for _, w := range wrong {
					t.Errorf("seed %d: %s", seed, w)
				}
				all.add(seen)
			})
		}
	})
	all.report(t, "split", "record failed", "record throttled", "request refused", "unknown code", "dropped before the effect", "dropped after the effect", "user records retried")
}
