// Package lease says who reads which shard of a group, and how far they came.
//
// A group is a set of leases in a Store, one row per shard. A row holds the
// reader and its checkpoint together, so that only who holds the lease can move
// the checkpoint. The states of a row, and the operations that lead from one to
// the other:
//
//	      Create          Take                  Request
//	none ────────► free ────────► held by A ─────────────► held by A, asked for by B
//	 ▲              ▲              │  │  ▲                  │             │
//	 │              └── Release ───┘  │  └─ Take by C ──────┤ Release     │ Take by C
//	 │                                │     when A expired  ▼             ▼
//	 │           Checkpoint(ShardEnd) │                   held by B    held by C
//	 │                                ▼
//	 └────────── Delete ────────── finished
//
// Renew and Checkpoint leave a row in its state.
//
// Every write but Request moves the row's counter by one and is refused unless
// the row still has the owner and the counter the writer last saw. A worker
// that was paused while another took its lease can therefore change nothing.
//
// No row holds a time of any clock. That a lease is no longer renewed is judged
// by each worker for itself: an Observer notes on the worker's own monotonic
// clock when a counter last moved. So clocks of different hosts are never
// compared, and a clock that jumps costs nothing.
//
// Held is the owner's side: it renews, checkpoints and releases one lease, tells
// a lost reply from a lost lease, and stops by its own clock before another
// worker can consider the lease expired.
//
// Four packages are a Store: memlease in memory, filelease in a file for the
// processes of one machine, dynamolease in DynamoDB in the table of the KCL, and
// redislease in Redis. Package leasetest is the suite every Store passes.
package lease
