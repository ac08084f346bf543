package shardmap

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
)

// Shard is a shard as ListShards describes it.
type Shard struct {
	// ID is the shard's name, such as shardId-000000000003.
	ID string

	// Range is the hash keys the shard owns; it never changes.
	Range Range

	// ParentID is the shard this one came out of, empty for a first shard.
	ParentID string

	// AdjacentParentID is the other parent of a merge, empty otherwise.
	AdjacentParentID string

	// Closed reports that the shard takes no more records: the service gave
	// it an ending sequence number.
	Closed bool
}

// ErrUncovered is wrapped by New when the open shards do not cover every hash
// key exactly once, which is what a shard list read in the middle of a reshard
// can look like.
var ErrUncovered = errors.New("open shards do not cover the hash key space once")

// Map is one state of a stream's shards: which open shard owns a hash key, and
// who descends from whom. It never changes and is safe for concurrent use. Make
// one with New.
type Map struct {
	shards   []Shard // sorted by ID
	open     []Shard // sorted by range
	ends     []HashKey
	children map[string][]string
}

// New makes a map of these shards, in any order, without keeping the slice.
//
// The open shards must cover the hash key space exactly once. When they do not,
// New returns an error wrapping ErrUncovered together with a map that can be
// used: a key in a gap has no owner, and of overlapping shards the one whose
// range ends first wins. Two shards of one ID are an error without a map.
func New(shards []Shard) (*Map, error) {
	m := &Map{shards: slices.Clone(shards), children: make(map[string][]string)}
	slices.SortFunc(m.shards, func(a, b Shard) int { return cmp.Compare(a.ID, b.ID) })
	for i, s := range m.shards {
		if s.ID == "" {
			return nil, errors.New("shard map: a shard has no ID")
		}
		if i > 0 && m.shards[i-1].ID == s.ID {
			return nil, fmt.Errorf("shard map: shard %s is listed twice", s.ID)
		}
		if s.Range.Start.Compare(s.Range.End) > 0 {
			return nil, fmt.Errorf("shard map: range %s of shard %s ends before it starts", s.Range, s.ID)
		}
		for _, parent := range s.Parents() {
			m.children[parent] = append(m.children[parent], s.ID)
		}
		if !s.Closed {
			m.open = append(m.open, s)
		}
	}
	slices.SortFunc(m.open, func(a, b Shard) int {
		return cmp.Or(a.Range.End.Compare(b.Range.End), a.Range.Start.Compare(b.Range.Start))
	})
	m.ends = make([]HashKey, len(m.open))
	for i, s := range m.open {
		m.ends[i] = s.Range.End
	}
	return m, m.checkCover()
}

// checkCover walks the open ranges and names the first gap or overlap.
func (m *Map) checkCover() error {
	if len(m.open) == 0 {
		return fmt.Errorf("shard map: %w: no shard is open", ErrUncovered)
	}
	if first := m.open[0]; first.Range.Start != (HashKey{}) {
		return fmt.Errorf("shard map: %w: nothing owns the keys before shard %s", ErrUncovered, first.ID)
	}
	for i := range len(m.open) - 1 {
		if a, b := m.open[i], m.open[i+1]; !a.Range.AdjacentTo(b.Range) {
			return fmt.Errorf("shard map: %w: shards %s and %s are not adjacent", ErrUncovered, a.ID, b.ID)
		}
	}
	if last := m.open[len(m.open)-1]; last.Range.End != MaxHashKey {
		return fmt.Errorf("shard map: %w: nothing owns the keys behind shard %s", ErrUncovered, last.ID)
	}
	return nil
}

// ShardFor returns the open shard that owns key; ok is false when none does.
// It does not allocate.
func (m *Map) ShardFor(key HashKey) (shard Shard, ok bool) {
	i := sort.Search(len(m.ends), func(i int) bool { return key.Compare(m.ends[i]) <= 0 })
	if i == len(m.open) || !m.open[i].Range.Contains(key) {
		return Shard{}, false
	}
	return m.open[i], true
}

// Shard returns the shard of this ID, open or closed.
func (m *Map) Shard(id string) (shard Shard, ok bool) {
	i, ok := slices.BinarySearchFunc(m.shards, id, func(s Shard, id string) int { return cmp.Compare(s.ID, id) })
	if !ok {
		return Shard{}, false
	}
	return m.shards[i], true
}

// Shards returns every shard, sorted by ID. The slice is shared: do not change
// it.
func (m *Map) Shards() []Shard { return m.shards }

// Open returns the open shards, sorted by range. The slice is shared: do not
// change it.
func (m *Map) Open() []Shard { return m.open }

// Parents returns the IDs of the shards s came out of: none, one, or two after
// a merge.
func (s Shard) Parents() []string {
	switch {
	case s.ParentID == "" && s.AdjacentParentID == "":
		return nil
	case s.AdjacentParentID == "":
		return []string{s.ParentID}
	case s.ParentID == "":
		return []string{s.AdjacentParentID}
	}
	return []string{s.ParentID, s.AdjacentParentID}
}

// Children returns the IDs of the shards that came out of id, sorted: two after
// a split, one after a merge, none while it is open. The slice is shared: do
// not change it.
func (m *Map) Children(id string) []string { return m.children[id] }

// Ancestors returns the IDs of every listed shard that id descends from, over
// all generations, the oldest first, each once. Parents that retention has
// removed from the list are not in it.
func (m *Map) Ancestors(id string) []string {
	var order []string
	seen := map[string]bool{id: true}
	var visit func(string)
	visit = func(id string) {
		shard, ok := m.Shard(id)
		if !ok {
			return
		}
		for _, parent := range shard.Parents() {
			if seen[parent] {
				continue
			}
			seen[parent] = true
			visit(parent)
			if _, listed := m.Shard(parent); listed {
				order = append(order, parent)
			}
		}
	}
	visit(id)
	return order
}
