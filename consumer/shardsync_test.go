package consumer

import (
	"slices"
	"testing"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/shardmap"
)

// lineage is a split of p into a and b, which are merged into m:
//
//	p ─┬─ a ─┬─ m
//	   └─ b ─┘
func lineage(t *testing.T) *shardmap.Map {
	t.Helper()
	m, err := shardmap.New([]shardmap.Shard{
		{ID: "m", Range: shardmap.FullRange, ParentID: "a", AdjacentParentID: "b"},
		{ID: "a", Range: shardmap.Uniform(2)[0], ParentID: "p", Closed: true},
		{ID: "b", Range: shardmap.Uniform(2)[1], ParentID: "p", Closed: true},
		{ID: "p", Range: shardmap.FullRange, Closed: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// leased makes a table of shards and checkpoints; parents come from the list.
func leased(shards *shardmap.Map, checkpoints map[string]kinetrail.Position) table {
	rows := make(table)
	for id, p := range checkpoints {
		l := lease.Lease{Key: id, ShardID: id, Checkpoint: p}
		if s, ok := shards.Shard(id); ok {
			l.Parents = s.Parents()
		}
		rows[id] = &l
	}
	return rows
}

func TestReadyMeansThatEveryParentIsFinishedOrGone(t *testing.T) {
	t.Parallel()
	var (
		trim   = kinetrail.TrimHorizon()
		record = kinetrail.At("5", 0)
		end    = kinetrail.ShardEnd()
	)
	for _, tt := range []struct {
		name   string
		rows   map[string]kinetrail.Position
		remove []string // from the list
		only   []string
		shard  string
		want   []string // parents waited for
	}{
		{"no parents", map[string]kinetrail.Position{"p": trim}, nil, nil, "p", nil},
		{"parent unread", map[string]kinetrail.Position{"p": trim, "a": trim}, nil, nil, "a", []string{"p"}},
		{"parent in the middle", map[string]kinetrail.Position{"p": record, "a": trim}, nil, nil, "a", []string{"p"}},
		{"parent finished", map[string]kinetrail.Position{"p": end, "a": trim}, nil, nil, "a", nil},
		{"parent listed without a lease is unread", map[string]kinetrail.Position{"a": trim}, nil, nil, "a", []string{"p"}},
		{"parent gone with retention", map[string]kinetrail.Position{"a": trim}, []string{"p"}, nil, "a", nil},
		{"parent gone from the list, but its lease is unfinished", map[string]kinetrail.Position{"p": record, "a": trim}, []string{"p"}, nil, "a", []string{"p"}},
		{"parent neither leased nor listed, by a list older than the child", map[string]kinetrail.Position{"a": end, "m": trim}, []string{"b", "m"}, nil, "m", []string{"b"}},
		{"one of two parents open", map[string]kinetrail.Position{"a": end, "b": record, "m": trim}, nil, nil, "m", []string{"b"}},
		{"neither of two parents done", map[string]kinetrail.Position{"m": trim}, nil, nil, "m", []string{"a", "b"}},
		{"both parents done", map[string]kinetrail.Position{"a": end, "b": end, "m": trim}, nil, nil, "m", nil},
		{"read before, parents cleaned up by a KCL worker", map[string]kinetrail.Position{"m": record}, nil, nil, "m", nil},
		{"parents outside the shards named", map[string]kinetrail.Position{"m": trim}, nil, []string{"m"}, "m", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			shards := without(t, lineage(t), tt.remove...)
			rows := leased(lineage(t), tt.rows)
			only := make(map[string]bool)
			for _, id := range tt.only {
				only[id] = true
			}
			got := waitingFor(rows[tt.shard], rows, shards, only)
			if !slices.Equal(got, tt.want) || ready(rows[tt.shard], rows, shards, only) != (len(tt.want) == 0) {
				t.Errorf("shard %s waits for %v; want %v", tt.shard, got, tt.want)
			}
		})
	}
}

func TestALeaseWithoutParentsTakesThemFromTheList(t *testing.T) {
	t.Parallel()
	rows := table{"a": {Key: "a", ShardID: "a", Checkpoint: kinetrail.TrimHorizon()}}
	if got := waitingFor(rows["a"], rows, lineage(t), nil); !slices.Equal(got, []string{"p"}) {
		t.Errorf("waits for %v; want [p]", got)
	}
}

func without(t *testing.T, m *shardmap.Map, ids ...string) *shardmap.Map {
	t.Helper()
	shards := slices.DeleteFunc(slices.Clone(m.Shards()), func(s shardmap.Shard) bool { return slices.Contains(ids, s.ID) })
	left, err := shardmap.New(shards)
	if left == nil {
		t.Fatal(err)
	}
	return left
}

func TestMissingLeases(t *testing.T) {
	t.Parallel()
	var (
		trim   = kinetrail.TrimHorizon()
		latest = kinetrail.Latest()
		record = kinetrail.At("5", 0)
		end    = kinetrail.ShardEnd()
		now    = kinetrail.AtTime(time.Unix(1_700_000_000, 0))
		early  = kinetrail.AtTime(time.Unix(1_600_000_000, 0))
	)
	type place struct {
		shard             string
		checkpoint, start kinetrail.Position
	}
	for _, tt := range []struct {
		name  string
		rows  map[string]kinetrail.Position
		start kinetrail.Position // of the rows
		from  kinetrail.Position
		want  []place
	}{
		{"a new group from the trim horizon", nil, kinetrail.Position{}, trim,
			[]place{{"p", trim, kinetrail.Position{}}, {"a", trim, kinetrail.Position{}}, {"b", trim, kinetrail.Position{}}, {"m", trim, kinetrail.Position{}}}},
		{"a new group from latest", nil, kinetrail.Position{}, latest,
			[]place{{"p", latest, now}, {"a", latest, now}, {"b", latest, now}, {"m", latest, now}}},
		{"nothing is missing", map[string]kinetrail.Position{"p": end, "a": record, "b": trim, "m": trim}, kinetrail.Position{}, latest, nil},
		{"a set-up that was interrupted goes on where it began", map[string]kinetrail.Position{"p": latest, "a": latest}, early, latest,
			[]place{{"b", latest, early}, {"m", latest, early}}},
		{"a child of a shard that was read is new", map[string]kinetrail.Position{"p": end, "a": end, "b": record}, early, latest,
			[]place{{"m", trim, kinetrail.Position{}}}},
		{"all ancestors that were cleaned up stay away", map[string]kinetrail.Position{"m": record}, kinetrail.Position{}, trim, nil},
		{"ancestors of an unread shard are not cleaned up", map[string]kinetrail.Position{"m": trim}, kinetrail.Position{}, trim,
			[]place{{"p", trim, kinetrail.Position{}}, {"a", trim, kinetrail.Position{}}, {"b", trim, kinetrail.Position{}}}},
		{"a finished parent that was cleaned up stays away", map[string]kinetrail.Position{"a": record, "b": end, "m": trim}, kinetrail.Position{}, trim, nil},
		{"a deleted row comes back when a child of it is unread", map[string]kinetrail.Position{"a": record, "b": trim, "m": trim}, kinetrail.Position{}, trim,
			[]place{{"p", trim, kinetrail.Position{}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rows := leased(lineage(t), tt.rows)
			for _, l := range rows {
				l.Start = tt.start
			}
			var got []place
			for _, l := range missing(rows, lineage(t), nil, tt.from, resolve(tt.from, time.Unix(1_700_000_000, 0))) {
				got = append(got, place{l.ShardID, l.Checkpoint, l.Start})
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("creates %v; want %v", got, tt.want)
			}
		})
	}
}

func TestLeasesAreCreatedAGenerationAtATime(t *testing.T) {
	t.Parallel()
	var got []string
	for _, run := range generations(missing(nil, lineage(t), nil, kinetrail.TrimHorizon(), kinetrail.Position{})) {
		ids := ""
		for _, l := range run {
			ids += l.ShardID
		}
		got = append(got, ids)
	}
	if want := []string{"p", "ab", "m"}; !slices.Equal(got, want) {
		t.Errorf("created together %v; want %v", got, want)
	}
}

func TestOutdatedLeases(t *testing.T) {
	t.Parallel()
	end, trim, record := kinetrail.ShardEnd(), kinetrail.TrimHorizon(), kinetrail.At("5", 0)
	for _, tt := range []struct {
		name  string
		child kinetrail.Position
		p     kinetrail.Position
		gone  []string
		want  int
	}{
		{"finished and still listed", record, end, nil, 0},
		{"finished and removed by retention", record, end, []string{"p"}, 1},
		{"finished, but a child has not begun", trim, end, []string{"p"}, 0},
		{"unfinished and removed by retention", record, record, []string{"p"}, 0},
		{"removed by retention together with its children", end, end, []string{"p", "a", "b"}, 2},
		{"finished, and the list is from before its stream had it", end, end, []string{"p", "a", "b", "m"}, 0},
	} {
		rows := leased(lineage(t), map[string]kinetrail.Position{"p": tt.p, "a": tt.child, "b": record})
		p, a := rows["p"], rows["a"]
		p.Children, a.Children = []string{"a", "b"}, []string{"m"}
		rows["p"], rows["a"] = p, a
		if got := outdated(rows, without(t, lineage(t), tt.gone...)); len(got) != tt.want {
			t.Errorf("%s: deletes %v; want %d", tt.name, got, tt.want)
		}
	}
}

func TestAReshardIsCountedUnderOneOfItsChildren(t *testing.T) {
	t.Parallel()
	shards := lineage(t).Shards()
	var counted []string
	for _, s := range shards {
		if opensReshard(s, shards) {
			counted = append(counted, s.ID)
		}
	}
	if want := []string{"a", "m"}; !slices.Equal(counted, want) {
		t.Errorf("counted under %v; want %v: one split, one merge", counted, want)
	}
}
