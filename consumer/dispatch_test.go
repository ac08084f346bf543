package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease/leasetest"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/metrics"
)

var errNoRoom = errors.New("no room")

// poison fails for one record.
func poison(got *seen, data string) consumer.Handler {
	return func(ctx context.Context, r kinetrail.Record) error {
		if string(r.Data) == data {
			return errNoRoom
		}
		return got.handle(ctx, r)
	}
}

func counter(name string) string {
	return name + "{shard_id=" + shardID(0) + ",stream_name=orders}"
}

func TestARecordIsRetriedInPlaceWithGrowingPauses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		want := numbered(stream, 0, 3)
		var at []time.Time
		got := newSeen()
		worker := start(t, stream, store, func(ctx context.Context, r kinetrail.Record) error {
			if string(r.Data) == want[1] {
				if at = append(at, time.Now()); len(at) < 5 {
					return errNoRoom
				}
			}
			return got.handle(ctx, r)
		})
		got.await(t, 3)
		worker.drain(t)
		if data := got.data(); !slices.Equal(data, want) {
			t.Errorf("handled %v; want %v in order", data, want)
		}
		for i := 1; i < len(at); i++ {
			full := 100 * time.Millisecond << (i - 1)
			if pause := at[i].Sub(at[i-1]); pause < full/2 || pause > full {
				t.Errorf("pause %d is %v; want between %v and %v", i, pause, full/2, full)
			}
		}
	})
}

func TestTheFailurePolicySaysWhatFollowsTheLastAttempt(t *testing.T) {
	t.Parallel()
	type outcome struct {
		handled     []string
		dead        []string
		result      error // of Run, nil while it goes on
		checkpoint  string
		deadLetters int64
	}
	all := []string{"s0-000", "s0-002"}
	for _, tt := range []struct {
		name string
		then consumer.Action
		dead func(n int) error
		want outcome
	}{
		{"stop", consumer.Stop, nil, outcome{all[:1], nil, errNoRoom, "1001", 0}},
		{"stop the shard", consumer.StopShard, nil, outcome{all[:1], nil, nil, "1001", 0}},
		{"skip", consumer.Skip, nil, outcome{all, nil, nil, "1003", 0}},
		{"dead letter", consumer.DeadLetter, func(int) error { return nil }, outcome{all, []string{"s0-001"}, nil, "1003", 1}},
		{"dead letter that works the second time", consumer.DeadLetter, func(n int) error {
			if n == 1 {
				return errors.New("not yet")
			}
			return nil
		}, outcome{all, []string{"s0-001", "s0-001"}, nil, "1003", 1}},
		{"dead letter that never works", consumer.DeadLetter, func(int) error { panic("never") }, outcome{all[:1], []string{"s0-001", "s0-001"}, errNoRoom, "1001", 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stream, store := newFakeStream(2), memlease.New()
				numbered(stream, 0, 3)
				sink := metrics.NewMemory()
				got, others := newSeen(), newSeen()
				var dead []string
				worker := start(t, stream, store, func(ctx context.Context, r kinetrail.Record) error {
					if r.ShardID == shardID(1) {
						return others.handle(ctx, r)
					}
					return poison(got, "s0-001")(ctx, r)
				}, func(o *consumer.Options) {
					o.Metrics = sink
					o.Failure.MaxAttempts, o.Failure.Then = 2, tt.then
					o.Failure.DeadLetter = func(_ context.Context, r kinetrail.Record, cause error) error {
						if !errors.Is(cause, errNoRoom) {
							t.Errorf("cause %v; want the handler's error", cause)
						}
						dead = append(dead, string(r.Data))
						return tt.dead(len(dead))
					}
				})
				if tt.want.result != nil {
					var failed *consumer.ShardError
					if err := receive(t, worker.result); !errors.Is(err, tt.want.result) || !errors.As(err, &failed) || failed.ShardID != shardID(0) {
						t.Errorf("Run = %v; want a *ShardError with %v", err, tt.want.result)
					}
				} else {
					time.Sleep(time.Minute)
					numbered(stream, 1, 3)
					others.await(t, 3) // the other shard goes on
					stands := worker.Status().Shards[0].Err != nil
					if stands != (tt.then == consumer.StopShard) {
						t.Errorf("status says that the shard stands still: %t", stands)
					}
					worker.drain(t)
				}
				if data := got.data(); !slices.Equal(data, tt.want.handled) || !slices.Equal(dead, tt.want.dead) {
					t.Errorf("handled %v, dead letters %v; want %v and %v", data, dead, tt.want.handled, tt.want.dead)
				}
				l := rows(t, store)[shardID(0)]
				if l.Checkpoint.Sequence() != tt.want.checkpoint || l.Owner != "" {
					t.Errorf("checkpoint %v, owner %q; want %s and a free lease", l.Checkpoint, l.Owner, tt.want.checkpoint)
				}
				if n := sink.Counters()[counter("consumer_handler_errors_total")]; n != 2 {
					t.Errorf("%d handler errors; want 2", n)
				}
				if n := sink.Counters()[counter("consumer_dead_letters_total")]; n != tt.want.deadLetters {
					t.Errorf("%d dead letters counted; want %d", n, tt.want.deadLetters)
				}
			})
		})
	}
}

func TestABatchFailsAsAWhole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		numbered(stream, 0, 7)
		var batches, dead []string
		worker := startWith(t, stream, store, func(c *consumer.Consumer, ctx context.Context) error {
			return c.RunBatch(ctx, func(_ context.Context, batch []kinetrail.Record) error {
				var data []string
				for _, r := range batch {
					data = append(data, string(r.Data[3:]))
				}
				batches = append(batches, strings.Join(data, " "))
				if slices.Contains(data, "004") {
					return errNoRoom
				}
				return nil
			})
		}, func(o *consumer.Options) {
			o.MaxBatch = 3
			o.Failure.MaxAttempts, o.Failure.Then = 2, consumer.DeadLetter
			o.Failure.DeadLetter = func(_ context.Context, r kinetrail.Record, _ error) error {
				dead = append(dead, string(r.Data[3:]))
				return nil
			}
		})
		time.Sleep(time.Minute)
		worker.drain(t)
		if want := []string{"000 001 002", "003 004 005", "003 004 005", "006"}; !slices.Equal(batches, want) {
			t.Errorf("batches %q; want %q", batches, want)
		}
		if want := []string{"003", "004", "005"}; !slices.Equal(dead, want) {
			t.Errorf("dead letters %q; want %q", dead, want)
		}
		if at := rows(t, store)[shardID(0)].Checkpoint; at.Sequence() != "1007" {
			t.Errorf("checkpoint %v; want the last record", at)
		}
	})
}

func TestADeadLetterOfABatchThatWasTakenIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		numbered(stream, 0, 3)
		var dead []string
		worker := startWith(t, stream, store, func(c *consumer.Consumer, ctx context.Context) error {
			return c.RunBatch(ctx, func(context.Context, []kinetrail.Record) error { return errNoRoom })
		}, func(o *consumer.Options) {
			o.Failure.MaxAttempts, o.Failure.Then = 3, consumer.DeadLetter
			o.Failure.DeadLetter = func(_ context.Context, r kinetrail.Record, _ error) error {
				dead = append(dead, string(r.Data[3:]))
				if len(dead) == 2 {
					return errors.New("not yet")
				}
				return nil
			}
		})
		time.Sleep(time.Minute)
		worker.drain(t)
		if want := []string{"000", "001", "001", "002"}; !slices.Equal(dead, want) {
			t.Errorf("dead letters %q; want %q", dead, want)
		}
		if at := rows(t, store)[shardID(0)].Checkpoint; at.Sequence() != "1003" {
			t.Errorf("checkpoint %v; want the last record", at)
		}
	})
}

func TestWhatAHandlerDoesToItsBatchDoesNotMoveThePosition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		numbered(stream, 0, 6)
		worker := startWith(t, stream, store, func(c *consumer.Consumer, ctx context.Context) error {
			return c.RunBatch(ctx, func(_ context.Context, batch []kinetrail.Record) error {
				slices.Reverse(batch)
				clear(batch[1:])
				return nil
			})
		}, func(o *consumer.Options) { o.MaxBatch = 3 })
		time.Sleep(time.Minute)
		worker.drain(t)
		if at := rows(t, store)[shardID(0)].Checkpoint; at.Sequence() != "1006" {
			t.Errorf("checkpoint %v; want the last record", at)
		}
	})
}

func TestABatchWaitsForCompanyAsLongAsItIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		sizes := make(chan int, 10)
		worker := startWith(t, stream, memlease.New(), func(c *consumer.Consumer, ctx context.Context) error {
			return c.RunBatch(ctx, func(_ context.Context, batch []kinetrail.Record) error { sizes <- len(batch); return nil })
		}, func(o *consumer.Options) { o.MaxBatch, o.BatchWait = 100, time.Second })
		receive(t, worker.Ready())
		began := time.Now()
		for range 5 {
			numbered(stream, 0, 2)
			time.Sleep(100 * time.Millisecond)
		}
		if n := receive(t, sizes); n != 10 || time.Since(began) > 1100*time.Millisecond {
			t.Errorf("a batch of %d after %v; want 10 after about a second", n, time.Since(began))
		}
	})
}

func TestABatchDoesNotWaitForCompanyThatHasNoRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Room for three pages of ten records, and batches of a hundred.
		const size, pages = 10_000, 20
		stream := newFakeStream(1)
		stream.limit = 10
		for range 10 * pages {
			stream.put(0, "k", make([]byte, size))
		}
		handled := 0
		worker := startWith(t, stream, memlease.New(), func(c *consumer.Consumer, ctx context.Context) error {
			return c.RunBatch(ctx, func(_ context.Context, batch []kinetrail.Record) error { handled += len(batch); return nil })
		}, func(o *consumer.Options) {
			o.MaxBatch, o.BatchWait = 100, time.Hour
			o.MaxBufferedBytes = 3 * 10 * size
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		if least := 10 * (pages - 3); handled < least {
			t.Errorf("%d of %d records handled within a minute; want at least %d, all but those there is room for", handled, 10*pages, least)
		}
		worker.drain(t)
		if handled != 10*pages {
			t.Errorf("%d records handled after the drain; want %d", handled, 10*pages)
		}
	})
}

func TestPagesAreGivenBackOnceTheirRecordsAreDelivered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// Room for three pages of ten records, and batches of seven: seven pages
		// pass until one ends with a batch and leaves nothing waiting for company.
		const size, pages = 10_000, 20
		stream := newFakeStream(1)
		stream.limit = 10
		for range 10 * pages {
			stream.put(0, "k", make([]byte, size))
		}
		handled := 0
		worker := startWith(t, stream, memlease.New(), func(c *consumer.Consumer, ctx context.Context) error {
			return c.RunBatch(ctx, func(_ context.Context, batch []kinetrail.Record) error { handled += len(batch); return nil })
		}, func(o *consumer.Options) {
			o.MaxBatch, o.BatchWait = 7, time.Hour
			o.MaxBufferedBytes = 3 * 10 * size
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := 10 * pages / 7 * 7; handled != want {
			t.Errorf("%d records handled within a minute; want the %d that fill a batch of 7", handled, want)
		}
		worker.drain(t)
	})
}

func TestPerKeyKeepsTheOrderOfEveryKeyAndHandlesKeysAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		const keys, each = 12, 20
		for i := range each {
			for k := range keys {
				stream.put(0, fmt.Sprintf("key-%d", k), []byte(fmt.Sprintf("%d", i)))
			}
		}
		var mu sync.Mutex
		order := make(map[string][]string)
		atOnce, most, count := 0, 0, 0
		done := make(chan struct{})
		worker := start(t, stream, store, func(_ context.Context, r kinetrail.Record) error {
			mu.Lock()
			atOnce++
			most = max(most, atOnce)
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			atOnce--
			order[r.PartitionKey] = append(order[r.PartitionKey], string(r.Data))
			if count++; count == keys*each {
				close(done)
			}
			return nil
		}, func(o *consumer.Options) { o.PerKey = 4 })
		receive(t, done)
		worker.drain(t)
		for key, got := range order {
			for i := range each {
				if got[i] != fmt.Sprint(i) {
					t.Errorf("key %s handled as %v; want 0 to %d in order", key, got, each-1)
					break
				}
			}
		}
		if most < 2 || most > 4 {
			t.Errorf("%d records handled at once; want 2 to 4", most)
		}
		if at := rows(t, store)[shardID(0)].Checkpoint; at.Sequence() != fmt.Sprint(1000+keys*each) {
			t.Errorf("checkpoint %v; want the last record", at)
		}
	})
}

func TestPerKeyHandlesARecordOfUnknownKeyAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		var order []string
		for i := range 9 {
			key := fmt.Sprintf("key-%d", i)
			if i%3 == 1 { // a bare traceparent: whose key it is nobody knows
				key = fmt.Sprintf("00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333%d-01", i)
			}
			stream.put(0, key, []byte(fmt.Sprint(i)))
		}
		var mu sync.Mutex
		handling := make(map[string]bool)
		worker := start(t, stream, memlease.New(), func(_ context.Context, r kinetrail.Record) error {
			mu.Lock()
			handling[string(r.Data)] = true
			if !r.OriginalKeyKnown && len(handling) > 1 {
				t.Errorf("record %s of unknown key is handled together with %v", r.Data, handling)
			}
			for other := range handling {
				if other == "1" || other == "4" || other == "7" {
					if len(handling) > 1 {
						t.Errorf("record %s is handled together with %s of unknown key", r.Data, other)
					}
				}
			}
			mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			delete(handling, string(r.Data))
			order = append(order, string(r.Data))
			return nil
		}, func(o *consumer.Options) { o.PerKey = 8 })
		time.Sleep(10 * time.Second)
		worker.drain(t)
		if len(order) != 9 || order[1] != "1" || order[4] != "4" || order[7] != "7" {
			t.Errorf("handled %v; want 1, 4 and 7 in their places", order)
		}
	})
}

func TestPerKeyStopsAtAGapWhenARecordFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		for i := range 30 {
			stream.put(0, fmt.Sprintf("key-%d", i), []byte(fmt.Sprint(i)))
		}
		worker := start(t, stream, store, func(_ context.Context, r kinetrail.Record) error {
			if string(r.Data) == "10" {
				return errNoRoom
			}
			return nil
		}, func(o *consumer.Options) { o.PerKey, o.Failure.MaxAttempts = 3, 2 })
		if err := receive(t, worker.result); !errors.Is(err, errNoRoom) {
			t.Errorf("Run = %v; want the handler's error", err)
		}
		if at := rows(t, store)[shardID(0)].Checkpoint; at.Sequence() != "1010" {
			t.Errorf("checkpoint %v; want the record before the one that failed, whatever was done behind it", at)
		}
	})
}

func TestPerKeyHandlesNothingBehindAFailedRecordOfItsKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		for i := range 10 {
			stream.put(0, "k", []byte(fmt.Sprint(i)))
		}
		var handled []string
		worker := start(t, stream, memlease.New(), func(_ context.Context, r kinetrail.Record) error {
			handled = append(handled, string(r.Data))
			if len(handled) == 3 {
				time.Sleep(time.Second) // the rest is waiting by then
				return errNoRoom
			}
			return nil
		}, func(o *consumer.Options) {
			o.PerKey, o.Failure.MaxAttempts, o.Failure.Then = 4, 1, consumer.StopShard
		})
		time.Sleep(time.Minute)
		worker.drain(t)
		if want := []string{"0", "1", "2"}; !slices.Equal(handled, want) {
			t.Errorf("handled %v; want %v and nothing behind the failed one", handled, want)
		}
	})
}

func TestABatchMayBeLargerThanWhatIsInFlightOtherwise(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		numbered(stream, 0, 6)
		sizes := make(chan int, 10)
		startWith(t, stream, memlease.New(), func(c *consumer.Consumer, ctx context.Context) error {
			return c.RunBatch(ctx, func(_ context.Context, batch []kinetrail.Record) error { sizes <- len(batch); return nil })
		}, func(o *consumer.Options) { o.MaxBatch, o.MaxInFlight = 6, 2 })
		if n := receive(t, sizes); n != 6 {
			t.Errorf("a batch of %d; want 6, which is MaxBatch", n)
		}
	})
}

func TestManualCheckpointsAreMovedByAckAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		numbered(stream, 0, 6)
		got := newSeen()
		worker := start(t, stream, store, got.handle, func(o *consumer.Options) { o.ManualCheckpoints, o.MaxInFlight = true, 5 })
		got.await(t, 5)
		time.Sleep(time.Minute)
		if n := len(got.data()); n != 5 {
			t.Errorf("%d records handed out; want 5, which is all that may be in flight", n)
		}
		at := func() string { return rows(t, store)[shardID(0)].Checkpoint.String() }
		worker.Ack(got.records[1], got.records[2])
		if err := worker.Checkpoint(t.Context()); err != nil || at() != "TRIM_HORIZON" {
			t.Errorf("Checkpoint = %v, at %s with the first record open; want it unmoved", err, at())
		}
		got.await(t, 6)
		worker.Ack(got.records[0], got.records[0])
		time.Sleep(time.Minute)
		if at() != "TRIM_HORIZON" {
			t.Errorf("at %s without Checkpoint; want it unmoved", at())
		}
		if err := worker.Checkpoint(t.Context()); err != nil || at() != "1003" {
			t.Errorf("Checkpoint = %v, at %s; want 1003", err, at())
		}
		draining := make(chan error)
		go func() { draining <- worker.Drain(t.Context()) }()
		time.Sleep(time.Minute)
		select {
		case err := <-draining:
			t.Errorf("Drain = %v with records open; want it to wait for Ack", err)
		default:
		}
		worker.Ack(got.records[3:]...)
		if err := receive(t, draining); err != nil || at() != "1006" {
			t.Errorf("Drain = %v, at %s; want no error and 1006", err, at())
		}
	})
}

// Nobody acknowledges a record that its handler never took: it would hold its
// shard for ever.
func TestWithManualCheckpointsWhatIsGivenUpIsDone(t *testing.T) {
	t.Parallel()
	policies := map[string]consumer.FailurePolicy{
		"Skip":       {MaxAttempts: 2, Then: consumer.Skip},
		"DeadLetter": {MaxAttempts: 2, Then: consumer.DeadLetter, DeadLetter: func(context.Context, kinetrail.Record, error) error { return nil }},
	}
	for name, policy := range policies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stream, store := newFakeStream(1), memlease.New()
				numbered(stream, 0, 3)
				got := newSeen()
				handle := func(ctx context.Context, r kinetrail.Record) error {
					if r.Position.Sequence() == "1002" {
						return errNoRoom
					}
					return got.handle(ctx, r)
				}
				worker := start(t, stream, store, handle, func(o *consumer.Options) { o.ManualCheckpoints, o.Failure = true, policy })
				got.await(t, 2)
				worker.Ack(got.records...)
				if err := worker.Checkpoint(t.Context()); err != nil {
					t.Fatal(err)
				}
				if at := rows(t, store)[shardID(0)].Checkpoint.String(); at != "1003" {
					t.Errorf("at %s with the failed record given up and the others acknowledged; want 1003", at)
				}
			})
		})
	}
}

func TestAPositionThatCouldNotBeWrittenAfterItsPageIsWrittenLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		numbered(stream, 0, 3)
		network := leasetest.NewFaults(store)
		network.Fail(leasetest.Checkpoint, 1)
		got := newSeen()
		start(t, stream, network, got.handle, func(o *consumer.Options) { o.CheckpointInterval = 0 })
		got.await(t, 3)
		time.Sleep(time.Minute)
		if at := rows(t, store)[shardID(0)].Checkpoint.String(); at != "1003" {
			t.Errorf("the checkpoint is %s a minute after it could not be written; want 1003", at)
		}
	})
}

func TestCheckpointTellsTheErrorsOfEveryShard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(3)
		network := leasetest.NewFaults(memlease.New())
		got := newSeen()
		worker := start(t, stream, network, got.handle)
		for shard := range 3 {
			numbered(stream, shard, 1)
		}
		got.await(t, 3)
		network.Fail(leasetest.Checkpoint, 2)
		err := worker.Checkpoint(t.Context())
		if err == nil || strings.Count(err.Error(), "checkpoint lease shardId-") != 2 || !errors.Is(err, leasetest.ErrFault) {
			t.Errorf("Checkpoint = %v; want the errors of two shards", err)
		}
	})
}

func TestRunShardsIteratesOverEachShardToItsEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		want := map[string][]string{shardID(0): numbered(stream, 0, 5)}
		stream.reshard(2, 0)
		want[shardID(1)], want[shardID(2)] = numbered(stream, 1, 3), numbered(stream, 2, 3)
		stream.limit = 2
		var mu sync.Mutex
		got := make(map[string][]string)
		ended := make(map[string]bool)
		worker := startWith(t, stream, store, func(c *consumer.Consumer, ctx context.Context) error {
			return c.RunShards(ctx, func(ctx context.Context, s *consumer.ShardReader) error {
				for r, err := range s.Records(ctx) {
					if err != nil {
						return err
					}
					mu.Lock()
					got[s.ID()] = append(got[s.ID()], string(r.Data))
					mu.Unlock()
				}
				mu.Lock()
				defer mu.Unlock()
				ended[s.ID()] = true
				return nil
			})
		})
		time.Sleep(time.Minute)
		mu.Lock()
		if !ended[shardID(0)] || ended[shardID(1)] || !rows(t, store)[shardID(0)].Finished() {
			t.Errorf("ended %v; want the closed shard alone, and finished", ended)
		}
		mu.Unlock()
		worker.drain(t)
		for id, data := range want {
			if !slices.Equal(got[id], data) {
				t.Errorf("shard %s gave %v; want %v", id, got[id], data)
			}
		}
		if !ended[shardID(1)] || !ended[shardID(2)] {
			t.Errorf("ended %v after the drain; want all", ended)
		}
		if at := rows(t, store)[shardID(2)].Checkpoint; at.Sequence() != "1011" {
			t.Errorf("checkpoint %v; want the last record of the shard", at)
		}
	})
}

func TestRunShardsWritesAfterEveryPageWhenTheIntervalIsZero(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		numbered(stream, 0, 3)
		got := newSeen()
		startWith(t, stream, store, func(c *consumer.Consumer, ctx context.Context) error {
			return c.RunShards(ctx, func(ctx context.Context, s *consumer.ShardReader) error {
				for r, err := range s.Records(ctx) {
					if err != nil {
						return err
					}
					if err := got.handle(ctx, r); err != nil {
						return err
					}
				}
				return nil
			})
		}, func(o *consumer.Options) { o.CheckpointInterval = 0 })
		got.await(t, 3)
		time.Sleep(time.Second)
		if at := rows(t, store)[shardID(0)].Checkpoint.String(); at != "1003" {
			t.Errorf("the checkpoint is %s a second after the page was handled; want 1003", at)
		}
	})
}

func TestRunShardsLeavesTheLastRecordOfALeftLoopUndone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		numbered(stream, 0, 5)
		var calls []string
		worker := startWith(t, stream, store, func(c *consumer.Consumer, ctx context.Context) error {
			return c.RunShards(ctx, func(ctx context.Context, s *consumer.ShardReader) error {
				for r, err := range s.Records(ctx) {
					if err != nil {
						return err
					}
					calls = append(calls, string(r.Data))
					if len(calls) == 2 {
						break
					}
				}
				return nil
			})
		})
		time.Sleep(5 * time.Second)
		if l := rows(t, store)[shardID(0)]; l.Owner != "" || l.Checkpoint.Sequence() != "1001" {
			t.Errorf("lease %+v after the loop was left; want it free, at the record before the last", l)
		}
		time.Sleep(time.Minute)
		worker.drain(t)
		if want := []string{"s0-000", "s0-001", "s0-001", "s0-002", "s0-003", "s0-004"}; !slices.Equal(calls, want) {
			t.Errorf("yielded %v; want %v", calls, want)
		}
	})
}

func TestRunShardsEndsRunWithTheHandlersError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		worker := startWith(t, newFakeStream(1), memlease.New(), func(c *consumer.Consumer, ctx context.Context) error {
			return c.RunShards(ctx, func(context.Context, *consumer.ShardReader) error { return errNoRoom })
		})
		var failed *consumer.ShardError
		if err := receive(t, worker.result); !errors.Is(err, errNoRoom) || !errors.As(err, &failed) {
			t.Errorf("Run = %v; want a *ShardError with the handler's error", err)
		}
	})
}

func TestAHandlersTimeIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		numbered(stream, 0, 1)
		var took []time.Duration
		worker := start(t, stream, memlease.New(), func(ctx context.Context, _ kinetrail.Record) error {
			began := time.Now()
			<-ctx.Done()
			took = append(took, time.Since(began))
			return ctx.Err()
		}, func(o *consumer.Options) { o.HandlerTimeout, o.Failure.MaxAttempts = 3*time.Second, 2 })
		if err := receive(t, worker.result); !errors.Is(err, context.DeadlineExceeded) || !slices.Equal(took, []time.Duration{3 * time.Second, 3 * time.Second}) {
			t.Errorf("Run = %v after attempts of %v; want two of 3 s", err, took)
		}
	})
}

func TestAHandlerThatIgnoresItsContextLosesItsLeaseAndHoldsUpRunAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		numbered(stream, 0, 2)
		entered, stubborn := make(chan struct{}), make(chan struct{})
		worker := start(t, stream, store, func(_ context.Context, r kinetrail.Record) error {
			if string(r.Data) == "s0-001" {
				close(entered)
				<-stubborn
			}
			return nil
		})
		receive(t, entered)
		worker.cancel(errTestOver)
		time.Sleep(9 * time.Second)
		if l := rows(t, store)[shardID(0)]; l.Owner == "" {
			t.Error("the lease is free after 9 s; want it kept for the lease duration")
		}
		time.Sleep(2 * time.Second)
		if l := rows(t, store)[shardID(0)]; l.Owner != "" || l.Checkpoint.Sequence() != "1001" {
			t.Errorf("lease %+v after 11 s; want it released, at the record before", l)
		}
		select {
		case err := <-worker.result:
			t.Errorf("Run = %v while its handler runs; want it to wait", err)
		default:
		}
		close(stubborn)
		if err := receive(t, worker.result); !errors.Is(err, errTestOver) {
			t.Errorf("Run = %v; want the cause of its ctx", err)
		}
	})
}

func TestDrainThatTakesTooLongEndsTheHandlersWithACause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		numbered(stream, 0, 1)
		entered, cause := make(chan struct{}), make(chan error, 1)
		worker := start(t, stream, memlease.New(), func(ctx context.Context, _ kinetrail.Record) error {
			close(entered)
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return ctx.Err()
		})
		receive(t, entered)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := worker.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Drain = %v; want its own deadline", err)
		}
		if err := receive(t, cause); !errors.Is(err, consumer.ErrDraining) {
			t.Errorf("the handler's cause is %v; want ErrDraining", err)
		}
		if err := receive(t, worker.result); !errors.Is(err, consumer.ErrDraining) {
			t.Errorf("Run = %v; want ErrDraining", err)
		}
	})
}
