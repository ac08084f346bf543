package consumer_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

// handing is a shard with six records in a page, of which a worker with manual
// checkpoints has been handed some when another worker asks for it.
type handing struct {
	store  lease.Store
	first  *running
	second *running
	got    *seen // by the first
	again  *seen // by the second
}

// ways are the ways of delivery. handed is how many records the first worker has
// when it is asked in a page; its handler goes on when gate is closed.
var ways = []struct {
	name   string
	handed int
	run    func(c *consumer.Consumer, ctx context.Context, handle consumer.Handler) error
}{
	{"Run", 2, func(c *consumer.Consumer, ctx context.Context, handle consumer.Handler) error {
		return c.Run(ctx, handle)
	}},
	{"RunBatch", 4, func(c *consumer.Consumer, ctx context.Context, handle consumer.Handler) error {
		return c.RunBatch(ctx, func(ctx context.Context, batch []kinetrail.Record) error {
			for _, r := range batch {
				if err := handle(ctx, r); err != nil {
					return err
				}
			}
			return nil
		})
	}},
	{"RunShards", 2, func(c *consumer.Consumer, ctx context.Context, handle consumer.Handler) error {
		return c.RunShards(ctx, func(ctx context.Context, s *consumer.ShardReader) error {
			for r, err := range s.Records(ctx) {
				if err != nil {
					return err
				}
				if err := handle(ctx, r); err != nil {
					return err
				}
			}
			return nil
		})
	}},
}

// manually starts both workers and lets the second one ask, in the middle of the
// page or behind it.
func manually(t *testing.T, run func(*consumer.Consumer, context.Context, consumer.Handler) error, handed int, inPage bool, opts ...func(*consumer.Options)) *handing {
	t.Helper()
	stream := newFakeStream(1)
	numbered(stream, 0, 6)
	h := &handing{store: memlease.New(), got: newSeen(), again: newSeen()}
	gate := make(chan struct{})
	manual := func(o *consumer.Options) {
		o.ManualCheckpoints, o.MaxBatch, o.HandoverTimeout = true, 4, 30*time.Second
		for _, set := range opts {
			set(o)
		}
	}
	h.first = startWith(t, stream, h.store, func(c *consumer.Consumer, ctx context.Context) error {
		return run(c, ctx, func(ctx context.Context, r kinetrail.Record) error {
			if inPage && len(h.got.data()) == handed-1 {
				<-gate
			}
			return h.got.handle(ctx, r)
		})
	}, manual)
	time.Sleep(time.Second)
	h.second = startWith(t, stream, h.store, func(c *consumer.Consumer, ctx context.Context) error { return run(c, ctx, h.again.handle) }, manual)
	if _, err := h.store.Request(t.Context(), h.lease(t), h.second.Worker()); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	close(gate)
	time.Sleep(10 * time.Second)
	return h
}

// handed are the records that the first worker was given.
func (h *handing) handed() []kinetrail.Record {
	h.got.mu.Lock()
	defer h.got.mu.Unlock()

	return slices.Clone(h.got.records)
}

func (h *handing) lease(t *testing.T) lease.Lease {
	t.Helper()
	return rows(t, h.store)[shardID(0)]
}

func TestAHandoverWaitsForTheAckOfWhatWasHandedOut(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		for _, inPage := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, in a page: %t", way.name, inPage), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					handed := 6
					if inPage {
						handed = way.handed
					}
					h := manually(t, way.run, way.handed, inPage)
					if l, n := h.lease(t), len(h.got.data()); l.Owner != h.first.Worker() || n != handed {
						t.Fatalf("the worker was handed %d records and the lease is %+v; want %d, and it to hold the lease until they are acknowledged", n, l, handed)
					}
					h.first.Ack(h.handed()...)
					time.Sleep(2 * time.Second)
					if l, at := h.lease(t), fmt.Sprint(1000+handed); l.Owner != h.second.Worker() || l.Checkpoint.String() != at {
						t.Errorf("after the Ack the lease is %+v; want the second worker to have it, at %s", l, at)
					}
					if all := slices.Concat(h.got.data(), h.again.data()); len(all) != 6 || len(slices.Compact(slices.Sorted(slices.Values(all)))) != 6 {
						t.Errorf("the first worker had %v and the second %v; want each of 6 once", h.got.data(), h.again.data())
					}
				})
			})
		}
	}
}

func TestAHandoverWaitsForAckNoLongerThanItsTimeout(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		for _, inPage := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, in a page: %t", way.name, inPage), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					h := manually(t, way.run, way.handed, inPage)
					h.first.Ack(h.handed()[0])
					time.Sleep(21 * time.Second) // half a minute after the handover began
					if l := h.lease(t); l.Owner != h.second.Worker() || l.Checkpoint.String() != "1001" {
						t.Errorf("after the timeout the lease is %+v; want the second worker to have it, at 1001, the record that was acknowledged", l)
					}
					time.Sleep(time.Second)
					if got := h.again.data(); len(got) != 5 {
						t.Errorf("the second worker had %v; want the five records that were not acknowledged", got)
					}
				})
			})
		}
	}
}

func TestAHandoverLeavesARecordThatWaitsForRoomToTheNewOwner(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := manually(t, way.run, 4, false, func(o *consumer.Options) { o.MaxInFlight = 4 })
				if n := len(h.got.data()); n != 4 {
					t.Fatalf("the first worker was handed %d records; want 4, which is all that may be in flight", n)
				}
				h.first.Ack(h.handed()...)
				time.Sleep(3 * time.Second)
				if l := h.lease(t); l.Owner != h.second.Worker() {
					t.Errorf("after the Ack the lease is %+v; want the second worker to have it", l)
				}
				if first, second := h.got.data(), h.again.data(); len(first) != 4 || len(second) != 2 {
					t.Errorf("the first worker had %v and the second %v; want 4 and the 2 behind them", first, second)
				}
			})
		})
	}
}
