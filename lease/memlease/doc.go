// Package memlease is a lease.Store in memory, for tests and for a group that
// lives in one process.
//
//	store := memlease.New()  ──►  consumer.New(client, "orders", store)
//
// Nothing survives the process: when it ends, so do the checkpoints.
package memlease
