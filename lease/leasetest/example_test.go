package leasetest_test

import (
	"context"
	"fmt"

	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/leasetest"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

// A call that takes effect while its reply is lost.
func ExampleFaults() {
	store := leasetest.NewFaults(memlease.New())
	store.LoseReply(leasetest.Create, 1)

	ctx := context.Background()
	err := store.Create(ctx, lease.Lease{Key: "s", ShardID: "s"})
	leases, _ := store.List(ctx)
	fmt.Println(err)
	fmt.Println(len(leases), "lease")
	// Output:
	// leasetest: the store does not answer
	// 1 lease
}
