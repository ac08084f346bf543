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

// Map is one state of a stream's shards: which open shard owns a hash key, and
// who descends from whom. It never changes and is safe for concurrent use. Make
// one with New.
type Map struct {
	shards   []Shard   // sorted by ID
	open     []Shard   // sorted by range
	starts   []HashKey // of open
	overlap  bool      // some key has two open shards
	children map[string][]string
}

// New makes a map of these shards, in any order, without keeping the slice.
//
// The open shards must cover the hash key space exactly once. When they do not,
// New returns an error wrapping ErrUncovered together with a map that can be
// used: a key in a gap has no owner, and of overlapping shards the youngest, the
// one with the greatest ID, owns what they share.
//
// A list no service would send is an error without a map: a shard without an
// ID, two shards of one ID, a range that ends before it starts.
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
		return cmp.Or(a.Range.Start.Compare(b.Range.Start), a.Range.End.Compare(b.Range.End))
	})
	m.starts = make([]HashKey, len(m.open))
	for i, s := range m.open {
		m.starts[i] = s.Range.Start
		m.overlap = m.overlap || i > 0 && m.open[i-1].Range.Contains(s.Range.Start)
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
		a, b := m.open[i], m.open[i+1]
		if a.Range.Contains(b.Range.Start) {
			return fmt.Errorf("shard map: %w: shards %s and %s overlap", ErrUncovered, a.ID, b.ID)
		}
		if !a.Range.AdjacentTo(b.Range) {
			return fmt.Errorf("shard map: %w: nothing owns the keys between shards %s and %s", ErrUncovered, a.ID, b.ID)
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
	if m.overlap {
		return m.youngestFor(key)
	}
	// The owner can only be the last shard that does not start behind key.
	i := sort.Search(len(m.starts), func(i int) bool { return key.Compare(m.starts[i]) < 0 }) - 1
	if i < 0 || !m.open[i].Range.Contains(key) {
		return Shard{}, false
	}
	return m.open[i], true
}

// youngestFor looks at every open shard. The service numbers shards as it makes
// them, so a child listed beside a parent that is about to close wins.
func (m *Map) youngestFor(key HashKey) (shard Shard, ok bool) {
	for _, s := range m.open {
		if s.Range.Contains(key) && (!ok || s.ID > shard.ID) {
			shard, ok = s, true
		}
	}
	return shard, ok
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
// all generations, each once and the oldest first: a parent always stands before
// its children. Parents that retention has removed from the list are not in it.
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
