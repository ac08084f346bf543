package lease_test

import (
	"errors"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/lease/filelease"
	"github.com/kinetrail/kinetrail/lease/leasetest"
	"github.com/kinetrail/kinetrail/lease/memlease"
)

// keys are those of leases, sorted.
func keys(leases []lease.Lease) []string {
	var all []string
	for _, l := range leases {
		all = append(all, l.Key)
	}
	slices.Sort(all)
	return all
}

func TestCopyCarriesAGroupAsItIs(t *testing.T) {
	t.Parallel()
	from, rows := family(t)
	several := lease.Lease{
		Key: "123456789012:orders:1700000000:left", Stream: "123456789012:orders:1700000000", ShardID: "left",
		Checkpoint: kinetrail.Latest(), Start: kinetrail.AtTime(time.Unix(1_700_000_000, 5)),
	}
	if err := from.Create(t.Context(), several); err != nil {
		t.Fatal(err)
	}
	took := take(t, from, rows["left"], "gone")
	if _, err := from.Request(t.Context(), took, "gone, too"); err != nil {
		t.Fatal(err)
	}
	before := listed(t, from)
	to, err := filelease.Open(filepath.Join(t.TempDir(), "orders.leases"))
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	watch := func(o *lease.CopyOptions) { o.Watch = time.Millisecond }
	dry := func(o *lease.CopyOptions) { o.DryRun = true }

	planned, err := lease.Copy(t.Context(), from, to, watch, dry)
	if err != nil || len(listed(t, to)) != 0 {
		t.Fatalf("a dry run = %v and wrote %v; want neither", err, listed(t, to))
	}
	copied, err := lease.Copy(t.Context(), from, to, watch)
	if err != nil || len(copied.Created) != 4 || !reflect.DeepEqual(copied, planned) {
		t.Fatalf("Copy = %+v, %v; want what the dry run said, %+v", copied, err, planned)
	}
	want := maps.Clone(before)
	for key, l := range want {
		l.Owner, l.Successor, l.Counter, l.Switches = "", "", 0, 0
		want[key] = l
	}
	if got := listed(t, to); !reflect.DeepEqual(got, want) {
		t.Errorf("the copy is\n%+v\nwant\n%+v", got, want)
	}
	if after := listed(t, from); !reflect.DeepEqual(after, before) {
		t.Errorf("the source is %+v; want it as it was", after)
	}
	again, err := lease.Copy(t.Context(), from, to, watch)
	if err != nil || len(again.Kept) != 4 || len(again.Created)+len(again.Replaced) != 0 {
		t.Errorf("Copy again = %+v, %v; want all kept", again, err)
	}
}

func TestCopyGoesOnWhereItWasInterrupted(t *testing.T) {
	t.Parallel()
	from, _ := family(t)
	inner := memlease.New()
	to := leasetest.NewFaults(inner)
	to.LoseReply(leasetest.Create, 1)
	if _, err := lease.Copy(t.Context(), from, to); !errors.Is(err, leasetest.ErrFault) {
		t.Fatalf("Copy = %v; want the error of the store", err)
	}
	if rows := listed(t, inner); len(rows) != 1 || rows["parent"].Key == "" {
		t.Errorf("an interrupted copy left %v; want the parent alone", rows)
	}
	copied, err := lease.Copy(t.Context(), from, to)
	if err != nil || !slices.Equal(keys(copied.Kept), []string{"parent"}) || !slices.Equal(keys(copied.Created), []string{"left", "right"}) {
		t.Errorf("Copy again = %+v, %v; want the children created", copied, err)
	}
}

func TestCopyWritesOverOtherCheckpointsOnlyWhenToldTo(t *testing.T) {
	t.Parallel()
	from, _ := family(t)
	to, _ := family(t)
	if _, err := lease.Reset(t.Context(), to, map[string]kinetrail.Position{"left": kinetrail.At("900", 0)}); err != nil {
		t.Fatal(err)
	}
	before := listed(t, to)
	_, err := lease.Copy(t.Context(), from, to)
	var occupied *lease.OccupiedError
	if !errors.As(err, &occupied) || !slices.Equal(keys(occupied.Leases), []string{"left"}) || occupied.Leases[0].Checkpoint != kinetrail.At("900", 0) {
		t.Errorf("Copy = %v; want an *OccupiedError with the lease that differs", err)
	}
	if after := listed(t, to); !reflect.DeepEqual(after, before) {
		t.Errorf("a refused copy left %+v; want %+v", after, before)
	}
	copied, err := lease.Copy(t.Context(), from, to, func(o *lease.CopyOptions) { o.Replace = true })
	if err != nil || !slices.Equal(keys(copied.Replaced), []string{"left"}) || !slices.Equal(keys(copied.Kept), []string{"parent", "right"}) {
		t.Errorf("Copy with Replace = %+v, %v; want one replaced", copied, err)
	}
	if row := listed(t, to)["left"]; row.Checkpoint != kinetrail.At("700", 3) {
		t.Errorf("the row is %+v; want the source's checkpoint", row)
	}
}

func TestCopyRefusesGroupsWithLivingWorkers(t *testing.T) {
	t.Parallel()
	for _, living := range []string{"source", "target"} {
		t.Run(living, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				from, rows := family(t)
				to := memlease.New()
				if err := to.Create(t.Context(), lease.Lease{Key: "other", ShardID: "other", Checkpoint: kinetrail.TrimHorizon()}); err != nil {
					t.Fatal(err)
				}
				if living == "source" {
					own(t, from, rows["left"], "alive")
				} else {
					own(t, to, listed(t, to)["other"], "alive")
				}
				_, err := lease.Copy(t.Context(), from, to, func(o *lease.CopyOptions) { o.Replace = true })
				var refused *lease.LivingError
				if !errors.As(err, &refused) || refused.Group != living || !slices.Equal(refused.Workers, []string{"alive"}) {
					t.Errorf("Copy = %v; want a *LivingError that names the worker of the %s", err, living)
				}
				if n := len(listed(t, to)); n != 1 {
					t.Errorf("%d leases in the target; want the one it had", n)
				}
			})
		})
	}
}
