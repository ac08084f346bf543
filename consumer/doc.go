// Package consumer reads a shard, a stream, or a worker's share of a stream in a
// group: at least once, in order per shard, never a gap.
//
//	Kinesis ─► fetch ─► deaggregate ─► extract ─► dispatch ─► handler
//	              ▲                                  │ done
//	              └── lease ◄─── checkpoint ◄────────┘
//
// Read is an iterator over a whole stream or one shard; it keeps no state. A
// Consumer is one worker of a group: Run shares the shards out among all workers
// that use one lease.Store, and writes into its rows how far they came.
//
// Records are fetched by polling, or pushed by enhanced fan-out: Options.Fetch.
//
// # What is promised
//
// A record is done when its handler returned nil. What is done is written to the
// store from time to time; after a crash, records behind the last position are
// delivered again, also in the middle of a KPL container. A record is never left
// out, and in each shard the records are handled in their order. A shard that
// came out of a split or merge is read when all its parents are finished, across
// workers.
//
// A worker that loses a lease is told through the ctx of its handlers, whose
// cause is then ErrLeaseLost, and can no longer move the shard's position.
// Between the loss and the return of the handler two workers may handle the same
// records.
//
// # Memory
//
// The strings and the Data of a record alias the page it came in. They stay
// valid for ever, and keep the page in memory as long; kinetrail.Record.Clone
// cuts the tie.
package consumer
