package lease

import (
	"slices"

	"github.com/kinetrail/kinetrail"
)

// Lease is one row of a group: a shard, who reads it, and how far it is read.
// It is a plain value; a Store hands out copies.
type Lease struct {
	// Key names the row in its group. It is the shard's ID, and in a group
	// over several streams Stream and shard ID joined by a colon, as the KCL
	// does.
	Key string

	// Stream identifies the stream in a group over several streams, as
	// account:name:creation epoch in seconds. It is empty in a group over one.
	Stream string

	// ShardID is the shard this row is about.
	ShardID string

	// StartingHashKey and EndingHashKey are the inclusive hash key range of the
	// shard in decimal, both empty when it is not known.
	StartingHashKey, EndingHashKey string

	// Parents are the IDs of the shards this one came out of: none, one, or two
	// after a merge.
	Parents []string

	// Children are the IDs of the shards that came out of this one. They are
	// known once it was read to its end.
	Children []string

	// Owner is the worker that reads the shard, empty when the lease is free.
	// The name must be unique to one process during its life: two processes of
	// one name could not be told apart.
	Owner string

	// Successor is the worker that asked Owner to hand the lease over, empty
	// when none did.
	Successor string

	// Counter grows by one with every write by an owner or taker. A counter
	// that stands still is how others see that an owner is gone.
	Counter int64

	// Switches counts how often the owner changed since the last checkpoint.
	Switches int64

	// Checkpoint is the place up to which everything is done, inclusive. Until
	// the first record is done it is TrimHorizon, Latest or AtTime, whichever
	// the group was told to start from. ShardEnd means the shard is finished.
	Checkpoint kinetrail.Position

	// Start is where reading begins while Checkpoint is no record yet: an
	// AtTime for a group that started from Latest or a time, resolved once when
	// the row was created, so that a crash before the first checkpoint leaves
	// no gap. It is zero when Checkpoint itself says where to begin.
	Start kinetrail.Position
}

// Finished reports whether the shard was read to its end.
func (l Lease) Finished() bool { return l.Checkpoint.IsShardEnd() }

// ResumeAt is where an owner continues: after the record of Checkpoint when it
// is one, else at Start, else at the place Checkpoint names.
func (l Lease) ResumeAt() kinetrail.Position {
	if l.Checkpoint.IsRecord() || l.Finished() || l.Start.IsZero() {
		return l.Checkpoint
	}
	return l.Start
}

// Clone returns a copy that shares no memory with l.
func (l Lease) Clone() Lease {
	l.Parents = slices.Clone(l.Parents)
	l.Children = slices.Clone(l.Children)
	return l
}
