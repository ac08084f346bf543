package shardmap_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/kinetrail/kinetrail/shardmap"
)

// shardID is the name the service gives the shard of this number.
func shardID(number int) string { return fmt.Sprintf("shardId-%012d", number) }

func uniformShards(n int) []shardmap.Shard {
	var shards []shardmap.Shard
	for i, r := range shardmap.Uniform(n) {
		shards = append(shards, shardmap.Shard{ID: shardID(i), Range: r})
	}
	return shards
}

func uniformMap(t testing.TB, n int) *shardmap.Map {
	t.Helper()
	m, err := shardmap.New(uniformShards(n))
	if err != nil {
		t.Fatalf("New of %d uniform shards: %v", n, err)
	}
	return m
}

// scan looks for the owner of key the slow way.
func scan(shards []shardmap.Shard, key shardmap.HashKey) (owner shardmap.Shard, ok bool) {
	for _, s := range shards {
		if !s.Closed && s.Range.Contains(key) && s.ID > owner.ID {
			owner, ok = s, true
		}
	}
	return owner, ok
}

// interestingKeys are the ends of every range, the keys beside them, and some
// from anywhere.
func interestingKeys(shards []shardmap.Shard, random *rand.Rand) []shardmap.HashKey {
	keys := []shardmap.HashKey{{}, shardmap.MaxHashKey}
	for _, s := range shards {
		for _, end := range []shardmap.HashKey{s.Range.Start, s.Range.End} {
			keys = append(keys, end.Prev(), end, end.Next())
		}
	}
	for range 20 {
		keys = append(keys, shardmap.HashKey{Hi: random.Uint64(), Lo: random.Uint64()})
	}
	return keys
}

// history is a stream's shards as the test believes them to be after a program
// of splits and merges. The index of a shard is its number.
type history struct {
	shards []shardmap.Shard
}

// open are the numbers of the open shards, by range.
func (h *history) open() []int {
	var numbers []int
	for i, s := range h.shards {
		if !s.Closed {
			numbers = append(numbers, i)
		}
	}
	slices.SortFunc(numbers, func(a, b int) int {
		return h.shards[a].Range.Start.Compare(h.shards[b].Range.Start)
	})
	return numbers
}

func (h *history) add(s shardmap.Shard) {
	s.ID = shardID(len(h.shards))
	h.shards = append(h.shards, s)
}

// split closes a shard and cuts its range where the second child is to start.
func (h *history) split(number int, at shardmap.HashKey) {
	parent := &h.shards[number]
	parent.Closed = true
	whole, id := parent.Range, parent.ID
	h.add(shardmap.Shard{Range: shardmap.Range{Start: whole.Start, End: at.Prev()}, ParentID: id})
	h.add(shardmap.Shard{Range: shardmap.Range{Start: at, End: whole.End}, ParentID: id})
}

// merge closes two adjacent shards and gives their keys to one.
func (h *history) merge(left, right int) {
	a, b := &h.shards[left], &h.shards[right]
	a.Closed, b.Closed = true, true
	h.add(shardmap.Shard{
		Range:            shardmap.Range{Start: a.Range.Start, End: b.Range.End},
		ParentID:         a.ID,
		AdjacentParentID: b.ID,
	})
}

// drawHistory runs a random program of splits, in the middle and elsewhere, and
// merges.
func drawHistory(t *rapid.T) *history {
	h := &history{shards: uniformShards(rapid.IntRange(1, 6).Draw(t, "shards"))}
	for step := range rapid.IntRange(0, 25).Draw(t, "steps") {
		open := h.open()
		pick := rapid.IntRange(0, len(open)-1).Draw(t, fmt.Sprintf("shard of step %d", step))
		if rapid.Bool().Draw(t, "merge") && pick+1 < len(open) {
			h.merge(open[pick], open[pick+1])
			continue
		}
		r := h.shards[open[pick]].Range
		at, ok := r.Middle()
		if !ok {
			continue
		}
		if rapid.Bool().Draw(t, "anywhere") {
			at = drawKeyIn(t, shardmap.Range{Start: r.Start.Next(), End: r.End})
		}
		h.split(open[pick], at)
	}
	return h
}

// drawKeyIn is any key of r, its ends included.
func drawKeyIn(t *rapid.T, r shardmap.Range) shardmap.HashKey {
	key := shardmap.HashKey{Hi: rapid.Uint64().Draw(t, "hi"), Lo: rapid.Uint64().Draw(t, "lo")}
	if r.Contains(key) {
		return key
	}
	return r.Start
}

// shuffled is the list in an order no caller may rely on.
func shuffled(t *rapid.T, shards []shardmap.Shard) []shardmap.Shard {
	return rapid.Permutation(shards).Draw(t, "listed as")
}

func drawRandom(t *rapid.T) *rand.Rand {
	return rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
}

func TestSplitsAndMergesLeaveEveryKeyExactlyOneOpenShard(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		m, err := shardmap.New(shuffled(t, h.shards))
		if err != nil {
			t.Fatalf("New of %v: %v", h.shards, err)
		}

		next := shardmap.HashKey{}
		for _, s := range m.Open() {
			if s.Closed || s.Range.Start != next {
				t.Fatalf("open shard %s owns %v, want keys from %v", s.ID, s.Range, next)
			}
			next = s.Range.End.Next()
		}
		if next != (shardmap.HashKey{}) {
			t.Fatalf("the open shards end before %v", next)
		}
		for _, key := range interestingKeys(h.shards, drawRandom(t)) {
			want, _ := scan(h.shards, key)
			if got, ok := m.ShardFor(key); !ok || got != want {
				t.Fatalf("ShardFor(%v) = %+v, %t; want %+v", key, got, ok, want)
			}
		}
	})
}

func TestLineageFollowsSplitsAndMerges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		m, _ := shardmap.New(shuffled(t, h.shards))

		children := map[string][]string{}
		ancestors := map[string]map[string]bool{} // numbers grow with time, so parents come first
		for _, s := range h.shards {
			ancestors[s.ID] = map[string]bool{}
			for _, parent := range s.Parents() {
				children[parent] = append(children[parent], s.ID)
				ancestors[s.ID][parent] = true
				for id := range ancestors[parent] {
					ancestors[s.ID][id] = true
				}
			}
		}
		for _, s := range h.shards {
			if got, want := m.Children(s.ID), children[s.ID]; !slices.Equal(got, want) {
				t.Errorf("Children(%s) = %v, want %v", s.ID, got, want)
			}
			got := m.Ancestors(s.ID)
			if len(got) != len(ancestors[s.ID]) {
				t.Errorf("Ancestors(%s) = %v, want %v", s.ID, got, ancestors[s.ID])
			}
			seen := map[string]bool{}
			for _, id := range got {
				if !ancestors[s.ID][id] || seen[id] {
					t.Errorf("Ancestors(%s) = %v, want each of %v once", s.ID, got, ancestors[s.ID])
				}
				seen[id] = true
				for older := range ancestors[id] {
					if !seen[older] {
						t.Errorf("Ancestors(%s) = %v, where %s stands before its ancestor %s", s.ID, got, id, older)
					}
				}
			}
			if found, ok := m.Shard(s.ID); !ok || found != s {
				t.Errorf("Shard(%s) = %+v, %t; want %+v", s.ID, found, ok, s)
			}
		}
		if !slices.Equal(m.Shards(), h.shards) {
			t.Errorf("Shards() = %v, want %v", m.Shards(), h.shards)
		}
	})
}

func TestShardsRemovedByRetentionLeaveTheRestOfTheLineage(t *testing.T) {
	t.Parallel()
	h := &history{shards: uniformShards(2)}
	middle, _ := shardmap.FullRange.Middle()
	h.merge(0, 1)      // makes 2
	h.split(2, middle) // makes 3 and 4
	m, err := shardmap.New(h.shards[2:])
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Ancestors(shardID(4)), []string{shardID(2)}; !slices.Equal(got, want) {
		t.Errorf("Ancestors = %v, want %v", got, want)
	}
	if got, want := m.Children(shardID(0)), []string{shardID(2)}; !slices.Equal(got, want) {
		t.Errorf("Children of a removed shard = %v, want %v", got, want)
	}
	if _, ok := m.Shard(shardID(0)); ok {
		t.Error("a removed shard is found")
	}
}

func TestAncestorsEndsOnALineageThatRunsInACircle(t *testing.T) {
	t.Parallel()
	m, err := shardmap.New([]shardmap.Shard{
		{ID: "a", Range: shardmap.FullRange, ParentID: "b", Closed: true},
		{ID: "b", Range: shardmap.FullRange, ParentID: "a", AdjacentParentID: "b"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := m.Ancestors("b"), []string{"a"}; !slices.Equal(got, want) {
		t.Errorf("Ancestors = %v, want %v", got, want)
	}
}

func TestParentsListsWhatIsSet(t *testing.T) {
	t.Parallel()
	tests := []struct {
		shard shardmap.Shard
		want  []string
	}{
		{shardmap.Shard{}, nil},
		{shardmap.Shard{ParentID: "a"}, []string{"a"}},
		{shardmap.Shard{AdjacentParentID: "b"}, []string{"b"}},
		{shardmap.Shard{ParentID: "a", AdjacentParentID: "b"}, []string{"a", "b"}},
	}
	for _, tt := range tests {
		if got := tt.shard.Parents(); !slices.Equal(got, tt.want) {
			t.Errorf("Parents of %+v = %q, want %q", tt.shard, got, tt.want)
		}
	}
}

func TestGapsAndOverlapsAreNamedAndLeaveAUsableMap(t *testing.T) {
	t.Parallel()
	four := uniformShards(4)
	wide := func(id string, first, last int) shardmap.Shard {
		return shardmap.Shard{ID: id, Range: shardmap.Range{Start: four[first].Range.Start, End: four[last].Range.End}}
	}
	tests := []struct {
		name   string
		shards []shardmap.Shard
		says   string
		owners [4]string // of the middle of each quarter
	}{
		{"no shard", nil, "no shard is open", [4]string{}},
		{"only closed shards", []shardmap.Shard{{ID: "a", Range: shardmap.FullRange, Closed: true}},
			"no shard is open", [4]string{}},
		{"a gap at the start", []shardmap.Shard{wide("a", 1, 3)},
			"nothing owns the keys before shard a", [4]string{"", "a", "a", "a"}},
		{"a gap at the end", []shardmap.Shard{wide("a", 0, 2)},
			"nothing owns the keys behind shard a", [4]string{"a", "a", "a", ""}},
		{"a gap in the middle", []shardmap.Shard{wide("a", 0, 0), wide("b", 2, 3)},
			"nothing owns the keys between shards a and b", [4]string{"a", "", "b", "b"}},
		{"shards that share a quarter", []shardmap.Shard{wide("b", 0, 1), wide("a", 1, 3)},
			"shards b and a overlap", [4]string{"b", "b", "a", "a"}},
		{"a shard inside another", []shardmap.Shard{wide("a", 0, 3), wide("b", 1, 2)},
			"shards a and b overlap", [4]string{"a", "b", "b", "a"}},
		{"a parent beside its children", []shardmap.Shard{wide("a", 0, 3), wide("b", 0, 1), wide("c", 2, 3)},
			"shards b and a overlap", [4]string{"b", "b", "c", "c"}},
		{"parents beside their child", []shardmap.Shard{wide("a", 0, 1), wide("b", 2, 3), wide("c", 0, 3)},
			"shards a and c overlap", [4]string{"c", "c", "c", "c"}},
		{"an overlap and a gap", []shardmap.Shard{wide("a", 0, 1), wide("b", 1, 1), wide("c", 3, 3)},
			"shards a and b overlap", [4]string{"a", "b", "", "c"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := shardmap.New(tt.shards)
			if !errors.Is(err, shardmap.ErrUncovered) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("New: %v; want ErrUncovered that says %q", err, tt.says)
			}
			for i, want := range tt.owners {
				key, _ := four[i].Range.Middle()
				if got, ok := m.ShardFor(key); got.ID != want || ok != (want != "") {
					t.Errorf("ShardFor a key of quarter %d = %q, %t; want %q", i, got.ID, ok, want)
				}
			}
		})
	}
}

func TestAnyListOfShardsGivesEachKeyItsYoungestOwner(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		random := drawRandom(t)
		var shards []shardmap.Shard
		for i := range rapid.IntRange(0, 12).Draw(t, "shards") {
			shards = append(shards, shardmap.Shard{ID: shardID(i), Range: randomRange(random)})
		}
		m, err := shardmap.New(shuffled(t, shards))
		if m == nil {
			t.Fatalf("New of %v gives no map: %v", shards, err)
		}
		covered := true
		for _, key := range interestingKeys(shards, random) {
			want, wantOK := scan(shards, key)
			if got, ok := m.ShardFor(key); got != want || ok != wantOK {
				t.Errorf("ShardFor(%v) of %v = %q, %t; want %q, %t", key, shards, got.ID, ok, want.ID, wantOK)
			}
			owners := 0
			for _, s := range shards {
				if s.Range.Contains(key) {
					owners++
				}
			}
			covered = covered && owners == 1
		}
		// The keys beside every end of a range show each gap and overlap.
		if covered != (err == nil) || err != nil && !errors.Is(err, shardmap.ErrUncovered) {
			t.Errorf("New of %v: %v, where covered is %t", shards, err, covered)
		}
	})
}

func TestListsNoServiceWouldSendAreRefused(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		shards []shardmap.Shard
		says   string
	}{
		{"no ID", []shardmap.Shard{{Range: shardmap.FullRange}}, "a shard has no ID"},
		{"one ID twice", []shardmap.Shard{{ID: "a", Range: rangeOf(0, 1)}, {ID: "a", Range: rangeOf(2, 3)}},
			"shard a is listed twice"},
		{"a range that ends before it starts", []shardmap.Shard{{ID: "a", Range: rangeOf(7, 6)}},
			"range 7-6 of shard a ends before it starts"},
	}
	for _, tt := range tests {
		m, err := shardmap.New(tt.shards)
		if m != nil || err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: New = %v, %v; want no map and an error that says %q", tt.name, m, err, tt.says)
		}
	}
}

func TestAMapDoesNotKeepTheListItWasMadeOf(t *testing.T) {
	t.Parallel()
	shards := uniformShards(2)
	slices.Reverse(shards)
	m, err := shardmap.New(shards)
	if err != nil {
		t.Fatal(err)
	}
	if shards[0].ID != shardID(1) {
		t.Errorf("New put the caller's list in another order: %v", shards)
	}
	shards[0], shards[1] = shards[1], shardmap.Shard{ID: "changed"}
	if _, ok := m.Shard("changed"); ok {
		t.Error("a shard the caller wrote into its own list later is in the map")
	}
	if got, ok := m.ShardFor(shardmap.HashKey{}); !ok || got.ID != shardID(0) {
		t.Errorf("ShardFor(0) = %q, %t; want %q", got.ID, ok, shardID(0))
	}
}
