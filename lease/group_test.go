package lease_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

// family is a shard that was split in two, one of which is being read.
func family(t *testing.T) (*memlease.Store, map[string]lease.Lease) {
	t.Helper()
	store := memlease.New()
	start := kinetrail.AtTime(time.Unix(1_700_000_000, 0))
	for _, l := range []lease.Lease{
		{Key: "parent", ShardID: "parent", Checkpoint: kinetrail.ShardEnd(), Children: []string{"left", "right"}, Start: start},
		{Key: "left", ShardID: "left", Parents: []string{"parent"}, Checkpoint: kinetrail.At("700", 3), StartingHashKey: "0", EndingHashKey: "99"},
		{Key: "right", ShardID: "right", Parents: []string{"parent"}, Checkpoint: kinetrail.TrimHorizon()},
	} {
		if err := store.Create(t.Context(), l); err != nil {
			t.Fatal(err)
		}
	}
	return store, listed(t, store)
}

func listed(t *testing.T, store lease.Store) map[string]lease.Lease {
	t.Helper()
	leases, err := store.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]lease.Lease)
	for _, l := range leases {
		rows[l.Key] = l
	}
	return rows
}

func take(t *testing.T, store lease.Store, seen lease.Lease, owner string) lease.Lease {
	t.Helper()
	held, err := store.Take(t.Context(), seen, owner)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

// own renews a lease as a worker does, hands it over when it is asked to, and
// reports why it ended.
func own(t *testing.T, store lease.Store, seen lease.Lease, owner string) <-chan error {
	t.Helper()
	held, err := lease.Take(t.Context(), store, seen, owner, duration)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() {
		for {
			select {
			case <-time.After(duration / 3):
			case <-ctx.Done():
				return
			}
			if err := held.Renew(ctx, 0); err != nil {
				ended <- err
				return
			}
			if held.Lease().Successor != "" {
				ended <- held.Release(ctx)
				return
			}
		}
	}()
	return ended
}

func TestLivingFindsTheWorkersThatWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, rows := family(t)
		began := time.Now()
		if living, err := lease.Living(t.Context(), store, duration); len(living) != 0 || err != nil || time.Since(began) > 0 {
			t.Errorf("Living of a group without owners = %v, %v after %v; want nobody at once", living, err, time.Since(began))
		}
		take(t, store, rows["left"], "dead")
		own(t, store, rows["right"], "alive")
		living, err := lease.Living(t.Context(), store, duration)
		if !slices.Equal(living, []string{"alive"}) || err != nil || time.Since(began) != duration {
			t.Errorf("Living = %v, %v after %v; want the one that renews after %v", living, err, time.Since(began), duration)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := lease.Living(ctx, store, duration); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Living with an ended ctx: %v; want its cause", err)
		}
	})
}

func TestResetPutsCheckpointsAnywhere(t *testing.T) {
	t.Parallel()
	past := kinetrail.AtTime(time.Unix(1_600_000_000, 0))
	store, before := family(t)
	take(t, store, before["left"], "dead")
	got, err := lease.Reset(t.Context(), store, map[string]kinetrail.Position{
		"parent": past, "left": kinetrail.At("600", 1), "right": kinetrail.ShardEnd(),
	})
	if err != nil {
		t.Fatal(err)
	}
	after := listed(t, store)
	want := map[string]lease.Lease{"parent": before["parent"], "left": before["left"], "right": before["right"]}
	for key, change := range map[string]func(*lease.Lease){
		"parent": func(l *lease.Lease) { l.Checkpoint, l.Start, l.Children = past, past, nil },
		"left":   func(l *lease.Lease) { l.Checkpoint = kinetrail.At("600", 1) },
		"right":  func(l *lease.Lease) { l.Checkpoint = kinetrail.ShardEnd() },
	} {
		l := want[key]
		change(&l)
		want[key] = l
	}
	if !reflect.DeepEqual(after, want) {
		t.Errorf("after Reset\n got %+v\nwant %+v", after, want)
	}
	if len(got) != 3 || !reflect.DeepEqual(got[0], after["left"]) || !reflect.DeepEqual(got[1], after["parent"]) {
		t.Errorf("Reset returned %+v; want the rows as they are, by key", got)
	}
}

func TestResetRefusesWhatIsNoPlaceOrNoLeaseAndChangesNothing(t *testing.T) {
	t.Parallel()
	store, before := family(t)
	for name, to := range map[string]map[string]kinetrail.Position{
		"nothing":  {"left": kinetrail.TrimHorizon(), "right": {}},
		"LATEST":   {"left": kinetrail.TrimHorizon(), "right": kinetrail.Latest()},
		"no lease": {"left": kinetrail.TrimHorizon(), "middle": kinetrail.TrimHorizon()},
	} {
		if _, err := lease.Reset(t.Context(), store, to); err == nil || errors.Is(err, lease.ErrNoLease) != (name == "no lease") {
			t.Errorf("%s: Reset = %v; want it refused", name, err)
		}
		if after := listed(t, store); !reflect.DeepEqual(after, before) {
			t.Errorf("%s: the rows are %+v; want them as they were, %+v", name, after, before)
		}
	}
}

// healing is a store whose owner puts its row back as soon as it is deleted, as a
// consumer does that notices at that moment, and takes it again.
type healing struct {
	lease.Store

	t     *testing.T
	heals int
	order []string
}

func (s *healing) Delete(ctx context.Context, seen lease.Lease) error {
	if err := s.Store.Delete(ctx, seen); err != nil || s.heals == 0 {
		return err
	}
	s.heals--
	if err := s.Store.Create(ctx, seen); err != nil {
		s.t.Error(err)
	}
	_, err := s.Store.Take(ctx, listed(s.t, s.Store)[seen.Key], "owner")
	return err
}

func (s *healing) Create(ctx context.Context, l lease.Lease) error {
	err := s.Store.Create(ctx, l)
	if err == nil {
		s.order = append(s.order, l.Key)
	}
	return err
}

func TestResetGetsItsWayAgainstOwnersThatPutTheirRowsBack(t *testing.T) {
	t.Parallel()
	inner, _ := family(t)
	store := &healing{Store: inner, t: t, heals: 3}
	_, err := lease.Reset(t.Context(), store, map[string]kinetrail.Position{"left": kinetrail.At("1", 0), "parent": kinetrail.TrimHorizon()})
	if row := listed(t, inner)["left"]; err != nil || row.Checkpoint != kinetrail.At("1", 0) || row.Owner != "" {
		t.Errorf("Reset = %v, the row is %+v; want it free at record 1", err, row)
	}
	if !slices.Equal(store.order, []string{"parent", "left"}) {
		t.Errorf("the rows were written in the order %v; want the parent first", store.order)
	}
}

func TestResetEndsTheTenureOfALivingOwner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, rows := family(t)
		ended := own(t, store, rows["left"], "alive")
		if _, err := lease.Reset(t.Context(), store, map[string]kinetrail.Position{"left": kinetrail.TrimHorizon()}); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, lease.ErrLost) {
			t.Errorf("the owner's renewal: %v; want ErrLost", err)
		}
		if row := listed(t, store)["left"]; !row.Checkpoint.IsTrimHorizon() || row.Owner != "" {
			t.Errorf("the row is %+v; want it free at TRIM_HORIZON", row)
		}
	})
}

func TestMoveHandsALeaseToANamedWorker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, rows := family(t)
		own(t, store, rows["right"], "b")

		if _, err := lease.Move(t.Context(), store, "left", "typo"); !errors.Is(err, lease.ErrUnknownWorker) {
			t.Errorf("Move to an unknown worker: %v; want ErrUnknownWorker", err)
		}
		if _, err := lease.Move(t.Context(), store, "middle", "b"); !errors.Is(err, lease.ErrNoLease) {
			t.Errorf("Move of an unknown lease: %v; want ErrNoLease", err)
		}
		if _, err := lease.Move(t.Context(), store, "parent", "b"); err == nil {
			t.Error("Move of a finished shard succeeded; want it refused")
		}
		if row, err := lease.Move(t.Context(), store, "left", "b"); err != nil || row.Owner != "b" {
			t.Errorf("Move of a free lease = %+v, %v; want b to have it", row, err)
		}

		ended := own(t, store, listed(t, store)["left"], "a")
		began := time.Now()
		row, err := lease.Move(t.Context(), store, "left", "b")
		if err != nil || row.Owner != "b" || row.Counter != listed(t, store)["left"].Counter {
			t.Errorf("Move of a held lease = %+v, %v; want b to have it", row, err)
		}
		if err := <-ended; err != nil || time.Since(began) > duration/3+time.Second {
			t.Errorf("the owner ended with %v after %v; want it to give the lease away in peace", err, time.Since(began))
		}

		take(t, store, listed(t, store)["left"], "deaf")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute+time.Millisecond)
		defer cancel()
		row, err = lease.Move(ctx, store, "left", "c", func(o *lease.MoveOptions) { o.AnyWorker = true })
		if !errors.Is(err, context.DeadlineExceeded) || row.Owner != "deaf" || row.Successor != "c" || !strings.Contains(err.Error(), "deaf") {
			t.Errorf("Move away from an owner that does not answer = %+v, %v; want the request to stand", row, err)
		}
	})
}

// eager is a store beside a worker that takes every lease once it is free.
type eager struct {
	lease.Store

	owner string
}

func (s eager) Release(ctx context.Context, held lease.Lease) (lease.Lease, error) {
	row, err := s.Store.Release(ctx, held)
	if err == nil && row.Owner == "" {
		_, err = s.Store.Take(ctx, row, s.owner)
	}
	return row, err
}

func TestFreeWaitsForTheOwnerAndThenDoesNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, rows := family(t)
		if row, err := lease.Free(t.Context(), store, "left", time.Minute); err != nil || row.Counter != rows["left"].Counter {
			t.Errorf("Free of a free lease = %+v, %v; want it as it was", row, err)
		}
		ended := own(t, store, rows["left"], "a")
		row, err := lease.Free(t.Context(), store, "left", time.Minute)
		if err != nil || row.Owner != "" || row.Checkpoint != kinetrail.At("700", 3) {
			t.Errorf("Free = %+v, %v; want it free where it was", row, err)
		}
		if err := <-ended; err != nil {
			t.Errorf("the owner ended with %v; want it to release the lease in peace", err)
		}

		// A worker that takes every free lease at once does not lead it astray.
		busy := eager{store, "eager"}
		if _, err := busy.Take(t.Context(), listed(t, store)["left"], "eager"); err != nil {
			t.Fatal(err)
		}
		if row, err := lease.Free(t.Context(), busy, "left", 0); err != nil || row.Owner != "" {
			t.Errorf("Free beside an eager worker = %+v, %v; want the row as it was when it was free", row, err)
		}

		for _, patience := range []time.Duration{0, 7 * time.Second} {
			take(t, store, listed(t, store)["left"], "deaf")
			began := time.Now()
			if row, err := lease.Free(t.Context(), store, "left", patience); err != nil || row.Owner != "" || time.Since(began).Round(time.Second) != patience {
				t.Errorf("Free of a dead worker's lease = %+v, %v after %v; want it free after %v", row, err, time.Since(began), patience)
			}
		}

		take(t, store, listed(t, store)["left"], "deaf")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := lease.Free(ctx, store, "left", time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Free with an ended ctx: %v; want its cause", err)
		}
		if _, err := lease.Free(t.Context(), store, "middle", 0); !errors.Is(err, lease.ErrNoLease) {
			t.Errorf("Free of an unknown lease: %v; want ErrNoLease", err)
		}
	})
}
