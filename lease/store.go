package lease

import (
	"context"
	"time"

	"github.com/kinetrail/kinetrail"
)

// Store keeps the leases of one group. The group's name belongs to the store:
// two stores opened for one group, in one process or in two, see the same rows,
// and stores of different groups never do.
//
// Every write is conditional and atomic. When its condition does not hold it
// changes nothing and returns a *ConflictError with the row as it is. Any other
// error means that the outcome is unknown: the write may have happened; it is
// worth a repetition unless it is an ErrUnusable. A write that returned nil is
// durable as the store promises and is seen by every later call of every handle.
//
// A Store judges no time, keeps no leases of its own accord and starts nothing
// on behalf of a lease. Methods may be called from several goroutines at once
// and return when ctx ends.
//
// Package leasetest holds the suite that proves these promises.
type Store interface {
	// List returns all leases of the group in any order, each as it is at one
	// moment between call and return. Every lease written before the call is
	// in it.
	List(ctx context.Context) ([]Lease, error)

	// Create adds a row for l.Key. The row is free: Owner, Successor, Counter
	// and Switches of l are ignored. When there is such a row already it stays
	// as it is and Create returns a *ConflictError.
	Create(ctx context.Context, l Lease) error

	// Take makes owner the owner, whoever was it before, and removes a
	// successor. The row must have the counter of seen. Switches grows by one
	// when the lease goes from one owner to another. It returns the row as it
	// is now.
	Take(ctx context.Context, seen Lease, owner string) (Lease, error)

	// Request asks the owner of seen to hand the lease over to successor. The
	// row must have the owner of seen, which is not empty, and no successor.
	// The counter stays, so that the owner is not disturbed. It returns the row
	// as it is now.
	Request(ctx context.Context, seen Lease, successor string) (Lease, error)

	// Renew moves the counter and nothing else. The row must have the owner and
	// the counter of held. It returns the row as it is now, which is how an
	// owner learns that a successor asked for it.
	Renew(ctx context.Context, held Lease) (Lease, error)

	// Checkpoint writes the place up to which everything is done, sets Switches
	// to zero and moves the counter; with ShardEnd it also writes
	// held.Children. The row must have the owner and the counter of held. A
	// place before the row's checkpoint is refused with ErrMovesBack. It
	// returns the row as it is now.
	Checkpoint(ctx context.Context, held Lease, done kinetrail.Position) (Lease, error)

	// Release gives the lease to its successor, and leaves it free when there
	// is none. The row must have the owner and the counter of held. It returns
	// the row as it is now.
	Release(ctx context.Context, held Lease) (Lease, error)

	// Delete removes the row. It must have the counter of seen. A row that is
	// gone already is no error.
	Delete(ctx context.Context, seen Lease) error
}

// Named is a Store that knows the name of its group.
type Named interface {
	Store

	// Group is the group's name, for spans and logs.
	Group() string
}

// Pacer is a Store that says how often its leases can be listed at little cost.
// Workers list them that often, so that hand-overs between live workers are
// quick; with any other store they list every quarter of the lease duration.
type Pacer interface {
	Store

	// ListInterval is the time between two calls of List by one worker.
	ListInterval() time.Duration
}
