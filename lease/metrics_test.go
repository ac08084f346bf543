package lease_test

import (
	"testing"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/memlease"
	"github.com/kinetrail/kinetrail/metrics"
)

func TestWithMetricsCountsDurableWritesUnderTheBoundStream(t *testing.T) {
	t.Parallel()
	sink := metrics.NewMemory()
	store := lease.WithMetrics(memlease.New(), sink)
	if err := store.Create(t.Context(), lease.Lease{Key: "s", ShardID: "s", Checkpoint: kinetrail.TrimHorizon()}); err != nil {
		t.Fatal(err)
	}
	held, err := store.Take(t.Context(), row(t, store), "a")
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range []string{"1", "2"} {
		if held, err = store.Checkpoint(t.Context(), held, kinetrail.At(at, 0)); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			if err := store.Bind("orders"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if held, err = store.Renew(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	held.Counter--
	if _, err := store.Checkpoint(t.Context(), held, kinetrail.At("3", 0)); err == nil {
		t.Fatal("a fenced checkpoint succeeded; want a conflict")
	}
	for key, want := range map[string]int64{
		"consumer_checkpoint_success_total{shard_id=s,stream_name=<standalone>}": 1,
		"consumer_checkpoint_success_total{shard_id=s,stream_name=orders}":       1,
		"consumer_checkpoint_failure_total{shard_id=s,stream_name=orders}":       1,
	} {
		if got := sink.Counters()[key]; got != want {
			t.Errorf("%s = %d; want %d (all: %v)", key, got, want, sink.Counters())
		}
	}
}

func TestBindRefusesASecondStreamAndOneWithoutAName(t *testing.T) {
	t.Parallel()
	store := lease.WithMetrics(memlease.New(), metrics.Noop)
	for _, step := range []struct {
		stream string
		ok     bool
	}{{"", false}, {"orders", true}, {"orders", true}, {"payments", false}, {"", false}} {
		if err := store.Bind(step.stream); (err == nil) != step.ok {
			t.Errorf("Bind(%q) = %v; want success %t", step.stream, err, step.ok)
		}
	}
}
