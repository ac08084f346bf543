// Package oracle puts random programs to a producer, a consumer group and its
// lease store, and knows what must come of them. It is tests alone.
//
//	seed ──► program ──► producers ──► stream ──► workers ──► handlers
//	            │                        ▲           ▲            │
//	            └── reshards, faults ────┘    stops, crashes      ▼
//	                                             │             journal ──► judge
//	                                             └── leases ─────┘
//
// A program puts records with and without traces, plain and in containers,
// while shards split and merge, calls are throttled, cut and delayed, iterators
// expire, the store is out of reach, writes to it arrive late or lose their
// replies, handlers are slow and fail, and workers come, go and die. Everything
// a worker does goes into one journal, in the order in which it happened. The
// judge reads it next to what lies in the stream:
//
//   - every record put lies in the stream, and every record there was handled;
//   - a tenure, the time between taking a lease and giving it up, begins behind
//     the checkpoint it took and handles the records of the shard, or of each of
//     its keys, one after another without leaving any out;
//   - no record of a child is handled before all of its parents' were;
//   - the records of a key are handled first in the order they were put;
//   - a checkpoint covers only what was handled, never moves back, and is
//     written by the owner of the lease;
//   - nothing is handled by a worker whose lease another has taken;
//   - a record is handled again only for a reason: a handler that failed, a
//     crash, or a lease lost to a fault;
//   - payload, key, headers and trace context arrive as they were put.
//
// In TestPrograms, time is virtual and workers live in the process of the test:
// a crash cuts one off from service and store. In TestKilledProcesses they are
// processes that share a file of leases, and a crash is SIGKILL.
// TestMutationsAreCaught breaks the code in known ways and shows that the judge
// sees it.
//
// A failure prints its seed. To repeat it:
//
//	go test ./internal/oracle -run '^TestPrograms$' -seed 17 -programs 1
package oracle
