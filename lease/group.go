package lease

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kinetrail/kinetrail"
)

// ErrUnknownWorker is wrapped by the error of Move when no lease of the group
// belongs to the worker or is about to.
var ErrUnknownWorker = errors.New("no lease of the group belongs to this worker")

// ErrNoLease is wrapped when a group has no lease with the key that was named.
var ErrNoLease = errors.New("the group has no such lease")

// Living returns the workers of a group that write to its leases, sorted. It
// looks for as long as watch, which is to be the lease duration of the group, and
// no longer than it takes to see all owners; a group without owners is not
// watched. A worker without a lease cannot be seen.
func Living(ctx context.Context, store Store, watch time.Duration) ([]string, error) {
	began := time.Now()
	first, err := byKey(ctx, store)
	if err != nil {
		return nil, err
	}
	owners := make(map[string]bool)
	for _, l := range first {
		if l.Owner != "" {
			owners[l.Owner] = true
		}
	}
	living := make(map[string]bool)
	for len(living) < len(owners) && time.Since(began) < watch {
		if err := pause(ctx, min(interval(store), time.Until(began.Add(watch)))); err != nil {
			return nil, fmt.Errorf("watch the group: %w", err)
		}
		rows, err := byKey(ctx, store)
		if err != nil {
			return nil, err
		}
		for key, l := range rows {
			if l.Owner != "" && l.Counter != first[key].Counter {
				living[l.Owner], owners[l.Owner] = true, true
			}
		}
	}
	return slices.Sorted(maps.Keys(living)), nil
}

// Reset puts checkpoints of a group anywhere, also back: for each key of to, the
// position up to which everything counts as done (a record, ShardEnd), or where
// reading begins anew (TrimHorizon, AtTime). It returns the rows as they are
// then, free, in the order of their keys.
//
// An owner loses its lease: it cannot write a position any more, and notices with
// its next renewal. Parents are reset before their children, so that none of
// these that is reset is read before them. It is best done while the group is
// stopped (Living); while it runs, records at hand may be handled twice.
//
// A row is deleted and created again. Should that be interrupted in between, the
// group begins the shard as one without a lease; Reset can be called again.
func Reset(ctx context.Context, store Store, to map[string]kinetrail.Position) ([]Lease, error) {
	rows, err := byKey(ctx, store)
	if err != nil {
		return nil, err
	}
	for _, key := range slices.Sorted(maps.Keys(to)) {
		if _, ok := rows[key]; !ok {
			return nil, fmt.Errorf("reset lease %s: %w", key, ErrNoLease)
		}
		if p := to[key]; p.IsZero() || p.IsLatest() {
			return nil, fmt.Errorf("reset lease %s: %q is no place to begin at; the latest record is where the time is now", key, p)
		}
	}
	var reset []Lease
	for _, l := range parentsFirst(rows) {
		p, chosen := to[l.Key]
		if !chosen {
			continue
		}
		if l, err = replace(ctx, store, l, at(l, p)); err != nil {
			return nil, fmt.Errorf("reset: %w", err)
		}
		reset = append(reset, l)
	}
	slices.SortFunc(reset, func(a, b Lease) int { return strings.Compare(a.Key, b.Key) })
	return reset, nil
}

// at is a lease whose reading begins or ended at p.
func at(l Lease, p kinetrail.Position) Lease {
	l = l.Clone()
	l.Checkpoint, l.Start = p, kinetrail.Position{}
	if _, isTime := p.Time(); isTime {
		l.Start = p
	}
	if !p.IsShardEnd() {
		l.Children = nil
	}
	return l
}

// replace puts row in place of the one that was seen, whatever becomes of it
// meanwhile.
func replace(ctx context.Context, store Store, seen, row Lease) (Lease, error) {
	me := passing()
	for {
		taken, err := store.Take(ctx, seen, me) // from now on its owner can write nothing
		if err == nil {
			err = store.Delete(ctx, taken)
		}
		if gone := isGone(err); err == nil || gone {
			err = store.Create(ctx, row)
		}
		if err == nil {
			row.Owner, row.Successor, row.Counter, row.Switches = "", "", 0, 0
			return row, nil
		}
		var conflict *ConflictError
		if !errors.As(err, &conflict) {
			return Lease{}, err
		}
		if conflict.Exists { // else it was deleted at this moment
			seen = conflict.Current
		}
	}
}

// isGone reports whether a write was refused because there is no row.
func isGone(err error) bool {
	var conflict *ConflictError
	return errors.As(err, &conflict) && !conflict.Exists
}

// MoveOptions tunes Move.
type MoveOptions struct {
	// AnyWorker lets the lease go to a worker that holds none yet, and cannot be
	// told from one that does not exist: the lease of such a one is nobody's
	// until it expires.
	AnyWorker bool
}

// Move hands a lease to the worker with this name, as Lease.Owner has it. A free
// lease it gets at once; else the owner is asked, finishes the record at hand,
// writes its position and releases the lease. Move returns the row when the
// worker has it, or an error when ctx ends before. The request stays then: the
// worker takes the lease from an owner that never answers.
//
// Workers share leases out evenly by themselves, so that another one may soon
// ask for the lease of one that has two more than it.
func Move(ctx context.Context, store Store, key, worker string, opts ...func(*MoveOptions)) (Lease, error) {
	var o MoveOptions
	for _, set := range opts {
		set(&o)
	}
	for {
		rows, err := byKey(ctx, store)
		if err != nil {
			return Lease{}, err
		}
		row, ok := rows[key]
		switch {
		case !ok:
			return Lease{}, fmt.Errorf("move lease %s: %w", key, ErrNoLease)
		case row.Finished():
			return row, fmt.Errorf("move lease %s: its shard is read to its end", key)
		case row.Owner == worker:
			return row, nil
		case !o.AnyWorker && !isKnown(worker, rows):
			return row, fmt.Errorf("move lease %s to %s: %w", key, worker, ErrUnknownWorker)
		}
		if row, err = hand(ctx, store, row, worker); err != nil {
			return row, fmt.Errorf("move: %w", err)
		}
		if row.Owner == worker {
			return row, nil
		}
		if err := pause(ctx, interval(store)); err != nil {
			return row, fmt.Errorf("move lease %s: %s has not given it to %s yet: %w", key, row.Owner, worker, err)
		}
	}
}

// isKnown reports whether a worker has a lease or will have one.
func isKnown(worker string, rows map[string]Lease) bool {
	for _, l := range rows {
		if l.Owner == worker || l.Successor == worker {
			return true
		}
	}
	return false
}

// hand takes the next step towards worker being the owner of row, and returns the
// row as it is then. When somebody else was quicker there is another step.
func hand(ctx context.Context, store Store, row Lease, worker string) (Lease, error) {
	var err error
	written := row
	switch {
	case row.Owner == "":
		written, err = store.Take(ctx, row, worker)
	case row.Successor == "":
		written, err = store.Request(ctx, row, worker)
	}
	if errors.Is(err, ErrConflict) {
		return row, nil
	}
	if err != nil {
		return row, err
	}
	return written, nil
}

// Free makes a lease nobody's, so that the next worker that looks may take it; it
// may be the one that had it. The owner is asked, finishes the record at hand and
// writes its position. When it has not answered within patience, the lease is
// taken from it: it can write no position any more, and the records it handles
// until it notices are handled again. Patience 0 does not ask. When ctx ends
// first, an owner that was asked hands the lease to nobody, and others take it
// when it has expired.
func Free(ctx context.Context, store Store, key string, patience time.Duration) (Lease, error) {
	me, deadline := passing(), time.Now().Add(patience)
	for {
		rows, err := byKey(ctx, store)
		if err != nil {
			return Lease{}, err
		}
		row, ok := rows[key]
		if !ok {
			return Lease{}, fmt.Errorf("free lease %s: %w", key, ErrNoLease)
		}
		if row.Owner == "" {
			return row, nil
		}
		waited := !time.Now().Before(deadline)
		switch {
		case row.Owner == me:
			if row, err = store.Release(ctx, row); err == nil {
				return row, nil // somebody may have taken it by now
			}
		case waited:
			row, err = store.Take(ctx, row, me)
		default:
			row, err = hand(ctx, store, row, me)
		}
		if err != nil && !errors.Is(err, ErrConflict) {
			return Lease{}, fmt.Errorf("free: %w", err)
		}
		if waited || err == nil && row.Owner == me {
			continue
		}
		if err := pause(ctx, min(interval(store), max(time.Until(deadline), time.Millisecond))); err != nil {
			return row, fmt.Errorf("free lease %s: %s has not given it back yet: %w", key, row.Owner, err)
		}
	}
}

// passing is the name of an owner that holds a lease for a moment only.
func passing() string { return "passing-" + strings.ToLower(rand.Text()[:12]) }

// byKey lists the leases of a group.
func byKey(ctx context.Context, store Store) (map[string]Lease, error) {
	leases, err := store.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the leases: %w", err)
	}
	rows := make(map[string]Lease, len(leases))
	for _, l := range leases {
		rows[l.Key] = l
	}
	return rows, nil
}

// parentsFirst returns the leases so that every parent stands before its
// children.
func parentsFirst(rows map[string]Lease) []Lease {
	type shard struct{ stream, id string }
	keys := make(map[shard]string, len(rows))
	for key, l := range rows {
		keys[shard{l.Stream, l.ShardID}] = key
	}
	var sorted []Lease
	visited := make(map[string]bool, len(rows))
	var visit func(key string)
	visit = func(key string) {
		if visited[key] {
			return
		}
		visited[key] = true
		l := rows[key]
		for _, parent := range l.Parents {
			if at, ok := keys[shard{l.Stream, parent}]; ok {
				visit(at)
			}
		}
		sorted = append(sorted, l)
	}
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		visit(key)
	}
	return sorted
}

// interval is the time between two listings while something is waited for.
func interval(store Store) time.Duration {
	if pacer, ok := store.(Pacer); ok {
		return pacer.ListInterval()
	}
	return time.Second
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
