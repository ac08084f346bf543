package metricstest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/metrics"
)

// held creates the lease of shard0 and takes it.
func held(t *testing.T, store lease.Store) lease.Lease {
	t.Helper()
	row := lease.Lease{Key: shard0, ShardID: shard0, Checkpoint: kinetrail.TrimHorizon()}
	if err := store.Create(t.Context(), row); err != nil {
		t.Fatal(err)
	}
	row, err := store.Take(t.Context(), row, "worker")
	if err != nil {
		t.Fatal(err)
	}
	return row
}

// success and failure are the checkpoint counters of a shard.
func success(shard string) string { return key("consumer_checkpoint_success_total", inShard(shard)) }
func failure(shard string) string { return key("consumer_checkpoint_failure_total", inShard(shard)) }

// standalone are the same for a store that is bound to no stream.
func standalone(name string) string {
	return name + "{shard_id=" + shard0 + ",stream_name=" + metrics.Standalone + "}"
}

func aCheckpointSucceeds(t *testing.T) {
	sink := metrics.NewMemory()
	store := lease.WithMetrics(memlease.New(), sink)
	if _, err := store.Checkpoint(t.Context(), held(t, store), kinetrail.TrimHorizon()); err != nil {
		t.Fatal(err)
	}
	mustCount(t, sink, map[string]int64{
		standalone("consumer_checkpoint_success_total"): 1,
		standalone("consumer_checkpoint_failure_total"): 0,
	})
}

func aCheckpointFails(t *testing.T) {
	sink := metrics.NewMemory()
	store := lease.WithMetrics(&failing{Store: memlease.New(), shards: map[string]error{shard0: errStore}}, sink)
	if _, err := store.Checkpoint(t.Context(), held(t, store), kinetrail.TrimHorizon()); !errors.Is(err, errStore) {
		t.Errorf("Checkpoint = %v; want %v", err, errStore)
	}
	mustCount(t, sink, map[string]int64{
		standalone("consumer_checkpoint_success_total"): 0,
		standalone("consumer_checkpoint_failure_total"): 1,
	})
}

func standaloneStores(t *testing.T) {
	if got, want := metrics.Standalone, "<standalone>"; got != want {
		t.Errorf("Standalone is %q; want %q", got, want)
	}
	aCheckpointSucceeds(t)
}

func renewalsAreNotCounted(t *testing.T) {
	sink := metrics.NewMemory()
	store := lease.WithMetrics(memlease.New(), sink)
	store.Expose(shard0)
	row := held(t, store)
	for range 3 {
		var err error
		if row, err = store.Renew(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	}
	mustCount(t, sink, map[string]int64{
		standalone("consumer_checkpoint_success_total"): 0,
		standalone("consumer_checkpoint_failure_total"): 0,
	})
}

func bindingTwice(t *testing.T) {
	store := lease.WithMetrics(memlease.New(), metrics.Noop)
	for range 2 {
		if err := store.Bind(stream); err != nil {
			t.Errorf("Bind(%q) = %v; want nil", stream, err)
		}
	}
	if err := store.Bind("other"); err == nil || !strings.Contains(err.Error(), "other") || !strings.Contains(err.Error(), stream) {
		t.Errorf("Bind to another stream = %v; want an error that names both", err)
	}
}

func aLaterBind(t *testing.T) {
	sink := metrics.NewMemory()
	store := lease.WithMetrics(memlease.New(), sink)
	row := held(t, store)
	for _, bind := range []bool{false, true} {
		if bind {
			if err := store.Bind(stream); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if row, err = store.Checkpoint(t.Context(), row, kinetrail.TrimHorizon()); err != nil {
			t.Fatal(err)
		}
	}
	mustCount(t, sink, map[string]int64{standalone("consumer_checkpoint_success_total"): 1, success(shard0): 1})
}

func anUnknownShard(t *testing.T) {
	sink := metrics.NewMemory()
	store := lease.WithMetrics(memlease.New(), sink)
	if err := store.Bind(stream); err != nil {
		t.Fatal(err)
	}
	row := held(t, store)
	for range 2 {
		var err error
		if row, err = store.Checkpoint(t.Context(), row, kinetrail.TrimHorizon()); err != nil {
			t.Fatal(err)
		}
	}
	unknown := lease.Lease{Key: "unknown", ShardID: "unknown", Owner: "worker"}
	if _, err := store.Checkpoint(t.Context(), unknown, kinetrail.TrimHorizon()); !errors.Is(err, lease.ErrConflict) {
		t.Errorf("a checkpoint of an unknown shard = %v; want %v", err, lease.ErrConflict)
	}
	mustCount(t, sink, map[string]int64{success(shard0): 2, failure("unknown"): 1})
}

func aConflictNamesTheOwner(t *testing.T) {
	store := memlease.New()
	mine := held(t, store)
	if _, err := store.Take(t.Context(), mine, "thief"); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Checkpoint(t.Context(), mine, kinetrail.TrimHorizon()); err == nil || !strings.Contains(err.Error(), `"thief"`) {
		t.Errorf("a checkpoint of a lease that was taken = %v; want an error that names thief", err)
	}
}

func oneSuccessForEachShard(t *testing.T) {
	server, sink := newServer(t, 2), metrics.NewMemory()
	put(t, server, "one", "two")
	g := startGroup(t, server.Client(), memlease.New(), sink, func(o *consumer.Options) { o.CheckpointInterval = 20 * time.Millisecond })
	g.take(t, 2)
	eventually(t, "both shards are written", func() bool {
		counters := sink.Counters()
		return counters[success(shard0)] > 0 && counters[success(shard1)] > 0
	})
	mustCount(t, sink, map[string]int64{success(shard0): 1, success(shard1): 1, failure(shard0): 0, failure(shard1): 0})
}

func fiftyRecordsOneSuccess(t *testing.T) {
	server, sink := newServer(t, 2), metrics.NewMemory()
	put(t, server, strings.Split(strings.Repeat("x", 50), "")...)
	g := startGroup(t, server.Client(), memlease.New(), sink, func(o *consumer.Options) { o.MaxRecords = 1 })
	g.take(t, 50)
	g.drain(t)
	mustCount(t, sink, map[string]int64{success(shard0): 1, success(shard1): 1})
}

// acked is a group with manual checkpoints on two shards, a record of each being
// done and not yet written.
func acked(t *testing.T) (g *group, store *failing, sink *metrics.Memory) {
	t.Helper()
	server := newServer(t, 2)
	put(t, server, "one", "two")
	store, sink = &failing{Store: memlease.New()}, metrics.NewMemory()
	g = startGroup(t, server.Client(), store, sink, manual, func(o *consumer.Options) { o.Logger = quiet })
	t.Cleanup(func() { store.set(nil) }) // so that the group can end
	g.Ack(g.take(t, 2)...)
	return g, store, sink
}

func manualModeWaits(t *testing.T) {
	_, _, sink := acked(t)
	mustCount(t, sink, map[string]int64{success(shard0): 0, success(shard1): 0, failure(shard0): 0, failure(shard1): 0})
}

func aFlushWorks(t *testing.T) {
	g, _, sink := acked(t)
	for range 2 { // the second finds nothing
		if err := g.Checkpoint(t.Context()); err != nil {
			t.Errorf("Checkpoint = %v; want nil", err)
		}
	}
	mustCount(t, sink, map[string]int64{success(shard0): 1, success(shard1): 1})
}

func aFlushThatFails(t *testing.T) {
	g, store, sink := acked(t)
	store.set(map[string]error{shard0: errStore, shard1: errStore})
	if err := g.Checkpoint(t.Context()); !errors.Is(err, errStore) {
		t.Errorf("Checkpoint = %v; want %v", err, errStore)
	}
	mustCount(t, sink, map[string]int64{failure(shard0): 1, failure(shard1): 1, success(shard0): 0, success(shard1): 0})
	store.set(nil)
	if err := g.Checkpoint(t.Context()); err != nil {
		t.Errorf("the next Checkpoint = %v; want nil", err)
	}
	mustCount(t, sink, map[string]int64{success(shard0): 1, success(shard1): 1})
}

// aFlushFailsFor checks that one shard fails, and that it alone is left.
func aFlushFailsFor(fails string) func(*testing.T) {
	return func(t *testing.T) {
		g, store, sink := acked(t)
		works := map[string]string{shard0: shard1, shard1: shard0}[fails]
		store.set(map[string]error{fails: errStore})
		if err := g.Checkpoint(t.Context()); !errors.Is(err, errStore) {
			t.Errorf("Checkpoint = %v; want %v", err, errStore)
		}
		mustCount(t, sink, map[string]int64{failure(fails): 1, success(fails): 0, success(works): 1, failure(works): 0})
		store.set(nil)
		if err := g.Checkpoint(t.Context()); err != nil {
			t.Errorf("the next Checkpoint = %v; want nil", err)
		}
		mustCount(t, sink, map[string]int64{success(fails): 1, success(works): 1})
	}
}

func aFlushErrorNamesShards(t *testing.T) {
	g, store, _ := acked(t)
	store.set(map[string]error{shard0: errStore, shard1: errStore})
	err := g.Checkpoint(t.Context())
	for _, want := range []string{shard0, shard1, errStore.Error()} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Checkpoint = %v; want it to name %q", err, want)
		}
	}
}

func theNextFlushTriesAgain(t *testing.T) {
	g, store, sink := acked(t)
	store.set(map[string]error{shard0: errStore, shard1: errStore})
	for range 2 {
		if err := g.Checkpoint(t.Context()); !errors.Is(err, errStore) {
			t.Errorf("Checkpoint = %v; want %v", err, errStore)
		}
	}
	mustCount(t, sink, map[string]int64{failure(shard0): 2, failure(shard1): 2})
}

func doneDuringAWrite(t *testing.T) {
	server, sink := newServer(t, 1), metrics.NewMemory()
	put(t, server, "first", "second")
	inside, goOn := make(chan struct{}), make(chan struct{})
	store := &failing{Store: memlease.New(), before: func() {
		inside <- struct{}{}
		<-goOn
	}}
	g := startGroup(t, server.Client(), store, sink, manual)
	records := g.take(t, 2)
	g.Ack(records[0])
	done := make(chan error, 1)
	go func() { done <- g.Checkpoint(context.WithoutCancel(t.Context())) }()
	<-inside
	g.Ack(records[1])
	goOn <- struct{}{}
	if err := <-done; err != nil {
		t.Errorf("Checkpoint = %v; want nil", err)
	}
	go func() { done <- g.Checkpoint(context.WithoutCancel(t.Context())) }()
	<-inside
	goOn <- struct{}{}
	if err := <-done; err != nil {
		t.Errorf("the next Checkpoint = %v; want nil", err)
	}
	mustCount(t, sink, map[string]int64{success(shard0): 2})
	rows, err := store.List(t.Context())
	if err != nil || len(rows) != 1 || rows[0].Checkpoint != records[1].Position {
		t.Errorf("the store has %v, %v; want the position of the second record, %v", rows, err, records[1].Position)
	}
}

func fiveAcksOneFlush(t *testing.T) {
	server, sink := newServer(t, 1), metrics.NewMemory()
	put(t, server, "1", "2", "3", "4", "5")
	g := startGroup(t, server.Client(), memlease.New(), sink, manual)
	for _, r := range g.take(t, 5) {
		g.Ack(r)
	}
	mustCount(t, sink, map[string]int64{success(shard0): 0})
	if err := g.Checkpoint(t.Context()); err != nil {
		t.Errorf("Checkpoint = %v; want nil", err)
	}
	mustCount(t, sink, map[string]int64{success(shard0): 1})
}
