// Package dynamolease is a lease.Store in DynamoDB, in the table of the Kinesis
// Client Library 2.x: Go workers and Java KCL workers can share a group, and a
// group can move from one to the other and back.
//
//	Go worker ───┐                      leaseKey        leaseOwner  leaseCounter  checkpoint
//	Go worker ───┼── table orders-app ─ shardId-…0000   go-1        412           4959…
//	KCL worker ──┘                      shardId-…0001   java-7      98            SHARD_END
//
// Every write is one conditional UpdateItem that leaves attributes it does not
// know as they are. The first use creates the table, with on-demand capacity,
// when there is none.
//
// Hand-overs between Go workers are graceful: the row names the next owner in
// leaseOwner and the present one in checkpointOwner, until that one has finished
// and released it. KCL 2.x workers do not ask, so a lease that goes from or to
// one changes hands as it does among them: the old owner notices at its next
// write. Request therefore takes a lease from a KCL worker at once.
//
// Three attributes are kinetrail's own; the KCL ignores them:
//
//	kinetrailOwner       leaseOwner as a Go worker wrote it last. Where the two
//	                     differ, a KCL worker has taken the lease since.
//	kinetrailStart       Lease.Start
//	kinetrailCheckpoint  Lease.Checkpoint when it is a time, for which the KCL
//	                     writes AT_TIMESTAMP alone
//
// Two things a Lease can hold are not kept, because KCL workers could not read
// the row: the hash key range of a shard with a single key, and the order of
// Parents and Children, which are sets. A row at AT_TIMESTAMP that the KCL
// created does not say which time; it is read from the oldest record on.
//
// Workers of KCL 3 in their native mode have their leases assigned by a leader.
// A store refuses to work beside them with ErrKCL3.
package dynamolease
