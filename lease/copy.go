package lease

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// CopyOptions tunes Copy and Import. Every default is filled in before the
// caller's functions are called.
type CopyOptions struct {
	// DryRun tells what would be written, and why nothing can be, and writes
	// nothing.
	DryRun bool

	// Replace puts what is copied in the place of leases the target has already.
	// The default, false, refuses that with an *OccupiedError.
	Replace bool

	// Watch is how long a group with owners is watched to see whether they are
	// alive. It is to be the lease duration of the groups, of which the default,
	// 10 s, is that of a consumer.
	Watch time.Duration
}

// Copied is what Copy and Import have written, or would write, each as it is in
// the target afterwards.
type Copied struct {
	// Created are the leases the target did not have, Replaced those that had
	// another place there, and Kept those that had the same.
	Created, Replaced, Kept []Lease
}

// LivingError says that a group is not to be copied or written over because
// workers use it.
type LivingError struct {
	// Group is "source" or "target".
	Group string

	// Workers are those that were seen to write.
	Workers []string
}

// Error names the workers.
func (e *LivingError) Error() string {
	return fmt.Sprintf("copy leases: the %s group is in use by %s; stop it first", e.Group, strings.Join(e.Workers, ", "))
}

// OccupiedError says that the target has other checkpoints than what is copied.
type OccupiedError struct {
	// Leases are the rows of the target that would be lost.
	Leases []Lease
}

// Error tells how many leases the target has.
func (e *OccupiedError) Error() string {
	return fmt.Sprintf("copy leases: the target has %d of them with other checkpoints, such as %s at %s; CopyOptions.Replace gives them up",
		len(e.Leases), e.Leases[0].Key, e.Leases[0].Checkpoint)
}

// Copy carries a group to another store, or another group: every lease with its
// key, its shard and lineage, its checkpoint with the place in a container, and
// the start that Latest was resolved to. In the target the leases are free, so
// that workers go on from there. The source stays as it is.
//
// The workers of the source must have been stopped, or they would handle records
// that those of the target handle as well: living ones are a *LivingError. So are
// living workers of the target. Copying again goes on where it was interrupted.
func Copy(ctx context.Context, from, to Store, opts ...func(*CopyOptions)) (Copied, error) {
	o := copyOptions(opts)
	if err := refuseLiving(ctx, "source", from, o.Watch); err != nil {
		return Copied{}, err
	}
	leases, err := from.List(ctx)
	if err != nil {
		return Copied{}, fmt.Errorf("copy leases: %w", err)
	}
	return Import(ctx, leases, to, opts...)
}

// Import adds leases to a group, as Copy does with those of a store: for
// checkpoints that come from somewhere else. Owners and counters are left out.
// Which workers use the source is for the caller to know.
func Import(ctx context.Context, leases []Lease, to Store, opts ...func(*CopyOptions)) (Copied, error) {
	o := copyOptions(opts)
	there, err := byKey(ctx, to)
	if err != nil {
		return Copied{}, fmt.Errorf("copy leases: %w", err)
	}
	plan := compare(leases, there)
	if len(plan.Replaced) > 0 && !o.Replace {
		occupied := &OccupiedError{}
		for _, l := range plan.Replaced {
			occupied.Leases = append(occupied.Leases, there[l.Key])
		}
		return Copied{}, occupied
	}
	if len(plan.Created)+len(plan.Replaced) > 0 {
		if err := refuseLiving(ctx, "target", to, o.Watch); err != nil {
			return Copied{}, err
		}
	}
	if o.DryRun {
		return plan, nil
	}
	for _, l := range plan.Replaced {
		if _, err := replace(ctx, to, there[l.Key], l); err != nil {
			return Copied{}, fmt.Errorf("copy leases: %w", err)
		}
	}
	for _, l := range plan.Created {
		if err := to.Create(ctx, l); err != nil {
			return Copied{}, fmt.Errorf("copy leases: %w", err)
		}
	}
	return plan, nil
}

func copyOptions(opts []func(*CopyOptions)) CopyOptions {
	o := CopyOptions{Watch: 10 * time.Second}
	for _, set := range opts {
		set(&o)
	}
	return o
}

func refuseLiving(ctx context.Context, group string, store Store, watch time.Duration) error {
	workers, err := Living(ctx, store, watch)
	if err != nil {
		return fmt.Errorf("copy leases: %w", err)
	}
	if len(workers) > 0 {
		return &LivingError{Group: group, Workers: workers}
	}
	return nil
}

// compare sorts out what becomes of leases beside those that are there, parents
// first, so that a copy that is interrupted leaves no child without its parents.
func compare(leases []Lease, there map[string]Lease) Copied {
	rows := make(map[string]Lease, len(leases))
	for _, l := range leases {
		rows[l.Key] = l
	}
	var plan Copied
	for _, l := range parentsFirst(rows) {
		l = l.Clone()
		l.Owner, l.Successor, l.Counter, l.Switches = "", "", 0, 0
		switch row, exists := there[l.Key]; {
		case !exists:
			plan.Created = append(plan.Created, l)
		case row.Checkpoint == l.Checkpoint && row.Start == l.Start:
			plan.Kept = append(plan.Kept, row)
		default:
			plan.Replaced = append(plan.Replaced, l)
		}
	}
	return plan
}
