package redislease_test

import (
	"context"
	"fmt"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/redislease"
)

func ExampleNew() {
	server, err := miniredis.Run() // in place of a server
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	// rediss:// is TLS; redis.ParseClusterURL and redis.NewClusterClient are for clusters.
	options, err := redis.ParseURL("redis://" + server.Addr() + "/0")
	if err != nil {
		fmt.Println(err)
		return
	}
	client := redis.NewClient(options)
	defer client.Close()

	store := redislease.New(client, "orders-app")
	ctx := context.Background()
	_ = store.Create(ctx, lease.Lease{Key: "shardId-000000000000", ShardID: "shardId-000000000000", Checkpoint: kinetrail.TrimHorizon()})
	leases, err := store.List(ctx)
	fmt.Println(store.Group(), leases[0].ShardID, leases[0].Checkpoint, err)
	// Output:
	// orders-app shardId-000000000000 TRIM_HORIZON <nil>
}

func ExampleReadAsyncKinesis() {
	server, err := miniredis.Run() // in place of the server the Python group used
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	ctx := context.Background()
	client.Set(ctx, "pyredis-orders-shardId-000000000000", `{"ref": null, "ts": null, "sequence": "4963"}`, 0)

	checkpoints, err := redislease.ReadAsyncKinesis(ctx, client, "orders", []string{"shardId-000000000000", "shardId-000000000001"})
	if err != nil {
		fmt.Println(err)
		return
	}
	store := redislease.New(client, "orders-app")
	for _, l := range checkpoints {
		fmt.Println(l.ShardID, l.Checkpoint, store.Create(ctx, l))
	}
	// Output:
	// shardId-000000000000 4963/2147483647 <nil>
}
