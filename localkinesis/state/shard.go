package state

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis/sequence"
	"github.com/kinetrail/kinetrail/shardmap"
)

// NoShard stands for a parent that a shard does not have.
const NoShard = -1

// Shard holds the records of one shard. What never changes needs no lock.
type Shard struct {
	Index          uint32
	ID             string
	Range          shardmap.Range
	Created        int64 // second of the starting sequence number
	Parent         int   // index, or NoShard
	AdjacentParent int   // index, or NoShard

	mu       sync.Mutex
	traffic  *traffic // nil unless the account is strict
	segments []*segment
	next     uint64 // counter of the next record
	closed   int64  // second of the ending sequence number, 0 while open
	arena    int    // size of the next segment's arena
	changed  chan struct{}
}

func newShard(index uint32, keys shardmap.Range, created int64, parent, adjacent int, strict bool) *Shard {
	s := &Shard{
		Index: index, ID: ShardID(index), Range: keys, Created: created,
		Parent: parent, AdjacentParent: adjacent,
		next: 1, arena: firstArena,
	}
	if strict {
		s.traffic = &traffic{
			recordsIn: NewAllowance(kinetrail.WriteRecordsPerSecond),
			bytesIn:   NewAllowance(kinetrail.WriteBytesPerSecond),
			reads:     NewAllowance(kinetrail.GetRecordsPerSecond),
			bytesOut:  NewAllowance(kinetrail.ReadBytesPerSecond),
		}
	}
	return s
}

// outcome is what became of a record.
type outcome int

const (
	stored    outcome = iota
	closed            // the shard takes no more records
	throttled         // the shard has taken too much already
)

// take counts a record against what the shard may take in. s.mu is held.
func (t *traffic) take(now int64, bytes int) bool {
	if !t.recordsIn.covers(now, 1) || !t.bytesIn.covers(now, float64(bytes)) {
		return false
	}
	t.recordsIn.left--
	t.bytesIn.left -= float64(bytes)
	return true
}

// ShardID is the ID of the shard with this index.
func ShardID(index uint32) string { return fmt.Sprintf("shardId-%012d", index) }

// Start is the shard's starting sequence number.
func (s *Shard) Start() sequence.Number { return sequence.Start(s.Index, s.Created) }

// End is the shard's ending sequence number; ok is false while it is open.
func (s *Shard) End() (n sequence.Number, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return sequence.End(s.Index, s.Created, s.closed), s.closed != 0
}

// Number is the sequence number of a record of this shard.
func (s *Shard) Number(r *Record) sequence.Number { return s.number(r.Counter, r.ArrivedMillis) }

func (s *Shard) number(counter uint64, arrived int64) sequence.Number {
	// A child's first second lies ahead of the reshard: its numbers do not go
	// back behind it.
	return sequence.Number{Created: s.Created, Counter: counter, Time: max(arrived/1000, s.Created), Shard: s.Index}
}

// append stores a record. Where memory is needed for it, memory of what arrived
// before the horizon is given up.
func (s *Shard) append(e entry, explicit shardmap.HashKey, key string, data []byte, horizon int64) (counter uint64, o outcome) {
	size := len(key) + len(data)
	if e.explicit {
		size += explicitBytes
	}
	e.key, e.data = uint16(len(key)), uint32(len(data))

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed != 0 {
		return 0, closed
	}
	if s.traffic != nil && !s.traffic.take(e.arrived, len(key)+len(data)) {
		return 0, throttled
	}
	last := len(s.segments) - 1
	if last < 0 || !s.segments[last].fits(size) {
		s.trim(horizon)
		last = len(s.segments) - 1
		s.segments = append(s.segments, newSegment(s.next, max(s.arena, size)))
		s.arena = min(2*s.arena, lastArena)
		last++
	}
	s.segments[last].append(e, explicit, key, data)
	counter = s.next
	s.next++
	s.announce()
	return counter, stored
}

// announce wakes whoever waits for a change. s.mu is held.
func (s *Shard) announce() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// Changed returns a channel that is closed at the next record, or when the
// shard is closed.
func (s *Shard) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// Tip is the counter of the record that will come next.
func (s *Shard) Tip() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next
}

// FirstAt is the counter of the first record that arrived at or after this
// time, and the tip when there is none.
func (s *Shard) FirstAt(millis int64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.segments {
		if g.newest < millis {
			continue
		}
		i := slices.IndexFunc(g.entries, func(e entry) bool { return e.arrived >= millis })
		return g.first + uint64(i)
	}
	return s.next
}

// Page is a run of records of a shard.
type Page struct {
	Records []Record
	Next    uint64        // counter to go on from
	Behind  time.Duration // how long the first record behind the page has been there, 0 at the tip
	AtEnd   bool          // the shard is closed and nothing is left
}

// Read appends to dst at most so many records and bytes, from the counter on,
// leaving out those that arrived before the horizon. A page that is not at the
// tip holds at least one record.
func (s *Shard) Read(dst []Record, from uint64, maxRecords, maxBytes int, horizon, now int64) Page {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trim(horizon)

	page := Page{Records: dst, Next: from}
	bytes := 0
	for _, g := range s.segments {
		if g.next() <= page.Next {
			continue
		}
		start := int(max(page.Next, g.first) - g.first)
		for i := start; i < len(g.entries); i++ {
			if g.entries[i].arrived < horizon {
				page.Next = g.first + uint64(i) + 1
				continue
			}
			r := g.record(i)
			bytes += r.size()
			full := len(page.Records)-len(dst) == maxRecords || bytes > maxBytes
			if full && len(page.Records) > len(dst) {
				page.Behind = max(time.Duration(now-r.ArrivedMillis), 1) * time.Millisecond
				return page
			}
			page.Records = append(page.Records, r)
			page.Next = r.Counter + 1
		}
	}
	// Whatever lay before the tip was read or has expired.
	page.Next = max(page.Next, s.next)
	page.AtEnd = s.closed != 0
	return page
}

// allowRead counts a GetRecords against what the shard may hand out, and
// reports whether it may be served. Its bytes are counted by chargeRead.
func (s *Shard) allowRead(now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.traffic
	if t == nil {
		return true
	}
	t.bytesOut.fill(now)
	if t.bytesOut.left <= 0 || !t.reads.covers(now, 1) {
		return false
	}
	t.reads.left--
	return true
}

func (s *Shard) chargeRead(records []Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.traffic == nil {
		return
	}
	for i := range records {
		s.traffic.bytesOut.left -= float64(records[i].size())
	}
}

// trim drops the segments in which every record arrived before the horizon.
// s.mu is held.
func (s *Shard) trim(horizon int64) {
	n := 0
	for n < len(s.segments) && s.segments[n].newest < horizon {
		n++
	}
	if n > 0 {
		s.segments = slices.Delete(s.segments, 0, n)
	}
}

// close ends the shard. s.mu is held.
func (s *Shard) close(second int64) {
	s.closed = max(second, s.Created)
	s.announce()
}

// expired reports whether the shard was closed so long ago that none of its
// records can be left.
func (s *Shard) expired(horizon int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed != 0 && s.closed*1000 < horizon
}

// Open reports whether the shard takes records.
func (s *Shard) Open() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed == 0
}
