package oracle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// watched is the store as one worker sees it: behind a network, and with every
// write in the journal.
type watched struct {
	store    lease.Store
	journal  journal
	network  *network
	worker   int
	interval time.Duration
	onTheWay *sync.WaitGroup // writes that arrive late
}

// Group is the same for all programs: each has a store of its own.
func (s *watched) Group() string { return "oracle" }

// ListInterval is as short as the leases of the program ask for.
func (s *watched) ListInterval() time.Duration { return s.interval }

func (s *watched) List(ctx context.Context) ([]lease.Lease, error) {
	if err := s.network.reachStore(ctx); err != nil {
		return nil, err
	}
	return s.store.List(ctx)
}

func (s *watched) Create(ctx context.Context, l lease.Lease) error {
	_, err := s.write(ctx, "create", l.Key, func(ctx context.Context) (lease.Lease, error) {
		if err := s.store.Create(ctx, l); err != nil {
			return lease.Lease{}, err
		}
		free := l.Clone()
		free.Owner, free.Successor, free.Counter, free.Switches = "", "", 0, 0
		return free, nil
	})
	return err
}

func (s *watched) Take(ctx context.Context, seen lease.Lease, owner string) (lease.Lease, error) {
	row, err := s.write(ctx, "take", seen.Key, func(ctx context.Context) (lease.Lease, error) { return s.store.Take(ctx, seen, owner) })
	if now, own := ownWrite(err, seen, owner); own {
		s.journal.add(event{Worker: s.worker, Kind: adopted, Shard: seen.Key, Row: &now})
	}
	return row, err
}

// ownWrite reports whether a take was refused because a late write of the taker
// itself had come first. lease.Take makes the best of it and holds the lease.
func ownWrite(err error, seen lease.Lease, owner string) (lease.Lease, bool) {
	var conflict *lease.ConflictError
	if !errors.As(err, &conflict) || !conflict.Exists || conflict.Current.Owner != owner || conflict.Current.Counter != seen.Counter+1 {
		return lease.Lease{}, false
	}
	return conflict.Current.Clone(), true
}

func (s *watched) Request(ctx context.Context, seen lease.Lease, successor string) (lease.Lease, error) {
	return s.write(ctx, "request", seen.Key, func(ctx context.Context) (lease.Lease, error) { return s.store.Request(ctx, seen, successor) })
}

func (s *watched) Renew(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	return s.write(ctx, "renew", held.Key, func(ctx context.Context) (lease.Lease, error) { return s.store.Renew(ctx, held) })
}

func (s *watched) Checkpoint(ctx context.Context, held lease.Lease, done kinetrail.Position) (lease.Lease, error) {
	return s.write(ctx, "checkpoint", held.Key, func(ctx context.Context) (lease.Lease, error) { return s.store.Checkpoint(ctx, held, done) })
}

func (s *watched) Release(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	return s.write(ctx, "release", held.Key, func(ctx context.Context) (lease.Lease, error) { return s.store.Release(ctx, held) })
}

func (s *watched) Delete(ctx context.Context, seen lease.Lease) error {
	_, err := s.write(ctx, "delete", seen.Key, func(ctx context.Context) (lease.Lease, error) { return seen, s.store.Delete(ctx, seen) })
	return err
}

// write makes one write, with what the network does to it.
func (s *watched) write(ctx context.Context, op, key string, call func(context.Context) (lease.Lease, error)) (lease.Lease, error) {
	if err := s.network.reachStore(ctx); err != nil {
		return lease.Lease{}, fmt.Errorf("%s %s: %w", op, key, err)
	}
	lateBy, loseReply := s.network.nextWrite()
	if lateBy > 0 {
		s.network.note("write arrives late")
		s.onTheWay.Go(func() {
			_ = s.network.wait(context.Background(), lateBy) // a crash of its sender does not stop a message
			_, _ = s.make(context.Background(), op, key, arrivedLate, call)
		})
		_ = s.network.wait(ctx, lateBy)
		return lease.Lease{}, fmt.Errorf("%s %s: %w", op, key, errLost)
	}
	row, err := s.make(ctx, op, key, "", call)
	if loseReply {
		s.network.note("reply lost")
		return lease.Lease{}, fmt.Errorf("%s %s: %w", op, key, errLost)
	}
	return row, err
}

// arrivedLate marks a write of which its worker has learned nothing.
const arrivedLate = "it arrived late"

// make makes one write and tells the journal.
func (s *watched) make(ctx context.Context, op, key, note string, call func(context.Context) (lease.Lease, error)) (row lease.Lease, err error) {
	s.journal.change(func() event {
		row, err = call(ctx)
		e := event{Worker: s.worker, Kind: written, Shard: key, Op: op, Text: note}
		var conflict *lease.ConflictError
		switch {
		case err == nil:
			after := row.Clone()
			e.Row = &after
		case errors.As(err, &conflict):
			e.Kind = refused
		default:
			e.Kind, e.Text = refused, err.Error()
		}
		return e
	})
	return row, err
}
