package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/kinetrail/kinetrail/lease"
)

// renewLoop keeps the held leases: each is renewed every third of its duration,
// so that two renewals may fail before it is lost.
func (g *group) renewLoop(ctx context.Context) {
	interval := g.opts.LeaseDuration / 3
	for sleep(ctx, interval) == nil && ctx.Err() == nil {
		if err := each(g.all(), func(t *tenure) error { return t.renew(ctx, interval) }); err != nil {
			g.opts.Logger.WarnContext(ctx, "kinetrail: leases could not be renewed", slog.Any("error", err))
		}
	}
}

// renew keeps one lease. A lease that was written to a moment ago, by a
// checkpoint, needs no renewal.
func (t *tenure) renew(ctx context.Context, interval time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, interval)
	defer cancel()
	err := t.held.Renew(ctx, interval/2)
	switch {
	case errors.Is(err, lease.ErrLost):
		t.lose(err)
		return nil
	case err != nil:
		return err
	case t.held.Lease().Successor != "":
		t.handOver()
	}
	return nil
}

// watchLoop cancels the handlers of every lease that runs out, at that moment:
// renewals may hang as long as the store does.
func (g *group) watchLoop(ctx context.Context) {
	for {
		next := time.Now().Add(g.opts.LeaseDuration / 3)
		for _, t := range g.all() {
			if err := t.held.Lost(); err != nil {
				t.lose(err)
			} else if expires := t.held.Expires(); expires.Before(next) {
				next = expires
			}
		}
		if sleepUntil(ctx, next) != nil {
			return
		}
	}
}

// lose ends the tenure of a lost lease: its handlers are told at once.
func (t *tenure) lose(err error) {
	if t.released.Load() || !t.lost.CompareAndSwap(false, true) {
		return
	}
	t.stream.meter.leasesLost.Add(1)
	t.opts.Logger.WarnContext(t.ctx, "kinetrail: a lease is lost", t.attrs(slog.Any("error", err))...)
	t.cancel(fmt.Errorf("shard %s: %w", t.shardID, err))
	t.heal(err)
}

// heal puts a row back that somebody deleted, at the position this worker knows.
func (t *tenure) heal(err error) {
	var conflict *lease.ConflictError
	if !errors.As(err, &conflict) || conflict.Exists {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), closingTime)
	defer cancel()
	if err := t.stream.store.Create(ctx, t.held.Lease()); err != nil && !errors.Is(err, lease.ErrConflict) {
		t.opts.Logger.WarnContext(ctx, "kinetrail: a deleted lease could not be put back", t.attrs(slog.Any("error", err))...)
		return
	}
	t.opts.Logger.WarnContext(ctx, "kinetrail: a deleted lease was put back", t.attrs()...)
}

// handOver gives the shard to the worker that asked for it: the records being
// handled are finished, the position is written, the lease released. When that
// takes too long the handlers are cancelled.
func (t *tenure) handOver() {
	t.handingOver.Do(func() {
		t.leaving.Store(true)
		close(t.askedFor)
		t.stopFetch()
		t.handoverTimer = time.AfterFunc(t.opts.HandoverTimeout, func() { t.cancel(ErrDraining) })
	})
}

// checkpointLoop writes the positions that have moved. When they are written after
// every page it repeats what failed: the next page may be far away.
func (g *group) checkpointLoop(ctx context.Context) {
	if g.opts.ManualCheckpoints {
		return
	}
	interval := cmp.Or(g.opts.CheckpointInterval, g.opts.LeaseDuration/3)
	for sleep(ctx, interval) == nil && ctx.Err() == nil {
		within, cancel := context.WithTimeout(ctx, g.opts.LeaseDuration)
		if err := g.checkpoint(within); err != nil && ctx.Err() == nil {
			g.opts.Logger.WarnContext(ctx, "kinetrail: checkpoints could not be written", slog.Any("error", err))
		}
		cancel()
	}
}

// checkpoint writes all positions that have moved.
func (g *group) checkpoint(ctx context.Context) error {
	return each(g.all(), func(t *tenure) error { return t.checkpoint(ctx) })
}

// checkpoint writes the place up to which everything is done.
func (t *tenure) checkpoint(ctx context.Context) error {
	count, done, row := t.meter.handledCount.Load(), t.tracker.position(), t.held.Lease()
	if done.IsZero() || row.Finished() {
		return nil
	}
	if done == row.Checkpoint {
		// A record moves the position before it is counted: the last ones may
		// have been written without.
		if t.tracker.idle() {
			t.meter.written(count)
		}
		return nil
	}
	ctx, span := t.spans.checkpoint(ctx, done)
	err := t.held.Checkpoint(ctx, done)
	span.end(err)
	switch {
	case err == nil:
		t.meter.written(count)
	case errors.Is(err, lease.ErrLost):
		t.lose(err)
	}
	return err
}
