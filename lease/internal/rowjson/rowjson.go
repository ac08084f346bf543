package rowjson

import (
	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// Row is a lease without its key. Two equal leases have the same text, and what
// has been stored stays as it is: fields are added at the end.
type Row struct {
	Stream          string             `json:"stream,omitempty"`
	ShardID         string             `json:"shard_id,omitempty"`
	StartingHashKey string             `json:"starting_hash_key,omitempty"`
	EndingHashKey   string             `json:"ending_hash_key,omitempty"`
	Parents         []string           `json:"parents,omitempty"`
	Children        []string           `json:"children,omitempty"`
	Owner           string             `json:"owner,omitempty"`
	Successor       string             `json:"successor,omitempty"`
	Counter         int64              `json:"counter"`
	Switches        int64              `json:"switches,omitempty"`
	Checkpoint      kinetrail.Position `json:"checkpoint"`
	Start           kinetrail.Position `json:"start,omitzero"`
}

// Of is the row of a lease.
func Of(l lease.Lease) Row {
	return Row{
		Stream: l.Stream, ShardID: l.ShardID, StartingHashKey: l.StartingHashKey, EndingHashKey: l.EndingHashKey,
		Parents: l.Parents, Children: l.Children, Owner: l.Owner, Successor: l.Successor,
		Counter: l.Counter, Switches: l.Switches, Checkpoint: l.Checkpoint, Start: l.Start,
	}
}

// Lease is the lease with this key and row.
func (r Row) Lease(key string) lease.Lease {
	return lease.Lease{
		Key: key, Stream: r.Stream, ShardID: r.ShardID, StartingHashKey: r.StartingHashKey, EndingHashKey: r.EndingHashKey,
		Parents: r.Parents, Children: r.Children, Owner: r.Owner, Successor: r.Successor,
		Counter: r.Counter, Switches: r.Switches, Checkpoint: r.Checkpoint, Start: r.Start,
	}
}
