package producer

import (
	"sync"
	"unsafe"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// shardContainerKey is the partition key of containers made ByShard, the KPL's.
const shardContainerKey = "a"

// builders are Builders at rest.
var builders = sync.Pool{New: func() any { return new(aggregate.Builder) }}

// make makes k of the first records of l. The bytes of a container are made
// later, by finish, without the lock that guards s.
func (s *schedule) make(k *kinesisRecord, l *lane) {
	first := l.waiting.pop()
	*k = kinesisRecord{lane: l, kinesisDetails: noKinesisDetails}
	if first.form == plain && first.earlier == nil {
		k.take(nil, first)
		k.bytes = first.bytes
		return
	}
	if first.form == plain {
		k.own().attempts = first.earlier
		k.take(nil, first)
		k.bytes = first.bytes
		return
	}
	s.open(k, first)
	for last := first; l.groups && s.joins(k, l.waiting.first); {
		u := l.waiting.pop()
		s.pack(k, last, u)
		last = u
	}
	k.bytes = k.box.size()
}

// open begins a container with its first user record.
func (s *schedule) open(k *kinesisRecord, first *userRecord) {
	k.own().attempts = first.earlier
	k.box = s.newContainer()
	k.box.key, k.box.hashKey = first.key, first.explicitHashKey
	if s.rules.aggregation == ByShard {
		k.box.key, k.box.hashKey = shardContainerKey, first.hashKeyText()
	}
	s.pack(k, nil, first)
}

// makeParts makes so many containers of the first records of l, or fewer when a
// record that is larger than a container leaves no room for all. When a record does
// not fit into that of its part, the others are filled up with records behind it.
func (s *schedule) makeParts(r *request, l *lane, parts, bytes int) {
	var made [maxParts]part
	var left userQueue
	for taken := 0; l.waiting.first != nil && left.count <= taken/4; {
		u := l.waiting.pop()
		p := &made[u.hash.Lo%uint64(parts)]
		if p.last == nil && !p.full {
			size := max(s.rules.containerBytes, containerBound(u))
			if p.full = taken > 0 && size > bytes; !p.full {
				bytes -= size
			}
		}
		if s.packPart(r, l, p, u) {
			taken++
		} else {
			left.append(u)
		}
	}
	l.waiting.prepend(left)
	for _, p := range made {
		if p.last != nil {
			r.records[p.place].bytes = r.records[p.place].box.size()
		}
	}
}

// part is a container in the making that has the keys of one part of all hash keys.
type part struct {
	last  *userRecord
	place int  // in the request
	full  bool // a record of its keys did not fit, so none behind that may go in
}

// packPart puts u into the container of its part, and reports whether it is there.
func (s *schedule) packPart(r *request, l *lane, p *part, u *userRecord) bool {
	switch {
	case p.full:
	case u.form != grouped:
		p.full = true
	case p.last == nil:
		l.unacked++
		p.place = len(r.records)
		k := r.add()
		*k = kinesisRecord{lane: l, kinesisDetails: noKinesisDetails}
		s.open(k, u)
		p.last = u
	case s.joins(&r.records[p.place], u):
		s.pack(&r.records[p.place], p.last, u)
		p.last = u
	default:
		p.full = true
	}
	return !p.full
}

// take makes u the last of k's user records, behind last.
func (k *kinesisRecord) take(last, u *userRecord) {
	if last == nil {
		k.users = u
	} else {
		last.next = u
	}
	u.sub = k.count
	k.count++
	k.buffered += u.buffered
	if u.userDetails != noUserDetails {
		k.awaited = k.awaited || u.waiter != nil
		k.traced = k.traced || u.spanned || u.trace.Parent != "" || u.span != nil
	}
}

// pack takes u and puts it into the container in the making.
func (s *schedule) pack(k *kinesisRecord, last, u *userRecord) {
	k.take(last, u)
	if k.box.builder == nil {
		k.box.builder = builders.Get().(*aggregate.Builder)
	}
	k.box.builder.Add(s.entry.of(u))
}

// size is that of a container in the making, its outer key included.
func (c *container) size() int32 { return int32(c.builder.Size() + len(c.key)) }

// joins reports whether u goes into the container of k too.
func (s *schedule) joins(k *kinesisRecord, u *userRecord) bool {
	if u == nil || u.form != grouped {
		return false
	}
	first := k.users
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
	parent  []byte // of the span context among them
}

// of returns u as a container holds it, until the next call.
func (e *containerEntry) of(u *userRecord) *aggregate.UserRecord {
	e.record = aggregate.UserRecord{
		PartitionKey:    u.key,
		ExplicitHashKey: u.explicitHashKey,
		Data:            u.data,
		Headers:         u.headers,
	}
	switch {
	case !u.headerTrace:
	case u.spanned:
		e.parent = u.parent().AppendTo(e.parent[:0])
		e.headers = append(e.headers[:0], kinetrail.Header{Name: tracecarrier.TraceparentHeader, Value: unsafe.String(&e.parent[0], len(e.parent))})
		e.record.Headers = e.headers
	case u.bare && len(u.headers) == 0: // what AddHeaders finds out for each record
		e.headers = append(e.headers[:0], kinetrail.Header{Name: tracecarrier.TraceparentHeader, Value: u.trace.Parent})
		e.record.Headers = e.headers
	default:
		e.headers = tracecarrier.AddHeaders(append(e.headers[:0], u.headers...), u.trace)
		e.record.Headers = e.headers
	}
	return &e.record
}

// containerBound is a size that no container of u alone exceeds, outer key
// included. It is cheap, where the Builder is exact.
func containerBound(u *userRecord) int {
	bound := 64 + len(u.data) + 2*len(u.key)
	if u.userDetails == noUserDetails {
		return bound
	}
	bound += len(u.explicitHashKey)
	for i := range u.headers {
		bound += headerBound(len(u.headers[i].Name), len(u.headers[i].Value))
	}
	if u.spanned {
		return bound + headerBound(len(tracecarrier.TraceparentHeader), traceparentLength)
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
	for i := range r.records {
		if box := r.records[i].box; box != nil && !box.made {
			box.data = box.builder.AppendUnsealed(box.data[:0])
			box.made = true
			box.dropBuilder()
			r.unsealed = append(r.unsealed, box.data)
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

// remake makes k anew of those of its user records that are left.
func (s *schedule) remake(k *kinesisRecord, left userQueue) {
	k.users, k.count, k.buffered, k.awaited, k.traced = nil, 0, 0, false, false
	if k.box != nil {
		k.box.dropBuilder()
		k.box.made = false
	}
	for last := (*userRecord)(nil); left.first != nil; {
		u := left.pop()
		if k.box != nil {
			s.pack(k, last, u)
		} else {
			k.take(last, u)
		}
		last = u
	}
	if k.box != nil {
		k.bytes = k.box.size()
	}
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
	for u := k.users; u != nil; u = u.next {
		if !r.Contains(u.hash) {
			return false
		}
	}
	return true
}
