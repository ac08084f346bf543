package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/filelease"
	"github.com/kinetrail/kinetrail/lease/leasetest"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

// slowStore is a store whose listing is dear: workers list every quarter of the
// lease duration.
type slowStore struct{ lease.Store }

// shares counts the leases of each owner.
func shares(t *testing.T, store lease.Store) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for _, l := range rows(t, store) {
		counts[l.Owner]++
	}
	return counts
}

func nothing(context.Context, kinetrail.Record) error { return nil }

// idle makes polling rare, for tests that are about leases.
func idle(o *consumer.Options) { o.PollInterval, o.MaxPollInterval = time.Second, time.Minute }

func TestAThousandShardsSettleInSeconds(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 2, 10} {
		for _, listing := range []string{"cheap", "dear"} {
			for _, joined := range []string{"at once", "later"} {
				if workers == 1 && (listing == "dear" || joined == "later") {
					continue // nothing to share
				}
				t.Run(fmt.Sprintf("%d workers, listing is %s, joined %s", workers, listing, joined), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { settle(t, workers, listing == "dear", joined == "later") })
				})
			}
		}
	}
}

// settle starts workers on a thousand shards and waits for fair shares.
func settle(t *testing.T, workers int, dear, later bool) {
	const shards = 1000
	stream, inner := newFakeStream(shards), memlease.New()
	store, within := lease.Store(inner), 5*time.Second
	if dear {
		store, within = slowStore{inner}, 30*time.Second
	}
	began := time.Now()
	var group []*running
	for i := range workers {
		group = append(group, start(t, stream, store, nothing, idle))
		if i == 0 && later {
			time.Sleep(5 * time.Second)
			began = time.Now()
		}
	}
	for {
		counts := shares(t, inner)
		least, most, sum := shards, 0, 0
		for _, w := range group {
			n := counts[w.Worker()]
			least, most, sum = min(least, n), max(most, n), sum+n
		}
		if sum == shards && most-least <= 1 {
			break
		}
		if time.Since(began) > within {
			t.Fatalf("after %v the shares are %v; want them fair within %v", time.Since(began), counts, within)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("fair after %v", time.Since(began))
}

// countedLists counts how often the leases are listed.
type countedLists struct {
	*memlease.Store
	lists atomic.Int64
}

func (s *countedLists) List(ctx context.Context) ([]lease.Lease, error) {
	s.lists.Add(1)
	return s.Store.List(ctx)
}

func TestManyLeasesAreListedLessOften(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ shards, lists int }{{10, 50}, {600, 33}, {1000, 20}, {2000, 20}} {
		t.Run(fmt.Sprintf("%d leases", tt.shards), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &countedLists{Store: memlease.New()}
				start(t, newFakeStream(tt.shards), store, nothing, func(o *consumer.Options) { o.MaxPollInterval = time.Minute })
				time.Sleep(5*time.Second + time.Millisecond)
				before := store.lists.Load()
				time.Sleep(10 * time.Second)
				if lists := int(store.lists.Load() - before); lists < tt.lists-2 || lists > tt.lists+2 {
					t.Errorf("%d leases are listed %d times in 10 s; want %d", tt.shards, lists, tt.lists)
				}
			})
		})
	}
}

func TestAHandoverBetweenLiveWorkersIsQuickAndRepeatsNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		store  string
		open   func(t *testing.T) lease.Store
		within time.Duration
	}{
		{"in memory", func(*testing.T) lease.Store { return memlease.New() }, 2 * time.Second},
		{"in a file", func(t *testing.T) lease.Store {
			store, err := filelease.Open(filepath.Join(t.TempDir(), "orders.leases"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = store.Close() })
			return store
		}, 2 * time.Second},
		{"whose listing is dear", func(*testing.T) lease.Store { return slowStore{memlease.New()} }, 10*time.Second/3 + 3500*time.Millisecond},
	} {
		t.Run("leases "+tt.store, func(t *testing.T) {
			t.Parallel()
			store := tt.open(t)
			synctest.Test(t, func(t *testing.T) {
				stream := newFakeStream(2)
				got := newSeen()
				handle := func(ctx context.Context, r kinetrail.Record) error {
					time.Sleep(10 * time.Millisecond)
					if err := ctx.Err(); err != nil {
						t.Errorf("the ctx of a handler ended during a hand-over: %v", context.Cause(ctx))
					}
					return got.handle(ctx, r)
				}
				numbered(stream, 0, 2000)
				numbered(stream, 1, 2000)
				first := start(t, stream, store, handle)
				time.Sleep(5 * time.Second)
				began := time.Now()
				second := start(t, stream, store, handle)
				for shares(t, store)[second.Worker()] == 0 {
					if time.Since(began) > tt.within {
						t.Fatalf("the second worker has no shard after %v; want one within %v", time.Since(began), tt.within)
					}
					time.Sleep(50 * time.Millisecond)
				}
				t.Logf("handed over after %v", time.Since(began))
				got.await(t, 4000)
				first.drain(t)
				second.drain(t)
				data := got.data()
				slices.Sort(data)
				if n := len(slices.Compact(data)); n != 4000 || len(got.data()) != 4000 {
					t.Errorf("%d records handled, %d of them different; want 4000, none twice", len(got.data()), n)
				}
			})
		})
	}
}

// The worst that can happen: the worker dies just after it has renewed its lease,
// and the others have just looked.
func TestTheShardsOfAKilledWorkerAreTakenAfterTheLeaseDurationAndAListing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		listing string
		scan    time.Duration
		store   func(lease.Store) lease.Store
	}{
		{"cheap", 200 * time.Millisecond, func(s lease.Store) lease.Store { return s }},
		{"dear", 2500 * time.Millisecond, func(s lease.Store) lease.Store { return slowStore{s} }},
	} {
		for after := time.Duration(0); after < 10*time.Second/3; after += 10 * time.Second / 24 {
			t.Run(fmt.Sprintf("listing is %s, killed %v later", tt.listing, after), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					stream, inner := newFakeStream(4), memlease.New()
					network := leasetest.NewFaults(tt.store(inner))
					scan := func(o *consumer.Options) { o.ScanInterval = tt.scan }
					killed := start(t, stream, network, nothing, scan)
					receive(t, killed.Ready())
					survivor := start(t, stream, tt.store(inner), nothing, scan)
					for shares(t, inner)[survivor.Worker()] < 2 {
						time.Sleep(100 * time.Millisecond)
					}
					time.Sleep(after)
					network.Down(leasetest.ErrFault)
					killed.cancel(errTestOver)
					began := time.Now()
					for shares(t, inner)[survivor.Worker()] < 4 {
						time.Sleep(10 * time.Millisecond)
					}
					if took, within := time.Since(began), 10*time.Second+tt.scan+50*time.Millisecond; took > within {
						t.Errorf("taken over after %v; want the lease duration and a listing, %v", took, within)
					}
				})
			})
		}
	}
}

func TestAWorkerThatIsAskedAndDoesNotAnswerLosesTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(2), memlease.New()
		numbered(stream, 0, 1)
		numbered(stream, 1, 1)
		causes := make(chan error, 2)
		start(t, stream, store, func(ctx context.Context, _ kinetrail.Record) error {
			<-ctx.Done()
			causes <- context.Cause(ctx)
			return ctx.Err()
		})
		time.Sleep(time.Second)
		got := newSeen()
		start(t, stream, store, got.handle)
		if err := receive(t, causes); !errors.Is(err, consumer.ErrDraining) {
			t.Errorf("cause %v after 30 s; want ErrDraining", err)
		}
		got.await(t, 1)
	})
}

func TestALeaseThatIsHandedToAWorkerThatStopsIsFreeAtOnce(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		before bool // it is handed over before the worker stops, else while it does
		stop   func(t *testing.T, w *running)
	}{
		{"before it drains", true, func(t *testing.T, w *running) { w.drain(t) }},
		{"before it is cancelled", true, func(t *testing.T, w *running) { w.cancel(errTestOver); receive(t, w.result) }},
		{"while it drains", false, func(t *testing.T, w *running) { w.drain(t) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stream, store := newFakeStream(2), memlease.New()
				setUp := start(t, stream, store, nothing)
				receive(t, setUp.Ready())
				setUp.drain(t)
				held := make(map[string]lease.Lease)
				for key, row := range rows(t, store) {
					taken, err := store.Take(t.Context(), row, "old owner")
					if err != nil {
						t.Fatal(err)
					}
					held[key] = taken
				}
				worker := start(t, stream, slowStore{store}, nothing)
				receive(t, worker.Ready())
				asked := ""
				for key, row := range rows(t, store) {
					if row.Successor == worker.Worker() {
						asked = key
					}
				}
				handOver := func() {
					if _, err := store.Release(t.Context(), held[asked]); err != nil {
						t.Error(err)
					}
				}
				if tt.before {
					handOver()
				} else {
					time.AfterFunc(time.Second, handOver)
				}
				began := time.Now()
				tt.stop(t, worker)
				if row := rows(t, store)[asked]; row.Owner != "" || time.Since(began) > 2500*time.Millisecond {
					t.Errorf("%v after the worker was stopped the lease is %+v; want it free", time.Since(began), row)
				}
			})
		})
	}
}

func TestALeaseIsMovedToANamedWorkerAndNothingIsHandledTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(3), memlease.New()
		got := newSeen()
		group := []*running{start(t, stream, store, got.handle), start(t, stream, store, got.handle)}
		var from, to string
		for from == "" {
			time.Sleep(time.Second)
			for i, w := range group {
				if shares(t, store)[w.Worker()] == 2 && shares(t, store)[group[1-i].Worker()] == 1 {
					from, to = w.Worker(), group[1-i].Worker()
				}
			}
		}
		for i := range 3 {
			numbered(stream, i, 2)
		}
		var key string
		for id, row := range rows(t, store) {
			if row.Owner == from {
				key = id
			}
		}
		began := time.Now()
		if row, err := lease.Move(t.Context(), store, key, to); err != nil || row.Owner != to || time.Since(began) > 2*time.Second {
			t.Errorf("Move = %+v, %v after %v; want %s to have it within 2 s", row, err, time.Since(began), to)
		}
		time.Sleep(time.Minute)
		for i := range 3 {
			numbered(stream, i, 2)
		}
		got.await(t, 12)
		time.Sleep(time.Minute)
		if row := rows(t, store)[key]; row.Owner != to || len(got.data()) != 12 {
			t.Errorf("two minutes later the lease is %+v and %d records were handled; want it with %s, and 12", row, len(got.data()), to)
		}
	})
}

func TestAResetWhileWorkersRunIsFollowedByAllOfThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(2), memlease.New()
		want := slices.Concat(numbered(stream, 0, 5), numbered(stream, 1, 5))
		got := newSeen()
		start(t, stream, store, got.handle)
		start(t, stream, store, got.handle)
		got.await(t, 10)
		time.Sleep(time.Minute)
		to := make(map[string]kinetrail.Position)
		for key := range rows(t, store) {
			to[key] = kinetrail.TrimHorizon()
		}
		if _, err := lease.Reset(t.Context(), store, to); err != nil {
			t.Fatal(err)
		}
		got.await(t, 20)
		time.Sleep(time.Minute)
		again := got.data()[10:]
		slices.Sort(again)
		if !slices.Equal(again, want) {
			t.Errorf("after the reset %v; want every record once more", again)
		}
		for key, row := range rows(t, store) {
			if !row.Checkpoint.IsRecord() || row.Owner == "" {
				t.Errorf("lease %s is %+v; want it read to its last record again", key, row)
			}
		}
	})
}

func TestALeaseIsTakenFromAnOwnerThatRenewsItAndNeverAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(2), memlease.New()
		before := start(t, stream, store, nothing)
		receive(t, before.Ready())
		before.drain(t)
		numbered(stream, 0, 1)
		numbered(stream, 1, 1)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		for _, row := range rows(t, store) {
			held, err := store.Take(ctx, row, "deaf")
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				for ; err == nil && ctx.Err() == nil; time.Sleep(time.Second) {
					held, err = store.Renew(ctx, held)
				}
			}()
		}
		got := newSeen()
		start(t, stream, store, got.handle)
		time.Sleep(35 * time.Second)
		if data := got.data(); len(data) != 0 {
			t.Errorf("handled %v within 35 s; want nothing before the old owner had its time", data)
		}
		time.Sleep(25 * time.Second)
		if data := got.data(); len(data) != 1 {
			t.Errorf("handled %v after a minute; want the record of one shard", data)
		}
		stop()
		time.Sleep(time.Second)
	})
}

func TestAShardThatStandsStillIsHandedOverAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(2), memlease.New()
		numbered(stream, 0, 1)
		numbered(stream, 1, 1)
		first := start(t, stream, store, func(context.Context, kinetrail.Record) error { return errNoRoom }, func(o *consumer.Options) {
			o.Failure.MaxAttempts, o.Failure.Then = 1, consumer.StopShard
		})
		time.Sleep(time.Minute)
		if n := len(first.Status().Shards); n != 2 {
			t.Fatalf("%d shards in the status; want 2", n)
		}
		got := newSeen()
		start(t, stream, store, got.handle)
		time.Sleep(15 * time.Second)
		if data := got.data(); len(data) != 1 {
			t.Errorf("the new worker has handled %v after 15 s; want the record of one shard", data)
		}
	})
}

func TestAShardThatTheServiceListsAndCannotReadIsNotFinished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		numbered(stream, 0, 1)
		stream.failWith(func(op, _ string) error {
			if op == "GetRecords" {
				return &types.ResourceNotFoundException{Message: aws.String("not now")}
			}
			return nil
		})
		worker := start(t, stream, store, nothing)
		time.Sleep(time.Minute)
		if row := rows(t, store)[shardID(0)]; row.Finished() || row.Owner != worker.Worker() {
			t.Errorf("lease %+v; want it held and not finished", row)
		}
		if err := worker.Status().Shards[0].Err; !errors.Is(err, consumer.ErrShardGone) {
			t.Errorf("status says %v; want ErrShardGone", err)
		}
	})
}

// childrenFirst is a Store that looks for the leases of children when their
// parent is finished.
type childrenFirst struct {
	lease.Store

	t        *testing.T
	finished chan []string // the children
}

func (s *childrenFirst) Checkpoint(ctx context.Context, held lease.Lease, done kinetrail.Position) (lease.Lease, error) {
	if done.IsShardEnd() {
		for _, child := range held.Children {
			if _, leased := rows(s.t, s.Store)[child]; !leased {
				s.t.Errorf("shard %s is finished while its child %s has no lease", held.ShardID, child)
			}
		}
		s.finished <- held.Children
	}
	return s.Store.Checkpoint(ctx, held, done)
}

func TestAShardIsFinishedAfterItsChildrenHaveLeases(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		store := &childrenFirst{Store: memlease.New(), t: t, finished: make(chan []string, 1)}
		worker := start(t, stream, store, nothing)
		receive(t, worker.Ready())
		stream.reshard(2, 0)
		if children := receive(t, store.finished); len(children) != 2 {
			t.Errorf("the finished shard names the children %v; want both", children)
		}
		worker.drain(t)
	})
}

func TestAGroupFromLatestLeavesNoGapWhenItCrashesBeforeItsFirstCheckpoint(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, inner := newFakeStream(1), memlease.New()
		stream.put(0, "k", []byte("before"))
		time.Sleep(time.Hour)
		network := leasetest.NewFaults(inner)
		first := start(t, stream, network, func(ctx context.Context, _ kinetrail.Record) error { <-ctx.Done(); return ctx.Err() }, consumer.From(kinetrail.Latest()))
		receive(t, first.Ready())
		stream.put(0, "k", []byte("one"))
		time.Sleep(time.Second)
		network.Down(leasetest.ErrFault)
		first.cancel(errTestOver)
		time.Sleep(time.Minute)
		stream.put(0, "k", []byte("two"))

		got := newSeen()
		start(t, stream, inner, got.handle, consumer.From(kinetrail.Latest()))
		got.await(t, 2)
		if data := got.data(); !slices.Equal(data, []string{"one", "two"}) {
			t.Errorf("after the crash %v; want what came since the group began", data)
		}
	})
}

func TestADeletedLeaseComesBackWhereItsOwnerWas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		numbered(stream, 0, 5)
		got := newSeen()
		worker := start(t, stream, store, got.handle)
		got.await(t, 5)
		if err := worker.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := store.Delete(t.Context(), rows(t, store)[shardID(0)]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		stream.put(0, "k", []byte("after"))
		got.await(t, 6)
		time.Sleep(time.Minute)
		if data := got.data(); len(data) != 6 || data[5] != "after" {
			t.Errorf("handled %v; want the record put after the deletion, and none twice", data)
		}
	})
}

// torn is a store one listing of which shows a family as no moment had it: the
// child as it was before its parent was deleted, and the parent not any more.
type torn struct {
	lease.Store

	listings atomic.Int64
	tear     int64 // this listing
}

func (s *torn) List(ctx context.Context) ([]lease.Lease, error) {
	rows, err := s.Store.List(ctx)
	if s.listings.Add(1) == s.tear {
		for i := range rows {
			rows[i].Checkpoint = kinetrail.TrimHorizon()
		}
	}
	return rows, err
}

func TestAFinishedLeaseThatIsDeletedWhileLeasesAreListedStaysDeleted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, inner := newFakeStream(1), memlease.New()
		numbered(stream, 0, 2)
		stream.reshard(2, 0)
		numbered(stream, 1, 1)
		numbered(stream, 2, 1)
		got := newSeen()
		worker := start(t, stream, inner, got.handle)
		got.await(t, 4)
		worker.drain(t)
		if err := inner.Delete(t.Context(), rows(t, inner)[shardID(0)]); err != nil { // as a KCL worker does
			t.Fatal(err)
		}
		start(t, stream, &torn{Store: inner, tear: 1}, got.handle)
		time.Sleep(3 * time.Minute)
		if _, ok := rows(t, inner)[shardID(0)]; ok || len(got.data()) != 4 {
			t.Errorf("leases %v, %d records handled; want the finished lease gone, and no record twice", rows(t, inner), len(got.data()))
		}
	})
}

func TestADeletedLeaseOfNobodyComesBackWithTheNextShardList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(2), memlease.New()
		worker := start(t, stream, store, nothing, func(o *consumer.Options) { o.Shards = []string{shardID(0)} })
		receive(t, worker.Ready())
		got := newSeen()
		start(t, stream, store, got.handle)
		numbered(stream, 1, 2)
		got.await(t, 2)
		l := rows(t, store)[shardID(1)]
		taken, err := store.Take(t.Context(), l, "gone at once")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second) // the owner notices and drops it
		if err := store.Delete(t.Context(), taken); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if _, ok := rows(t, store)[shardID(1)]; !ok {
			t.Error("the lease is still gone after two minutes; want it created again")
		}
	})
}

func TestFinishedShardsAreCleanedUpWhenRetentionHasPassed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		want := numbered(stream, 0, 2)
		stream.reshard(2, 0)
		want = append(want, numbered(stream, 1, 1)...)
		want = append(want, numbered(stream, 2, 1)...)
		got := newSeen()
		start(t, stream, store, got.handle)
		got.await(t, len(want))
		time.Sleep(3 * time.Minute)
		if _, ok := rows(t, store)[shardID(0)]; !ok {
			t.Error("the finished shard's lease is gone while the shard is listed; want it kept")
		}
		stream.forget(shardID(0))
		time.Sleep(3 * time.Minute)
		if _, ok := rows(t, store)[shardID(0)]; ok || len(rows(t, store)) != 2 {
			t.Errorf("leases %v; want only those of the children", rows(t, store))
		}
	})
}

func TestAStreamCreatedAgainStopsItsShardWithATypedError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memlease.New()
		old := newFakeStream(2)
		numbered(old, 0, 2)
		got := newSeen()
		worker := start(t, old, store, got.handle)
		got.await(t, 2)
		worker.drain(t)

		anew := newFakeStream(2)
		anew.seq = 5000
		numbered(anew, 0, 2)
		want := numbered(anew, 1, 2)
		got = newSeen()
		worker = start(t, anew, store, got.handle)
		got.await(t, 2)
		time.Sleep(time.Minute)
		if data := got.data(); !slices.Equal(data, want) {
			t.Errorf("handled %v; want only %v of the shard without an old position", data, want)
		}
		stopped := worker.Status().Shards[0]
		var failed *consumer.ShardError
		if !errors.Is(stopped.Err, consumer.ErrUnknownPosition) || !errors.As(stopped.Err, &failed) || !stopped.Held {
			t.Errorf("status %+v; want the shard held with ErrUnknownPosition", stopped)
		}
		answer := httptest.NewRecorder()
		worker.Health().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		if answer.Code != http.StatusServiceUnavailable || !strings.Contains(answer.Body.String(), "does not know this position") {
			t.Errorf("health %d %s; want 503 with the error", answer.Code, answer.Body)
		}
	})
}

func TestAShardThatRetentionRemovedIsFinishedAndItsChildrenRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		numbered(stream, 0, 1)
		got := newSeen()
		worker := start(t, stream, store, got.handle)
		got.await(t, 1)
		worker.drain(t)
		stream.reshard(2, 0)
		numbered(stream, 1, 1)
		gone := false
		stream.failWith(func(op, shard string) error {
			if gone && shard == shardID(0) {
				return &types.ResourceNotFoundException{}
			}
			if op == "GetShardIterator" && shard == shardID(0) {
				gone = true
				go stream.forget(shardID(0)) // between the listing and the reading
				return errors.New("connection reset by peer")
			}
			return nil
		})
		start(t, stream, store, got.handle)
		got.await(t, 2)
		if l := rows(t, store)[shardID(0)]; l.Key != "" && !l.Finished() {
			t.Errorf("lease %+v; want it finished", l)
		}
	})
}

func TestSeveralStreamsShareAGroup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(1), memlease.New()
		got := newSeen()
		worker := start(t, stream, store, got.handle, func(o *consumer.Options) { o.Streams = []string{"payments"} })
		receive(t, worker.Ready())
		numbered(stream, 0, 3) // the fake serves one stream under both names
		got.await(t, 6)
		worker.drain(t)
		var keys []string
		leases, _ := store.List(t.Context())
		for _, l := range leases {
			keys = append(keys, l.Key)
			if !strings.HasPrefix(l.Key, l.Stream+":") {
				t.Errorf("lease %+v; want a key that begins with the stream", l)
			}
		}
		want := []string{"123456789012:orders:1700000000:" + shardID(0), "123456789012:payments:1700000000:" + shardID(0)}
		if !slices.Equal(keys, want) {
			t.Errorf("keys %v; want %v", keys, want)
		}
		byStream := make(map[string]int)
		for _, r := range got.records {
			byStream[r.Stream.Name()]++
		}
		if byStream["orders"] != 3 || byStream["payments"] != 3 {
			t.Errorf("records by stream %v; want 3 each", byStream)
		}
	})
}

func TestAGroupOfOneStreamIsNotGivenMoreAndTheOtherWayAround(t *testing.T) {
	t.Parallel()
	several := func(o *consumer.Options) { o.Streams = []string{"payments"} }
	for _, tt := range []struct {
		name          string
		before, after func(*consumer.Options)
	}{
		{"a stream is added", quiet, several},
		{"a stream is taken away", several, quiet},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stream, store := newFakeStream(1), memlease.New()
				before := start(t, stream, store, nothing, tt.before)
				receive(t, before.Ready())
				before.drain(t)
				stream.put(0, "k", []byte("meanwhile"))
				after := start(t, stream, store, nothing, tt.after, consumer.From(kinetrail.Latest()))
				if err := receive(t, after.result); err == nil || !strings.Contains(err.Error(), "another name") {
					t.Errorf("Run = %v; want it refused, as the record put meanwhile would be left out", err)
				}
				start(t, stream, store, nothing, tt.before).drain(t) // goes on as it was
			})
		})
	}
}

func TestMaxLeasesIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(5), memlease.New()
		worker := start(t, stream, store, nothing, func(o *consumer.Options) { o.MaxLeases = 2 })
		receive(t, worker.Ready())
		time.Sleep(5 * time.Minute)
		if n := shares(t, store)[worker.Worker()]; n != 2 {
			t.Errorf("%d leases held; want 2", n)
		}
	})
}

func TestASecondRunIsRefused(t *testing.T) {
	t.Parallel()
	c, err := consumer.New(newFakeStream(1), "orders", memlease.New(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Run(t.Context(), nothing); err != nil {
		t.Errorf("Run after Drain = %v; want nil at once", err)
	}
	if err := c.Run(t.Context(), nothing); !errors.Is(err, consumer.ErrUsed) {
		t.Errorf("second Run = %v; want ErrUsed", err)
	}
}

func TestAStreamThatDoesNotExistEndsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(1)
		stream.failWith(func(string, string) error { return &types.ResourceNotFoundException{} })
		worker := start(t, stream, memlease.New(), nothing)
		var gone *types.ResourceNotFoundException
		if err := receive(t, worker.result); !errors.As(err, &gone) || !strings.Contains(err.Error(), "stream orders") {
			t.Errorf("Run = %v; want the service's error and the stream's name", err)
		}
	})
}

func TestAStoreThatNoRepetitionHealsEndsRun(t *testing.T) {
	t.Parallel()
	denied := lease.Unusable(errors.New("no right to do that"))
	for _, tt := range []struct {
		name  string
		store func() lease.Store
	}{
		{"from the first call", func() lease.Store {
			network := leasetest.NewFaults(memlease.New())
			network.Down(denied)
			return network
		}},
		{"for taking alone", func() lease.Store { return &untakable{Store: memlease.New(), err: denied} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := receive(t, start(t, newFakeStream(2), tt.store(), nothing).result)
				if !errors.Is(err, denied) || !errors.Is(err, lease.ErrUnusable) || strings.Count(err.Error(), "no right") != 1 {
					t.Errorf("Run = %v; want the store's error, once", err)
				}
				if after := time.Since(began); after > time.Second {
					t.Errorf("Run ended after %v; want it to end at once", after)
				}
			})
		})
	}
}

// untakable is a store whose leases nobody may take.
type untakable struct {
	lease.Store

	err error
}

func (s *untakable) Take(context.Context, lease.Lease, string) (lease.Lease, error) {
	return lease.Lease{}, s.err
}

func TestARightThatIsMissingForAMomentCostsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		denied := lease.Unusable(errors.New("no right to do that"))
		stream, store := newFakeStream(2), memlease.New()
		network := leasetest.NewFaults(store)
		got := newSeen()
		worker := start(t, stream, network, got.handle)
		receive(t, worker.Ready())
		standby := start(t, stream, network, nothing, func(o *consumer.Options) { o.Shards = []string{"none of them"} })
		receive(t, standby.Ready())
		network.Down(denied)
		time.Sleep(6 * time.Second)
		network.Up()
		numbered(stream, 0, 3)
		got.await(t, 3)
		time.Sleep(time.Minute)
		if len(standby.result) > 0 {
			t.Errorf("a worker without leases ended with %v after six seconds without a right", <-standby.result)
		}
		if l := rows(t, store)[shardID(0)]; l.Owner != worker.Worker() || l.Switches != 0 {
			t.Errorf("lease %+v after six seconds without a right; want it never lost", l)
		}

		network.Down(denied)
		began := time.Now()
		if err := receive(t, worker.result); !errors.Is(err, denied) {
			t.Errorf("Run = %v; want the store's error", err)
		}
		if err := receive(t, standby.result); !errors.Is(err, denied) {
			t.Errorf("Run of a worker without leases = %v; want the store's error", err)
		}
		if after := time.Since(began); after > 20*time.Second {
			t.Errorf("both ended after %v; want them to end when leases have run out", after)
		}
	})
}

func TestNewNamesEveryOptionThatCannotWork(t *testing.T) {
	t.Parallel()
	_, err := consumer.New(nil, "bad name!", nil, func(o *consumer.Options) {
		o.MaxRecords, o.MaxBatch, o.PollInterval, o.LeaseDuration = 0, 0, -1, 0
		o.Extract, o.JSONPayloads = false, true
		o.From, o.StopAtTip, o.Failure.Then = kinetrail.At("1", 0), true, consumer.DeadLetter
	})
	for _, want := range []string{"client", "lease store", "bad name!", "MaxRecords is 0", "MaxBatch is 0", "PollInterval is -1ns", "LeaseDuration is 0s", "From is a record", "StopAtTip", "DeadLetter is nil", "JSONPayloads is true"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v; want it to mention %q", err, want)
		}
	}
}

func TestStatusShowsWhereEachShardIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream, store := newFakeStream(2), memlease.New()
		numbered(stream, 0, 3)
		got := newSeen()
		worker := start(t, stream, store, got.handle)
		if s := worker.Status(); s.Ready {
			t.Error("ready before anything was listed")
		}
		got.await(t, 3)
		time.Sleep(6 * time.Second)
		s := worker.Status()
		if !s.Ready || s.Draining || len(s.Shards) != 2 || s.Worker != worker.Worker() {
			t.Fatalf("status %+v; want it ready with two shards", s)
		}
		want := kinetrail.At("1003", 0)
		if sh := s.Shards[0]; !sh.Held || sh.Owner != worker.Worker() || sh.Position != want || sh.Checkpoint != want || sh.LastFetch.IsZero() || sh.LastHandled.IsZero() || sh.Err != nil {
			t.Errorf("shard %+v; want it held, at %v", sh, want)
		}
		answer := httptest.NewRecorder()
		worker.Health().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/healthz", nil))
		if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), `"position":"1003"`) {
			t.Errorf("health %d %s; want 200 with the position", answer.Code, answer.Body)
		}
	})
}

// A short random life of a group: workers come, go and die while the stream is
// resharded. Every record is handled, in the order of its shard but for what is
// repeated after a death.
func TestAGroupLosesNothingWhileWorkersComeAndGo(t *testing.T) {
	t.Parallel()
	for seed := range 5 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				stream, store := newFakeStream(3), memlease.New()
				var mu sync.Mutex
				handled := make(map[string]int)
				handle := func(_ context.Context, r kinetrail.Record) error {
					mu.Lock()
					defer mu.Unlock()
					handled[string(r.Data)]++
					return nil
				}
				n := 0
				feed := func(shards ...int) {
					for range 20 {
						for _, s := range shards {
							stream.put(s, "k", []byte(fmt.Sprint(n)))
							n++
						}
					}
				}
				var group []*running
				var networks []*leasetest.Faults
				join := func() {
					network := leasetest.NewFaults(store)
					networks = append(networks, network)
					group = append(group, start(t, stream, network, handle, func(o *consumer.Options) { o.CheckpointInterval = time.Second }))
				}
				join()
				join()
				feed(0, 1, 2)
				time.Sleep(time.Duration(seed) * 700 * time.Millisecond)
				stream.reshard(2, 0)
				feed(1, 2, 3, 4)
				networks[0].Down(leasetest.ErrFault) // killed
				group[0].cancel(errTestOver)
				join()
				time.Sleep(time.Duration(seed) * 900 * time.Millisecond)
				stream.reshard(1, 1, 2)
				feed(3, 4, 5)
				networks[1].Down(leasetest.ErrFault) // a long outage of the store
				time.Sleep(20 * time.Second)
				networks[1].Up()
				feed(3, 4, 5)
				group[2].drain(t)
				join()
				time.Sleep(time.Minute)
				mu.Lock()
				defer mu.Unlock()
				for i := range n {
					if handled[fmt.Sprint(i)] == 0 {
						t.Errorf("record %d was never handled", i)
					}
				}
			})
		})
	}
}

// takes counts how often leases were taken, which takes a while.
type takes struct {
	lease.Store

	n atomic.Int64
}

func (s *takes) Take(ctx context.Context, seen lease.Lease, owner string) (lease.Lease, error) {
	s.n.Add(1)
	time.Sleep(10 * time.Millisecond)
	return s.Store.Take(ctx, seen, owner)
}

// The store is out of reach until the owner's lease has expired and the time to
// hand it over has run out as well.
func TestALeaseThatIsOwedAndHasExpiredIsTakenOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := newFakeStream(8)
		inner, got := memlease.New(), newSeen()
		taking := &takes{Store: inner}
		store := &hangingStore{Store: taking}
		gone := start(t, stream, inner, nothing) // makes the rows
		receive(t, gone.Ready())
		gone.cancel(errTestOver)
		<-gone.result
		proceed := make(chan struct{})
		worker := startWith(t, stream, store, func(c *consumer.Consumer, ctx context.Context) error {
			<-proceed
			return c.Run(ctx, got.handle)
		}, func(o *consumer.Options) { o.HandoverTimeout = time.Second })
		for id, row := range rows(t, inner) {
			owned, err := inner.Take(t.Context(), row, "gone")
			if err == nil {
				_, err = inner.Request(t.Context(), owned, worker.Worker())
			}
			if err != nil {
				t.Fatalf("shard %s: %v", id, err)
			}
		}
		for shard := range 8 {
			numbered(stream, shard, 50)
		}
		close(proceed)
		time.Sleep(time.Second) // a listing or more
		store.hang.Store(true)
		time.Sleep(time.Minute)
		store.hang.Store(false)
		time.Sleep(10 * time.Second)
		if n := taking.n.Load(); n != 8 {
			t.Errorf("leases were taken %d times; want each of the 8 once", n)
		}
		data := got.data()
		slices.Sort(data)
		if all := slices.Compact(slices.Clone(data)); len(data) != 8*50 || len(all) != len(data) {
			t.Errorf("%d records were handled, %d of them different; want %d, each once", len(data), len(all), 8*50)
		}
	})
}
