package filelease_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

func TestLinesAreWrittenAsTheyAlwaysWere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "orders.leases")
	s := open(t, path)
	if err := s.Create(t.Context(), lease.Lease{
		Key: "k", Stream: "123456789012:orders:1700000000", ShardID: "s", StartingHashKey: "0", EndingHashKey: "9",
		Parents: []string{"a", "b"}, Checkpoint: kinetrail.Latest(), Start: kinetrail.AtTime(time.Unix(1_700_000_000, 5)),
	}); err != nil {
		t.Fatal(err)
	}
	create(t, s, "p")
	held, err := s.Take(t.Context(), list(t, s)["p"], "w")
	if err != nil {
		t.Fatal(err)
	}
	if held, err = s.Request(t.Context(), held, "x"); err != nil {
		t.Fatal(err)
	}
	held.Children = []string{"c"}
	if _, err = s.Checkpoint(t.Context(), held, kinetrail.ShardEnd()); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), list(t, s)["k"]); err != nil {
		t.Fatal(err)
	}
	const want = `{"format":"kinetrail leases","version":1}
{"key":"k","stream":"123456789012:orders:1700000000","shard_id":"s","starting_hash_key":"0","ending_hash_key":"9","parents":["a","b"],"counter":0,"checkpoint":"LATEST","start":"AT_TIMESTAMP:2023-11-14T22:13:20.000000005Z"}
{"key":"p","shard_id":"p","counter":0,"checkpoint":"TRIM_HORIZON","start":""}
{"key":"p","shard_id":"p","owner":"w","counter":1,"checkpoint":"TRIM_HORIZON","start":""}
{"key":"p","shard_id":"p","owner":"w","successor":"x","counter":1,"checkpoint":"TRIM_HORIZON","start":""}
{"key":"p","shard_id":"p","children":["c"],"owner":"w","successor":"x","counter":2,"checkpoint":"SHARD_END","start":""}
{"key":"k","deleted":true,"counter":0,"checkpoint":"","start":""}
`
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("the file holds\n%s%v\nwant\n%s", got, err, want)
	}
}
