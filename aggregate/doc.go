// Package aggregate puts many user records into one Kinesis record and takes
// them out again, in the container format of the Kinesis Producer Library that
// the KCL and every other deaggregating reader understands.
//
//	user record ─┐                                                  ┌─► user record
//	user record ─┼─ Builder ─► F3 89 9A C2 │ message │ MD5 ─ Split ─┼─► user record
//	user record ─┘                                                  └─► user record
//
//	message   a protobuf (proto2) AggregatedRecord:
//	          partition_key_table      1  repeated string, each key once
//	          explicit_hash_key_table  2  repeated string, decimal, each once
//	          records                  3  repeated Record
//	Record    partition_key_index      1  required, counted from 0
//	          explicit_hash_key_index  2  only when the record has one
//	          data                     3  required
//	          tags                     4  repeated Tag: the record's headers
//	Tag       key                      1  required
//	          value                    2
//	MD5       16 bytes, of the message alone
//
// A record's place in its container, counted from 0, is its sub-sequence
// number. Nothing here reorders records.
//
// Other readers skip the tags, and readers that know nothing of containers see
// the bytes of the whole. The KCL throws away a container, without a word, when
// one of its records does not belong to the shard it was read from, so records
// may share a container only when they share a shard. Once a container holds an
// explicit hash key, AWS's deaggregators for Python and Node give it to those
// records too that have none.
//
// The format is described in aggregation-format.md of the Kinesis Producer
// Library.
package aggregate
