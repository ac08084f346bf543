// Package redislease is a lease.Store in Redis or Valkey, standalone or as a
// cluster.
//
//	worker ──┐                                     shardId-…0000  {"owner":"a","counter":412,…}
//	worker ──┼── kinetrail:{orders-app}:leases ──  shardId-…0001  {"owner":"b","counter":98,…}
//	worker ──┘        one hash for a group
//
// A group is one hash with a field for each lease, so that it lies on one node of
// a cluster and a listing is one command. Every write is one run of a Lua script
// that replaces a row if it still is what the writer last saw.
//
// Redis acknowledges a write before its replicas have it. When a primary fails,
// the last writes may be missing on the replica that takes over: leases are then
// lost and taken again, and records after the older checkpoint are delivered
// again; none is left out. Run Redis with appendonly yes if leases are to
// survive a restart, and with maxmemory-policy noeviction or one of the volatile
// policies: the hash has no time to live, and an evicted group begins anew.
package redislease
