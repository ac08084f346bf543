package consumer_test

// What other consumers got wrong. Each test is named after the mistake:
//
//	unfenced checkpoints                   UnfencedCheckpointsOfAPausedWorkerAreRefused
//	lease loss unnoticed                   LeaseLossEndsTheHandlersContext, LeaseTakenByAnotherWorkerEnds…
//	child before parent                    AChildIsNotReadBeforeItsUnreadParent, TheChildOfAMergeWaits…, AReadWaits…
//	closed shards unclaimed after restart  ClosedShardsAreReadAfterARestart
//	last partial batch lost                TheLastPartialBatchIsDeliveredBeforeTheShardIsFinished
//	crash in a container skips its rest    ACrashInAContainerResumesAtTheNextRecordInIt
//	more than 1,000 shards unlisted        MoreThanAThousandShardsAreListed
//	one error cancels all shards           OneFailingShardDoesNotDisturbTheOthers, OneFailingHandlerDoesNot…
//	expired iterator begins anew           AnExpiredIteratorGoesOnFromTheLastRecord
//	silent end of iteration                AReadNeverEndsInSilence, AShardReaderNeverEndsInSilence
//	exceptions of handlers swallowed       ErrorsAndPanicsOfHandlersAreNotSwallowed, …OfEveryKindOfHandler…
//	heartbeat dies on one store error      RenewingSurvivesErrorsOfTheStore
//	panics on malformed containers         MalformedContainersAreDeliveredAsTheyAre
//	Stop that hangs                        StoppingDoesNotHang
//	containers of others vanish            ContainersOfShardUnawareAggregatorsAreDelivered

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

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/leasetest"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/metrics"
)

// container aggregates records with these data under one key.
func container(key string, data ...string) []byte {
	var b aggregate.Builder
	for _, d := range data {
		b.Add(&aggregate.UserRecord{PartitionKey: key, Data: []byte(d)})
	}
	return b.AppendTo(nil)
}

// numbered puts n records on a shard of the fake and returns their data.
func numbered(f *fakeStream, shard, n int) []string {
	var data []string
	for i := range n {
		d := fmt.Sprintf("s%d-%03d", shard, i)
		f.put(shard, fmt.Sprintf("key-%d", i%3), []byte(d))
		data = append(data, d)
	}
	return data
}

func TestFieldUnfencedCheckpointsOfAPausedWorkerAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		numbered(stream, 0, 10)
		network := leasetest.NewFaults(store)
		paused := make(chan struct{})
		handled := newSeen()
		zombie := start(t, stream, network, func(ctx context.Context, r kinetrail.Record) error {
			if len(handled.data()) == 3 {
				<-paused // and ignores its ctx, as a process that does not run
			}
			return handled.handle(ctx, r)
		})
		handled.await(t, 3)
		network.Down(leasetest.ErrFault)

		others := newSeen()
		successor := start(t, stream, store, others.handle)
		others.await(t, 10)
		successor.drain(t)
		want := rows(t, store)[shardID(0)]

		network.Up()
		close(paused)
		synctest.Wait()
		time.Sleep(time.Minute)
		if err := zombie.Checkpoint(t.Context()); err != nil && !errors.Is(err, consumer.ErrLeaseLost) {
			t.Errorf("the zombie's Checkpoint: %v; want ErrLeaseLost or nothing to write", err)
		}
		got := rows(t, store)[shardID(0)]
		if got.Checkpoint.Compare(want.Checkpoint) < 0 {
			t.Errorf("checkpoint %v after the zombie woke up; want it not before %v", got.Checkpoint, want.Checkpoint)
		}
	})
}

func TestFieldLeaseLossEndsTheHandlersContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		numbered(stream, 0, 1)
		network := leasetest.NewFaults(store)
		cause := make(chan error, 1)
		entered := make(chan struct{})
		start(t, stream, network, func(ctx context.Context, _ kinetrail.Record) error {
			close(entered)
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return ctx.Err()
		})
		receive(t, entered)
		network.Down(leasetest.ErrFault)
		began := time.Now()
		err := receive(t, cause)
		if !errors.Is(err, consumer.ErrLeaseLost) {
			t.Errorf("cause %v; want ErrLeaseLost", err)
		}
		if after := time.Since(began); after > 10*time.Second {
			t.Errorf("the handler was told after %v; want it told within the lease duration of 10 s", after)
		}
	})
}

func TestFieldLeaseTakenByAnotherWorkerEndsTheHandlersContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		numbered(stream, 0, 1)
		cause := make(chan error, 1)
		entered := make(chan struct{})
		start(t, stream, store, func(ctx context.Context, _ kinetrail.Record) error {
			close(entered)
			<-ctx.Done()
			cause <- context.Cause(ctx)
			return ctx.Err()
		}, func(o *consumer.Options) { o.Shards = []string{shardID(0)} })
		receive(t, entered)
		if _, err := store.Take(t.Context(), rows(t, store)[shardID(0)], "a KCL worker"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := receive(t, cause); !errors.Is(err, consumer.ErrLeaseLost) {
			t.Errorf("cause %v; want ErrLeaseLost", err)
		}
		if after := time.Since(began); after > 4*time.Second {
			t.Errorf("noticed after %v; want it noticed by the next renewal, within 10 s / 3", after)
		}
	})
}

func TestFieldAChildIsNotReadBeforeItsUnreadParent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		want := numbered(stream, 0, 30)
		stream.reshard(2, 0)
		stream.limit = 7
		for _, child := range []int{1, 2} {
			want = append(want, numbered(stream, child, 5)...)
		}
		got := newSeen()
		worker := start(t, stream, store, func(ctx context.Context, r kinetrail.Record) error {
			time.Sleep(time.Millisecond)
			return got.handle(ctx, r)
		})
		got.await(t, len(want))
		worker.drain(t)
		data := got.data()
		if !slices.Equal(data[:30], want[:30]) {
			t.Errorf("the first 30 records handled are %v; want those of the parent in order", data[:30])
		}
	})
}

func TestFieldTheChildOfAMergeWaitsForBothParents(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(2), memlease.New()
		numbered(stream, 0, 3)
		numbered(stream, 1, 3)
		stream.reshard(1, 0, 1)
		numbered(stream, 2, 3)
		open := make(chan struct{})
		got := newSeen()
		worker := start(t, stream, store, func(ctx context.Context, r kinetrail.Record) error {
			if string(r.Data) == "s1-002" {
				select {
				case <-open:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return got.handle(ctx, r)
		})
		got.await(t, 5)
		time.Sleep(5 * time.Minute)
		if data := got.data(); len(data) != 5 {
			t.Errorf("handled %v while one parent is open; want its child untouched", data)
		}
		status := worker.Status()
		if child := status.Shards[2]; !slices.Equal(child.WaitingFor, []string{shardID(1)}) || child.Held {
			t.Errorf("status of the child %+v; want it waiting for %s", child, shardID(1))
		}
		close(open)
		got.await(t, 9)
		worker.drain(t)
		if data := got.data()[6:]; !slices.Equal(data, []string{"s2-000", "s2-001", "s2-002"}) {
			t.Errorf("after both parents %v; want the child's records", data)
		}
	})
}

// grownApart is a stream whose shard 1 is split into 2 and 3 while it is unread,
// after which 0 and 2 are merged into 4: when 0 ends, it names 4, and of 2 nobody
// who listed the shards before knows.
func grownApart(t *testing.T, stream *fakeStream) {
	t.Helper()
	stream.reshard(2, 1)
	stream.reshard(1, 0, 2)
	numbered(stream, 2, 2)
	numbered(stream, 3, 2)
	numbered(stream, 4, 2)
}

// checkGrownApart checks the order of what was read of it.
func checkGrownApart(t *testing.T, data []string) {
	t.Helper()
	at := make(map[string]int)
	for i, d := range data {
		at[d] = i
	}
	if len(data) != 7 || at["s1-000"] > at["s2-000"] || at["s1-000"] > at["s3-000"] || at["s2-001"] > at["s4-000"] {
		t.Errorf("read %v; want all 7 records, those of 4 after those of 2, those of 2 and 3 after those of 1", data)
	}
}

func TestFieldTheChildOfAMergeWaitsForAParentThatNobodyHasSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(2), memlease.New()
		numbered(stream, 1, 1)
		open := make(chan struct{})
		got := newSeen()
		worker := start(t, stream, store, func(ctx context.Context, r kinetrail.Record) error {
			if r.ShardID == shardID(1) {
				<-open
			}
			return got.handle(ctx, r)
		})
		receive(t, worker.Ready())
		time.Sleep(time.Second)
		grownApart(t, stream)
		time.Sleep(10 * time.Second)
		if data := got.data(); len(data) != 0 {
			t.Errorf("handled %v while shard 1 is unread; want nothing", data)
		}
		close(open)
		got.await(t, 7)
		worker.drain(t)
		checkGrownApart(t, got.data())
	})
}

func TestFieldAReadWaitsForAParentThatNobodyHasSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(2)
		numbered(stream, 1, 1)
		hold, lists := true, 0
		var mu sync.Mutex
		stream.failWith(func(op, shard string) error {
			mu.Lock()
			defer mu.Unlock()
			if op == "ListShards" {
				lists++
			}
			if hold && (shard == shardID(1) || op == "ListShards" && lists > 1) {
				return errors.New("connection reset by peer")
			}
			return nil
		})
		go func() {
			time.Sleep(10 * time.Second)
			grownApart(t, stream)
			time.Sleep(30 * time.Second)
			mu.Lock()
			defer mu.Unlock()
			hold = false
		}()
		var data []string
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		for r, err := range consumer.Read(ctx, stream, "orders", quiet) {
			if err != nil {
				t.Fatal(err)
			}
			if data = append(data, string(r.Data)); len(data) == 7 {
				break
			}
		}
		checkGrownApart(t, data)
	})
}

func TestFieldClosedShardsAreReadAfterARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		first := newSeen()
		worker := start(t, stream, store, first.handle)
		numbered(stream, 0, 4)
		first.await(t, 4)
		worker.drain(t)

		numbered(stream, 0, 3) // s0-000 … again, while nobody reads
		stream.reshard(2, 0)
		second := newSeen()
		worker = start(t, stream, store, second.handle)
		second.await(t, 3)
		worker.drain(t)
		if got, want := second.data(), []string{"s0-000", "s0-001", "s0-002"}; !slices.Equal(got, want) {
			t.Errorf("after the restart %v; want the tail %v of the closed shard", got, want)
		}
		if l := rows(t, store)[shardID(0)]; !l.Finished() {
			t.Errorf("checkpoint of the closed shard %v; want SHARD_END", l.Checkpoint)
		}
	})
}

func TestFieldTheLastPartialBatchIsDeliveredBeforeTheShardIsFinished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		want := numbered(stream, 0, 25)
		stream.reshard(2, 0)
		stream.limit = 6
		var mu sync.Mutex
		var sizes []int
		var got []string
		finishedEarly := false
		done := make(chan struct{})
		worker := startWith(t, stream, store, func(c *consumer.Consumer, ctx context.Context) error {
			return c.RunBatch(ctx, func(_ context.Context, batch []kinetrail.Record) error {
				mu.Lock()
				defer mu.Unlock()
				sizes = append(sizes, len(batch))
				for _, r := range batch {
					got = append(got, string(r.Data))
				}
				finishedEarly = finishedEarly || rows(t, store)[shardID(0)].Finished()
				if len(got) == len(want) {
					close(done)
				}
				return nil
			})
		}, func(o *consumer.Options) { o.MaxBatch, o.BatchWait = 10, time.Hour })
		receive(t, done)
		worker.drain(t)
		if !slices.Equal(sizes, []int{10, 10, 5}) || !slices.Equal(got, want) || finishedEarly {
			t.Errorf("batches of %v holding %v, shard finished early: %t; want 10, 10, 5 holding %v", sizes, got, finishedEarly, want)
		}
	})
}

func TestFieldACrashInAContainerResumesAtTheNextRecordInIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		stream.put(0, "a", container("k", "c0", "c1", "c2", "c3", "c4"))
		stream.put(0, "k", []byte("plain"))
		network := leasetest.NewFaults(store)
		first := newSeen()
		itself := make(chan *running, 1)
		crashed := start(t, stream, network, func(ctx context.Context, r kinetrail.Record) error {
			if string(r.Data) == "c3" {
				crashed := <-itself
				if err := crashed.Checkpoint(ctx); err != nil {
					t.Errorf("Checkpoint: %v", err)
				}
				network.Down(leasetest.ErrFault) // as kill −9 does: nothing is written any more
				crashed.cancel(errTestOver)
				<-ctx.Done()
				return ctx.Err()
			}
			return first.handle(ctx, r)
		})
		itself <- crashed
		receive(t, crashed.result)
		if at := rows(t, store)[shardID(0)].Checkpoint; at.Sub() != 2 {
			t.Fatalf("checkpoint %v; want sub-sequence number 2", at)
		}
		second := newSeen()
		worker := start(t, stream, store, second.handle)
		second.await(t, 3)
		worker.drain(t)
		if got, want := append(first.data(), second.data()...), []string{"c0", "c1", "c2", "c3", "c4", "plain"}; !slices.Equal(got, want) {
			t.Errorf("before and after the crash %v; want %v", got, want)
		}
	})
}

func TestFieldMoreThanAThousandShardsAreListed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(2345), memlease.New()
		for i := range 2345 {
			stream.put(i, "k", []byte(shardID(i)))
		}
		got := newSeen()
		worker := start(t, stream, store, got.handle)
		got.await(t, 2345)
		worker.drain(t)
		if n := len(rows(t, store)); n != 2345 || stream.count("ListShards") < 3 {
			t.Errorf("%d leases after %d calls of ListShards; want 2345 leases from 3 pages", n, stream.count("ListShards"))
		}
	})
}

func TestFieldOneFailingShardDoesNotDisturbTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(3), memlease.New()
		var want []string
		for shard := range 3 {
			want = append(want, numbered(stream, shard, 5)...)
		}
		var healed sync.Map
		stream.failWith(func(op, shard string) error {
			if _, ok := healed.Load(shard); op == "GetRecords" && shard == shardID(1) && !ok {
				return errors.New("connection reset by peer")
			}
			return nil
		})
		got := newSeen()
		worker := start(t, stream, store, got.handle)
		got.await(t, 10)
		time.Sleep(time.Minute)
		if data := got.data(); len(data) != 10 {
			t.Errorf("%d records while a shard fails; want the 10 of the others", len(data))
		}
		healed.Store(shardID(1), true)
		got.await(t, 15)
		worker.drain(t)
		data := got.data()
		slices.Sort(data)
		if !slices.Equal(data, want) {
			t.Errorf("handled %v; want %v", data, want)
		}
	})
}

func TestFieldOneFailingHandlerDoesNotDisturbTheOtherShards(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(3), memlease.New()
		for shard := range 3 {
			numbered(stream, shard, 5)
		}
		got := newSeen()
		worker := start(t, stream, store, func(ctx context.Context, r kinetrail.Record) error {
			if r.ShardID == shardID(1) {
				return errNoRoom
			}
			if err := ctx.Err(); err != nil {
				t.Errorf("the ctx of a handler ended with %v because another failed", context.Cause(ctx))
			}
			return got.handle(ctx, r)
		}, func(o *consumer.Options) { o.Failure.MaxAttempts = 0 })
		got.await(t, 10)
		for range 10 { // long behind the first failure
			time.Sleep(5 * time.Second)
			numbered(stream, 0, 1)
			numbered(stream, 2, 1)
		}
		got.await(t, 30)
		for id, row := range rows(t, store) {
			if row.Owner != worker.Worker() || row.Switches != 0 {
				t.Errorf("lease of shard %s: %+v; want it never lost", id, row)
			}
		}
	})
}

func TestFieldAnExpiredIteratorGoesOnFromTheLastRecord(t *testing.T) {
	t.Parallel()
	for _, from := range []kinetrail.Position{kinetrail.TrimHorizon(), kinetrail.Latest()} {
		t.Run(from.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stream, store := newFakeStream(1), memlease.New()
				stream.put(0, "k", []byte("before"))
				time.Sleep(time.Minute)
				got := newSeen()
				worker := start(t, stream, store, got.handle, consumer.From(from))
				receive(t, worker.Ready())
				stream.expireIterators() // before anything was read
				time.Sleep(time.Minute)
				stream.put(0, "k", []byte("one"))
				stream.put(0, "k", container("k", "two-a", "two-b"))
				want := []string{"one", "two-a", "two-b"}
				if from.IsTrimHorizon() {
					want = []string{"before", "one", "two-a", "two-b"}
				}
				got.await(t, len(want))
				stream.expireIterators()
				stream.put(0, "k", []byte("three"))
				got.await(t, len(want)+1)
				worker.drain(t)
				if data := got.data(); !slices.Equal(data, append(want, "three")) {
					t.Errorf("handled %v; want %v, each once", data, append(want, "three"))
				}
			})
		})
	}
}

func TestFieldAReadNeverEndsInSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		stream.put(0, "k", []byte("one"))
		denied := &types.AccessDeniedException{}
		ctx, cancel := context.WithCancelCause(t.Context())
		for _, tt := range []struct {
			what string
			act  func()
			want error
		}{
			{"access is taken away", func() { stream.failWith(func(op, _ string) error { return denied }) }, denied},
			{"the shard is gone", func() { stream.failWith(nil); stream.forget(shardID(0)) }, consumer.ErrShardGone},
			{"ctx ends", func() { cancel(errTestOver) }, errTestOver},
		} {
			stream.failWith(nil)
			var last error
			n := 0
			for _, err := range consumer.Read(ctx, stream, "orders", consumer.Shard(shardID(0)), fast, quiet) {
				n++
				last = err
				if err == nil {
					tt.act()
				}
				if n > 2 {
					t.Fatalf("%s: the loop goes on after its error", tt.what)
				}
			}
			if last == nil || !errors.Is(last, tt.want) {
				t.Errorf("%s: the loop ended with %v; want %v", tt.what, last, tt.want)
			}
			if tt.want == consumer.ErrShardGone {
				stream = newFakeStream(1)
				stream.put(0, "k", []byte("one"))
			}
		}
	})
}

func TestFieldAShardReaderNeverEndsInSilence(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, stream *fakeStream, store lease.Store, w *running)
		want error
	}{
		{"its lease is taken", func(t *testing.T, _ *fakeStream, store lease.Store, _ *running) {
			if _, err := store.Take(t.Context(), rows(t, store)[shardID(0)], "a KCL worker"); err != nil {
				t.Fatal(err)
			}
		}, consumer.ErrLeaseLost},
		{"Run's ctx ends", func(_ *testing.T, _ *fakeStream, _ lease.Store, w *running) { w.cancel(errTestOver) }, errTestOver},
		{"the shard is gone", func(_ *testing.T, stream *fakeStream, _ lease.Store, _ *running) { stream.forget(shardID(0)) }, consumer.ErrShardGone},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stream, store := newFakeStream(1), memlease.New()
				numbered(stream, 0, 3)
				read, ended := make(chan struct{}, 3), make(chan error, 10)
				worker := startWith(t, stream, store, func(c *consumer.Consumer, ctx context.Context) error {
					return c.RunShards(ctx, func(ctx context.Context, s *consumer.ShardReader) (err error) {
						for _, err = range s.Records(ctx) {
							if err == nil {
								read <- struct{}{}
							}
						}
						ended <- err
						return err
					})
				})
				for range 3 {
					receive(t, read)
				}
				tt.end(t, stream, store, worker)
				if err := receive(t, ended); !errors.Is(err, tt.want) {
					t.Errorf("the loop ended with %v; want %v", err, tt.want)
				}
			})
		})
	}
}

func TestFieldErrorsAndPanicsOfEveryKindOfHandlerAreNotSwallowed(t *testing.T) {
	t.Parallel()
	for _, fail := range []func() error{
		func() error { return errNoRoom },
		func() error { panic(errNoRoom) },
	} {
		record := func(context.Context, kinetrail.Record) error { return fail() }
		for name, run := range map[string]func(*consumer.Consumer, context.Context) error{
			"Run": func(c *consumer.Consumer, ctx context.Context) error { return c.Run(ctx, record) },
			"RunBatch": func(c *consumer.Consumer, ctx context.Context) error {
				return c.RunBatch(ctx, func(context.Context, []kinetrail.Record) error { return fail() })
			},
			"RunShards": func(c *consumer.Consumer, ctx context.Context) error {
				return c.RunShards(ctx, func(context.Context, *consumer.ShardReader) error { return fail() })
			},
		} {
			for _, perKey := range []int{1, 4} {
				synctest.Test(t, func(t *testing.T) {
					stream := newFakeStream(1)
					numbered(stream, 0, 5)
					worker := startWith(t, stream, memlease.New(), run, func(o *consumer.Options) { o.Failure.MaxAttempts, o.PerKey = 2, perKey })
					var failed *consumer.ShardError
					if err := receive(t, worker.result); !errors.Is(err, errNoRoom) || !errors.As(err, &failed) || failed.ShardID != shardID(0) {
						t.Errorf("%s with PerKey %d = %v; want a *ShardError with the handler's error", name, perKey, err)
					}
				})
			}
		}
	}
}

func TestFieldErrorsAndPanicsOfHandlersAreNotSwallowed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, fail := range []func() error{
			func() error { return errors.New("no room") },
			func() error { panic("no room") },
			func() error { panic(errors.New("no room")) },
		} {
			stream, store := newFakeStream(1), memlease.New()
			numbered(stream, 0, 3)
			calls := 0
			worker := start(t, stream, store, func(_ context.Context, r kinetrail.Record) error {
				if string(r.Data) == "s0-001" {
					calls++
					return fail()
				}
				return nil
			}, func(o *consumer.Options) { o.Failure.MaxAttempts = 3 })
			err := receive(t, worker.result)
			var failed *consumer.ShardError
			if !errors.As(err, &failed) || failed.ShardID != shardID(0) || failed.Position.Sequence() != "1002" || failed.Attempts != 3 || calls != 3 || !strings.Contains(err.Error(), "no room") {
				t.Errorf("Run = %v after %d calls; want a *ShardError that names the record and 3 attempts", err, calls)
			}
			if at := rows(t, store)[shardID(0)].Checkpoint; at != kinetrail.At("1001", 0) {
				t.Errorf("checkpoint %v; want the record before the one that failed", at)
			}
		}
	})
}

func TestFieldRenewingSurvivesErrorsOfTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		network := leasetest.NewFaults(store)
		got := newSeen()
		worker := start(t, stream, network, got.handle)
		receive(t, worker.Ready())
		for range 20 {
			network.Fail(leasetest.Renew, 1)
			network.Fail(leasetest.List, 2)
			network.LoseReply(leasetest.Renew, 1)
			network.Fail(leasetest.Checkpoint, 1)
			network.LoseReply(leasetest.Checkpoint, 1)
			time.Sleep(15 * time.Second)
			stream.put(0, "k", []byte("x"))
		}
		got.await(t, 20)
		worker.drain(t)
		if l := rows(t, store)[shardID(0)]; l.Switches != 0 || l.Checkpoint.Sequence() != "1020" {
			t.Errorf("lease %+v; want it never lost and at the last record", l)
		}
		if n := len(got.data()); n != 20 {
			t.Errorf("%d records handled; want 20, none twice", n)
		}
	})
}

func TestFieldMalformedContainersAreDeliveredAsTheyAre(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		good := container("k", "inside")
		broken := slices.Clone(good)
		broken[len(broken)-1] ^= 1
		var want []string
		for _, data := range [][]byte{good[:4], good[:21], broken, []byte("plain"), append(slices.Clone(good), 0)} {
			stream.put(0, "k", data)
			want = append(want, string(data))
		}
		stream.put(0, "k", good)
		want = append(want, "inside")
		sink := metrics.NewMemory()
		got := newSeen()
		worker := start(t, stream, store, got.handle, func(o *consumer.Options) { o.Metrics = sink })
		got.await(t, len(want))
		worker.drain(t)
		if data := got.data(); !slices.Equal(data, want) {
			t.Errorf("handled %q; want %q", data, want)
		}
		key := "consumer_deaggregation_failures_total{shard_id=" + shardID(0) + ",stream_name=orders}"
		if n := sink.Counters()[key]; n != 3 {
			t.Errorf("%s = %d; want 3", key, n)
		}
	})
}

func TestFieldStoppingDoesNotHang(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"waiting for a parent", "the store hangs", "the service hangs", "the handler retries", "no room in the buffer"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stream, inner := newFakeStream(2), memlease.New()
				store := &hangingStore{Store: inner}
				hang := make(chan struct{})
				defer close(hang)
				numbered(stream, 0, 50)
				numbered(stream, 1, 50)
				handle := func(context.Context, kinetrail.Record) error { return nil }
				opts := func(*consumer.Options) {}
				switch what {
				case "waiting for a parent":
					stream.reshard(1, 0, 1)
					handle = func(ctx context.Context, _ kinetrail.Record) error { <-ctx.Done(); return ctx.Err() }
				case "the handler retries":
					handle = func(context.Context, kinetrail.Record) error { return errors.New("again") }
					opts = func(o *consumer.Options) { o.Failure.MaxAttempts = 0 }
				case "no room in the buffer":
					handle = func(ctx context.Context, _ kinetrail.Record) error { <-ctx.Done(); return ctx.Err() }
					opts = func(o *consumer.Options) { o.MaxBufferedBytes = 1 }
				}
				worker := start(t, slowAPI{stream, what == "the service hangs"}, store, handle, opts)
				time.Sleep(time.Second)
				if what == "the store hangs" {
					store.hang.Store(true)
				}
				time.Sleep(5 * time.Second)
				began := time.Now()
				worker.cancel(errTestOver)
				if err := receive(t, worker.result); !errors.Is(err, errTestOver) {
					t.Errorf("Run = %v; want the cause of its ctx", err)
				}
				if took := time.Since(began); took > 6*time.Second {
					t.Errorf("stopping took %v; want at most the 5 s for closing", took)
				}
			})
		})
	}
}

func TestFieldContainersOfShardUnawareAggregatorsAreDelivered(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		filter consumer.RangeFilter
		want   []string
	}{
		{consumer.RangeDeliver, []string{"a", "b", "c", "d", "own", "last"}},
		{consumer.RangeKCL, []string{"own", "last"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			stream, store := newFakeStream(2), memlease.New()
			var b aggregate.Builder
			for _, d := range []string{"a", "b", "c", "d"} { // their keys hash all over the place
				b.Add(&aggregate.UserRecord{PartitionKey: d, Data: []byte(d)})
			}
			stream.put(0, "a", b.AppendTo(nil))
			b.Reset()
			b.Add(&aggregate.UserRecord{PartitionKey: "a", ExplicitHashKey: "0", Data: []byte("own")})
			stream.put(0, "a", b.AppendTo(nil))
			stream.put(0, "a", []byte("last"))
			sink := metrics.NewMemory()
			got := newSeen()
			worker := start(t, stream, store, got.handle, func(o *consumer.Options) { o.Metrics, o.RangeFilter = sink, tt.filter })
			got.await(t, len(tt.want))
			worker.drain(t)
			if data := got.data(); !slices.Equal(data, tt.want) {
				t.Errorf("filter %d: handled %v; want %v", tt.filter, data, tt.want)
			}
			key := "consumer_out_of_range_total{shard_id=" + shardID(0) + ",stream_name=orders}"
			if n := sink.Counters()[key]; n == 0 {
				t.Errorf("filter %d: %s = 0; want the records outside counted", tt.filter, key)
			}
			if at := rows(t, store)[shardID(0)].Checkpoint; at.Sequence() != "1003" {
				t.Errorf("filter %d: checkpoint %v; want the last record", tt.filter, at)
			}
		})
	}
}

var _ lease.Store = (*hangingStore)(nil)
