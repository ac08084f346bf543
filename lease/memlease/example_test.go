package memlease_test

import (
	"context"
	"fmt"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

func ExampleNew() {
	store := memlease.New()
	ctx := context.Background()
	_ = store.Create(ctx, lease.Lease{Key: "shardId-000000000000", ShardID: "shardId-000000000000", Checkpoint: kinetrail.TrimHorizon()})
	leases, err := store.List(ctx)
	fmt.Println(leases[0].ShardID, leases[0].Checkpoint, err)
	// Output:
	// shardId-000000000000 TRIM_HORIZON <nil>
}
