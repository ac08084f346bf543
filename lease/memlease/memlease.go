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
	keys := slices.AppendSeq(make([]string, 0, len(s.rows)), maps.Keys(s.rows))
	slices.Sort(keys)
	for _, key := range keys {
		leases = append(leases, s.rows[key].Clone())
	}
	return leases, nil
}

// Create adds a free lease.
func (s *Store) Create(ctx context.Context, l lease.Lease) error {
	_, err := s.change(ctx, l.Key, lease.Creating(l))
	return err
}

// Take makes owner the owner.
func (s *Store) Take(ctx context.Context, seen lease.Lease, owner string) (lease.Lease, error) {
	return s.change(ctx, seen.Key, lease.Taking(seen, owner))
}

// Request asks the owner to hand over to successor.
func (s *Store) Request(ctx context.Context, seen lease.Lease, successor string) (lease.Lease, error) {
	return s.change(ctx, seen.Key, lease.Requesting(seen, successor))
}

// Renew moves the counter.
func (s *Store) Renew(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	return s.change(ctx, held.Key, lease.Renewing(held))
}

// Checkpoint moves the checkpoint forward.
func (s *Store) Checkpoint(ctx context.Context, held lease.Lease, done kinetrail.Position) (lease.Lease, error) {
	return s.change(ctx, held.Key, lease.Checkpointing(held, done))
}

// Release hands the lease to its successor or frees it.
func (s *Store) Release(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	return s.change(ctx, held.Key, lease.Releasing(held))
}

// Delete removes a lease.
func (s *Store) Delete(ctx context.Context, seen lease.Lease) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete lease %s: %w", seen.Key, context.Cause(ctx))
	}
	s.mu.Lock()
	defer s.mu.Unlock()

	row, exists := s.rows[seen.Key]
	if !exists {
		return nil
	}
	if err := lease.Deleting(seen, row); err != nil {
		return err
	}
	delete(s.rows, seen.Key)
	return nil
}

// change applies one operation to the row of key.
func (s *Store) change(ctx context.Context, key string, change lease.Change) (lease.Lease, error) {
	if err := ctx.Err(); err != nil {
		return lease.Lease{}, fmt.Errorf("write lease %s: %w", key, context.Cause(ctx))
	}
	s.mu.Lock()
	defer s.mu.Unlock()

	row, exists := s.rows[key]
	row, err := change(row, exists)
	if err != nil {
		return lease.Lease{}, err
	}
	s.rows[key] = row
	return row.Clone(), nil
}
