package state

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/localkinesis/sequence"
	"github.com/kinetrail/kinetrail/shardmap"
)

// Status is a stage in the life of a stream.
//
//	CREATING ─► ACTIVE ◄─► UPDATING
//	              │
//	              └─► DELETING ─► gone
type Status string

// The stages, as the service spells them.
const (
	Creating Status = "CREATING"
	Active   Status = "ACTIVE"
	Updating Status = "UPDATING"
	Deleting Status = "DELETING"
)

// backDated is how long before its creation timestamp the first second of a
// new stream's sequence numbers lies.
const backDated = 3

// Stream is one data stream.
type Stream struct {
	Name    string
	Created time.Time // whole seconds

	region *Region
	layout atomic.Pointer[layout]
	due    atomic.Int64 // when the pending change happens, in Unix nanoseconds; 0 when none is
	turn   atomic.Uint64

	retention      atomic.Int64 // nanoseconds
	maxRecordBytes atomic.Int64
	autoDistribute atomic.Bool
	encrypted      atomic.Bool

	mu       sync.Mutex
	status   Status
	change   func(now time.Time) // the pending change
	onDemand bool
	tags     map[string]string
	keyID    string
}

func newStream(r *Region, c CreateStream, now time.Time) *Stream {
	s := &Stream{
		Name:     c.Name,
		Created:  now.Truncate(time.Second),
		region:   r,
		onDemand: c.OnDemand,
		tags:     maps.Clone(c.Tags),
	}
	if s.tags == nil {
		s.tags = make(map[string]string)
	}
	s.retention.Store(int64(kinetrail.DefaultRetention))
	s.maxRecordBytes.Store(int64(c.MaxRecordBytes))
	if c.MaxRecordBytes == 0 {
		s.maxRecordBytes.Store(kinetrail.DefaultMaxRecordBytes)
	}
	s.autoDistribute.Store(c.AutoDistribute)

	first := s.Created.Unix() - backDated
	l := &layout{}
	for i, keys := range shardmap.Uniform(c.Shards) {
		l.shards = append(l.shards, newShard(uint32(i), keys, first, NoShard, NoShard))
	}
	l.open = slices.Clone(l.shards)
	l.before = len(l.shards)
	s.layout.Store(l)
	s.later(now, Creating, r.account.CreateDelay, func(time.Time) {})
	return s
}

// later sets a status for the time of a delay and then makes the change. s.mu
// is held, or s is not shared yet.
func (s *Stream) later(now time.Time, meanwhile Status, delay time.Duration, change func(now time.Time)) {
	if delay == 0 {
		s.status = Active
		change(now)
		return
	}
	s.status = meanwhile
	s.change = change
	s.due.Store(now.Add(delay).UnixNano())
}

// settle makes the pending change if its time has come, and reports whether
// the stream is gone.
func (s *Stream) settle(now time.Time) (gone bool) {
	due := s.due.Load()
	if due == 0 || now.UnixNano() < due {
		return due == goneForever
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.due.Load() == due { // nobody else made it meanwhile
		s.status = Active
		s.due.Store(0)
		s.change(time.Unix(0, due))
	}
	return s.due.Load() == goneForever
}

// goneForever is the due time of a stream that was deleted.
const goneForever = 1<<63 - 1

func (s *Stream) delete(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.later(now, Deleting, s.region.account.DeleteDelay, func(time.Time) { s.due.Store(goneForever) })
	return nil
}

// mustBeActive refuses a change while another one is pending. s.mu is held.
func (s *Stream) mustBeActive() error {
	if s.status != Active {
		return refuse(ResourceInUse, "Stream %s under account %s not ACTIVE, instead in state %s",
			s.Name, s.region.account.ID, s.status)
	}
	return nil
}

// Status is the stream's stage.
func (s *Stream) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// OnDemand reports whether the stream's capacity mode is ON_DEMAND.
func (s *Stream) OnDemand() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.onDemand
}

// Retention is how long a record is kept.
func (s *Stream) Retention() time.Duration { return time.Duration(s.retention.Load()) }

// KeyID is the key the stream is encrypted with, empty when it is not.
func (s *Stream) KeyID() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keyID
}

// MaxRecordBytes is the size a record may have, data and partition key.
func (s *Stream) MaxRecordBytes() int { return int(s.maxRecordBytes.Load()) }

// horizon is the arrival, in Unix milliseconds, before which a record has
// expired.
func (s *Stream) horizon(now time.Time) int64 {
	return now.Add(-s.Retention()).UnixMilli()
}

// Shards returns the shards that have not expired, by index.
func (s *Stream) Shards() []*Shard {
	horizon := s.horizon(s.region.account.Clock.Now())
	var shards []*Shard
	for _, shard := range s.layout.Load().shards {
		if !shard.expired(horizon) {
			shards = append(shards, shard)
		}
	}
	return shards
}

// StaleShards returns the shards as they were before the latest reshard, and
// of each whether it was closed then.
func (s *Stream) StaleShards() (shards []*Shard, closed map[*Shard]bool) {
	l := s.layout.Load()
	closed = make(map[*Shard]bool)
	for _, shard := range l.shards[:l.before] {
		for _, parent := range []int{shard.Parent, shard.AdjacentParent} {
			if parent != NoShard {
				closed[l.shards[parent]] = true
			}
		}
	}
	return l.shards[:l.before:l.before], closed
}

// OpenShards returns the shards that take records, by range. The slice is
// shared: do not change it.
func (s *Stream) OpenShards() []*Shard { return s.layout.Load().open }

// ShardFor is the open shard that owns a hash key.
func (s *Stream) ShardFor(key shardmap.HashKey) *Shard { return s.layout.Load().owner(key) }

// Shard returns the shard of this ID, in the service's generous reading:
// digits alone, or behind any prefix and a dash.
func (s *Stream) Shard(id string) (*Shard, error) {
	index, ok := shardIndex(id)
	if !ok {
		return nil, s.noShard(id)
	}
	shard := s.ShardAt(index)
	if shard == nil {
		return nil, s.noShard(ShardID(index))
	}
	return shard, nil
}

func (s *Stream) noShard(id string) error {
	return refuse(ResourceNotFound, "Could not find shard %s in stream %s under account %s.", id, s.Name, s.region.account.ID)
}

// ShardAt returns the shard with this index, nil when there is none or it has
// expired.
func (s *Stream) ShardAt(index uint32) *Shard {
	shards := s.layout.Load().shards
	if int64(index) >= int64(len(shards)) || shards[index].expired(s.horizon(s.region.account.Clock.Now())) {
		return nil
	}
	return shards[index]
}

// Children returns the shards that came out of this one, by index.
func (s *Stream) Children(parent *Shard) []*Shard {
	var children []*Shard
	for _, shard := range s.layout.Load().shards {
		if shard.Parent == int(parent.Index) || shard.AdjacentParent == int(parent.Index) {
			children = append(children, shard)
		}
	}
	return children
}

// Put stores a record and returns the shard it lies on and its sequence
// number. key is only read; explicit is nil unless the caller chose the hash
// key. The bytes are copied.
func (s *Stream) Put(now time.Time, key string, explicit *shardmap.HashKey, data []byte) (*Shard, sequence.Number) {
	e := entry{arrived: now.UnixMilli(), kms: s.encrypted.Load()}
	var given, hash shardmap.HashKey
	if explicit != nil {
		e.explicit, given = true, *explicit
	}
	hash = s.route(key, explicit)
	for {
		shard := s.layout.Load().owner(hash)
		if counter, ok := shard.append(e, given, key, data, s.horizon(now)); ok {
			return shard, shard.number(counter, e.arrived)
		}
		// The shard was closed between the two lines above; the layout in
		// which it has children is in place by now.
	}
}

// Route is the open shard a record would go to.
func (s *Stream) Route(key string, explicit *shardmap.HashKey) *Shard {
	return s.layout.Load().owner(s.route(key, explicit))
}

func (s *Stream) route(key string, explicit *shardmap.HashKey) shardmap.HashKey {
	switch {
	case s.autoDistribute.Load():
		open := s.layout.Load().open
		return open[s.turn.Add(1)%uint64(len(open))].Range.Start
	case explicit != nil:
		return *explicit
	}
	return shardmap.HashKeyOf(key)
}

// Read reads a page of a shard, see Shard.Read.
func (s *Stream) Read(shard *Shard, dst []Record, from uint64, limit int) Page {
	now := s.region.account.Clock.Now()
	return shard.Read(dst, from, limit, s.horizon(now), now.UnixMilli())
}

// Tags returns a copy of the stream's tags.
func (s *Stream) Tags() map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.tags)
}

// maxTags is how many tags a stream can have (AddTagsToStream).
const maxTags = 50

// AddTags sets tags; a tag that exists gets the new value.
func (s *Stream) AddTags(tags map[string]string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	merged := maps.Clone(s.tags)
	maps.Copy(merged, tags)
	if len(merged) > maxTags {
		return refuse(InvalidArgument, "Failed to add tags to stream %s under account %s because a given stream cannot have more than %d tags associated with it.",
			s.Name, s.region.account.ID, maxTags)
	}
	s.tags = merged
	return nil
}

// RemoveTags removes tags; one that does not exist is no error.
func (s *Stream) RemoveTags(keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		delete(s.tags, key)
	}
}

// Encrypted reports whether new records are stored encrypted.
func (s *Stream) Encrypted() bool { return s.encrypted.Load() }

// AutoDistribute reports whether the stream spreads records itself.
func (s *Stream) AutoDistribute() bool { return s.autoDistribute.Load() }

// Horizon is the arrival before which a record has expired.
func (s *Stream) Horizon() time.Time {
	return s.region.account.Clock.Now().Add(-s.Retention())
}

// Delete removes the stream with its records.
func (s *Stream) Delete() error { return s.region.deleteStream(s) }

// MustTakeRecords refuses records while the stream is being made or deleted.
func (s *Stream) MustTakeRecords() error {
	if s.due.Load() == 0 {
		return nil
	}
	switch s.Status() {
	case Creating, Deleting:
		return refuse(ResourceNotFound, "Stream %s under account %s not found.", s.Name, s.region.account.ID)
	}
	return nil
}
