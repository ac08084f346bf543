package producer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// keysIn finds keys whose hash keys lie in a range.
func keysIn(r shardmap.Range, n int) []string {
	var keys []string
	for i := 0; len(keys) < n; i++ {
		if key := fmt.Sprint("key-", i); r.Contains(shardmap.HashKeyOf(key)) {
			keys = append(keys, key)
		}
	}
	return keys
}

func TestAContainerOnTheWrongShardIsTakenApartAndSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		sink := metrics.NewMemory()
		p := start(t, service, aggregating(ByShard), func(o *Options) { o.Metrics, o.RefreshInterval = sink, 0 })
		service.with(func() { service.split(0) })
		left, right := keysIn(service.shards[1].Range, 2), keysIn(service.shards[2].Range, 2)

		var c collector
		for _, key := range []string{left[0], right[0], left[1], right[1]} {
			if err := p.PutAsync(t.Context(), record(key, key), c.take); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := sink.Counters()["producer_wrong_shard_total{stream_name=orders}"]; n != 1 {
			t.Errorf("producer_wrong_shard_total is %d, want 1", n)
		}
		if n := sink.Counters()["producer_user_records_sent_total{stream_name=orders}"]; n != 4 {
			t.Errorf("producer_user_records_sent_total is %d, want 4", n)
		}
		for i, r := range c.results {
			if r.Err != nil || len(r.Attempts) != 2 || r.Attempts[0].Code != CodeWrongShard || r.Attempts[1].Code != "" {
				t.Errorf("result %d is %+v, want success after an attempt on the wrong shard", i, r)
			}
		}
		place := map[string]string{}
		for _, r := range service.userRecords(t)[4:] {
			place[string(r.data)] = r.shard
		}
		want := map[string]string{left[0]: shardID(1), left[1]: shardID(1), right[0]: shardID(2), right[1]: shardID(2)}
		for key, shard := range want {
			if place[key] != shard {
				t.Errorf("%s was sent again to %s, want %s", key, place[key], shard)
			}
		}
		if service.lists != 1+2 { // one shard, one page; three shards, two pages
			t.Errorf("ListShards was called %d times, want 3", service.lists)
		}
	})
}

func TestAContainerOnAShardThatHasClosedSinceIsSentAgainAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service, aggregating(ByShard), func(o *Options) { o.RefreshInterval = 0 })
		service.with(func() { service.split(0) })
		left, right := keysIn(service.shards[1].Range, 1), keysIn(service.shards[2].Range, 1)
		// The container lands on the left child, which is split before the producer
		// hears of it.
		service.onList = func() error {
			if !service.shards[1].Closed {
				service.split(1)
			}
			return nil
		}
		var c collector
		began := time.Now()
		for _, key := range []string{left[0], right[0]} {
			if err := p.PutAsync(t.Context(), record(key, key), c.take); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > time.Second {
			t.Errorf("the records took %v, want a moment", took)
		}
		for i, r := range c.results {
			if r.Err != nil || len(r.Attempts) != 2 || r.Attempts[0].Code != CodeWrongShard {
				t.Errorf("result %d is %+v, want success after an attempt on the wrong shard", i, r)
			}
		}
	})
}

func TestAContainerWhoseKeysAllBelongToTheChildIsNotSentAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service, aggregating(ByShard), func(o *Options) { o.RefreshInterval = 0 })
		service.with(func() { service.split(0) })
		var c collector
		for _, key := range keysIn(service.shards[1].Range, 3) {
			if err := p.PutAsync(t.Context(), record(key, key), c.take); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i, r := range c.results {
			if r.Err != nil || r.ShardID != shardID(1) || len(r.Attempts) != 1 || r.Position.Sub() != i {
				t.Errorf("result %d is %+v, want success on %s at once", i, r, shardID(1))
			}
		}
		if len(service.stored) != 1 {
			t.Errorf("%d Kinesis records, want 1", len(service.stored))
		}
	})
}

func TestTheNewLanesWaitForTheRecordsOfTheOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.latency = 10 * time.Second // the first container
		p := start(t, service, aggregating(ByShard), func(o *Options) {
			o.Linger, o.RequestTimeout, o.RefreshInterval = 0, 0, time.Second
		})
		key := keysIn(shardmap.FullRange, 1)[0]
		put := func(data string) {
			t.Helper()
			if err := p.PutAsync(t.Context(), record(key, data), func(Result) {}); err != nil {
				t.Fatal(err)
			}
		}
		put("first")
		synctest.Wait()
		service.with(func() { service.latency = 0; service.split(0) })
		time.Sleep(2 * time.Second) // the periodic refresh has seen the split
		put("second")
		time.Sleep(5 * time.Second)
		if n := len(service.requestSizes()); n != 1 {
			t.Errorf("%d requests while the old lane's container is on its way, want 1", n)
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range service.userRecords(t) {
			got = append(got, string(r.data))
		}
		if !slices.Equal(got, []string{"first", "second"}) {
			t.Errorf("the stream holds %v, want first, second", got)
		}
	})
}

func TestWithoutListShardsRecordsGoSingly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(2)
		service.onList = func() error { return apiError("AccessDeniedException") }
		service.onDescribe = service.onList
		p := start(t, service, aggregating(ByShard))
		for i := range 20 {
			if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i%4), fmt.Sprint(i)), func(Result) {}); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(service.stored) != 20 {
			t.Errorf("20 records made %d Kinesis records, want 20", len(service.stored))
		}
		for _, r := range service.stored {
			if hash, err := shardmap.ParseHashKey(r.hashKey); err != nil || r.key != shardContainerKey {
				t.Errorf("stored under %q with hash key %q (%v), want a container with its record's hash key %v", r.key, r.hashKey, err, hash)
			}
		}
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if service.lists != 1 {
			t.Errorf("ListShards was called %d times although it is not permitted, want once", service.lists)
		}
	})
}

func TestAHotShardDoesNotFillARequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(4)
		p := start(t, service, func(o *Options) { o.MaxRequestRecords, o.Concurrency, o.Linger = 100, 1, 10*time.Millisecond })
		service.latency = time.Second
		if err := p.PutAsync(t.Context(), record("first", "keeps the one request busy"), func(Result) {}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		hot := keysIn(service.shards[0].Range, 400)
		for _, key := range hot {
			if err := p.PutAsync(t.Context(), record(key, "hot"), func(Result) {}); err != nil {
				t.Fatal(err)
			}
		}
		for i := 1; i < 4; i++ {
			for _, key := range keysIn(service.shards[i].Range, 25) {
				if err := p.PutAsync(t.Context(), record(key, "cool"), func(Result) {}); err != nil {
					t.Fatal(err)
				}
			}
		}
		time.Sleep(1500 * time.Millisecond)
		synctest.Wait()
		shards := map[string]int{}
		for _, e := range service.calls[1].entries {
			shards[service.owner(e)]++
		}
		for i := range 4 {
			if shards[shardID(i)] != 25 {
				t.Errorf("the request has %v records per shard, want 25 each", shards)
				break
			}
		}
	})
}

func TestAutoDistributionIsRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		aggregation Aggregation
		order       Order
		ok          bool
	}{
		{Off, BestEffort, true},
		{Off, PerKey, false},
		{SameKey, BestEffort, false},
		{ByShard, BestEffort, false},
	}
	for _, tt := range tests {
		service := newFakeService(1)
		service.summary.RecordDistributionStrategy = types.RecordDistributionStrategyAuto
		p, err := New(service, "orders", quiet, func(o *Options) { o.Aggregation, o.Order = tt.aggregation, tt.order })
		if (err == nil) != tt.ok || err != nil && !errors.Is(err, ErrAutoDistribution) {
			t.Errorf("New with %v and %v: %v; want it accepted: %t", tt.aggregation, tt.order, err, tt.ok)
		}
		if p != nil {
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestASwitchToAutoDistributionStopsTheProducer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.latency = 90 * time.Second
		p := start(t, service, func(o *Options) { o.RequestTimeout, o.Deadline = 0, 0 })
		var c collector
		for _, data := range []string{"on its way", "waits"} {
			if err := p.PutAsync(t.Context(), record("key", data), c.take); err != nil {
				t.Fatal(err)
			}
		}
		service.with(func() { service.summary.RecordDistributionStrategy = types.RecordDistributionStrategyAuto })
		time.Sleep(61 * time.Second)
		if _, err := p.Put(t.Context(), record("key", "refused")); !errors.Is(err, ErrAutoDistribution) || IsRetryable(err) {
			t.Errorf("Put after the switch: %v, want ErrAutoDistribution", err)
		}
		time.Sleep(60 * time.Second)
		synctest.Wait()
		if len(c.results) != 2 || c.results[0].Err != nil || !errors.Is(c.results[1].Err, ErrAutoDistribution) {
			t.Errorf("results %+v; want that the record on its way arrived and the other was given up", c.results)
		}
	})
}

func TestAFailingRefreshIsRepeatedWithPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		p := start(t, service, aggregating(ByShard), func(o *Options) { o.RefreshInterval = 0 })
		service.with(func() {
			service.split(0)
			service.onList = func() error { return apiError("LimitExceededException") }
		})
		left, right := keysIn(service.shards[1].Range, 1)[0], keysIn(service.shards[2].Range, 1)[0]
		var c collector
		for _, key := range []string{left, right} {
			if err := p.PutAsync(t.Context(), record(key, key), c.take); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		var rejected *RejectedError
		for i, r := range c.results {
			if !errors.As(r.Err, &rejected) || rejected.Code != CodeWrongShard {
				t.Errorf("result %d: %v, want a rejection over the wrong shard at the deadline", i, r.Err)
			}
		}
		if service.lists > 20 {
			t.Errorf("ListShards was called %d times in 30 s, want a few", service.lists)
		}
	})
}

func TestAShardListThatIsNotAnsweredKeepsNoRecordBeyondItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := &silentList{fakeService: newFakeService(1)}
		p := start(t, service, aggregating(ByShard))
		service.silent.Store(true)
		service.with(func() { service.split(0) }) // the container lands on a shard that is not known
		var c collector
		for i := range 20 {
			if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), "data"), c.take); err != nil {
				t.Fatal(err)
			}
		}
		started := time.Now()
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if elapsed := time.Since(started); elapsed > p.options.Deadline+refreshLimit+longestDelay || len(c.results) != 20 {
			t.Errorf("%d of 20 results after %v, want all soon after %v", len(c.results), elapsed, p.options.Deadline)
		}
	})
}

// silentList is a stream whose shard list is not answered while silent is set.
type silentList struct {
	*fakeService

	silent atomic.Bool
}

func (s *silentList) ListShards(ctx context.Context, in *kinesis.ListShardsInput, opts ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error) {
	if s.silent.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.fakeService.ListShards(ctx, in, opts...)
}

func TestABacklogOfAShardGoesInContainersWithoutACommonKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.latency = time.Second
		p := start(t, service, aggregating(ByShard), func(o *Options) { o.ShardShare, o.MaxContainerBytes = 0, 10_000 })
		for i := range 1000 {
			if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i%100), fmt.Sprintf("%0100d", i)), func(Result) {}); err != nil {
				t.Fatal(err)
			}
		}
		p.Close(t.Context())
		if most := slices.Max(service.requestSizes()); most < 4 {
			t.Errorf("requests of %v containers, want some of several", service.requestSizes())
		}
		for _, c := range service.calls {
			in := map[string]int{} // container of each key
			for i, e := range c.entries {
				users, err := aggregate.Split(e.Data, nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, u := range users {
					if at, known := in[u.PartitionKey]; known && at != i {
						t.Errorf("%s is in containers %d and %d of request %d", u.PartitionKey, at, i, c.number)
					}
					in[u.PartitionKey] = i
				}
			}
		}
	})
}

func TestRecordsLargerThanAContainerKeepToTheSizeOfARequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most = 400_000
		service := newFakeService(1)
		service.latency = time.Second
		p := start(t, service, aggregating(ByShard), func(o *Options) {
			o.ShardShare, o.MaxContainerBytes, o.MaxRequestBytes = 0, 10_000, most
		})
		large := strings.Repeat("x", 100_000)
		for i := range 40 {
			if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), large), func(Result) {}); err != nil {
				t.Fatal(err)
			}
		}
		p.Close(t.Context())
		for _, c := range service.calls {
			bytes := 0
			for _, e := range c.entries {
				bytes += len(e.Data) + len(*e.PartitionKey)
			}
			if bytes > most {
				t.Errorf("request %d has %d bytes in %d records, want at most %d", c.number, bytes, len(c.entries), most)
			}
		}
		if stored := len(service.userRecords(t)); stored != 40 {
			t.Errorf("the stream has %d records, want 40", stored)
		}
	})
}

func TestHeadersCountTowardsTheSizeOfARequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.summary.MaxRecordSizeInKiB = aws.Int32(10240)
		p := start(t, service, func(o *Options) { o.Carrier, o.ShardShare = tracecarrier.Headers, 0 })
		for i, size := range []int{900 << 10, 10<<20 - 200} {
			r := record(fmt.Sprint("key-", i), "data")
			r.Headers = []kinetrail.Header{{Name: "large", Value: strings.Repeat("v", size)}}
			if err := p.PutAsync(t.Context(), r, func(Result) {}); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if sizes := service.requestSizes(); !slices.Equal(sizes, []int{1, 1}) {
			t.Errorf("requests of %v records, want one for each, as both have more than %d bytes", sizes, kinetrail.MaxPutRecordsBytes)
		}
	})
}

func TestAKeptKeyGoesWhereItsOriginalBelongs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(16)
		p := start(t, service, func(o *Options) { o.Carrier, o.TrustExisting, o.RefreshInterval = tracecarrier.Lossless, true, 0 })
		lists := service.lists
		original := keysIn(service.shards[3].Range, 1)[0]
		trace := kinetrail.TraceContext{Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
		stored, _, _ := tracecarrier.Writer{Carrier: tracecarrier.Lossless}.Write(original, "", trace)
		if service.shards[3].Range.Contains(shardmap.HashKeyOf(stored)) {
			t.Fatal("the test needs a stored key that would belong elsewhere")
		}
		result, err := p.Put(t.Context(), record(stored, "data"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if err != nil || result.ShardID != shardID(3) || service.lists != lists {
			t.Errorf("put on %s, error %v, after which the shards were listed %d times; want %s and no reason to list", result.ShardID, err, service.lists-lists, shardID(3))
		}
	})
}

func TestWhatWasOfferedBeforeAReshardDoesNotCountAfterIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		service := newFakeService(1)
		service.latency = 3 * time.Second
		p := start(t, service, func(o *Options) {
			o.Order, o.Linger, o.Concurrency, o.RefreshInterval = BestEffort, 0, 1, time.Second
		})
		for i := range 100 { // one on its way, and those that wait for it
			if err := p.PutAsync(t.Context(), record(fmt.Sprint("key-", i), "data"), func(Result) {}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		service.with(func() { service.split(0) })
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.schedule.generation != 2 || p.schedule.offered != (offer{}) {
			t.Errorf("shard map %d, %+v offered when nothing waits; want map 2 and nothing", p.schedule.generation, p.schedule.offered)
		}
	})
}
