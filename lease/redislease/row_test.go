package redislease_test

import (
	"testing"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/redislease"
)

// Rows that were stored by an earlier version must be read, and written as they
// were: workers of two versions compare them as texts.
func TestRowsAreStoredAsTheyAlwaysWere(t *testing.T) {
	t.Parallel()
	server, client := inMemory(t)
	store := redislease.New(client, "orders-app")
	key := "123456789012:orders:1700000000:shardId-000000000002"
	if err := store.Create(t.Context(), lease.Lease{
		Key: key, Stream: "123456789012:orders:1700000000", ShardID: "shardId-000000000002",
		StartingHashKey: "0", EndingHashKey: "9", Parents: []string{"a", "b"}, Checkpoint: kinetrail.Latest(), Start: kinetrail.AtTime(time.Unix(1_700_000_000, 5)),
	}); err != nil {
		t.Fatal(err)
	}
	const created = `{"stream":"123456789012:orders:1700000000","shard_id":"shardId-000000000002","starting_hash_key":"0","ending_hash_key":"9",` +
		`"parents":["a","b"],"counter":0,"checkpoint":"LATEST","start":"AT_TIMESTAMP:2023-11-14T22:13:20.000000005Z"}`
	if got := server.HGet("kinetrail:{orders-app}:leases", key); got != created {
		t.Errorf("a new row is\n%s\nwant\n%s", got, created)
	}

	const stored = `{"shard_id":"s","children":["c"],"owner":"w","successor":"x","counter":7,"switches":2,"checkpoint":"4963/17"}`
	server.HSet("kinetrail:{orders-app}:leases", "s", stored)
	rows := listed(t, store)
	renewed, err := store.Renew(t.Context(), rows["s"])
	if err != nil {
		t.Fatal(err)
	}
	const after = `{"shard_id":"s","children":["c"],"owner":"w","successor":"x","counter":8,"switches":2,"checkpoint":"4963/17"}`
	if got := server.HGet("kinetrail:{orders-app}:leases", "s"); got != after || renewed.Checkpoint != kinetrail.At("4963", 17) {
		t.Errorf("a renewed row is\n%s, read as %+v\nwant\n%s", got, renewed, after)
	}
}

func listed(t *testing.T, store lease.Store) map[string]lease.Lease {
	t.Helper()
	leases, err := store.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]lease.Lease)
	for _, l := range leases {
		rows[l.Key] = l
	}
	return rows
}
