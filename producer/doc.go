// Package producer puts records into a Kinesis stream and tells what became of
// each one.
//
//	put → route → aggregate → batch → send → deliver
//
// Each word is a file:
//
//	put        checks a record, gives it its trace context, waits for room
//	route      hash key → open shard, from a shard list that is kept up to date
//	aggregate  several user records → one KPL container, if asked for
//	batch      what goes into the next PutRecords request, and when
//	send       the request, what is retried, what is given up
//	deliver    results to callers, in order
//
// Typed stands before put: values of one type through a codec, several in a
// record where the codec packs.
//
// Under Order: PerKey the records of a partition key lie in the stream in the
// order they were put. They form a lane:
//
//	waiting ──► one Kinesis record on its way ──► result
//	                  ▲        │
//	      delay ──────┘◄───────┘ not accepted
//
// and a lane has one Kinesis record on its way at most, because PutRecords
// promises no order among the records of a request. With one plain record per
// lane a single busy key moves at the pace of one record per round trip;
// Aggregation: SameKey or ByShard puts a whole container into each. ByShard, where
// the lane is the shard's, makes several containers at once of a backlog: each has
// the keys of one part of the shard's, so that they need no order.
//
// A record is in the stream once unless an attempt's outcome was unknown, after
// a timeout say: it is then sent again and can be in the stream twice. What
// cannot be delivered comes back in a Result, from Close, or both; nothing is
// dropped in silence.
//
// A client for this package does well with an HTTP client whose idle
// connections per host are at least Options.Concurrency, and needs no retries of
// its own for PutRecords: they are off for these calls.
package producer
