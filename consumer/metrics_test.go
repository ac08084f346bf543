package consumer_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/metrics"
)

// values checks counters or gauges by their short names: the labels are those of
// the first shard of orders, as far as the instrument has them.
func values[N int64 | float64](t *testing.T, what string, got map[string]N, want map[string]N) {
	t.Helper()
	for name, n := range want {
		key := name
		if !strings.Contains(name, "{") {
			key = counter(name)
			if _, ok := got[key]; !ok {
				key = name + "{stream_name=orders}"
			}
		}
		if v, ok := got[key]; !ok && !math.IsNaN(float64(n)) || v != n && !math.IsNaN(float64(n)) {
			t.Errorf("%s: %s = %v (there: %t); want %v", what, name, v, ok, n)
		} else if ok && math.IsNaN(float64(n)) {
			t.Errorf("%s: %s = %v; want no such series", what, name, v)
		}
	}
}

func TestMetricsOfAConsumer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		sink := metrics.NewMemory()
		got := newSeen()
		hold := make(chan struct{})
		worker := start(t, stream, store, func(ctx context.Context, r kinetrail.Record) error {
			<-hold
			time.Sleep(20 * time.Millisecond)
			return got.handle(ctx, r)
		}, func(o *consumer.Options) { o.Metrics = sink })
		receive(t, worker.Ready())
		values(t, "before anything came", sink.Counters(), map[string]int64{
			"consumer_records_received_total": 0, "consumer_bytes_received_total": 0, "consumer_checkpoint_success_total": 0,
			"consumer_checkpoint_failure_total": 0, "consumer_user_records_handled_total": 0, "consumer_handler_errors_total": 0,
			"consumer_dead_letters_total": 0, "consumer_deaggregation_failures_total": 0, "consumer_out_of_range_total": 0,
			"consumer_leases_lost_total": 0, "consumer_leases_taken_total": 1, "stream_resharding_events_total": 0,
			"trace_extracted_total": 0, "trace_malformed_total": 0, "trace_unknown_version_total": 0,
		})
		stream.put(0, "k", []byte("1234567"))
		stream.put(0, "k", container("k", "a", "b", "c"))
		size := int64(7 + len(container("k", "a", "b", "c")))
		traced(stream)
		time.Sleep(time.Second)
		values(t, "fetched, not handled", sink.Gauges(), map[string]float64{
			"consumer_queue_size": 9, "consumer_iterator_age_milliseconds": 0, "consumer_lag_records": 9,
			"consumer_leases_held": 1, "consumer_shards_stalled": 0, "stream_shards_active": 1, "stream_shards_closed": 0,
		})
		close(hold)
		got.await(t, 9)
		time.Sleep(6 * time.Second)
		values(t, "handled", sink.Gauges(), map[string]float64{"consumer_queue_size": 0, "consumer_lag_records": 0})
		counters := sink.Counters()
		values(t, "handled", counters, map[string]int64{
			"consumer_records_received_total": 6, "consumer_user_records_handled_total": 9, "consumer_checkpoint_success_total": 1, "trace_extracted_total": 4,
		})
		if n := counters[counter("consumer_bytes_received_total")]; n <= size {
			t.Errorf("%d bytes received; want more than the %d of the first two records", n, size)
		}
		if d := sink.Histograms()[counter("consumer_processing_time_seconds")]; d.Count != 9 || d.Values[8] != .02 {
			t.Errorf("processing times %+v; want 9, the last of 20 ms", d)
		}
		if d := sink.Histograms()["consumer_end_to_end_latency_seconds{stream_name=orders}"]; d.Count != 9 || d.Values[0] < 1 {
			t.Errorf("end-to-end latencies %+v; want 9, the first of more than a second", d)
		}
		time.Sleep(time.Minute)
		values(t, "idle", sink.Counters(), map[string]int64{"consumer_checkpoint_success_total": 1}) // renewals are not counted
		worker.drain(t)
	})
}

// T8: ok with an age, an error, ok without the field, an error.
func TestIteratorAgeIsAbsentUntilTheServiceSaysItAndKeptAcrossAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		sink := metrics.NewMemory()
		var failing atomic.Bool
		failing.Store(true)
		stream.failWith(func(op, _ string) error {
			if failing.Load() && op == "GetRecords" {
				return &types.InternalFailureException{}
			}
			return nil
		})
		start(t, stream, memlease.New(), nothing, func(o *consumer.Options) { o.Metrics = sink })
		time.Sleep(10 * time.Second)
		values(t, "only failures so far", sink.Gauges(), map[string]float64{"consumer_iterator_age_milliseconds": math.NaN()})
		key := "consumer_errors_total{error_type=InternalFailureException,shard_id=" + shardID(0) + ",stream_name=orders}"
		if n := sink.Counters()[key]; n < 3 {
			t.Errorf("%s = %d; want every failed call", key, n)
		}
		failing.Store(false)
		time.Sleep(10 * time.Second)
		values(t, "after an answer", sink.Gauges(), map[string]float64{"consumer_iterator_age_milliseconds": 0})
		failing.Store(true)
		time.Sleep(10 * time.Second)
		values(t, "failing again", sink.Gauges(), map[string]float64{"consumer_iterator_age_milliseconds": 0})
	})
}

func TestFetchErrorsAreCountedByTheirType(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&types.ProvisionedThroughputExceededException{}, "ProvisionedThroughputExceededException"},
		{&types.ExpiredIteratorException{}, "ExpiredIteratorException"},
		{timeoutError{}, "timeout"},
		{context.DeadlineExceeded, "timeout"},
		{errors.New("who knows"), "unknown"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stream := newFakeStream(1)
				sink := metrics.NewMemory()
				once := true
				stream.failWith(func(op, _ string) error {
					if op == "GetRecords" && once {
						once = false
						return tt.err
					}
					return nil
				})
				worker := start(t, stream, memlease.New(), nothing, func(o *consumer.Options) { o.Metrics = sink })
				time.Sleep(10 * time.Second)
				worker.drain(t) // stopping ourselves is no error
				for key, n := range sink.Counters() {
					if !strings.HasPrefix(key, "consumer_errors_total") {
						continue
					}
					want := int64(0)
					if strings.Contains(key, "error_type="+tt.want+",") {
						want = 1
					}
					if n != want {
						t.Errorf("%s = %d; want %d", key, n, want)
					}
				}
			})
		})
	}
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "dial tcp: i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// T12 and T13: closed is what the shard list says; one event per split or merge,
// counted by one worker; the series of a finished shard are removed.
func TestReshardsAreCountedOnceOverAllWorkers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(2), memlease.New()
		stream.reshard(2, 0) // before the group begins
		var sinks []*metrics.Memory
		got := newSeen()
		for range 3 {
			sink := metrics.NewMemory()
			sinks = append(sinks, sink)
			start(t, stream, store, got.handle, func(o *consumer.Options) { o.Metrics = sink })
		}
		time.Sleep(3 * time.Minute)
		for _, sink := range sinks {
			values(t, "at the start", sink.Gauges(), map[string]float64{"stream_shards_active": 3, "stream_shards_closed": 1})
			values(t, "at the start", sink.Counters(), map[string]int64{"stream_resharding_events_total": 0})
		}
		stream.reshard(2, 1)
		time.Sleep(time.Minute)
		stream.reshard(1, 2, 3)
		stream.reshard(2, 4)
		time.Sleep(3 * time.Minute)
		var events int64
		for _, sink := range sinks {
			events += sink.Counters()["stream_resharding_events_total{stream_name=orders}"]
			values(t, "after a split and a merge and a split", sink.Gauges(), map[string]float64{"stream_shards_active": 4, "stream_shards_closed": 5})
			for key := range sink.Counters() {
				if strings.Contains(key, shardID(1)) || strings.Contains(key, shardID(4)) {
					t.Errorf("series %s of a finished shard is still there", key)
				}
			}
		}
		if events != 3 {
			t.Errorf("%d events over all workers; want 3: two splits and one merge", events)
		}
	})
}

// A parent that takes long is not read to its end when its children are listed.
func TestAReshardThatIsListedBeforeItsParentEndsIsCountedThenAndOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, sink, goOn := newFakeStream(1), metrics.NewMemory(), make(chan struct{})
		numbered(stream, 0, 1)
		worker := start(t, stream, memlease.New(), func(context.Context, kinetrail.Record) error {
			<-goOn
			return nil
		}, func(o *consumer.Options) { o.Metrics = sink })
		receive(t, worker.Ready())
		stream.reshard(2, 0)
		time.Sleep(3 * time.Minute)
		values(t, "while the parent is read", sink.Counters(), map[string]int64{"stream_resharding_events_total": 1})
		close(goOn)
		time.Sleep(3 * time.Minute)
		values(t, "after its end", sink.Counters(), map[string]int64{"stream_resharding_events_total": 1})
	})
}

// The old owner's handler ignores the end of its ctx, and returns when the new
// owner has counted for a while.
func TestAShardThatIsHandedOverInOneProcessGoesOnBeingCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		numbered(stream, 0, 3)
		sink := metrics.NewMemory()
		shared := func(o *consumer.Options) { o.Metrics, o.CheckpointInterval = sink, time.Second }
		open := make(chan struct{})
		first := start(t, stream, store, func(context.Context, kinetrail.Record) error { <-open; return nil }, shared)
		receive(t, first.Ready())
		got := newSeen()
		second := start(t, stream, store, got.handle, shared)
		if _, err := lease.Move(t.Context(), store, shardID(0), second.Worker(), func(o *lease.MoveOptions) { o.AnyWorker = true }); err != nil {
			t.Fatal(err)
		}
		got.await(t, 3)
		close(open)
		time.Sleep(time.Minute) // the old owner is through
		numbered(stream, 0, 2)
		got.await(t, 5)
		time.Sleep(time.Minute)
		counters := sink.Counters()
		for _, name := range []string{"consumer_records_received_total", "consumer_user_records_handled_total"} {
			if n := counters[counter(name)]; n < 5 {
				t.Errorf("%s = %d; want the five records of the new owner at least", name, n)
			}
		}
		if n := counters[counter("consumer_checkpoint_success_total")]; n < 2 {
			t.Errorf("%d checkpoints counted; want those of the new owner", n)
		}
		if _, ok := sink.Gauges()[counter("consumer_iterator_age_milliseconds")]; !ok {
			t.Errorf("gauges %v; want the age of the shard", sink.Gauges())
		}

		stream.reshard(2, 0)
		time.Sleep(time.Minute)
		for key := range sink.Snapshot() {
			if strings.Contains(key, shardID(0)) {
				t.Errorf("series %s of the finished shard is still there", key)
			}
		}
	})
}

func TestAShardThatStandsStillHasNoAge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(2)
		numbered(stream, 0, 3)
		numbered(stream, 1, 3)
		sink := metrics.NewMemory()
		start(t, stream, memlease.New(), poison(newSeen(), "s0-001"), func(o *consumer.Options) {
			o.Metrics, o.Failure.MaxAttempts, o.Failure.Then = sink, 2, consumer.StopShard
		})
		time.Sleep(time.Minute)
		gauges := sink.Gauges()
		if _, ok := gauges[counter("consumer_iterator_age_milliseconds")]; ok || gauges["consumer_shards_stalled{stream_name=orders}"] != 1 {
			t.Errorf("gauges %v; want one shard standing still, without an age", gauges)
		}
		if _, ok := gauges["consumer_iterator_age_milliseconds{shard_id="+shardID(1)+",stream_name=orders}"]; !ok {
			t.Errorf("gauges %v; want the age of the other shard", gauges)
		}
	})
}

// T17: a sink that panics or blocks does not stop delivery.
func TestABadSinkDoesNotStopDelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		want := numbered(stream, 0, 20)
		got := newSeen()
		worker := start(t, stream, memlease.New(), got.handle, func(o *consumer.Options) { o.Metrics = badSink{} })
		got.await(t, len(want))
		worker.drain(t)
	})
}

type badSink struct{}

func (badSink) Counter(*metrics.Instrument, ...string) metrics.Counter     { panic("counter") }
func (badSink) Gauge(*metrics.Instrument, ...string) metrics.Gauge         { panic("gauge") }
func (badSink) Histogram(*metrics.Instrument, ...string) metrics.Histogram { panic("histogram") }
func (badSink) Forget(*metrics.Instrument, ...string)                      { panic("forget") }

func TestMetricsOfARead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		numbered(stream, 0, 5)
		sink := metrics.NewMemory()
		for _, err := range consumer.Read(t.Context(), stream, "orders", fast, quiet, func(o *consumer.Options) { o.Metrics = sink }) {
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(30 * time.Millisecond)
			if sink.Counters()[counter("consumer_user_records_handled_total")] == 3 {
				break
			}
		}
		values(t, "after a loop that was left in its fourth record", sink.Counters(), map[string]int64{
			"consumer_records_received_total": 5, "consumer_user_records_handled_total": 3,
		})
		values(t, "after the loop", sink.Gauges(), map[string]float64{"consumer_queue_size": 0})
		if d := sink.Histograms()[counter("consumer_processing_time_seconds")]; d.Count != 3 || d.Sum < .0899 || d.Sum > .0901 {
			t.Errorf("processing times %+v; want three of 30 ms", d)
		}
	})
}
