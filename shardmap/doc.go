// Package shardmap knows where a record goes: hash keys, the ranges of shards,
// the open shard that owns a key, and the lineage of shards over splits and
// merges.
//
//	partition key ──MD5──► hash key ──ranges of open shards──► shard
//
// Everything here is a pure value: no goroutine, no clock, no network. A Map is
// immutable and safe for concurrent use; a new shard list makes a new Map.
package shardmap
