package filelease_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/filelease"
)

func ExampleOpen() {
	dir, err := os.MkdirTemp("", "filelease")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	store, err := filelease.Open(filepath.Join(dir, "orders-app.leases"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()

	ctx := context.Background()
	_ = store.Create(ctx, lease.Lease{Key: "shardId-000000000000", ShardID: "shardId-000000000000", Checkpoint: kinetrail.TrimHorizon()})
	leases, err := store.List(ctx)
	fmt.Println(store.Group(), leases[0].ShardID, leases[0].Checkpoint, err)
	// Output:
	// orders-app shardId-000000000000 TRIM_HORIZON <nil>
}
