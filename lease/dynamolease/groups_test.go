package dynamolease

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

func TestGroupsAreTheTablesWithTheKeyOfLeases(t *testing.T) {
	t.Parallel()
	db := newFake()
	for name, key := range map[string]string{"orders-app": "leaseKey", "payments": "leaseKey", "customers": "id", "orders-app-CoordinatorState": "key", "z": "leaseKey"} {
		db.add(name, key)
	}
	groups, err := Groups(t.Context(), db)
	if want := []string{"orders-app", "payments", "z"}; err != nil || !slices.Equal(groups, want) {
		t.Errorf("Groups = %q, %v; want %q", groups, err, want)
	}
}

func TestAGroupIsCopiedIntoATableAndReset(t *testing.T) {
	t.Parallel()
	from, to := memlease.New(), New(newFake(), "orders-app")
	start := kinetrail.AtTime(time.Unix(1_700_000_000, 250))
	want := []lease.Lease{
		{Key: "shardId-0", ShardID: "shardId-0", Checkpoint: kinetrail.ShardEnd(), Children: []string{"shardId-1"}},
		{Key: "shardId-1", ShardID: "shardId-1", Parents: []string{"shardId-0"}, Checkpoint: kinetrail.At("4963", 17), StartingHashKey: "0", EndingHashKey: "9"},
		{Key: "shardId-2", ShardID: "shardId-2", Checkpoint: kinetrail.Latest(), Start: start},
	}
	for _, l := range want {
		if err := from.Create(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := lease.Copy(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	if got, err := to.List(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the table holds %+v, %v; want %+v", got, err, want)
	}
	if _, err := lease.Reset(t.Context(), to, map[string]kinetrail.Position{"shardId-1": start, "shardId-2": kinetrail.TrimHorizon()}); err != nil {
		t.Fatal(err)
	}
	want[1].Checkpoint, want[1].Start = start, start
	want[2].Checkpoint, want[2].Start = kinetrail.TrimHorizon(), kinetrail.Position{}
	if got, err := to.List(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("after Reset the table holds %+v, %v; want %+v", got, err, want)
	}
}
