// Package leasetest is the suite that every lease.Store passes.
//
//	harness ──Open(group)──► store, another handle on the same group
//	   │
//	   └──► leasetest.Run(t, harness): zombies, races, lost replies, …
//
// A new store writes one Harness and inherits the whole suite. Faults wraps any
// store with the errors of a network: calls that fail, and calls that take
// effect while their reply is lost.
package leasetest
