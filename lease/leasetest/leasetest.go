package leasetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
)

// Harness is what a store gives the suite.
type Harness struct {
	// Open returns a handle on the group, as another process would open it.
	// Handles on one group share its rows; a group that was not opened before
	// has none. What must be closed is closed by t.Cleanup. It is called from
	// the goroutine of the test.
	Open func(t *testing.T, group string) lease.Store

	// JumpClock moves the clock that the store or its server could read, if it
	// has one, forward or back. It may be nil.
	JumpClock func(d time.Duration)
}

// Run runs the whole suite on the store of h. Its subtests run in parallel, each
// in a group of its own.
func Run(t *testing.T, h Harness) {
	t.Helper()
	for _, test := range suite {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(&bench{T: t, h: h, group: strings.NewReplacer("/", "-", "_", "-", "#", "-").Replace(t.Name())})
		})
	}
}

var suite = []struct {
	name string
	run  func(*bench)
}{
	{"a new group has no leases", testEmpty},
	{"a created lease is free and keeps what it was given", testCreate},
	{"creating a lease twice keeps the first", testCreateTwice},
	{"of many that create one lease exactly one succeeds", testCreateRace},
	{"groups do not see each other", testGroups},
	{"another handle sees every write", testHandles},
	{"positions come back as they were written", testPositions},
	{"a lease is taken as it was seen", testTake},
	{"of many that take one lease exactly one succeeds", testTakeRace},
	{"taking a lease from another owner counts a switch", testSwitches},
	{"renewing moves the counter and nothing else", testRenew},
	{"a renewal with an old counter is refused", testRenewOld},
	{"a worker of the same name with an old counter is refused", testNamesake},
	{"a zombie changes nothing", testZombie},
	{"nobody holds a free lease", testFree},
	{"a checkpoint keeps the sub-sequence number", testCheckpoint},
	{"a checkpoint never moves back", testMovesBack},
	{"the end of a shard is written with its children", testShardEnd},
	{"a checkpoint survives its owner", testSurvives},
	{"a write changes nothing but what it is for", testNothingElse},
	{"a request leaves the owner in place", testRequest},
	{"a request does not mind a renewal", testRequestAfterRenewal},
	{"a second request is refused", testRequestTwice},
	{"who is not the owner cannot be asked", testRequestForeign},
	{"a free lease cannot be asked for", testRequestFree},
	{"a released lease goes to its successor", testHandover},
	{"a released lease without a successor is free", testRelease},
	{"taking a lease answers its request", testTakeAnswers},
	{"deleting needs the counter and forgives absence", testDelete},
	{"a deleted lease cannot be written", testDeleted},
	{"a lease created again starts anew", testRecreate},
	{"a lost reply is told from a lost lease", testLostReplies},
	{"of racing writers of one owner exactly one succeeds", testWriterRace},
	{"a store judges no time", testClock},
	{"an ended context is an error", testContext},
	{"more than a thousand leases are listed", testMany},
	{"what a store returns and was given can be changed by the caller", testAliasing},
}

// bench is one running test of the suite.
type bench struct {
	*testing.T
	h     Harness
	group string
}

func (b *bench) open() lease.Store {
	b.Helper()
	return b.h.Open(b.T, b.group)
}

// shard is the row most tests begin with.
func shard() lease.Lease {
	return lease.Lease{
		Key: "shardId-000000000002", ShardID: "shardId-000000000002",
		StartingHashKey: "0", EndingHashKey: "170141183460469231731687303715884105727",
		Parents:    []string{"shardId-000000000000", "shardId-000000000001"},
		Checkpoint: kinetrail.TrimHorizon(),
	}
}

// at is a record with a sequence number of the length the service gives.
func at(n, sub int) kinetrail.Position {
	return kinetrail.At(fmt.Sprintf("4963%052d", n), sub)
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatalf("%v; want no error", err)
	}
}

// row returns the one lease of the group as another handle sees it.
func (b *bench) row() lease.Lease {
	b.Helper()
	leases, err := b.open().List(b.Context())
	b.must(err)
	if len(leases) != 1 {
		b.Fatalf("List returned %d leases: %+v; want 1", len(leases), leases)
	}
	return leases[0]
}

// created opens a store with one lease in it.
func (b *bench) created() (lease.Store, lease.Lease) {
	b.Helper()
	s := b.open()
	b.must(s.Create(b.Context(), shard()))
	return s, b.row()
}

// taken opens a store with one lease that owner holds.
func (b *bench) taken(owner string) (lease.Store, lease.Lease) {
	b.Helper()
	s, seen := b.created()
	held, err := s.Take(b.Context(), seen, owner)
	b.must(err)
	return s, held
}

// same compares rows; empty and nil lists are the same.
func (b *bench) same(what string, got, want lease.Lease) {
	b.Helper()
	norm := func(l lease.Lease) lease.Lease {
		l.Parents, l.Children = slices.Sorted(slices.Values(l.Parents)), slices.Sorted(slices.Values(l.Children))
		return l
	}
	if !reflect.DeepEqual(norm(got), norm(want)) {
		b.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// refused checks that err is a conflict that shows the row as it is, and that
// the row did not change.
func (b *bench) refused(what string, err error, row lease.Lease) {
	b.Helper()
	var conflict *lease.ConflictError
	if !errors.As(err, &conflict) || !errors.Is(err, lease.ErrConflict) {
		b.Fatalf("%s: error %v; want a *lease.ConflictError", what, err)
	}
	if !conflict.Exists {
		b.Errorf("%s: the conflict says that the row is gone; it is there", what)
	}
	b.same(what+": the row in the conflict", conflict.Current, row)
	b.same(what+": the row afterwards", b.row(), row)
}

func testEmpty(b *bench) {
	leases, err := b.open().List(b.Context())
	if err != nil || len(leases) != 0 {
		b.Errorf("List = %v, %v; want no leases and no error", leases, err)
	}
}

func testCreate(b *bench) {
	want := shard()
	want.Key, want.Stream = "123456789012:orders:1700000000:shardId-000000000002", "123456789012:orders:1700000000"
	want.Checkpoint, want.Start = kinetrail.Latest(), kinetrail.AtTime(time.Date(2026, 11, 20, 9, 30, 0, 250_000_000, time.UTC))
	given := want
	given.Owner, given.Successor, given.Counter, given.Switches = "someone", "other", 77, 5
	b.must(b.open().Create(b.Context(), given))
	b.same("the created lease", b.row(), want)
}

func testCreateTwice(b *bench) {
	s, first := b.created()
	second := shard()
	second.Checkpoint = at(9, 0)
	b.refused("a second Create", s.Create(b.Context(), second), first)
}

func testCreateRace(b *bench) {
	var won, refused int
	b.race(8, func(s lease.Store, _ int) error { return s.Create(b.Context(), shard()) }, &won, &refused)
	if won != 1 || refused != 7 {
		b.Errorf("%d creates succeeded and %d were refused; want 1 and 7", won, refused)
	}
	b.row()
}

// race runs n writers at once, each with its own handle, and counts their
// results. Any error but a conflict fails the test.
func (b *bench) race(n int, write func(s lease.Store, i int) error, won, refused *int) {
	b.Helper()
	stores := make([]lease.Store, n)
	for i := range stores {
		stores[i] = b.open()
	}
	var (
		start sync.WaitGroup
		done  sync.WaitGroup
		mu    sync.Mutex
	)
	start.Add(1)
	for i, s := range stores {
		done.Go(func() {
			start.Wait()
			err := write(s, i)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				*won++
			case errors.Is(err, lease.ErrConflict):
				*refused++
			default:
				b.Errorf("writer %d: %v; want success or a conflict", i, err)
			}
		})
	}
	start.Done()
	done.Wait()
}

func testGroups(b *bench) {
	b.created()
	leases, err := b.h.Open(b.T, b.group+"-other").List(b.Context())
	if err != nil || len(leases) != 0 {
		b.Errorf("List of another group = %v, %v; want no leases and no error", leases, err)
	}
}

func testHandles(b *bench) {
	s, held := b.taken("a")
	b.same("after Take", b.row(), held)
	held, err := s.Checkpoint(b.Context(), held, at(1, 0))
	b.must(err)
	b.same("after Checkpoint", b.row(), held)
	held, err = b.open().Renew(b.Context(), held)
	b.must(err)
	b.same("after Renew by another handle of the owner", b.row(), held)
}

func testPositions(b *bench) {
	s := b.open()
	want := map[string]kinetrail.Position{
		"trim":   kinetrail.TrimHorizon(),
		"latest": kinetrail.Latest(),
		"time":   kinetrail.AtTime(time.Date(2023, 11, 14, 9, 31, 23, 1_000_000, time.UTC)),
		"record": at(7, 0),
		"sub":    at(7, 41),
		"end":    kinetrail.ShardEnd(),
	}
	for key, p := range want {
		b.must(s.Create(b.Context(), lease.Lease{Key: key, ShardID: key, Checkpoint: p}))
	}
	leases, err := b.open().List(b.Context())
	b.must(err)
	if len(leases) != len(want) {
		b.Errorf("List returned %d leases; want %d", len(leases), len(want))
	}
	for _, l := range leases {
		if l.Checkpoint != want[l.Key] {
			b.Errorf("lease %s: checkpoint %v; want %v", l.Key, l.Checkpoint, want[l.Key])
		}
	}
}

func testTake(b *bench) {
	s, seen := b.created()
	held, err := s.Take(b.Context(), seen, "a")
	b.must(err)
	want := seen
	want.Owner, want.Counter = "a", seen.Counter+1
	b.same("the taken lease", held, want)
	b.same("the row", b.row(), want)
	_, err = s.Take(b.Context(), seen, "b")
	b.refused("Take as it was before", err, want)
}

func testTakeRace(b *bench) {
	_, seen := b.created()
	var won, refused int
	b.race(8, func(s lease.Store, i int) error {
		_, err := s.Take(b.Context(), seen, fmt.Sprintf("worker-%d", i))
		return err
	}, &won, &refused)
	if row := b.row(); won != 1 || refused != 7 || row.Counter != seen.Counter+1 {
		b.Errorf("%d takers succeeded, %d were refused, the counter is %d; want 1, 7 and %d", won, refused, row.Counter, seen.Counter+1)
	}
}

func testSwitches(b *bench) {
	s, held := b.taken("a")
	for i, step := range []struct {
		owner string
		want  int64
	}{{"a", 0}, {"b", 1}, {"b", 1}, {"a", 2}} {
		var err error
		held, err = s.Take(b.Context(), held, step.owner)
		b.must(err)
		if held.Switches != step.want {
			b.Errorf("step %d, taken by %s: %d switches; want %d", i, step.owner, held.Switches, step.want)
		}
	}
	held, err := s.Checkpoint(b.Context(), held, at(1, 0))
	b.must(err)
	if held.Switches != 0 {
		b.Errorf("after a checkpoint: %d switches; want 0", held.Switches)
	}
}

func testRenew(b *bench) {
	s, held := b.taken("a")
	renewed, err := s.Renew(b.Context(), held)
	b.must(err)
	want := held
	want.Counter++
	b.same("the renewed lease", renewed, want)
	b.same("the row", b.row(), want)
}

func testRenewOld(b *bench) {
	s, held := b.taken("a")
	renewed, err := s.Renew(b.Context(), held)
	b.must(err)
	_, err = s.Renew(b.Context(), held)
	b.refused("Renew with the old counter", err, renewed)
	ahead := renewed
	ahead.Counter++
	_, err = s.Renew(b.Context(), ahead)
	b.refused("Renew with a counter ahead", err, renewed)
}

func testNamesake(b *bench) {
	s, old := b.taken("a")
	now, err := b.open().Take(b.Context(), old, "a")
	b.must(err)
	_, err = s.Renew(b.Context(), old)
	b.refused("Renew by the old process", err, now)
	_, err = s.Checkpoint(b.Context(), old, at(5, 0))
	b.refused("Checkpoint by the old process", err, now)
}

func testZombie(b *bench) {
	zombie, old := b.taken("a")
	s := b.open()
	now, err := s.Take(b.Context(), old, "b")
	b.must(err)
	now, err = s.Checkpoint(b.Context(), now, at(8, 0))
	b.must(err)

	_, err = zombie.Renew(b.Context(), old)
	b.refused("Renew by the zombie", err, now)
	_, err = zombie.Checkpoint(b.Context(), old, at(9, 0))
	b.refused("Checkpoint by the zombie", err, now)
	_, err = zombie.Checkpoint(b.Context(), old, kinetrail.ShardEnd())
	b.refused("Checkpoint of the shard's end by the zombie", err, now)
	_, err = zombie.Release(b.Context(), old)
	b.refused("Release by the zombie", err, now)
	b.refused("Delete by the zombie", zombie.Delete(b.Context(), old), now)
	_, err = zombie.Take(b.Context(), old, "a")
	b.refused("Take by the zombie", err, now)

	// Not even with the counter of the new owner, which it could have read.
	impostor := now
	impostor.Owner = "a"
	_, err = zombie.Checkpoint(b.Context(), impostor, at(9, 0))
	b.refused("Checkpoint by the zombie with the right counter", err, now)
}

func testFree(b *bench) {
	s, free := b.created()
	_, err := s.Renew(b.Context(), free)
	b.refused("Renew of a free lease", err, free)
	_, err = s.Checkpoint(b.Context(), free, at(1, 0))
	b.refused("Checkpoint of a free lease", err, free)
	_, err = s.Release(b.Context(), free)
	b.refused("Release of a free lease", err, free)
}

func testCheckpoint(b *bench) {
	s, held := b.taken("a")
	for _, p := range []kinetrail.Position{at(1, 0), at(1, 1), at(1, 300), at(2, 0), at(2, 0)} {
		done, err := s.Checkpoint(b.Context(), held, p)
		b.must(err)
		want := held
		want.Checkpoint, want.Counter = p, held.Counter+1
		b.same("checkpoint "+p.String(), done, want)
		b.same("the row at "+p.String(), b.row(), want)
		held = done
	}
}

func testMovesBack(b *bench) {
	s, held := b.taken("a")
	held, err := s.Checkpoint(b.Context(), held, at(10, 5))
	b.must(err)
	for _, p := range []kinetrail.Position{at(10, 4), at(9, 999), kinetrail.At("99", 0), kinetrail.TrimHorizon(), kinetrail.Latest(), kinetrail.AtTime(time.Unix(1, 0))} {
		if _, err := s.Checkpoint(b.Context(), held, p); !errors.Is(err, lease.ErrMovesBack) {
			b.Errorf("checkpoint %v after %v: error %v; want ErrMovesBack", p, held.Checkpoint, err)
		}
		b.same("the row after "+p.String(), b.row(), held)
	}
	// 100 is after 10 although its text sorts before 99.
	if _, err := s.Checkpoint(b.Context(), held, kinetrail.At("1"+strings.Repeat("0", 56), 0)); err != nil {
		b.Errorf("a longer sequence number: %v; want it accepted as larger", err)
	}
}

func testShardEnd(b *bench) {
	s, held := b.taken("a")
	held.Children = []string{"shardId-000000000007", "shardId-000000000008"}
	done, err := s.Checkpoint(b.Context(), held, kinetrail.ShardEnd())
	b.must(err)
	want := held
	want.Checkpoint, want.Counter = kinetrail.ShardEnd(), held.Counter+1
	b.same("the finished lease", done, want)
	b.same("the row", b.row(), want)
	if _, err := s.Checkpoint(b.Context(), done, at(1, 0)); !errors.Is(err, lease.ErrMovesBack) {
		b.Errorf("checkpoint of a record after the end: error %v; want ErrMovesBack", err)
	}
}

func testSurvives(b *bench) {
	s, held := b.taken("a")
	held, err := s.Checkpoint(b.Context(), held, at(3, 2))
	b.must(err)
	next, err := b.open().Take(b.Context(), held, "b")
	b.must(err)
	if next.Checkpoint != at(3, 2) || !reflect.DeepEqual(next.Parents, held.Parents) {
		b.Errorf("the next owner sees checkpoint %v and parents %v; want %v and %v", next.Checkpoint, next.Parents, at(3, 2), held.Parents)
	}
}

// testNothingElse writes in every way to a row with a start, before its first
// checkpoint and after it.
func testNothingElse(b *bench) {
	s, created := b.open(), shard()
	created.Checkpoint, created.Start = kinetrail.Latest(), kinetrail.AtTime(time.Unix(1_700_000_000, 0))
	b.must(s.Create(b.Context(), created))
	row := b.row()
	step := func(what string, write func(lease.Lease) (lease.Lease, error), change func(want *lease.Lease)) {
		b.Helper()
		want := row
		change(&want)
		written, err := write(row)
		b.must(err)
		b.same(what+" returned", written, want)
		row = b.row()
		b.same("the row after "+what, row, want)
	}
	take := func(l lease.Lease) (lease.Lease, error) { return s.Take(b.Context(), l, "a") }
	renew := func(l lease.Lease) (lease.Lease, error) { return s.Renew(b.Context(), l) }
	request := func(l lease.Lease) (lease.Lease, error) { return s.Request(b.Context(), l, "b") }
	release := func(l lease.Lease) (lease.Lease, error) { return s.Release(b.Context(), l) }
	checkpoint := func(l lease.Lease) (lease.Lease, error) {
		l.Children = []string{"shardId-000000000009"} // which are for the end of the shard
		return s.Checkpoint(b.Context(), l, at(3, 2))
	}
	for range 2 {
		step("Take", take, func(l *lease.Lease) { l.Owner = "a"; l.Counter++ })
		step("Renew", renew, func(l *lease.Lease) { l.Counter++ })
		step("Request", request, func(l *lease.Lease) { l.Successor = "b" })
		step("Renew with a successor", renew, func(l *lease.Lease) { l.Counter++ })
		step("Release to a successor", release, func(l *lease.Lease) { l.Owner, l.Successor = "b", ""; l.Counter++; l.Switches++ })
		step("Checkpoint", checkpoint, func(l *lease.Lease) { l.Checkpoint, l.Switches = at(3, 2), 0; l.Counter++ })
		step("Release", release, func(l *lease.Lease) { l.Owner = ""; l.Counter++ })
	}
}

func testRequest(b *bench) {
	s, held := b.taken("a")
	asked, err := b.open().Request(b.Context(), held, "b")
	b.must(err)
	want := held
	want.Successor = "b"
	b.same("the lease asked for", asked, want)

	// The owner's next writes succeed as if nothing had happened, and tell it.
	renewed, err := s.Renew(b.Context(), held)
	b.must(err)
	if renewed.Owner != "a" || renewed.Successor != "b" {
		b.Errorf("Renew after the request: owner %q, successor %q; want a and b", renewed.Owner, renewed.Successor)
	}
	done, err := s.Checkpoint(b.Context(), renewed, at(4, 0))
	b.must(err)
	if done.Successor != "b" {
		b.Errorf("Checkpoint after the request: successor %q; want b", done.Successor)
	}
}

func testRequestTwice(b *bench) {
	s, held := b.taken("a")
	asked, err := s.Request(b.Context(), held, "b")
	b.must(err)
	_, err = s.Request(b.Context(), held, "c")
	b.refused("a second Request", err, asked)
}

func testRequestForeign(b *bench) {
	s, held := b.taken("a")
	foreign := held
	foreign.Owner = "z"
	_, err := s.Request(b.Context(), foreign, "b")
	b.refused("a Request to who is not the owner", err, held)
}

func testRequestAfterRenewal(b *bench) {
	s, held := b.taken("a")
	renewed, err := s.Renew(b.Context(), held)
	b.must(err)
	asked, err := b.open().Request(b.Context(), held, "b")
	b.must(err)
	want := renewed
	want.Successor = "b"
	b.same("the lease asked for as it was before a renewal", asked, want)
	b.same("the row", b.row(), want)
}

func testRequestFree(b *bench) {
	s, free := b.created()
	_, err := s.Request(b.Context(), free, "b")
	b.refused("Request of a free lease", err, free)
}

func testHandover(b *bench) {
	s, held := b.taken("a")
	_, err := s.Request(b.Context(), held, "b")
	b.must(err)
	given, err := s.Release(b.Context(), held)
	b.must(err)
	want := held
	want.Owner, want.Successor, want.Counter, want.Switches = "b", "", held.Counter+1, held.Switches+1
	b.same("the lease handed over", given, want)
	_, err = s.Checkpoint(b.Context(), held, at(1, 0))
	b.refused("a late checkpoint of the old owner", err, want)
}

func testRelease(b *bench) {
	s, held := b.taken("a")
	free, err := s.Release(b.Context(), held)
	b.must(err)
	want := held
	want.Owner, want.Counter = "", held.Counter+1
	b.same("the released lease", free, want)
	_, err = s.Renew(b.Context(), held)
	b.refused("Renew after Release", err, want)
	if _, err := s.Take(b.Context(), free, "b"); err != nil {
		b.Errorf("Take of a released lease: %v; want no error", err)
	}
}

func testTakeAnswers(b *bench) {
	s, held := b.taken("a")
	asked, err := s.Request(b.Context(), held, "b")
	b.must(err)
	taken, err := s.Take(b.Context(), asked, "c")
	b.must(err)
	if taken.Owner != "c" || taken.Successor != "" {
		b.Errorf("owner %q, successor %q; want c and none", taken.Owner, taken.Successor)
	}
}

func testDelete(b *bench) {
	s, held := b.taken("a")
	stale := held
	stale.Counter--
	b.refused("Delete with an old counter", s.Delete(b.Context(), stale), held)
	b.must(s.Delete(b.Context(), held))
	leases, err := b.open().List(b.Context())
	if err != nil || len(leases) != 0 {
		b.Errorf("List after Delete = %v, %v; want nothing", leases, err)
	}
	if err := s.Delete(b.Context(), held); err != nil {
		b.Errorf("Delete of a lease that is gone: %v; want no error", err)
	}
}

func testDeleted(b *bench) {
	s, held := b.taken("a")
	b.must(s.Delete(b.Context(), held))
	writes := map[string]func() error{
		"Renew":      func() error { _, err := s.Renew(b.Context(), held); return err },
		"Checkpoint": func() error { _, err := s.Checkpoint(b.Context(), held, at(1, 0)); return err },
		"Release":    func() error { _, err := s.Release(b.Context(), held); return err },
		"Take":       func() error { _, err := s.Take(b.Context(), held, "b"); return err },
		"Request":    func() error { _, err := s.Request(b.Context(), held, "b"); return err },
	}
	for name, write := range writes {
		var conflict *lease.ConflictError
		if err := write(); !errors.As(err, &conflict) || conflict.Exists {
			b.Errorf("%s of a deleted lease: error %v; want a conflict that says it is gone", name, err)
		}
	}
	if leases, err := s.List(b.Context()); err != nil || len(leases) != 0 {
		b.Errorf("List = %v, %v; want no write to bring the row back", leases, err)
	}
}

func testRecreate(b *bench) {
	s, held := b.taken("a")
	b.must(s.Delete(b.Context(), held))
	anew := shard()
	anew.Checkpoint = at(2, 1)
	b.must(s.Create(b.Context(), anew))
	b.same("the lease created again", b.row(), anew)
	_, err := s.Checkpoint(b.Context(), held, at(9, 0))
	b.refused("a checkpoint of the old owner", err, anew)
}

func testLostReplies(b *bench) {
	const duration = time.Hour
	s, seen := b.created()
	faults := NewFaults(s)
	held, err := lease.Take(b.Context(), faults, seen, "a", duration)
	b.must(err)

	faults.LoseReply(Renew, 2)
	for range 2 {
		if err := held.Renew(b.Context(), 0); !errors.Is(err, ErrFault) || errors.Is(err, lease.ErrLost) {
			b.Fatalf("Renew without a reply: %v; want the fault and no lost lease", err)
		}
	}
	b.must(held.Renew(b.Context(), 0))

	faults.LoseReply(Checkpoint, 1)
	if err := held.Checkpoint(b.Context(), at(1, 0)); !errors.Is(err, ErrFault) {
		b.Fatalf("Checkpoint without a reply: %v; want the fault", err)
	}
	b.must(held.Checkpoint(b.Context(), at(2, 3)))
	b.same("the row after the repair", b.row(), held.Lease())
	if got := b.row().Checkpoint; got != at(2, 3) {
		b.Errorf("checkpoint %v; want %v", got, at(2, 3))
	}

	// The same silence, but this time another worker took the lease.
	faults.LoseReply(Renew, 1)
	if err := held.Renew(b.Context(), 0); !errors.Is(err, ErrFault) {
		b.Fatalf("Renew without a reply: %v; want the fault", err)
	}
	now, err := b.open().Take(b.Context(), b.row(), "b")
	b.must(err)
	if err := held.Checkpoint(b.Context(), at(3, 0)); !errors.Is(err, lease.ErrLost) {
		b.Errorf("Checkpoint after the lease was taken: %v; want ErrLost", err)
	}
	b.same("the row of the new owner", b.row(), now)
	if err := held.Release(b.Context()); err != nil {
		b.Errorf("Release of a lost lease: %v; want no error, there is nothing to release", err)
	}
	b.same("the row of the new owner after the old one's Release", b.row(), now)
}

func testWriterRace(b *bench) {
	_, held := b.taken("a")
	var won, refused int
	b.race(8, func(s lease.Store, i int) error {
		if i%2 == 0 {
			_, err := s.Renew(b.Context(), held)
			return err
		}
		_, err := s.Checkpoint(b.Context(), held, at(i, 0))
		return err
	}, &won, &refused)
	if row := b.row(); won != 1 || row.Counter != held.Counter+1 {
		b.Errorf("%d of 8 writers with one counter succeeded, the counter is %d; want 1 and %d", won, row.Counter, held.Counter+1)
	}
}

func testClock(b *bench) {
	s, held := b.taken("a")
	for _, jump := range []time.Duration{24 * time.Hour, -48 * time.Hour} {
		if b.h.JumpClock != nil {
			b.h.JumpClock(jump)
		}
		b.same("the row after a jump", b.row(), held)
		renewed, err := s.Renew(b.Context(), held)
		b.must(err)
		held = renewed
	}
}

func testContext(b *bench) {
	s, held := b.taken("a")
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	if _, err := s.List(ctx); !errors.Is(err, context.Canceled) {
		b.Errorf("List: %v; want context.Canceled", err)
	}
	if _, err := s.Renew(ctx, held); !errors.Is(err, context.Canceled) {
		b.Errorf("Renew: %v; want context.Canceled", err)
	}
	if err := s.Create(ctx, lease.Lease{Key: "another", ShardID: "another"}); !errors.Is(err, context.Canceled) {
		b.Errorf("Create: %v; want context.Canceled", err)
	}
	if _, err := s.Take(ctx, held, "b"); !errors.Is(err, context.Canceled) {
		b.Errorf("Take: %v; want context.Canceled", err)
	}
	if _, err := s.Request(ctx, held, "b"); !errors.Is(err, context.Canceled) {
		b.Errorf("Request: %v; want context.Canceled", err)
	}
	if _, err := s.Checkpoint(ctx, held, at(1, 0)); !errors.Is(err, context.Canceled) {
		b.Errorf("Checkpoint: %v; want context.Canceled", err)
	}
	if _, err := s.Release(ctx, held); !errors.Is(err, context.Canceled) {
		b.Errorf("Release: %v; want context.Canceled", err)
	}
	if err := s.Delete(ctx, held); !errors.Is(err, context.Canceled) {
		b.Errorf("Delete: %v; want context.Canceled", err)
	}
}

func testMany(b *bench) {
	const n = 1203 // more than a page of any listing we know
	s := b.open()
	for i := range n {
		l := shard()
		l.Key = fmt.Sprintf("shardId-%012d", i)
		l.ShardID = l.Key
		b.must(s.Create(b.Context(), l))
	}
	leases, err := b.open().List(b.Context())
	b.must(err)
	keys := make(map[string]bool)
	for _, l := range leases {
		keys[l.Key] = true
	}
	if len(leases) != n || len(keys) != n {
		b.Errorf("List returned %d leases of %d keys; want %d", len(leases), len(keys), n)
	}
}

func testAliasing(b *bench) {
	scribble := func(l lease.Lease) {
		for _, texts := range [][]string{l.Parents, l.Children} {
			for i := range texts {
				texts[i] = "changed"
			}
		}
	}
	s, given := b.open(), shard()
	b.must(s.Create(b.Context(), given))
	scribble(given)
	b.same("the row after the caller changed what it gave to Create", b.row(), shard())
	scribble(b.row())
	b.same("the row after the caller changed what List returned", b.row(), shard())

	want := b.row()
	want.Owner, want.Counter = "a", want.Counter+1
	held, err := s.Take(b.Context(), b.row(), "a")
	b.must(err)
	scribble(held)
	b.same("the row after the caller changed what Take returned", b.row(), want)

	want.Checkpoint, want.Counter = kinetrail.ShardEnd(), want.Counter+1
	want.Children = []string{"shardId-000000000007"}
	held = b.row()
	held.Children = slices.Clone(want.Children)
	done, err := s.Checkpoint(b.Context(), held, kinetrail.ShardEnd())
	b.must(err)
	scribble(held)
	scribble(done)
	b.same("the row after the caller changed what it gave to Checkpoint and what that returned", b.row(), want)
}
