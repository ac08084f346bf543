package lease_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/leasetest"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

const duration = 10 * time.Second

// hold makes a store with one lease, held by "a" through a network.
func hold(t *testing.T) (*memlease.Store, *leasetest.Faults, *lease.Held) {
	t.Helper()
	store := memlease.New()
	faults := leasetest.NewFaults(store)
	if err := store.Create(t.Context(), lease.Lease{Key: "s", ShardID: "s", Checkpoint: kinetrail.TrimHorizon()}); err != nil {
		t.Fatal(err)
	}
	held, err := lease.Take(t.Context(), faults, row(t, store), "a", duration)
	if err != nil {
		t.Fatal(err)
	}
	return store, faults, held
}

func row(t *testing.T, store lease.Store) lease.Lease {
	t.Helper()
	leases, err := store.List(t.Context())
	if err != nil || len(leases) != 1 {
		t.Fatalf("List = %v, %v; want one lease", leases, err)
	}
	return leases[0]
}

func TestHeldIsLostByItsOwnClockBeforeOthersCanTakeIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, faults, held := hold(t)
		others := lease.NewObserver(duration)
		others.Observe([]lease.Lease{row(t, store)}, time.Now())

		faults.Down(leasetest.ErrFault)
		time.Sleep(duration - time.Millisecond)
		if err := held.Renew(t.Context(), 0); !errors.Is(err, leasetest.ErrFault) || errors.Is(err, lease.ErrLost) {
			t.Errorf("Renew before the lease ran out: %v; want the fault and the lease still held", err)
		}
		time.Sleep(time.Millisecond)
		faults.Up()
		if err := held.Renew(t.Context(), 0); !errors.Is(err, lease.ErrLost) {
			t.Errorf("Renew after the lease ran out: %v; want ErrLost", err)
		}
		if others.Available(row(t, store), time.Now()) {
			t.Error("another worker may take the lease in the moment its owner stops; want it to wait longer")
		}
		time.Sleep(time.Nanosecond)
		if !others.Available(row(t, store), time.Now()) {
			t.Error("another worker may not take the expired lease; want it available")
		}
	})
}

func TestHeldSurvivesABlipOfTheStoreShorterThanTheLease(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, faults, held := hold(t)
		faults.Down(leasetest.ErrFault)
		for range 3 {
			time.Sleep(3 * time.Second)
			if err := held.Renew(t.Context(), 0); errors.Is(err, lease.ErrLost) {
				t.Fatalf("Renew during the blip: %v; want the lease still held", err)
			}
		}
		faults.Up()
		if err := held.Renew(t.Context(), 0); err != nil {
			t.Errorf("Renew after the blip: %v; want no error", err)
		}
		if want := time.Now().Add(duration); !held.Expires().Equal(want) {
			t.Errorf("expires %v; want %v", held.Expires(), want)
		}
	})
}

func TestRenewDoesNothingForALeaseThatWasJustWritten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, faults, held := hold(t)
		time.Sleep(2 * time.Second)
		if err := held.Checkpoint(t.Context(), kinetrail.At("1", 0)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := held.Renew(t.Context(), 2*time.Second); err != nil || faults.Calls(leasetest.Renew) != 0 {
			t.Errorf("Renew 1 s after a checkpoint: %v with %d calls; want none", err, faults.Calls(leasetest.Renew))
		}
		time.Sleep(time.Second)
		if err := held.Renew(t.Context(), 2*time.Second); err != nil || faults.Calls(leasetest.Renew) != 1 {
			t.Errorf("Renew 2 s after a checkpoint: %v with %d calls; want one", err, faults.Calls(leasetest.Renew))
		}
	})
}

func TestHeldDoesNotWriteACheckpointTwice(t *testing.T) {
	t.Parallel()
	_, faults, held := hold(t)
	for range 3 {
		if err := held.Checkpoint(t.Context(), kinetrail.At("7", 1)); err != nil {
			t.Fatal(err)
		}
	}
	if err := held.Checkpoint(t.Context(), kinetrail.At("6", 0)); err != nil {
		t.Errorf("a checkpoint the row is past: %v; want nothing to do", err)
	}
	if got := faults.Calls(leasetest.Checkpoint); got != 1 {
		t.Errorf("%d checkpoint calls; want 1", got)
	}
}

func TestHeldFinishesWithChildrenAndReleases(t *testing.T) {
	t.Parallel()
	store, _, held := hold(t)
	if err := held.Finish(t.Context(), []string{"c1", "c2"}); err != nil {
		t.Fatal(err)
	}
	if err := held.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := row(t, store); !got.Finished() || len(got.Children) != 2 || got.Owner != "" {
		t.Errorf("row %+v; want it finished, with two children and free", got)
	}
	if err := held.Renew(t.Context(), 0); !errors.Is(err, lease.ErrLost) {
		t.Errorf("Renew after Release: %v; want ErrLost", err)
	}
}

func TestTakeRepairsALostReplyInsideTheStore(t *testing.T) {
	t.Parallel()
	store, _, _ := hold(t)
	seen := row(t, store)
	if _, err := store.Take(t.Context(), seen, "b"); err != nil {
		t.Fatal(err)
	}
	// The store's own second attempt meets the effect of its first.
	held, err := lease.Take(t.Context(), store, seen, "b", duration)
	if err != nil {
		t.Fatalf("Take whose first attempt took effect: %v; want no error", err)
	}
	if err := held.Renew(t.Context(), 0); err != nil {
		t.Errorf("Renew: %v; want no error", err)
	}
}

func TestTheOwnerLearnsOfItsSuccessorByRenewing(t *testing.T) {
	t.Parallel()
	store, _, held := hold(t)
	if _, err := store.Request(t.Context(), row(t, store), "b"); err != nil {
		t.Fatal(err)
	}
	if err := held.Renew(t.Context(), 0); err != nil || held.Lease().Successor != "b" {
		t.Errorf("Renew = %v, successor %q; want no error and b", err, held.Lease().Successor)
	}
}

func TestObserverForgetsAndStartsAnew(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := lease.NewObserver(duration)
		l := lease.Lease{Key: "s", Owner: "a", Counter: 4}
		steps := []struct {
			what  string
			after time.Duration
			row   lease.Lease
			want  bool
		}{
			{"first sight counts as fresh", 0, l, false},
			{"still within the duration", duration, l, false},
			{"longer than the duration", time.Nanosecond, l, true},
			{"the counter moved", 0, lease.Lease{Key: "s", Owner: "a", Counter: 5}, false},
			{"expired again", duration + 1, lease.Lease{Key: "s", Owner: "a", Counter: 5}, true},
			{"another owner with the same counter", 0, lease.Lease{Key: "s", Owner: "b", Counter: 5}, false},
			{"free", 0, lease.Lease{Key: "s", Counter: 6}, true},
		}
		for _, step := range steps {
			time.Sleep(step.after)
			o.Observe([]lease.Lease{step.row}, time.Now())
			if got := o.Available(step.row, time.Now()); got != step.want {
				t.Errorf("%s: available %t; want %t", step.what, got, step.want)
			}
		}
	})
}

func TestObserverKnowsWhenTheNextLeaseOfOthersExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o := lease.NewObserver(duration)
		if next := o.NextExpiry("me", time.Now()); !next.IsZero() {
			t.Errorf("without leases the next expiry is %v; want none", next)
		}
		rows := []lease.Lease{{Key: "a", Owner: "a"}, {Key: "mine", Owner: "me"}, {Key: "free"}}
		o.Observe(rows, time.Now())
		expiry := time.Now().Add(duration)
		time.Sleep(time.Second)
		rows = append(rows, lease.Lease{Key: "b", Owner: "b"})
		o.Observe(rows, time.Now())
		if next := o.NextExpiry("me", time.Now()); !next.Equal(expiry) {
			t.Errorf("the next expiry is %v; want that of a, %v", next, expiry)
		}
		time.Sleep(time.Until(expiry) + time.Nanosecond)
		if next := o.NextExpiry("me", time.Now()); !next.Equal(expiry.Add(time.Second)) {
			t.Errorf("once a has expired the next expiry is %v; want that of b, %v", next, expiry.Add(time.Second))
		}
		time.Sleep(time.Minute)
		if next := o.NextExpiry("me", time.Now()); !next.IsZero() {
			t.Errorf("once all have expired the next expiry is %v; want none", next)
		}
	})
}

func TestResumeAtPrefersTheCheckpoint(t *testing.T) {
	t.Parallel()
	start := kinetrail.AtTime(time.Unix(1700000000, 0))
	for _, tt := range []struct {
		checkpoint, start, want kinetrail.Position
	}{
		{kinetrail.TrimHorizon(), kinetrail.Position{}, kinetrail.TrimHorizon()},
		{kinetrail.Latest(), start, start},
		{kinetrail.At("5", 2), start, kinetrail.At("5", 2)},
		{kinetrail.ShardEnd(), start, kinetrail.ShardEnd()},
	} {
		if got := (lease.Lease{Checkpoint: tt.checkpoint, Start: tt.start}).ResumeAt(); got != tt.want {
			t.Errorf("checkpoint %v, start %v: resume at %v; want %v", tt.checkpoint, tt.start, got, tt.want)
		}
	}
}
