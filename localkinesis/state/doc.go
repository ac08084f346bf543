// Package state is what a Kinesis server knows: accounts, streams, shards,
// records, iterators, and the clock they all go by. It knows nothing of HTTP,
// JSON or CBOR.
//
//	Account ─► Region ─► Stream ─► Shard ─► segments of records
//	   │                    │
//	 Clock              layout (every shard, the open ones by range)
//
// A put takes no lock but its shard's: it reads the stream's layout, which is
// replaced as a whole by a reshard, and asks the shard to append. A shard that
// was closed meanwhile refuses, and the put looks at the new layout.
//
// Everything here may be used by several goroutines at once.
package state
