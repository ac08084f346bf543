package producer

import (
	"sync"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// shardContainerKey is the partition key of containers made ByShard, the KPL's.
const shardContainerKey = "a"

// builders are Builders at rest.
var builders = sync.Pool{New: func() any { return new(aggregate.Builder) }}

// make makes a Kinesis record of the first records of l. The bytes of a
// container are made later, by finish, without the lock that guards s.
func (s *schedule) make(l *lane) *kinesisRecord {
	first := l.waiting.pop()
	k := s.newKinesisRecord()
	k.lane = l
	k.attempts = first.earlier
	k.take(first)
	if first.form == plain {
		k.bytes, k.dataBytes = int(first.bytes), len(first.data)
		return k
	}
	k.box = s.newContainer()
	k.box.key, k.box.hashKey = first.key, first.explicitHashKey
	if s.rules.aggregation == ByShard {
		k.box.key, k.box.hashKey = shardContainerKey, first.hashKeyText()
	}
	k.box.builder = builders.Get().(*aggregate.Builder)
	k.box.builder.Add(s.entry.of(first))
	for l.groups && s.joins(k, l.waiting.first) {
		u := l.waiting.pop()
		k.take(u)
		k.box.builder.Add(s.entry.of(u))
	}
	k.measure()
	return k
}

// take makes u the last of k's user records.
func (k *kinesisRecord) take(u *userRecord) {
	u.sub = int32(k.users.count)
	k.users.append(u)
	k.buffered += int(u.buffered)
	if u.details != nothing {
		k.awaited = k.awaited || u.waiter != nil
		k.traced = k.traced || u.trace.Parent != "" || u.span != nil
	}
}

// joins reports whether u goes into the container of k too.
func (s *schedule) joins(k *kinesisRecord, u *userRecord) bool {
	if u == nil || u.form != grouped {
		return false
	}
	first := k.users.first
	if s.rules.aggregation == SameKey && (u.key != first.key || u.explicitHashKey != first.explicitHashKey) {
		return false
	}
	if !sameAttempts(u.earlier, k.attempts) {
		return false // the records of a container share their attempts
	}
	room := s.rules.containerBytes - len(k.box.key)
	builder := k.box.builder
	return builder.Size()+containerBound(u) <= room || builder.SizeWith(s.entry.of(u)) <= room
}

func sameAttempts(a, b []Attempt) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// containerEntry is a user record as a container holds it, with memory for the
// headers of one after another.
type containerEntry struct {
	record  aggregate.UserRecord
	headers []kinetrail.Header
}

// of returns u as a container holds it, until the next call.
func (e *containerEntry) of(u *userRecord) *aggregate.UserRecord {
	e.record = aggregate.UserRecord{
		PartitionKey:    u.key,
		ExplicitHashKey: u.explicitHashKey,
		Data:            u.data,
		Headers:         u.headers,
	}
	if u.headerTrace {
		e.headers = tracecarrier.AddHeaders(append(e.headers[:0], u.headers...), u.trace)
		e.record.Headers = e.headers
	}
	return &e.record
}

// containerBound is a size that no container of u alone exceeds, outer key
// included. It is cheap, where the Builder is exact.
func containerBound(u *userRecord) int {
	bound := 64 + len(u.data) + 2*len(u.key)
	if u.details == nothing {
		return bound
	}
	bound += len(u.explicitHashKey)
	for i := range u.headers {
		bound += headerBound(len(u.headers[i].Name), len(u.headers[i].Value))
	}
	if u.headerTrace {
		bound += headerBound(len("traceparent"), len(u.trace.Parent)) +
			headerBound(len("tracestate"), len(u.trace.State)) +
			headerBound(len("baggage"), len(u.trace.Baggage))
	}
	return bound
}

func headerBound(name, value int) int { return 16 + name + value }

// finish makes the bytes of those containers of r that are new.
func (r *request) finish() {
	for _, k := range r.records {
		if k.box != nil && !k.box.made {
			k.box.data = k.box.builder.AppendUnsealed(k.box.data[:0])
			k.box.made = true
			k.box.dropBuilder()
			r.unsealed = append(r.unsealed, k.box.data)
		}
	}
	aggregate.Seal(r.unsealed)
}

func (c *container) dropBuilder() {
	if c.builder != nil {
		c.builder.Reset()
		builders.Put(c.builder)
		c.builder = nil
	}
}

// remake makes a Kinesis record anew of those of its user records that are left.
func (s *schedule) remake(k *kinesisRecord, left userQueue) {
	k.users, k.buffered, k.awaited, k.traced = userQueue{}, 0, false, false
	if k.box != nil {
		k.box.dropBuilder()
		k.box.made = false
		k.box.builder = builders.Get().(*aggregate.Builder)
	}
	for left.first != nil {
		u := left.pop()
		k.take(u)
		if k.box != nil {
			k.box.builder.Add(s.entry.of(u))
		}
	}
	if k.box != nil {
		k.measure()
	}
}

// measure sets the sizes of a container.
func (k *kinesisRecord) measure() {
	k.dataBytes = k.box.builder.Size()
	k.bytes = k.dataBytes + len(k.box.key)
}

// hashKeyText is the decimal hash key that decides the record's shard.
func (u *userRecord) hashKeyText() string {
	if u.explicitHashKey != "" {
		return u.explicitHashKey
	}
	var digits [shardmap.MaxHashKeyDigits]byte
	return string(u.hash.AppendDecimal(digits[:0]))
}

// within reports whether all user records of k belong on a shard of this range.
func (k *kinesisRecord) within(r shardmap.Range) bool {
	for u := k.users.first; u != nil; u = u.next {
		if !r.Contains(u.hash) {
			return false
		}
	}
	return true
}
