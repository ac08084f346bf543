package state

import (
	"slices"
	"sync"
)

// memory is a Log that is gone with the process.
type memory struct {
	mu       sync.Mutex
	segments []*segment
	next     uint64 // counter of the next record
	arena    int    // size of the next segment's arena
}

func newMemory() *memory { return &memory{next: 1, arena: firstArena} }

func (m *memory) Next() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.next
}

// Append stores the records. Where memory is needed for them, memory of what
// has expired is given up.
func (m *memory) Append(b *Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range b.Records {
		e := entry{arrived: b.Arrived, kms: b.Encrypted, key: uint16(len(r.PartitionKey)), data: uint32(len(r.Data))}
		size := len(r.PartitionKey) + len(r.Data)
		if r.ExplicitHashKey != nil {
			e.explicit = true
			size += explicitBytes
		}
		last := len(m.segments) - 1
		if last < 0 || !m.segments[last].fits(size) {
			m.trim(b.Horizon)
			m.segments = append(m.segments, newSegment(m.next, max(m.arena, size)))
			m.arena = min(2*m.arena, lastArena)
			last = len(m.segments) - 1
		}
		m.segments[last].append(e, r)
		m.next++
	}
	return nil
}

// Sync has nothing to do: nothing outlives the process.
func (m *memory) Sync() error { return nil }

// Read hands out bytes that never move.
func (m *memory) Read(from uint64, visit func(*Record) bool) (release func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var r Record
	for _, g := range m.segments {
		for i := max(from, g.first); i < g.next(); i++ {
			if r = g.record(int(i - g.first)); !visit(&r) {
				return nil, nil
			}
		}
	}
	return nil, nil
}

func (m *memory) FirstAt(millis int64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, g := range m.segments {
		if g.newest >= millis {
			i := slices.IndexFunc(g.entries, func(e entry) bool { return e.arrived >= millis })
			return g.first + uint64(i), nil
		}
	}
	return m.next, nil
}

func (m *memory) Trim(horizon int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trim(horizon)
	return nil
}

func (m *memory) Remove() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.segments = nil
	return nil
}

// trim drops the segments in which every record arrived before the horizon.
// m.mu is held.
func (m *memory) trim(horizon int64) {
	n := 0
	for n < len(m.segments) && m.segments[n].newest < horizon {
		n++
	}
	m.segments = slices.Delete(m.segments, 0, n)
}
