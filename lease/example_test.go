package lease_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

// A worker that was away while another took its lease can no longer move the
// checkpoint.
func Example() {
	ctx := context.Background()
	store := memlease.New()
	_ = store.Create(ctx, lease.Lease{Key: "shardId-000000000000", ShardID: "shardId-000000000000", Checkpoint: kinetrail.TrimHorizon()})

	leases, _ := store.List(ctx)
	first, _ := lease.Take(ctx, store, leases[0], "worker-1", 10*time.Second)
	_ = first.Checkpoint(ctx, kinetrail.At("41", 0))

	leases, _ = store.List(ctx)
	second, _ := lease.Take(ctx, store, leases[0], "worker-2", 10*time.Second)
	_ = second.Checkpoint(ctx, kinetrail.At("42", 0))

	err := first.Checkpoint(ctx, kinetrail.At("43", 0))
	fmt.Println("lost:", errors.Is(err, lease.ErrLost))
	leases, _ = store.List(ctx)
	fmt.Println(leases[0].Owner, leases[0].Checkpoint)
	// Output:
	// lost: true
	// worker-2 42
}
