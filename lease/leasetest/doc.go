// Package leasetest is the suite that every lease.Store passes.
//
//	harness ──Open(group)──► store, another handle on the same group
//	   │
//	   └──► leasetest.Run(t, harness): zombies, races, lost replies, …
//
// A new store writes one Harness and inherits the whole suite:
//
//	func TestStoreKeepsEveryPromiseOfALeaseStore(t *testing.T) {
//		server := startServer(t)
//		leasetest.Run(t, leasetest.Harness{
//			Open: func(t *testing.T, group string) lease.Store { return mystore.New(server.client(t), group) },
//		})
//	}
//
// Package memlease is the smallest store that passes: each of its writes applies a
// lease.Change in one atomic step. Faults wraps any store with the errors of a
// network: calls that fail, and calls that take effect while their reply is lost.
package leasetest
