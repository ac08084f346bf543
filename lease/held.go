package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail"
)

// Held is a lease in the hands of its owner. Its methods may be called from
// several goroutines at once; writes to the row go one after another.
//
// A write whose reply was lost is repaired: when the next write finds the
// counter moved by no more than the writes whose outcome is unknown, and the
// owner unchanged, those writes were its own. For this the owner's name must be
// unique to the process.
type Held struct {
	store    Store
	duration time.Duration
	writing  chan struct{} // holds one token; who has it may write

	mu        sync.Mutex
	row       Lease
	expires   time.Time
	uncertain int64 // writes since the last reply that may have happened
	lost      error
}

// Take takes a lease for owner, as it was seen, and holds it. Its error wraps
// ErrConflict when the row is no longer as seen.
func Take(ctx context.Context, store Store, seen Lease, owner string, duration time.Duration) (*Held, error) {
	sent := time.Now()
	row, err := store.Take(ctx, seen, owner)
	var conflict *ConflictError
	if errors.As(err, &conflict) && conflict.Exists && conflict.Current.Owner == owner && conflict.Current.Counter == seen.Counter+1 {
		// A first attempt inside the store took the lease and its reply was
		// lost: nobody else writes this owner's name.
		row, err = conflict.Current, nil
	}
	if err != nil {
		return nil, err
	}
	h := &Held{store: store, duration: duration, writing: make(chan struct{}, 1), row: row, expires: sent.Add(duration)}
	h.writing <- struct{}{}
	return h, nil
}

// Lease returns the row as it was after the last write.
func (h *Held) Lease() Lease {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.row.Clone()
}

// Expires is when the owner has to stop by its own clock: the lease duration
// after the last successful write was sent. Others see that write later, so
// they consider the lease expired later.
func (h *Held) Expires() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.expires
}

// Lost returns the error that ended the tenure, nil while the lease is held. A
// lease that ran out by the owner's own clock is lost even when nobody has taken
// it.
func (h *Held) Lost() error {
	h.mu.Lock()
	defer h.mu.Unlock()

	if h.lost == nil && !time.Now().Before(h.expires) {
		h.lost = fmt.Errorf("%w: it was not renewed for %v", ErrLost, h.duration)
	}
	return h.lost
}

// Renew keeps the lease. It does nothing when another write kept it less than
// fresh ago. The error wraps ErrLost when the lease is no longer held; any other
// error leaves it held until it expires.
func (h *Held) Renew(ctx context.Context, fresh time.Duration) error {
	return h.write(ctx, "renew", func(row Lease) (Lease, error) {
		if time.Until(h.Expires()) > h.duration-fresh {
			return row, errFresh
		}
		return h.store.Renew(ctx, row)
	})
}

// Checkpoint writes that everything up to done, inclusive, is done. A place the
// row already has or is past is nothing to do. The error wraps ErrLost when the
// lease is no longer held.
func (h *Held) Checkpoint(ctx context.Context, done kinetrail.Position) error {
	return h.write(ctx, "checkpoint", func(row Lease) (Lease, error) {
		if row.Checkpoint.IsRecord() && done.Compare(row.Checkpoint) <= 0 || row.Finished() {
			return row, errFresh
		}
		return h.store.Checkpoint(ctx, row, done)
	})
}

// Finish checkpoints the end of the shard together with its children.
func (h *Held) Finish(ctx context.Context, children []string) error {
	return h.write(ctx, "finish", func(row Lease) (Lease, error) {
		if row.Finished() {
			return row, errFresh
		}
		row.Children = children
		return h.store.Checkpoint(ctx, row, kinetrail.ShardEnd())
	})
}

// Release gives the lease up, to its successor if it has one. Afterwards every
// call returns ErrLost. A lease that is already lost is nothing to release.
func (h *Held) Release(ctx context.Context) error {
	err := h.write(ctx, "release", func(row Lease) (Lease, error) { return h.store.Release(ctx, row) })
	if errors.Is(err, ErrLost) {
		return nil
	}
	if err == nil {
		h.lose(errors.New("it was released"))
	}
	return err
}

// errFresh says that nothing had to be written.
var errFresh = errors.New("nothing to write")

// maxRepairs bounds a write to a store that answers against its contract: one
// repair is enough for every reply that can be lost.
const maxRepairs = 3

// write runs one write with the row as last seen, once more when its condition
// failed only because replies of earlier writes were lost.
func (h *Held) write(ctx context.Context, what string, op func(Lease) (Lease, error)) error {
	select {
	case <-h.writing:
		defer func() { h.writing <- struct{}{} }()
	case <-ctx.Done():
		return fmt.Errorf("%s lease: %w", what, context.Cause(ctx))
	}
	for range maxRepairs {
		row := h.Lease()
		if err := h.Lost(); err != nil {
			return fmt.Errorf("%s lease %s: %w", what, row.Key, err)
		}
		sent := time.Now()
		written, err := op(row)
		switch conflict := (*ConflictError)(nil); {
		case errors.Is(err, errFresh):
			return nil
		case err == nil:
			h.wrote(written, sent)
			return nil
		case !errors.As(err, &conflict):
			h.doubt(err)
			return fmt.Errorf("%s lease %s: %w", what, row.Key, err)
		case !h.repair(conflict):
			return fmt.Errorf("%s lease %s: %w", what, row.Key, h.lose(conflict))
		}
	}
	return fmt.Errorf("%s lease: its counter moves without its owner", what)
}

func (h *Held) wrote(row Lease, sent time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.row, h.uncertain = row, 0
	if expires := sent.Add(h.duration); expires.After(h.expires) {
		h.expires = expires
	}
}

// doubt notes that a write may have happened. ErrMovesBack is an answer, not a
// lost reply.
func (h *Held) doubt(err error) {
	if errors.Is(err, ErrMovesBack) {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()

	h.uncertain++
}

// repair adopts the row of a failed condition when only this owner's own writes
// can have led to it: the earlier ones without a reply, and this call's own
// first attempt when the store retries by itself.
func (h *Held) repair(conflict *ConflictError) bool {
	h.mu.Lock()
	defer h.mu.Unlock()

	moved := conflict.Current.Counter - h.row.Counter
	if !conflict.Exists || conflict.Current.Owner != h.row.Owner || moved < 1 || moved > h.uncertain+1 {
		return false
	}
	h.row, h.uncertain = conflict.Current, 0
	return true
}

// lose ends the tenure and returns the error that says so.
func (h *Held) lose(why error) error {
	h.mu.Lock()
	defer h.mu.Unlock()

	if h.lost == nil {
		h.lost = fmt.Errorf("%w: %w", ErrLost, why)
	}
	return h.lost
}
