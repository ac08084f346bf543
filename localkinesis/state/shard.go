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

	log Log

	mu      sync.Mutex
	traffic *traffic // nil unless the account is strict
	next    uint64   // counter of the next record
	tip     uint64   // counter of the first record that readers do not see yet
	closed  int64    // second of the ending sequence number, 0 while open
	changed chan struct{}
}

func newShard(index uint32, keys shardmap.Range, created int64, parent, adjacent int, log Log, strict bool) *Shard {
	s := &Shard{
		Index: index, ID: ShardID(index), Range: keys, Created: created,
		Parent: parent, AdjacentParent: adjacent,
		log: log, next: log.Next(), tip: log.Next(),
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

// put stores the records of a batch that the shard may take in, and notes on
// each what became of it. It reports whether the shard is open: when it is not,
// nothing was done. The shard says where the batch begins.
func (s *Shard) put(b *Batch) (open bool) {
	s.mu.Lock()
	if s.closed != 0 {
		s.mu.Unlock()
		return false
	}
	s.admit(b)
	b.First = s.next
	end := b.First + uint64(len(b.Records))
	err := s.log.Append(b)
	if err == nil {
		s.next = end
	}
	s.mu.Unlock()
	if err == nil {
		err = s.log.Sync()
	}
	if err == nil {
		s.show(end)
	}
	for i, r := range b.Records {
		if err != nil {
			r.Err = fmt.Errorf("store on %s: %w", s.ID, err)
			continue
		}
		r.Shard, r.Number = s, s.number(b.First+uint64(i), b.Arrived)
	}
	return true
}

// admit leaves those records in the batch that the shard may take in. s.mu is
// held.
func (s *Shard) admit(b *Batch) {
	if s.traffic == nil {
		return
	}
	b.Records = slices.DeleteFunc(b.Records, func(r *NewRecord) bool {
		if !s.traffic.take(b.Arrived, len(r.PartitionKey)+len(r.Data)) {
			r.Err = errThrottled
		}
		return r.Err != nil
	})
}

// show lets readers see what lies before the counter. Writers that waited for
// the same Sync come here in any order.
func (s *Shard) show(end uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tip < end {
		s.tip = end
		s.announce()
	}
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
	return s.tip
}

// FirstAt is the counter of the first record that arrived at or after this
// time, and the tip when there is none.
func (s *Shard) FirstAt(millis int64) (uint64, error) {
	tip := s.Tip()
	counter, err := s.log.FirstAt(millis)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", s.ID, err)
	}
	return min(counter, tip), nil
}

// Page is a run of records of a shard.
type Page struct {
	Records []Record
	Next    uint64        // counter to go on from
	Behind  time.Duration // how long the first record behind the page has been there, 0 at the tip
	AtEnd   bool          // the shard is closed and nothing is left

	release func()
}

// Bytes is what the records count for in the service's limits.
func (p *Page) Bytes() int {
	n := 0
	for i := range p.Records {
		n += p.Records[i].size()
	}
	return n
}

// Release gives back what holds the bytes of the records, which must not be
// used any more. Calling it saves memory and is not needed otherwise.
func (p *Page) Release() {
	if p.release != nil {
		p.release()
		p.release = nil
	}
}

// Read appends to dst at most so many records and bytes, from the counter on,
// leaving out those that arrived before the horizon. A page that is not at the
// tip holds at least one record.
func (s *Shard) Read(dst []Record, from uint64, maxRecords, maxBytes int, horizon, now int64) (Page, error) {
	if err := s.log.Trim(horizon); err != nil {
		return Page{}, fmt.Errorf("trim %s: %w", s.ID, err)
	}
	s.mu.Lock()
	tip, ended := s.tip, s.ended()
	s.mu.Unlock()

	page := Page{Records: dst, Next: from}
	full, bytes := false, 0
	visit := func(r *Record) bool {
		switch {
		case r.Counter >= tip:
			return false
		case r.ArrivedMillis < horizon:
			page.Next = r.Counter + 1
			return true
		}
		bytes += r.size()
		full = len(page.Records)-len(dst) == maxRecords || bytes > maxBytes && len(page.Records) > len(dst)
		if full {
			page.Behind = max(time.Duration(now-r.ArrivedMillis), 1) * time.Millisecond
			return false
		}
		page.Records = append(page.Records, *r)
		page.Next = r.Counter + 1
		return true
	}
	if page.Next < tip {
		release, err := s.log.Read(page.Next, visit)
		if err != nil {
			return Page{}, fmt.Errorf("read %s: %w", s.ID, err)
		}
		page.release = release
	}
	if !full {
		// Whatever lay before the tip was read or has expired.
		page.Next = max(page.Next, tip)
		page.AtEnd = ended
	}
	return page, nil
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

func (s *Shard) chargeRead(page *Page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.traffic != nil {
		s.traffic.bytesOut.left -= float64(page.Bytes())
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
func (s *Shard) Open() bool { return s.closedAt() == 0 }

// Ended reports whether the shard is closed and readers see every record of it.
func (s *Shard) Ended() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended()
}

func (s *Shard) ended() bool { return s.closed != 0 && s.tip == s.next }

func (s *Shard) closedAt() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
