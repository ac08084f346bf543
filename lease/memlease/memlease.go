package memlease

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// Store is a lease.Store in memory. The consumers that are given one Store form
// one group.
type Store struct {
	mu   sync.Mutex
	rows map[string]lease.Lease
}

// New makes the store of a group without leases.
func New() *Store {
	return &Store{rows: make(map[string]lease.Lease)}
}

// ListInterval is 200 ms: a listing costs a copy of the rows.
func (s *Store) ListInterval() time.Duration { return 200 * time.Millisecond }

// List returns the leases in the order of their keys.
func (s *Store) List(ctx context.Context) ([]lease.Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list leases: %w", context.Cause(ctx))
	}
	s.mu.Lock()
	defer s.mu.Unlock()

	leases := make([]lease.Lease, 0, len(s.rows))
	for _, key := range slices.Sorted(maps.Keys(s.rows)) {
		leases = append(leases, s.rows[key].Clone())
	}
	return leases, nil
}

// Create adds a free lease.
func (s *Store) Create(ctx context.Context, l lease.Lease) error {
	_, err := s.change(ctx, "create", l.Key, func(_ lease.Lease, exists bool) bool { return !exists },
		func(row *lease.Lease) error {
			*row = l.Clone()
			row.Owner, row.Successor, row.Counter, row.Switches = "", "", 0, 0
			return nil
		})
	return err
}

// Take makes owner the owner.
func (s *Store) Take(ctx context.Context, seen lease.Lease, owner string) (lease.Lease, error) {
	return s.change(ctx, "take", seen.Key, hasCounter(seen), func(row *lease.Lease) error {
		switchOwner(row, owner)
		return nil
	})
}

// Request asks the owner to hand over to successor.
func (s *Store) Request(ctx context.Context, seen lease.Lease, successor string) (lease.Lease, error) {
	unasked := func(row lease.Lease, exists bool) bool {
		return exists && row.Owner != "" && row.Owner == seen.Owner && row.Successor == ""
	}
	return s.change(ctx, "request", seen.Key, unasked, func(row *lease.Lease) error {
		row.Successor = successor
		return nil
	})
}

// Renew moves the counter.
func (s *Store) Renew(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	return s.change(ctx, "renew", held.Key, isHeld(held), func(row *lease.Lease) error {
		row.Counter++
		return nil
	})
}

// Checkpoint moves the checkpoint forward.
func (s *Store) Checkpoint(ctx context.Context, held lease.Lease, done kinetrail.Position) (lease.Lease, error) {
	return s.change(ctx, "checkpoint", held.Key, isHeld(held), func(row *lease.Lease) error {
		if done.Compare(row.Checkpoint) < 0 {
			return fmt.Errorf("checkpoint lease %s at %s behind %s: %w", row.Key, done, row.Checkpoint, lease.ErrMovesBack)
		}
		row.Checkpoint, row.Switches = done, 0
		row.Counter++
		if done.IsShardEnd() {
			row.Children = slices.Clone(held.Children)
		}
		return nil
	})
}

// Release hands the lease to its successor or frees it.
func (s *Store) Release(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	return s.change(ctx, "release", held.Key, isHeld(held), func(row *lease.Lease) error {
		switchOwner(row, row.Successor)
		return nil
	})
}

// Delete removes a lease.
func (s *Store) Delete(ctx context.Context, seen lease.Lease) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete lease %s: %w", seen.Key, context.Cause(ctx))
	}
	s.mu.Lock()
	defer s.mu.Unlock()

	row, exists := s.rows[seen.Key]
	if exists && row.Counter != seen.Counter {
		return &lease.ConflictError{Op: "delete", Key: seen.Key, Exists: true, Current: row.Clone()}
	}
	delete(s.rows, seen.Key)
	return nil
}

// change applies edit to the row of key when the condition holds.
func (s *Store) change(ctx context.Context, op, key string, condition func(lease.Lease, bool) bool, edit func(*lease.Lease) error) (lease.Lease, error) {
	if err := ctx.Err(); err != nil {
		return lease.Lease{}, fmt.Errorf("%s lease %s: %w", op, key, context.Cause(ctx))
	}
	s.mu.Lock()
	defer s.mu.Unlock()

	row, exists := s.rows[key]
	if !condition(row, exists) {
		return lease.Lease{}, &lease.ConflictError{Op: op, Key: key, Exists: exists, Current: row.Clone()}
	}
	if err := edit(&row); err != nil {
		return lease.Lease{}, err
	}
	s.rows[key] = row
	return row.Clone(), nil
}

func hasCounter(seen lease.Lease) func(lease.Lease, bool) bool {
	return func(row lease.Lease, exists bool) bool { return exists && row.Counter == seen.Counter }
}

func isHeld(held lease.Lease) func(lease.Lease, bool) bool {
	return func(row lease.Lease, exists bool) bool {
		return exists && held.Owner != "" && row.Owner == held.Owner && row.Counter == held.Counter
	}
}

// switchOwner gives the row to owner, whose request is thereby answered.
func switchOwner(row *lease.Lease, owner string) {
	if row.Owner != "" && owner != "" && row.Owner != owner {
		row.Switches++
	}
	row.Owner, row.Successor = owner, ""
	row.Counter++
}
