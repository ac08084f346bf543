package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/localkinesis"
	"github.com/kinetrail/kinetrail/localkinesis/fault"
	"github.com/kinetrail/kinetrail/metrics"
)

// named is a store whose group has a name.
type named struct {
	*memlease.Store

	group string
}

func (s named) Group() string { return s.group }

// ordersApp is the store of the group orders-app.
func ordersApp() named { return named{memlease.New(), "orders-app"} }

func fanOut(o *consumer.Options) { o.Fetch = consumer.FanOut }

func auto(o *consumer.Options) { o.Fetch = consumer.Auto }

// serveWith is serve with more options.
func serveWith(t *testing.T, shards int, opts ...func(*localkinesis.Options)) (*localkinesis.Server, *subscribing) {
	t.Helper()
	server, err := localkinesis.New(append([]func(*localkinesis.Options){func(o *localkinesis.Options) {
		o.Streams = map[string]int{"orders": shards}
	}}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server, &subscribing{Client: server.Client(), calls: make(map[string][]time.Time), from: make(map[types.ShardIteratorType]int)}
}

// subscribing is a client that notes when each shard was subscribed to.
type subscribing struct {
	*kinesis.Client

	mu       sync.Mutex
	calls    map[string][]time.Time
	from     map[types.ShardIteratorType]int
	accepted int
}

func (c *subscribing) SubscribeToShard(ctx context.Context, in *kinesis.SubscribeToShardInput, opts ...func(*kinesis.Options)) (*kinesis.SubscribeToShardOutput, error) {
	c.mu.Lock()
	c.calls[*in.ShardId] = append(c.calls[*in.ShardId], time.Now())
	c.from[in.StartingPosition.Type]++
	c.mu.Unlock()
	out, err := c.Client.SubscribeToShard(ctx, in, opts...)
	if err == nil {
		c.mu.Lock()
		c.accepted++
		c.mu.Unlock()
	}
	return out, err
}

// count is how often all shards were subscribed to, and how often that succeeded.
func (c *subscribing) count() (calls, accepted int) {
	c.mu.Lock()
	defer c.mu.Unlock()

	for _, at := range c.calls {
		calls += len(at)
	}
	return calls, c.accepted
}

// checkPace checks that the calls for each shard come at most once a second, and
// on average once in a time.
func (c *subscribing) checkPace(t *testing.T, average time.Duration) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()

	for shard, at := range c.calls {
		for i := 1; i < len(at); i++ {
			if pause := at[i].Sub(at[i-1]); pause < time.Second {
				t.Errorf("shard %s: call %d came %v after the one before it; the service allows one a second", shard, i, pause)
			}
		}
		if n := len(at); n > 1 && at[n-1].Sub(at[0]) < average*time.Duration(n-1) {
			t.Errorf("shard %s: %d calls in %v; want at most one in %v", shard, n, at[n-1].Sub(at[0]), average)
		}
	}
}

// checkRenewals checks that each subscription but the first is a renewal: behind
// the last event, after 4 minutes to 4:30, and not all after the same time.
func (c *subscribing) checkRenewals(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()

	ages, calls := make(map[time.Duration]bool), 0
	for shard, at := range c.calls {
		calls += len(at)
		for i := 1; i < len(at); i++ {
			age := at[i].Sub(at[i-1])
			ages[age] = true
			if age < 4*time.Minute || age > 4*time.Minute+31*time.Second {
				t.Errorf("shard %s: subscription %d was replaced after %v; want it renewed after 4 minutes to 4:30", shard, i-1, age)
			}
		}
	}
	if n := len(ages); n < calls/2 {
		t.Errorf("%d subscriptions were renewed after %d different times; want chance to spread them", calls, n)
	}
	if n := c.from[types.ShardIteratorTypeAfterSequenceNumber]; n != calls-len(c.calls) {
		t.Errorf("%d of %d subscriptions began behind an event; want all but the first of each shard", n, calls)
	}
}

func strike(t *testing.T, server *localkinesis.Server, rules ...string) {
	t.Helper()
	for _, text := range rules {
		rule, err := fault.Parse(text)
		if err == nil {
			err = server.Faults().Add(rule)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// registered returns the names of the consumers.
func registered(t *testing.T, server *localkinesis.Server) (names []string) {
	t.Helper()
	consumers, err := server.Consumers("orders")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range consumers {
		names = append(names, c.Name)
	}
	return names
}

// onceInOrder checks that the records of each key were seen once and in order,
// and returns how many there are. Records are numbered from 0 for each key.
func onceInOrder(t *testing.T, records []kinetrail.Record) int {
	t.Helper()
	next := make(map[string]int)
	for _, r := range records {
		if want := fmt.Sprint(next[r.PartitionKey]); string(r.Data) != want {
			t.Fatalf("record %s of key %s was seen; want %s next", r.Data, r.PartitionKey, want)
		}
		next[r.PartitionKey]++
	}
	return len(records)
}

// numbers puts records whose data number them by key.
type numbers struct{ next map[string]int }

func (n *numbers) put(t *testing.T, client *kinesis.Client, keys ...string) {
	t.Helper()
	if n.next == nil {
		n.next = make(map[string]int)
	}
	for _, key := range keys {
		put(t, client, key, fmt.Sprint(n.next[key]))
		n.next[key]++
	}
}

func (n *numbers) all() (count int) {
	for _, c := range n.next {
		count += c
	}
	return count
}

func (s *seen) all() []kinetrail.Record {
	s.mu.Lock()
	defer s.mu.Unlock()

	return slices.Clone(s.records)
}

// fourKeys are keys of the four shards of a stream, in the order of the shards.
var fourKeys = []string{"a", "c", "b", "e"}

func TestFanOutRegistersAConsumerNamedAfterTheGroupAndUsesItAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := serveWith(t, 2)
		store, got := ordersApp(), newSeen()
		var put numbers
		for round := range 2 {
			worker := start(t, client, store, got.handle, fanOut)
			put.put(t, client.Client, fourKeys...)
			got.await(t, put.all())
			worker.drain(t)
			if names := registered(t, server); !slices.Equal(names, []string{"orders-app"}) {
				t.Errorf("after round %d the registered consumers are %q; want that of the group, which stays", round, names)
			}
			time.Sleep(5 * time.Second)
		}
		if n := onceInOrder(t, got.all()); n != put.all() {
			t.Errorf("%d records; want %d", n, put.all())
		}
		for _, call := range server.Calls() {
			if call.Operation == "GetRecords" || call.Operation == "DeregisterStreamConsumer" {
				t.Errorf("%s was called", call.Operation)
			}
		}
	})
}

func TestTheNameOfTheConsumerCanBeChosen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := serveWith(t, 1)
		got := newSeen()
		start(t, client, memlease.New(), got.handle, fanOut, func(o *consumer.Options) { o.ConsumerName = "reports.v2" })
		put(t, client.Client, "k", "0")
		got.await(t, 1)
		if names := registered(t, server); !slices.Equal(names, []string{"reports.v2"}) {
			t.Errorf("the registered consumers are %q; want the one of Options.ConsumerName", names)
		}
	})
}

func TestNewSaysWhatFanOutLacks(t *testing.T) {
	t.Parallel()
	_, client := serve(t, 1)
	for _, tt := range []struct {
		name   string
		client consumer.API
		store  lease.Store
		set    func(*consumer.Options)
		want   string
	}{
		{"no name", client, memlease.New(), fanOut, "set Options.ConsumerName"},
		{"no name, counted store", client, lease.WithMetrics(memlease.New(), nil), auto, "set Options.ConsumerName"},
		{"group's name has a slash", client, named{memlease.New(), "a/b"}, auto, `the group's name "a/b" cannot be`},
		{"name has a blank", client, ordersApp(), func(o *consumer.Options) { o.Fetch, o.ConsumerName = consumer.FanOut, "a b" }, `Options.ConsumerName is "a b"`},
		{"client of a poller", newFakeStream(1), ordersApp(), auto, "Options.Fetch is Auto, but the client lacks"},
		{"no such way", client, ordersApp(), func(o *consumer.Options) { o.Fetch = 7 }, "Options.Fetch is 7, there is no such way"},
	} {
		if _, err := consumer.New(tt.client, "orders", tt.store, tt.set); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: New: %v; want an error with %q", tt.name, err, tt.want)
		}
	}
	for _, store := range []lease.Store{ordersApp(), lease.WithMetrics(ordersApp(), nil)} {
		if _, err := consumer.New(client, "orders", store, fanOut); err != nil {
			t.Errorf("New with a named group: %v", err)
		}
	}
	for _, err := range consumer.Read(t.Context(), client, "orders", fanOut) {
		if err == nil || !strings.Contains(err.Error(), "set Options.ConsumerName") {
			t.Errorf("Read without a name: %v; want an error that asks for one", err)
		}
	}
}

func TestFanOutWaitsUntilTheConsumerIsActive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, client := serveWith(t, 1, func(o *localkinesis.Options) { o.CreateDelay = time.Minute })
		time.Sleep(2 * time.Minute) // for the stream
		got := newSeen()
		began := time.Now()
		worker := start(t, client, ordersApp(), got.handle, fanOut)
		receive(t, worker.Ready())
		if waited := time.Since(began); waited < time.Minute || waited > 65*time.Second {
			t.Errorf("the worker was ready after %v; want it soon after the minute the consumer is being created", waited)
		}
		if calls, accepted := client.count(); calls != 1 || accepted != 1 {
			t.Errorf("%d subscriptions were tried, %d accepted; want one, when the consumer was ACTIVE", calls, accepted)
		}
		put(t, client.Client, "k", "0")
		got.await(t, 1)
	})
}

func TestDrainDoesNotWaitForAConsumerThatIsBeingCreated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, client := serveWith(t, 1, func(o *localkinesis.Options) { o.CreateDelay = time.Hour })
		time.Sleep(2 * time.Hour)
		worker := start(t, client, ordersApp(), nothing, fanOut)
		time.Sleep(10 * time.Second)
		began := time.Now()
		worker.drain(t)
		if took := time.Since(began); took > time.Second {
			t.Errorf("Drain took %v", took)
		}
	})
}

// fill registers as many consumers as the stream may have.
func fill(t *testing.T, client *kinesis.Client) {
	t.Helper()
	arn := aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/orders")
	for i := range kinetrail.MaxConsumersPerStream {
		if _, err := client.RegisterStreamConsumer(t.Context(), &kinesis.RegisterStreamConsumerInput{StreamARN: arn, ConsumerName: aws.String(fmt.Sprint("c", i))}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWithoutRoomForAConsumerFanOutEndsRunAndAutoPolls(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, client := serveWith(t, 2)
		fill(t, client.Client)
		failed := start(t, client, ordersApp(), nothing, fanOut)
		err := receive(t, failed.result)
		var limit *types.LimitExceededException
		if !errors.As(err, &limit) || !strings.Contains(err.Error(), "register consumer orders-app of stream orders: the stream has as many registered consumers as it may") {
			t.Errorf("FanOut: Run returned %v; want a LimitExceededException with advice", err)
		}

		got, sink := newSeen(), metrics.NewMemory()
		var log strings.Builder
		start(t, client, ordersApp(), got.handle, auto, func(o *consumer.Options) {
			o.Metrics, o.Logger = sink, slog.New(slog.NewTextHandler(&log, nil))
		})
		var put numbers
		put.put(t, client.Client, fourKeys...)
		got.await(t, put.all())
		if calls, _ := client.count(); calls != 0 {
			t.Errorf("Auto: %d subscriptions were tried; want none", calls)
		}
		for shard := range 2 {
			key := "consumer_errors_total{error_type=LimitExceededException,shard_id=" + shardID(shard) + ",stream_name=orders}"
			if n := sink.Counters()[key]; n != 1 {
				t.Errorf("Auto: %s = %d; want 1", key, n)
			}
		}
		if !strings.Contains(log.String(), "the stream is polled") {
			t.Errorf("Auto: the log says %q; want that it polls", log.String())
		}
	})
}

func TestAutoFansOutWhenRegisteringIsRefusedForAMomentOnly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := serveWith(t, 1)
		strike(t, server, "RegisterStreamConsumer nth=1 times=2 error=LimitExceededException")
		got := newSeen()
		start(t, client, ordersApp(), got.handle, auto)
		put(t, client.Client, "k", "0")
		got.await(t, 1)
		if _, accepted := client.count(); accepted != 1 {
			t.Errorf("%d subscriptions; want 1", accepted)
		}
	})
}

func TestRunEndsWhenTheConsumerMayNotBeRegistered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := serveWith(t, 1)
		strike(t, server, "RegisterStreamConsumer error=AccessDeniedException")
		for _, set := range []func(*consumer.Options){fanOut, auto} {
			worker := start(t, client, ordersApp(), nothing, set)
			if err := receive(t, worker.result); err == nil || !strings.Contains(err.Error(), "AccessDeniedException") {
				t.Errorf("Run returned %v; want the service's refusal", err)
			}
		}
	})
}

// Between two renewals the server's clock moves by half a minute eight or nine
// times; every second minute a shard has a record.
func TestThousandsOfRenewalsLoseNothingAndRepeatNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := serveWith(t, 4)
		got, sink := newSeen(), metrics.NewMemory()
		worker := start(t, client, ordersApp(), got.handle, fanOut, func(o *consumer.Options) {
			o.Metrics, o.LeaseDuration, o.CheckpointInterval = sink, 10*time.Minute, time.Hour
			o.ScanInterval, o.ShardSyncInterval = time.Hour, time.Hour
		})
		receive(t, worker.Ready())
		server.Clock().Freeze() // else it sends an event without records every 5 s
		var put numbers
		const renewals = 2000
		for accepted := 0; accepted < 4+renewals; _, accepted = client.count() {
			time.Sleep(30 * time.Second)
			server.Clock().Advance(30 * time.Second) // an event for every shard
			put.put(t, client.Client, fourKeys[put.all()%4])
		}
		got.await(t, put.all())
		if n := onceInOrder(t, got.all()); n != put.all() {
			t.Errorf("%d records; want %d", n, put.all())
		}
		client.checkRenewals(t)
		calls, accepted := client.count()
		if calls != accepted {
			t.Errorf("%d calls, %d accepted; want none refused", calls, accepted)
		}
		for key, n := range sink.Counters() {
			if strings.HasPrefix(key, "consumer_errors_total") && n != 0 {
				t.Errorf("%s = %d; want no error", key, n)
			}
		}
		t.Logf("%d subscriptions, %d records", accepted, put.all())
	})
}

func TestThousandsOfCutSubscriptionsLoseNothingAndDoNotStorm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := serveWith(t, 4, func(o *localkinesis.Options) { o.KeepCalls = 1 << 20 })
		strike(t, server,
			"SubscribeToShard p=0.5 seed=1 cut=1",
			"SubscribeToShard cut=3", // the others
			"SubscribeToShard p=0.1 seed=3 error=InternalFailure",
			"SubscribeToShard p=0.1 seed=4 drop=before",
			"SubscribeToShard p=0.05 seed=5 drop=after",
			"SubscribeToShard p=0.05 seed=6 error=LimitExceededException")
		got, sink := newSeen(), metrics.NewMemory()
		start(t, client, ordersApp(), got.handle, fanOut, func(o *consumer.Options) {
			o.Metrics, o.LeaseDuration, o.CheckpointInterval = sink, 10*time.Minute, time.Hour
			o.ScanInterval, o.ShardSyncInterval = time.Hour, time.Hour
		})
		var put numbers
		const subscriptions = 3000
		for accepted := 0; accepted < subscriptions; _, accepted = client.count() {
			time.Sleep(2 * time.Second)
			put.put(t, client.Client, fourKeys...)
		}
		server.Faults().Clear()
		got.await(t, put.all())
		if n := onceInOrder(t, got.all()); n != put.all() {
			t.Errorf("%d records; want %d", n, put.all())
		}
		client.checkPace(t, 3*time.Second)
		calls, accepted := client.count()
		served := 0
		for _, call := range server.Calls() {
			if call.Operation == "SubscribeToShard" {
				served++
			}
		}
		if served != calls {
			t.Errorf("the server was called %d times for %d calls; want no retries that nobody counts", served, calls)
		}
		reconnects := int64(0)
		for shard := range 4 {
			reconnects += sink.Counters()["consumer_fanout_reconnects_total{shard_id="+shardID(shard)+",stream_name=orders}"]
		}
		if reconnects != int64(accepted-4) {
			t.Errorf("%d reconnects were counted; want %d, all subscriptions but the first of each shard", reconnects, accepted-4)
		}
		t.Logf("%d calls, %d subscriptions, %d records", calls, accepted, put.all())
	})
}

func TestASilentSubscriptionIsReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := serveWith(t, 1)
		got, sink := newSeen(), metrics.NewMemory()
		worker := start(t, client, ordersApp(), got.handle, fanOut, func(o *consumer.Options) { o.Metrics = sink })
		receive(t, worker.Ready())
		time.Sleep(time.Minute)
		if calls, _ := client.count(); calls != 1 {
			t.Fatalf("%d subscriptions in a minute without records; want that the events without records keep the first", calls)
		}
		server.Clock().Freeze() // no event from now on
		time.Sleep(45 * time.Second)
		server.Clock().Run()
		synctest.Wait()
		put(t, client.Client, "k", "0")
		got.await(t, 1)
		if _, accepted := client.count(); accepted != 2 {
			t.Errorf("%d subscriptions after a silence of 45 s; want 2", accepted)
		}
		key := "consumer_errors_total{error_type=timeout,shard_id=" + shardID(0) + ",stream_name=orders}"
		if n := sink.Counters()[key]; n != 1 {
			t.Errorf("%s = %d; want 1", key, n)
		}
	})
}

func TestASubscriptionThatIsNotAnsweredIsRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := serveWith(t, 1)
		strike(t, server, "SubscribeToShard nth=1 delay=10m")
		got := newSeen()
		start(t, client, ordersApp(), got.handle, fanOut, func(o *consumer.Options) { o.RequestTimeout = 15 * time.Second })
		put(t, client.Client, "k", "0")
		began := time.Now()
		got.await(t, 1)
		if took := time.Since(began); took < 15*time.Second || took > 17*time.Second {
			t.Errorf("the record came after %v; want it soon after the timeout of 15 s", took)
		}
	})
}

func TestARenewalThatFailsIsCountedAndRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := serveWith(t, 1)
		strike(t, server, "SubscribeToShard nth=2 error=InternalFailure")
		got, sink := newSeen(), metrics.NewMemory()
		start(t, client, ordersApp(), got.handle, fanOut, func(o *consumer.Options) { o.Metrics = sink })
		var put numbers
		for range 10 {
			put.put(t, client.Client, "k")
			time.Sleep(time.Minute)
		}
		got.await(t, put.all())
		onceInOrder(t, got.all())
		values(t, "after a renewal that failed", sink.Counters(), map[string]int64{
			"consumer_errors_total{error_type=InternalFailure,shard_id=" + shardID(0) + ",stream_name=orders}": 1,
		})
	})
}

// takeOver subscribes to a shard as somebody else and returns the end of it.
func takeOver(t *testing.T, server *localkinesis.Server, client *kinesis.Client) (end func()) {
	t.Helper()
	consumers, err := server.Consumers("orders")
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.SubscribeToShard(t.Context(), &kinesis.SubscribeToShardInput{
		ConsumerARN: &consumers[0].ARN, ShardId: aws.String(shardID(0)), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = out.GetStream().Close() }
}

func TestASubscriptionThatWasTakenOverComesBackAfterFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := serveWith(t, 1)
		got, sink := newSeen(), metrics.NewMemory()
		worker := start(t, client, ordersApp(), got.handle, fanOut, func(o *consumer.Options) { o.Metrics = sink })
		receive(t, worker.Ready())
		var put numbers
		for range 10 {
			time.Sleep(20 * time.Second)
			end := takeOver(t, server, client.Client)
			put.put(t, client.Client, "k")
			began := time.Now()
			got.await(t, put.all())
			if took := time.Since(began); took < 5*time.Second || took > 7*time.Second {
				t.Errorf("the record came %v after the takeover; want it 5 s and a little later", took)
			}
			end()
		}
		onceInOrder(t, got.all())
		if calls, accepted := client.count(); calls != 11 || accepted != 11 {
			t.Errorf("%d calls, %d accepted; want 11: none came too early", calls, accepted)
		}
		key := "consumer_errors_total{error_type=ResourceInUseException,shard_id=" + shardID(0) + ",stream_name=orders}"
		if n := sink.Counters()[key]; n != 10 {
			t.Errorf("%s = %d; want 10", key, n)
		}
	})
}

// The old owner's subscription is a second old when it hands the shard over.
func TestANewOwnerSubscribesWhenTheOldOnesSubscriptionIsFiveSecondsOld(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, client := serveWith(t, 2)
		store, got := ordersApp(), newSeen()
		first := start(t, client, store, got.handle, fanOut)
		receive(t, first.Ready())
		time.Sleep(time.Second)
		var put numbers
		put.put(t, client.Client, fourKeys...)
		second := start(t, client, store, got.handle, fanOut)
		for shares(t, store)[second.Worker()] == 0 {
			time.Sleep(100 * time.Millisecond)
		}
		put.put(t, client.Client, fourKeys...)
		began := time.Now()
		got.await(t, put.all())
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("the records came %v after the hand-over; want them within 6 s", took)
		}
		onceInOrder(t, got.all())
		client.checkPace(t, 0)
		if calls, accepted := client.count(); accepted != 3 || calls > 9 {
			t.Errorf("%d calls, %d accepted; want 3 accepted and about one refused a second", calls, accepted)
		}
	})
}

// A worker whose store hangs goes on reading until it knows that its lease is
// over. Its subscription and that of the new owner are of one consumer.
func TestAShardTakenFromAWorkerThatHangsGoesOnWithTheNewOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, client := serveWith(t, 1)
		store, hung := ordersApp(), &hangingStore{}
		hung.Store = store
		old, new := newSeen(), newSeen()
		first := start(t, client, hung, old.handle, fanOut, func(o *consumer.Options) { o.ConsumerName = "orders-app" })
		receive(t, first.Ready())
		var put numbers
		put.put(t, client.Client, "k")
		old.await(t, 1)
		time.Sleep(6 * time.Second) // its position is written
		hung.hang.Store(true)
		start(t, client, store, new.handle, fanOut)
		for len(new.all()) == 0 {
			put.put(t, client.Client, "k")
			time.Sleep(500 * time.Millisecond)
		}
		put.put(t, client.Client, "k")
		new.await(t, put.all()-1)
		records := new.all()
		for i, r := range records {
			if want := fmt.Sprint(i + 1); string(r.Data) != want {
				t.Fatalf("record %d of the new owner is %s; want %s: all behind the old one's position", i, r.Data, want)
			}
		}
		if n := onceInOrder(t, old.all()); n > put.all() {
			t.Errorf("the old owner handled %d records of %d", n, put.all())
		}
		client.checkPace(t, 0)
		if calls, _ := client.count(); calls > 25 {
			t.Errorf("%d calls; want at most one a second", calls)
		}
	})
}

func TestFanOutFollowsReshardsParentsFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := serveWith(t, 2)
		store, got, sink := ordersApp(), newSeen(), metrics.NewMemory()
		for range 2 {
			start(t, client, store, got.handle, fanOut, func(o *consumer.Options) { o.Metrics = sink })
		}
		var put numbers
		keys := make([]string, 20)
		for i := range keys {
			keys[i] = fmt.Sprint("key-", i)
		}
		name := aws.String("orders")
		for range 3 {
			put.put(t, client.Client, keys...)
			time.Sleep(7 * time.Second)
			put.put(t, client.Client, keys...)
			open := openShards(t, server)
			middle, _ := open[0].Range.Middle()
			if _, err := client.SplitShard(t.Context(), &kinesis.SplitShardInput{StreamName: name, ShardToSplit: &open[0].ID, NewStartingHashKey: aws.String(middle.String())}); err != nil {
				t.Fatal(err)
			}
			put.put(t, client.Client, keys...)
			open = openShards(t, server)
			if _, err := client.MergeShards(t.Context(), &kinesis.MergeShardsInput{StreamName: name, ShardToMerge: &open[0].ID, AdjacentShardToMerge: &open[1].ID}); err != nil {
				t.Fatal(err)
			}
			put.put(t, client.Client, keys...)
			got.await(t, put.all())
		}
		// The records of a key are in order over all shards only if no child was read
		// before its parents.
		if n := onceInOrder(t, got.all()); n != put.all() {
			t.Errorf("%d records; want %d", n, put.all())
		}
		time.Sleep(20 * time.Second)
		for id, row := range rows(t, store) {
			if open := slices.ContainsFunc(openShards(t, server), func(s localkinesis.Shard) bool { return s.ID == id }); row.Finished() == open {
				t.Errorf("lease of shard %s: finished %t, shard open %t", id, row.Finished(), open)
			}
		}
		values(t, "after three splits and merges", sink.Counters(), map[string]int64{"stream_resharding_events_total": 6})
	})
}

// openShards are the open shards in the order of their ranges.
func openShards(t *testing.T, server *localkinesis.Server) []localkinesis.Shard {
	t.Helper()
	shards, err := server.Shards("orders")
	if err != nil {
		t.Fatal(err)
	}
	shards = slices.DeleteFunc(shards, func(s localkinesis.Shard) bool { return s.Closed })
	slices.SortFunc(shards, func(a, b localkinesis.Shard) int { return a.Range.Start.Compare(b.Range.Start) })
	return shards
}

func TestFanOutResumesInTheMiddleOfAContainer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, client := serveWith(t, 1)
		put(t, client.Client, "k", string(container("k", "0", "1", "2", "3", "4")), string(container("k", "5", "6")))
		store, got := ordersApp(), newSeen()
		for round := range 7 {
			var worker *running
			stop := make(chan struct{})
			handled := false
			worker = start(t, client, store, func(ctx context.Context, r kinetrail.Record) error {
				if handled {
					return errTestOver // the worker dies with the next record in hand
				}
				handled = true
				defer close(stop)
				return got.handle(ctx, r)
			}, fanOut)
			receive(t, stop)
			worker.cancel(errTestOver)
			<-worker.result
			if n := onceInOrder(t, got.all()); n != round+1 {
				t.Fatalf("%d records after %d crashes; want one each", n, round+1)
			}
		}
	})
}

func TestASlowHandlerHoldsTheServiceBackAndOutlivesSubscriptions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const shards, records, size = 4, 80, 500 << 10
		server, client := serveWith(t, shards)
		var read atomic.Int64
		client.Client = server.Client(func(o *kinesis.Options) {
			o.HTTPClient = &http.Client{Transport: metered{server.Transport(), &read}}
		})
		data := strings.Repeat("x", size)
		for i := range records {
			put(t, server.Client(), fmt.Sprint("key-", i), data)
		}
		proceed := make(chan struct{})
		var handled atomic.Int64
		start(t, client, ordersApp(), func(context.Context, kinetrail.Record) error {
			<-proceed
			handled.Add(1)
			return nil
		}, fanOut, func(o *consumer.Options) { o.MaxBufferedBytes = 1 << 20 })
		time.Sleep(30 * time.Second)
		early := read.Load()
		time.Sleep(15 * time.Minute)
		// An event has up to 2 MiB, in base64. There is room for one, and three of
		// each shard wait for it, in this package and in the SDK.
		if most := int64((1 + 3*shards) * 27 << 20 / 10); early == 0 || read.Load() > most || read.Load() != early {
			t.Errorf("%d bytes were read while the handler stood still, %d after the first 30 s; want no more after them, and at most %d", read.Load(), early, most)
		}
		if calls, _ := client.count(); calls != shards {
			t.Errorf("%d subscriptions while the handler stood still; want %d", calls, shards)
		}
		close(proceed)
		time.Sleep(time.Minute)
		if n := handled.Load(); n != records {
			t.Errorf("%d records handled; want %d", n, records)
		}
	})
}

// metered counts the bytes of subscriptions.
type metered struct {
	http.RoundTripper

	read *atomic.Int64
}

func (m metered) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := m.RoundTripper.RoundTrip(r)
	if err == nil && strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".SubscribeToShard") {
		response.Body = meteredBody{response.Body, m.read}
	}
	return response, err
}

type meteredBody struct {
	io.ReadCloser

	read *atomic.Int64
}

func (b meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	return n, err
}

func TestAConsumerThatIsDeregisteredIsRegisteredAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := serveWith(t, 4, func(o *localkinesis.Options) { o.DeleteDelay = 3 * time.Second })
		got := newSeen()
		worker := start(t, client, ordersApp(), got.handle, fanOut)
		receive(t, worker.Ready())
		var put numbers
		put.put(t, client.Client, fourKeys...)
		got.await(t, 4)
		time.Sleep(20 * time.Second)
		consumers, err := server.Consumers("orders")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.DeregisterStreamConsumer(t.Context(), &kinesis.DeregisterStreamConsumerInput{ConsumerARN: &consumers[0].ARN}); err != nil {
			t.Fatal(err)
		}
		put.put(t, client.Client, fourKeys...)
		got.await(t, 8)
		onceInOrder(t, got.all())
		client.checkPace(t, 0)
	})
}

func TestAutoPollsOnWhenItsConsumerIsGoneAndThereIsNoRoomForAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := serveWith(t, 4)
		got := newSeen()
		worker := start(t, client, ordersApp(), got.handle, auto)
		receive(t, worker.Ready())
		var put numbers
		put.put(t, client.Client, fourKeys...)
		got.await(t, put.all())
		consumers, err := server.Consumers("orders")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.DeregisterStreamConsumer(t.Context(), &kinesis.DeregisterStreamConsumerInput{ConsumerARN: &consumers[0].ARN}); err != nil {
			t.Fatal(err)
		}
		fill(t, client.Client)
		put.put(t, client.Client, fourKeys...)
		got.await(t, put.all())
		time.Sleep(time.Minute)
		before, _ := client.count()
		put.put(t, client.Client, fourKeys...)
		got.await(t, put.all())
		if n := onceInOrder(t, got.all()); n != put.all() {
			t.Errorf("%d records; want %d", n, put.all())
		}
		if after, _ := client.count(); after != before {
			t.Errorf("%d subscriptions were tried after the fallback; want none", after-before)
		}
	})
}

func TestAStreamMadeAgainUnderItsNameStopsTheShardsOfAFanOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, client := serveWith(t, 1)
		store, got := ordersApp(), newSeen()
		first := start(t, client, store, got.handle, fanOut)
		put(t, client.Client, "k", "0")
		got.await(t, 1)
		first.drain(t)
		name := aws.String("orders")
		if _, err := client.DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: name, EnforceConsumerDeletion: aws.Bool(true)}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: name, ShardCount: aws.Int32(1)}); err != nil {
			t.Fatal(err)
		}
		put(t, client.Client, "k", "new")
		second := start(t, client, store, got.handle, fanOut)
		time.Sleep(30 * time.Second)
		if data := got.data(); !slices.Equal(data, []string{"0"}) {
			t.Errorf("the group has seen %q; want nothing of the new stream", data)
		}
		status := second.Status()
		if len(status.Shards) != 1 || !errors.Is(status.Shards[0].Err, consumer.ErrUnknownPosition) {
			t.Errorf("the status is %+v; want a shard that does not know its position", status)
		}
	})
}

func TestReadFansOutWhenAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := serveWith(t, 2)
		asked := func(o *consumer.Options) { o.Fetch, o.ConsumerName = consumer.FanOut, "tail" }
		read := func(opts ...func(*consumer.Options)) (data []string) {
			for r, err := range consumer.Read(t.Context(), client, "orders", append(opts, asked, quiet, consumer.StopAtTip())...) {
				if err != nil {
					t.Fatal(err)
				}
				data = append(data, string(r.Data))
			}
			slices.Sort(data)
			time.Sleep(10 * time.Second)
			return data
		}
		for i, key := range fourKeys {
			put(t, client.Client, key, fmt.Sprint(i))
			time.Sleep(10 * time.Second)
		}
		if data := read(); !slices.Equal(data, []string{"0", "1", "2", "3"}) {
			t.Errorf("from the beginning: %q; want all four", data)
		}
		if data := read(consumer.From(kinetrail.AtTime(time.Now().Add(-25 * time.Second)))); !slices.Equal(data, []string{"3"}) {
			t.Errorf("from a time: %q; want the last", data)
		}
		records, err := server.Records("orders", shardID(0))
		if err != nil || len(records) < 2 {
			t.Fatalf("%d records on the first shard, %v", len(records), err)
		}
		last := records[len(records)-1]
		if data := read(consumer.Shard(shardID(0)), consumer.From(kinetrail.At(last.Number.String(), 0))); !slices.Equal(data, []string{string(last.Data)}) {
			t.Errorf("from a record: %q; want it alone", data)
		}
		if data := read(consumer.From(kinetrail.Latest())); len(data) != 0 {
			t.Errorf("from the latest: %q; want none", data)
		}
		if names := registered(t, server); !slices.Equal(names, []string{"tail"}) {
			t.Errorf("the registered consumers are %q; want that of the reads", names)
		}
	})
}

// endingAtOnce ends its first subscription before an event is received, and puts
// a record behind it.
type endingAtOnce struct{ *subscribing }

func (c endingAtOnce) SubscribeToShard(ctx context.Context, in *kinesis.SubscribeToShardInput, opts ...func(*kinesis.Options)) (*kinesis.SubscribeToShardOutput, error) {
	out, err := c.subscribing.SubscribeToShard(ctx, in, opts...)
	if calls, _ := c.count(); err == nil && calls == 1 {
		_ = out.GetStream().Close()
		for range out.GetStream().Events() {
			continue // what came with the answer
		}
		_, err = c.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: aws.String("orders"), PartitionKey: aws.String("k"), Data: []byte("after")})
	}
	return out, err
}

func TestASubscriptionFromTheLatestThatEndsBeforeItsFirstEventKeepsItsPlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, counting := serveWith(t, 1)
		put(t, counting.Client, "k", "before")
		time.Sleep(10 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for r, err := range consumer.Read(ctx, endingAtOnce{counting}, "orders", consumer.From(kinetrail.Latest()), quiet, fanOut, func(o *consumer.Options) { o.ConsumerName = "tail" }) {
			if err != nil || string(r.Data) != "after" {
				t.Errorf("%q came, %v; want what was put after the first subscription", r.Data, err)
			}
			break
		}
		if calls, _ := counting.count(); calls != 2 {
			t.Errorf("%d subscriptions; want 2", calls)
		}
	})
}

func TestFanOutOfAThousandShardsBeginsAtAHundredSubscriptionsASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const shards = 300
		_, client := serveWith(t, shards)
		began := time.Now()
		worker := start(t, client, ordersApp(), nothing, fanOut, idle)
		receive(t, worker.Ready())
		if calls, accepted := client.count(); calls != shards || accepted != shards {
			t.Errorf("%d calls, %d accepted; want %d", calls, accepted, shards)
		}
		if took := time.Since(began); took < 2900*time.Millisecond || took > 4*time.Second {
			t.Errorf("%d shards were subscribed to within %v; want 3 s", shards, took)
		}
	})
}

func TestATimeoutOfTheHTTPClientIsNoticed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		make func(http.RoundTripper) kinesis.HTTPClient
		want bool
	}{
		{"30 s", func(t http.RoundTripper) kinesis.HTTPClient {
			return &http.Client{Transport: t, Timeout: 30 * time.Second}
		}, true},
		{"30 s, the SDK's", func(http.RoundTripper) kinesis.HTTPClient {
			return awshttp.NewBuildableClient().WithTimeout(30 * time.Second)
		}, true},
		{"none", func(t http.RoundTripper) kinesis.HTTPClient { return &http.Client{Transport: t} }, false},
		{"none, the SDK's", func(http.RoundTripper) kinesis.HTTPClient { return awshttp.NewBuildableClient() }, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server, client := serve(t, 1)
			if _, err := client.RegisterStreamConsumer(t.Context(), &kinesis.RegisterStreamConsumerInput{
				StreamARN: aws.String("arn:aws:kinesis:us-east-1:000000000000:stream/orders"), ConsumerName: aws.String("orders-app"),
			}); err != nil {
				t.Fatal(err)
			}
			var log strings.Builder
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // before the first call: it is about what Run says at its beginning
			c, err := consumer.New(server.Client(func(o *kinesis.Options) { o.HTTPClient = tt.make(server.Transport()) }), "orders", ordersApp(),
				fanOut, func(o *consumer.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Run(ctx, nothing); !errors.Is(err, context.Canceled) {
				t.Fatalf("Run: %v", err)
			}
			if got := strings.Contains(log.String(), "ends every subscription early"); got != tt.want {
				t.Errorf("the log says %q; want a warning: %t", log.String(), tt.want)
			}
		})
	}
}

func TestEventsOfASubscriptionHaveSpansWhenAsked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, client := serveWith(t, 1)
		put(t, client.Client, "k", "0", "1", "2")
		spans, withTracer := recorder()
		got := newSeen()
		worker := start(t, client, ordersApp(), got.handle, fanOut, withTracer, func(o *consumer.Options) { o.FetchSpans = true })
		got.await(t, 3)
		time.Sleep(30 * time.Second) // events without records
		worker.drain(t)
		found := 0
		for _, s := range spans.Ended() {
			if s.Name() == "subscribe_to_shard orders" {
				found++
				if n := attributes(s)["messaging.batch.message_count"]; n != "3" {
					t.Errorf("a span counts %s records; want 3", n)
				}
			}
		}
		if found != 1 {
			t.Errorf("%d spans of events; want one, of the event with records", found)
		}
	})
}

func TestAFanOutOfSeveralStreamsRegistersWithEach(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server, client := serveWith(t, 1, func(o *localkinesis.Options) { o.Streams["returns"] = 2 })
		got := newSeen()
		start(t, client, ordersApp(), got.handle, fanOut, func(o *consumer.Options) { o.Streams = []string{"returns"} })
		put(t, client.Client, "k", "0")
		for i, key := range fourKeys {
			if _, err := client.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: aws.String("returns"), PartitionKey: aws.String(key), Data: []byte(fmt.Sprint(i))}); err != nil {
				t.Fatal(err)
			}
		}
		got.await(t, 5)
		for _, stream := range []string{"orders", "returns"} {
			if consumers, err := server.Consumers(stream); err != nil || len(consumers) != 1 || consumers[0].Name != "orders-app" {
				t.Errorf("stream %s has the consumers %+v, %v; want that of the group", stream, consumers, err)
			}
		}
	})
}

// What every client of the network has in common: answers that are read while the
// server writes, connections that several subscriptions share, streams that end
// with their connection.
func TestFanOutOverTheNetwork(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		tls  bool
		set  func(*kinesis.Options)
	}{
		{"HTTP/1.1", false, func(*kinesis.Options) {}},
		{"HTTP/2", true, func(*kinesis.Options) {}},
		{"HTTP/2, protocol of our own", true, kinesisprotocol.Install},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			server := localkinesis.Start(t, func(o *localkinesis.Options) {
				o.Streams = map[string]int{"orders": 4}
				if tt.tls {
					o.Certificate, _ = localkinesis.SelfSigned()
				}
			})
			client := server.Client(tt.set)
			for range 40 {
				put(t, client, "large", strings.Repeat("x", 500<<10))
			}
			store, got := ordersApp(), newSeen()
			proceed := make(chan struct{})
			worker := start(t, client, store, func(ctx context.Context, r kinetrail.Record) error {
				if r.PartitionKey == "large" {
					<-proceed
				}
				return got.handle(ctx, r)
			}, fanOut)
			receive(t, worker.Ready())
			// One shard stands still with more behind it than a connection holds.
			var small numbers
			for range 20 {
				small.put(t, client, "a", "e") // on two other shards
			}
			got.await(t, small.all())
			onceInOrder(t, got.all())
			close(proceed)
			got.await(t, small.all()+40)
			worker.drain(t)
		})
	}
}
