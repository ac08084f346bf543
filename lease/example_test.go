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

// A group moves to another store, and its workers with it.
func ExampleCopy() {
	ctx := context.Background()
	before, after := memlease.New(), memlease.New() // redislease and dynamolease, say
	_ = before.Create(ctx, lease.Lease{Key: "shardId-000000000000", ShardID: "shardId-000000000000", Checkpoint: kinetrail.At("4963", 2)})

	copied, err := lease.Copy(ctx, before, after)
	for _, l := range copied.Created {
		fmt.Println(l.ShardID, l.Checkpoint, err)
	}
	copied, err = lease.Copy(ctx, before, after)
	fmt.Println(len(copied.Created), "created,", len(copied.Kept), "kept", err)
	// Output:
	// shardId-000000000000 4963/2 <nil>
	// 0 created, 1 kept <nil>
}

// A stopped group reads a shard again from yesterday on.
func ExampleReset() {
	ctx := context.Background()
	store := memlease.New()
	_ = store.Create(ctx, lease.Lease{Key: "shardId-000000000000", ShardID: "shardId-000000000000", Checkpoint: kinetrail.At("4963", 2)})

	workers, err := lease.Living(ctx, store, 10*time.Second)
	fmt.Println(len(workers), "workers", err)
	leases, err := lease.Reset(ctx, store, map[string]kinetrail.Position{
		"shardId-000000000000": kinetrail.AtTime(time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)),
	})
	fmt.Println(leases[0].ResumeAt(), err)
	// Output:
	// 0 workers <nil>
	// AT_TIMESTAMP:2026-11-20T00:00:00Z <nil>
}
