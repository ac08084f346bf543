// Package fault says what goes wrong on purpose in a local Kinesis server:
// rules that pick calls and say what happens to them.
//
//	call ─► which rules match? ─► delay, clock jump, error, dropped connection,
//	                              failed records, stale shard list, cut stream
//
// A rule is a struct in Go and one line of text on the command line:
//
//	PutRecords nth=3 error=ProvisionedThroughputExceededException
//	PutRecords p=0.1 seed=7 records=2
//	PutRecord nth=1 drop=after
//	GetRecords shard=shardId-000000000001 times=2 delay=300ms
//	GetRecords nth=2 error=ExpiredIteratorException
//	ListShards nth=1 stale
//	SubscribeToShard nth=1 cut=2
//	GetRecords nth=4 clock=6m
//
// The same rules and the same order of calls give the same faults: a rule that
// leaves something to chance draws it from its seed.
package fault
