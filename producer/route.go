package producer

import (
	"cmp"
	"slices"
	"time"

	"github.com/kinetrail/kinetrail/shardmap"
)

// target is where records go: an open shard, or anywhere when the shard is not
// known.
type target struct {
	id      string // of the shard; empty for anywhere
	limiter limiter
	shared  *lane // of records that have no lane of their own

	ready     laneQueue
	offered   offer
	active    bool // stands in schedule.active
	held      bool // stands in schedule.held
	heldUntil time.Time
	next      *target
}

// targetQueue is a line of targets.
type targetQueue struct {
	first, last *target
	count       int
}

func (q *targetQueue) append(t *target) {
	t.next = nil
	if q.last == nil {
		q.first = t
	} else {
		q.last.next = t
	}
	q.last = t
	q.count++
}

func (q *targetQueue) prepend(t *target) {
	t.next = q.first
	if q.first == nil {
		q.last = t
	}
	q.first = t
	q.count++
}

func (q *targetQueue) appendAll(other *targetQueue) {
	if other.first == nil {
		return
	}
	if q.last == nil {
		q.first = other.first
	} else {
		q.last.next = other.first
	}
	q.last = other.last
	q.count += other.count
}

func (q *targetQueue) pop() *target {
	t := q.first
	q.first = t.next
	if q.first == nil {
		q.last = nil
	}
	t.next = nil
	q.count--
	return t
}

// firstReady is the lane whose turn it is, nil when none is ready. Lanes that
// are no longer ready leave the line here.
func (t *target) firstReady(s *schedule) *lane {
	for l := t.ready.first; l != nil; l = t.ready.first {
		if l.ready() {
			return l
		}
		t.ready.pop()
		l.queuedAt = nil
		s.retire(l)
	}
	return nil
}

// newTarget makes the target of a shard; id is empty for anywhere.
func (s *schedule) newTarget(id string, l limiter) *target {
	t := &target{id: id, limiter: l}
	t.shared = &lane{home: t}
	if id != "" && s.rules.aggregation == ByShard {
		t.shared.groups, t.shared.exclusive = true, s.rules.lanes
	}
	return t
}

// targetOf is where a record of this hash key goes.
func (s *schedule) targetOf(hash shardmap.HashKey) *target {
	if s.shards == nil {
		return s.anywhere
	}
	if shard, ok := s.shards.ShardFor(hash); ok {
		return s.targets[shard.ID]
	}
	return s.anywhere
}

// targetOfLane is where the next record of a ready lane goes.
func (s *schedule) targetOfLane(l *lane) *target {
	switch {
	case l.shared():
		return l.home
	case len(l.again) > 0:
		return s.targetOf(l.again[0].users.first.hash)
	}
	return s.targetOf(l.waiting.first.hash)
}

// laneOf is the lane of a record: its target's when records are grouped by shard
// or nothing orders this one, else its key's.
func (s *schedule) laneOf(u *userRecord) *lane {
	aggregation, ordered := s.rules.aggregation, s.rules.lanes && !u.keyless
	if aggregation == ByShard || !ordered && (aggregation == Off || u.keyless) {
		t := s.targetOf(u.hash)
		if t != s.anywhere || !ordered {
			return t.shared
		}
	}
	if l := s.lanes[u.key]; l != nil {
		return l
	}
	l := s.newLane()
	l.key, l.groups, l.exclusive = u.key, aggregation == SameKey, ordered
	s.lanes[u.key] = l
	return l
}

// setShards takes a newer shard list. When the open shards have changed, what
// waits is distributed anew, and under ByShard a lane that takes over keys of a
// record still on its way waits for that record's outcome.
func (s *schedule) setShards(shards *shardmap.Map, now time.Time) {
	old := s.shards
	s.shards = shards
	s.stale = false
	if old == nil || !slices.EqualFunc(old.Open(), shards.Open(), func(a, b shardmap.Shard) bool { return a.ID == b.ID }) {
		s.generation++
		s.redistribute(now)
	}
	s.judgeAgain(now)
}

// redistribute makes the targets of the shard map and brings every waiting
// record to its new lane, in the order of acceptance.
func (s *schedule) redistribute(now time.Time) {
	waiting := s.collect()
	targets := make(map[string]*target, len(s.shards.Open()))
	for _, shard := range s.shards.Open() {
		limits := newLimiter(s.rules.shardShare, now)
		if before := s.targets[shard.ID]; before != nil {
			limits = before.limiter
		}
		targets[shard.ID] = s.newTarget(shard.ID, limits)
	}
	s.targets = targets
	s.anywhere = s.newTarget("", limiter{})
	if s.rules.aggregation == ByShard && s.rules.lanes {
		s.blockLanes()
	}
	for _, u := range waiting {
		l := s.laneOf(u)
		l.waiting.append(u)
	}
	for _, t := range s.targets {
		s.update(t.shared)
	}
	s.update(s.anywhere.shared)
	for _, l := range s.lanes {
		s.update(l)
	}
}

// collect empties all lines, and all lanes whose records may now belong
// elsewhere, and returns those records in the order of acceptance.
func (s *schedule) collect() []*userRecord {
	var waiting []*userRecord
	drain := func(l *lane) {
		for _, k := range l.again {
			for k.users.first != nil {
				u := k.users.pop()
				u.earlier = slices.Clip(k.attempts)
				waiting = append(waiting, u)
			}
			l.unacked--
			s.free(k)
		}
		l.again = nil
		for l.waiting.first != nil {
			waiting = append(waiting, l.waiting.pop())
		}
	}
	for _, t := range s.targets {
		drain(t.shared)
	}
	drain(s.anywhere.shared)
	for key, l := range s.lanes {
		l.queuedAt, l.next, l.offer, l.blockedBy = nil, nil, offer{}, 0
		if s.rules.aggregation == ByShard {
			drain(l)
			delete(s.lanes, key)
			l.orphan = true
		}
	}
	s.active, s.held, s.offered, s.lingerAt = targetQueue{}, nil, offer{}, time.Time{}
	slices.SortFunc(waiting, func(a, b *userRecord) int { return cmp.Compare(a.number, b.number) })
	return waiting
}

// blockLanes lets every Kinesis record on its way block the lanes that its user
// records belong to now: what follows them has to wait for its outcome.
func (s *schedule) blockLanes() {
	block := func(k *kinesisRecord) {
		k.blocks = k.blocks[:0]
		for u := k.users.first; u != nil; u = u.next {
			if l := s.laneOf(u); !slices.Contains(k.blocks, l) {
				k.blocks = append(k.blocks, l)
				l.blockedBy++
			}
		}
	}
	for _, r := range s.underway {
		for _, k := range r.records {
			block(k)
		}
	}
	for _, k := range s.delayed {
		block(k)
	}
	for _, k := range s.misplaced {
		block(k)
	}
}

// unblock lets the lanes go on that waited for k.
func (s *schedule) unblock(k *kinesisRecord) {
	for _, l := range k.blocks {
		l.blockedBy--
		s.update(l)
		s.retire(l)
	}
	k.blocks = k.blocks[:0]
}

// reroute takes a failed container apart that was made for an older shard map:
// each of its records goes first in the lane it belongs to now.
func (s *schedule) reroute(k *kinesisRecord) {
	lanes := map[*lane]*userQueue{}
	for k.users.first != nil {
		u := k.users.pop()
		u.earlier = slices.Clip(k.attempts)
		l := s.laneOf(u)
		if lanes[l] == nil {
			lanes[l] = new(userQueue)
		}
		lanes[l].append(u)
	}
	for l, front := range lanes {
		l.waiting.prepend(*front)
	}
	s.leave(k)
	for l := range lanes {
		s.update(l)
		if l.queuedAt != nil && !l.queuedAt.held && l.ready() {
			s.lingerUntil(k.retryAt)
		}
	}
	s.free(k)
}

// leave ends k's stay in its lane and lets others go on.
func (s *schedule) leave(k *kinesisRecord) {
	k.lane.unacked--
	s.update(k.lane)
	s.retire(k.lane)
	s.unblock(k)
}

// retire forgets the lane of a key that nothing needs any more.
func (s *schedule) retire(l *lane) {
	if l.shared() || l.orphan || !l.idle() {
		return
	}
	delete(s.lanes, l.key)
	*l = lane{next: s.freeLanes}
	s.freeLanes = l
}

func (s *schedule) newLane() *lane {
	l := s.freeLanes
	if l == nil {
		return new(lane)
	}
	s.freeLanes = l.next
	l.next = nil
	return l
}

func (s *schedule) newKinesisRecord() *kinesisRecord {
	k := s.freeRecords
	if k == nil {
		return new(kinesisRecord)
	}
	s.freeRecords = k.next
	k.next = nil
	return k
}

// free keeps k for another record.
func (s *schedule) free(k *kinesisRecord) {
	k.dropBuilder()
	*k = kinesisRecord{next: s.freeRecords, blocks: k.blocks[:0]}
	s.freeRecords = k
}
