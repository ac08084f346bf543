package state

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kinetrail/kinetrail"
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

	resource

	region *Region
	logs   string // the name its logs are kept under
	layout atomic.Pointer[layout]
	due    atomic.Int64 // when the pending change happens, in Unix nanoseconds; 0 when none is
	turn   atomic.Uint64

	retention      atomic.Int64 // nanoseconds
	expired        atomic.Int64 // what arrived before, in Unix milliseconds, has expired for good
	maxRecordBytes atomic.Int64
	autoDistribute atomic.Bool
	encrypted      atomic.Bool

	mu        sync.Mutex
	status    Status
	change    change // the pending one
	onDemand  bool
	keyID     string
	warmMiBps int
	metrics   []string // of enhanced monitoring
	consumers map[string]*Consumer
	made      map[string][]time.Time // changes of today by operation, in strict accounts
}

func newStream(r *Region, c CreateStream, now time.Time) *Stream {
	s := &Stream{
		Name:      c.Name,
		Created:   now.Truncate(time.Second),
		region:    r,
		logs:      newLogsName(c.Name),
		status:    Active,
		onDemand:  c.OnDemand,
		warmMiBps: c.WarmMiBps,
		resource:  resource{tags: maps.Clone(c.Tags)},
		consumers: make(map[string]*Consumer),
	}
	s.saved = s.saveNow
	s.retention.Store(int64(kinetrail.DefaultRetention))
	s.maxRecordBytes.Store(int64(c.MaxRecordBytes))
	if c.MaxRecordBytes == 0 {
		s.maxRecordBytes.Store(kinetrail.DefaultMaxRecordBytes)
	}
	s.autoDistribute.Store(c.AutoDistribute)

	first := s.Created.Unix() - backDated
	l := &layout{}
	for i, keys := range shardmap.Uniform(c.Shards) {
		l.shards = append(l.shards, newShard(uint32(i), keys, first, NoShard, NoShard, s.newLog(uint32(i)), r.account.Strict))
	}
	l.open = slices.Clone(l.shards)
	l.before = len(l.shards)
	s.layout.Store(l)
	if delay := r.account.CreateDelay; delay > 0 {
		s.wait(Creating, now.Add(delay), change{})
	}
	return s
}

// later makes a change once the time of a delay is over, and sets a status
// until then. s.mu is held.
func (s *Stream) later(now time.Time, meanwhile Status, delay time.Duration, c change) error {
	if delay == 0 {
		return s.make(c, now)
	}
	s.wait(meanwhile, now.Add(delay), c)
	return s.save()
}

func (s *Stream) wait(meanwhile Status, due time.Time, c change) {
	s.status, s.change = meanwhile, c
	s.due.Store(due.UnixNano())
}

// settled is the end of waiting.
func (s *Stream) settled() {
	s.status, s.change = Active, change{}
	s.due.Store(0)
}

// settle makes the pending change if its time has come, and reports whether
// the stream is gone. A change that cannot be written is pending still.
func (s *Stream) settle(now time.Time) (gone bool, err error) {
	due := s.due.Load()
	if due == 0 || now.UnixNano() < due {
		return due == goneForever, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.due.Load() == due { // nobody else made it meanwhile
		err = s.make(s.change, time.Unix(0, due))
	}
	return s.due.Load() == goneForever, err
}

// goneForever is the due time of a stream that was deleted.
const goneForever = 1<<63 - 1

func (s *Stream) delete(now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustExist(); err != nil {
		return err
	}
	return s.later(now, Deleting, s.region.account.DeleteDelay, change{Delete: true})
}

// mustExist refuses a change of a stream that was deleted after it was looked up:
// the change would bring it back, and its name may be another stream's by now.
// s.mu is held.
func (s *Stream) mustExist() error {
	if s.due.Load() == goneForever {
		return s.region.noStream(s.Name)
	}
	return nil
}

// mustBeActive refuses a change while another one is pending. s.mu is held.
func (s *Stream) mustBeActive() error {
	if err := s.mustExist(); err != nil {
		return err
	}
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
	return max(now.Add(-s.Retention()).UnixMilli(), s.expired.Load())
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

// Shard returns the shard of this ID, as ShardIndex reads it.
func (s *Stream) Shard(id string) (*Shard, error) {
	index, ok := ShardIndex(id)
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

// throttled is the refusal of a shard that has taken in or handed out too
// much.
func (s *Stream) throttled(shard *Shard) error {
	return refuse(ProvisionedThroughputExceeded, "Rate exceeded for shard %s in stream %s under account %s.", shard.ID, s.Name, s.region.account.ID)
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

// Poll reads a page of a shard as GetRecords does: it counts against what the
// shard may hand out in a strict account.
func (s *Stream) Poll(shard *Shard, dst []Record, from uint64, maxRecords, maxBytes int) (Page, error) {
	if !shard.allowRead(s.region.account.Clock.Now().UnixMilli()) {
		return Page{}, s.throttled(shard)
	}
	page, err := s.Read(shard, dst, from, maxRecords, maxBytes)
	if err != nil {
		return Page{}, err
	}
	shard.chargeRead(&page)
	return page, nil
}

// Read reads a page of a shard, see Shard.Read.
func (s *Stream) Read(shard *Shard, dst []Record, from uint64, maxRecords, maxBytes int) (Page, error) {
	now := s.region.account.Clock.Now()
	return shard.Read(dst, from, maxRecords, maxBytes, s.horizon(now), now.UnixMilli())
}

// The bounds of the retention period (IncreaseStreamRetentionPeriod).
const (
	minRetentionHours = int64(kinetrail.DefaultRetention / time.Hour)
	maxRetentionHours = int64(kinetrail.MaxRetention / time.Hour)
)

// IncreaseRetention keeps records longer from now on. What has expired does
// not come back.
func (s *Stream) IncreaseRetention(hours int64) error {
	switch before := int64(s.Retention() / time.Hour); {
	case hours > maxRetentionHours:
		return refuse(InvalidArgument, "Maximum allowed retention period is %d hours. Requested retention period (%d hours) is too long.", maxRetentionHours, hours)
	case hours < before:
		return refuse(InvalidArgument, "Requested retention period (%d hours) for stream %s can not be shorter than existing retention period (%d hours). Use DecreaseRetentionPeriod API.",
			hours, s.Name, before)
	}
	return s.setRetention(hours)
}

// DecreaseRetention keeps records for a shorter time; older ones expire at
// once.
func (s *Stream) DecreaseRetention(hours int64) error {
	switch before := int64(s.Retention() / time.Hour); {
	case hours < minRetentionHours:
		return refuse(InvalidArgument, "Minimum allowed retention period is %d hours. Requested retention period (%d hours) is too short.", minRetentionHours, hours)
	case hours > before:
		return refuse(InvalidArgument, "Requested retention period (%d hours) for stream %s can not be longer than existing retention period (%d hours). Use IncreaseRetentionPeriod API.",
			hours, s.Name, before)
	}
	return s.setRetention(hours)
}

func (s *Stream) setRetention(hours int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustBeActive(); err != nil {
		return err
	}
	return s.update(s.now(), change{RetentionHours: hours})
}

// update makes a change after the delay of updates. s.mu is held.
func (s *Stream) update(now time.Time, c change) error {
	return s.later(now, Updating, s.region.account.UpdateDelay, c)
}

func (s *Stream) now() time.Time { return s.region.account.Clock.Now() }

// SetEncryption encrypts new records with a key, or no longer when it is
// empty.
func (s *Stream) SetEncryption(keyID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustBeActive(); err != nil {
		return err
	}
	kind := encryptionStarts
	if keyID == "" {
		kind = encryptionStops
	}
	if err := s.countToday(kind); err != nil {
		return err
	}
	return s.update(s.now(), change{KeyID: &keyID})
}

// SetMode changes the capacity mode. The shards stay as they are.
func (s *Stream) SetMode(onDemand bool, warmMiBps int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustBeActive(); err != nil {
		return err
	}
	if err := s.region.allowWarmThroughput(s.Name, onDemand, warmMiBps); err != nil {
		return err
	}
	if onDemand != s.onDemand {
		if err := s.countToday(modeUpdates); err != nil {
			return err
		}
	}
	return s.update(s.now(), change{OnDemand: &onDemand, WarmMiBps: &warmMiBps})
}

// SetWarmThroughput changes what an on-demand stream is ready to take.
func (s *Stream) SetWarmThroughput(warmMiBps int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustBeActive(); err != nil {
		return err
	}
	if !s.onDemand {
		return refuse(Validation, "Request is invalid. Stream %s under account %s is in Provisioned mode.", s.Name, s.region.account.ID)
	}
	if err := s.region.allowWarmThroughput(s.Name, true, warmMiBps); err != nil {
		return err
	}
	return s.update(s.now(), change{WarmMiBps: &warmMiBps})
}

// WarmThroughput is what an on-demand stream is ready to take, in MiB/s.
func (s *Stream) WarmThroughput() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.warmMiBps
}

// SetMaxRecordBytes changes the size a record may have.
func (s *Stream) SetMaxRecordBytes(n int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustBeActive(); err != nil {
		return err
	}
	return s.update(s.now(), change{MaxRecordBytes: n})
}

// SetAutoDistribute lets the stream spread new records itself, at once.
func (s *Stream) SetAutoDistribute(auto bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if auto && !s.onDemand {
		return refuse(InvalidArgument, "RecordDistributionStrategy AUTO is only supported for on-demand streams. Stream %s under account %s is in Provisioned mode.",
			s.Name, s.region.account.ID)
	}
	s.autoDistribute.Store(auto)
	return s.save()
}

// Metrics are the shard-level metrics of enhanced monitoring.
func (s *Stream) Metrics() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.metrics)
}

// ChangeMetrics adds shard-level metrics to those of enhanced monitoring or
// removes them, and returns those before and after.
func (s *Stream) ChangeMetrics(add, remove []string) (before, after []string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before = s.metrics
	after = slices.Clone(before)
	for _, m := range add {
		if !slices.Contains(after, m) {
			after = append(after, m)
		}
	}
	after = slices.DeleteFunc(after, func(m string) bool { return slices.Contains(remove, m) })
	s.metrics = after
	return before, slices.Clone(after), s.save()
}

// Encrypted reports whether new records are stored encrypted.
func (s *Stream) Encrypted() bool { return s.encrypted.Load() }

// AutoDistribute reports whether the stream spreads records itself.
func (s *Stream) AutoDistribute() bool { return s.autoDistribute.Load() }

// Horizon is the arrival before which a record has expired.
func (s *Stream) Horizon() time.Time {
	return time.UnixMilli(s.horizon(s.region.account.Clock.Now()))
}

// Delete removes the stream with its records. Consumers are in the way unless
// they may be removed, too; channels always are.
func (s *Stream) Delete(withConsumers bool) error {
	if n := len(s.Consumers()); n > 0 && !withConsumers {
		return refuse(ResourceInUse, "Stream %s under account %s has %d registered consumers. Deregister them, or set EnforceConsumerDeletion.",
			s.Name, s.region.account.ID, n)
	}
	if n := s.ChannelCount(); n > 0 {
		return refuse(ResourceInUse, "Stream %s under account %s has %d channels. Delete them first.", s.Name, s.region.account.ID, n)
	}
	return s.region.deleteStream(s)
}

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
