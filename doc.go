// Package kinetrail holds the vocabulary of the Kinesis client whose records
// keep their trace: records and their headers, positions in a shard, streams,
// and the quotas of the service.
//
// A record's way through the packages, each word a file and a step:
//
//	put → route → aggregate → batch → send → deliver             package producer
//	fetch → deaggregate → extract → dispatch → checkpoint        package consumer
//
// The packages, from the bytes up:
//
//	shardmap           hash keys, ranges and the lineage of shards
//	aggregate          KPL containers: build, split, tags as headers
//	tracecarrier       trace context in a record's key or headers
//	metrics            one catalogue of instruments, and sinks for it
//	lease              who reads which shard, and how far they came
//	producer           puts records and tells what became of each
//	consumer           reads a shard, a stream, or a share of it in a group
//	kinesismiddleware  trace context for plain AWS SDK clients
//	kinesislambda      trace context for Lambda functions
//	localkinesis       a Kinesis server for tests and development
//
// This package imports none of them and starts nothing.
package kinetrail
