package producer

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	"github.com/kinetrail/kinetrail/internal/md5lanes"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
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
	heldUntil instant
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

// road leads the hash keys up to its end, from that of the road before it, to a
// target.
type road struct {
	end    shardmap.HashKey
	target *target
}

// roadsOf are the roads to the open shards of a map. There are none, and every
// key has to be looked up, while the shards do not cover the hash keys once.
func roadsOf(shards *shardmap.Map, targets map[string]*target) []road {
	var roads []road
	var next shardmap.HashKey // where the next shard has to start
	for _, shard := range shards.Open() {
		if shard.Range.Start != next {
			return nil
		}
		next = shard.Range.End.Next()
		roads = append(roads, road{shard.Range.End, targets[shard.ID]})
	}
	if next != (shardmap.HashKey{}) {
		return nil
	}
	return roads
}

// targetOf is where a record of this hash key goes.
func (s *schedule) targetOf(hash shardmap.HashKey) *target {
	low, high := 0, len(s.roads)
	for low < high {
		middle := (low + high) / 2
		if s.roads[middle].end.Compare(hash) < 0 {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low < len(s.roads) {
		return s.roads[low].target
	}
	if s.shards == nil {
		return s.anywhere
	}
	if shard, ok := s.shards.ShardFor(hash); ok {
		return s.targets[shard.ID]
	}
	return s.anywhere
}

// inbox holds records that have no lane yet, in the order of the puts. Many are
// routed at once, while the processor has them at hand.
type inbox struct {
	records [inboxRecords]*userRecord
	count   int
	bytes   int // of data and keys

}

const (
	inboxRecords = 64
	inboxBytes   = 8 << 10
)

// putClock is the time of the puts. While quickPuts of them take less than
// quickTime, it is looked at for one put in quickLook alone: that is some percent of
// what a put takes.
type putClock struct {
	at    instant // the last look
	since instant // when the puts were first counted
	puts  int     // since then
	quick bool
}

const (
	quickPuts = 64
	quickTime = time.Millisecond
	quickLook = 8
)

// mayGuess reports whether the time of the last look is good enough for the next
// put. When the puts stop being quick, a few records count as put with one before
// them, not longer ago than a record may linger: a request is made then at the
// latest, and the clock passes on.
func (c *putClock) mayGuess() bool {
	c.puts++
	return c.quick && c.puts%quickLook != 0
}

// look takes note of the time of a put.
func (c *putClock) look(now instant) {
	c.at = now
	if c.puts >= quickPuts {
		c.quick = now < c.since.add(quickTime)
		c.puts, c.since = 0, now
	}
}

// pass takes note that the time has passed on without a look.
func (c *putClock) pass(now instant) {
	if now >= c.at.add(quickTime) {
		c.quick = false
	}
}

// add takes a record in, with its span context if its details are spanned. Records
// of one lane keep the order of the calls. It reports whether there may be something
// to do that there was not before.
func (s *schedule) add(u *userRecord, caller *tracecarrier.Parent) (look bool) {
	s.waiting++
	s.waitingBytes += int(u.buffered)
	kept := s.users.keep(&s.slab, u)
	if kept.spanned {
		*kept.parent() = *caller
	}
	if s.rules.deadline > 0 && s.sweepAt == 0 {
		s.sweepAt = u.putAt.add(s.rules.deadline)
	}
	var key keyID
	if s.keepsOrder(kept) {
		var waits bool
		if key, waits = s.addInOrder(kept); waits {
			return true
		}
	}
	if s.expresses(kept) {
		return s.addExpress(kept, key)
	}
	s.inbox.records[s.inbox.count] = kept
	s.inbox.count++
	s.inbox.bytes += int(u.bytes)
	if s.inbox.count == inboxRecords || s.inbox.bytes >= inboxBytes || s.rules.linger == 0 || s.inboxCompletes() {
		s.route()
	}
	return s.inbox.count <= 1
}

// inboxCompletes reports whether what is in the inbox may be what a request lacks.
func (s *schedule) inboxCompletes() bool {
	records, bytes := s.rules.requestRecords, s.rules.worthBytes
	return s.offered.records < records && s.offered.bytes < bytes &&
		(s.offered.records+s.inbox.count >= records || s.offered.bytes+s.inbox.bytes >= bytes)
}

// inboxLinger is how long a record may stay in the inbox: it may be the one that
// fills a container.
func (s *schedule) inboxLinger() time.Duration {
	if s.rules.aggregation == Off {
		return s.rules.linger
	}
	return s.rules.linger / fullLingers
}

// route brings the records of the inbox to their lanes.
func (s *schedule) route() {
	var touched *lane // the first of a list through nextTouched
	arrived := s.arrivals()
	for _, u := range arrived {
		l := s.laneOf(u)
		l.waiting.append(u)
		if !l.touched {
			l.touched, l.nextTouched, touched = true, touched, l
		}
	}
	for l := touched; l != nil; l = touched {
		touched = l.nextTouched
		l.touched, l.nextTouched = false, nil
		s.update(l)
	}
}

// arrivals empties the inbox. Its records have their hash keys if these are
// used.
func (s *schedule) arrivals() []*userRecord {
	in := &s.inbox
	arrived := in.records[:in.count]
	in.count, in.bytes = 0, 0
	if s.byHash() {
		setHashes(arrived)
	}
	return arrived
}

// setHashes sets the hash keys of records: those of their keys, unless they have
// one.
func setHashes(records []*userRecord) {
	batch := hashBatch{each: func(i int, hash shardmap.HashKey) { records[i].hash, records[i].hashed = hash, true }}
	for i, u := range records {
		if !u.hashed {
			batch.add(u.key, i)
		}
	}
	batch.end()
}

// hashBatch finds the hash keys of partition keys as shardmap.HashKeyOf does, but of
// many at once.
type hashBatch struct {
	each  func(note int, hash shardmap.HashKey)
	keys  [md5lanes.Lanes]string
	notes [md5lanes.Lanes]int // the caller's on each
	count int
}

func (b *hashBatch) add(key string, note int) {
	b.keys[b.count], b.notes[b.count] = key, note
	if b.count++; b.count == len(b.keys) {
		b.end()
	}
}

func (b *hashBatch) end() {
	var sums [md5lanes.Lanes][16]byte
	md5lanes.Sum(sums[:b.count], b.keys[:b.count])
	for i, note := range b.notes[:b.count] {
		b.each(note, shardmap.HashKey{Hi: binary.BigEndian.Uint64(sums[i][:8]), Lo: binary.BigEndian.Uint64(sums[i][8:])})
	}
	b.count = 0
}

// targetOfLane is where the next record of a ready lane goes.
func (s *schedule) targetOfLane(l *lane) *target {
	switch {
	case l.shared():
		return l.home
	case len(l.again) > 0:
		return s.destination(l.again[0].users)
	}
	return s.destination(l.waiting.first)
}

// destination is the target at which u waits.
func (s *schedule) destination(u *userRecord) *target {
	if !s.byHash() {
		return s.anywhere
	}
	return s.targetOf(u.hashKey())
}

// hashKey is the hash key that decides the record's shard. No request may be under
// way with it.
func (u *userRecord) hashKey() shardmap.HashKey {
	if !u.hashed {
		u.hash, u.hashed = shardmap.HashKeyOf(u.key), true
	}
	return u.hash
}

// laneOf is the lane in which a record waits first: its target's, unless it is
// grouped by its key. There the record of a key that is on its way or waits
// elsewhere is sorted out when its turn comes.
func (s *schedule) laneOf(u *userRecord) *lane {
	ordered := s.rules.lanes && !u.keyless
	switch {
	case s.rules.aggregation == SameKey && !u.keyless:
		return s.laneOfKey(u)
	case s.rules.aggregation == ByShard && ordered:
		if t := s.targetOf(u.hash); t != s.anywhere {
			return t.shared
		}
		return s.laneOfKey(u)
	}
	return s.destination(u).shared
}

// laneOfKey is the lane of the records of one key.
func (s *schedule) laneOfKey(u *userRecord) *lane {
	name := laneName{key: u.key}
	if l := s.lanes[name]; l != nil {
		return l
	}
	l := s.newLane()
	l.name, l.groups, l.exclusive = name, s.rules.aggregation == SameKey, s.rules.lanes && !u.keyless
	s.lanes[name] = l
	return l
}

// setShards takes a newer shard list. When the open shards have changed, what
// waits is distributed anew, and under ByShard a lane that takes over keys of a
// record still on its way waits for that record's outcome.
func (s *schedule) setShards(shards *shardmap.Map, now instant) {
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
func (s *schedule) redistribute(now instant) {
	waiting := s.collect()
	targets := make(map[string]*target, len(s.shards.Open()))
	for _, shard := range s.shards.Open() {
		limits := newLimiter(s.rules.shardShare, now)
		if before := s.targets[shard.ID]; before != nil {
			limits = before.limiter
		}
		targets[shard.ID] = s.newTarget(shard.ID, limits)
	}
	s.targets, s.named = targets, [namedTargets]*target{}
	s.roads = roadsOf(s.shards, targets)
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

// collect empties the inbox, all lines, and all lanes whose records may now
// belong elsewhere, and returns those records in the order of acceptance.
func (s *schedule) collect() []*userRecord {
	var waiting []*userRecord
	waiting = append(waiting, s.arrivals()...)
	waiting = append(waiting, s.spread()...)
	drain := func(l *lane) {
		l.queuedAt, l.next, l.offer = nil, nil, offer{}
		for _, k := range l.again {
			for u := k.users; u != nil; u = u.next {
				u.own().earlier = slices.Clip(k.attempts)
				waiting = append(waiting, u)
			}
			l.unacked--
			s.finish(k)
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
	for name, l := range s.lanes {
		l.queuedAt, l.next, l.offer, l.blockedBy = nil, nil, offer{}, 0
		if s.rules.aggregation == ByShard {
			drain(l)
			delete(s.lanes, name)
			l.orphan = true
		}
	}
	s.active, s.held, s.offered, s.lingerAt = targetQueue{}, nil, offer{}, 0
	slices.SortFunc(waiting, func(a, b *userRecord) int { return cmp.Compare(a.number, b.number) })
	if s.byHash() {
		setHashes(waiting)
	}
	return waiting
}

// blockLanes lets every Kinesis record on its way block the lanes that its user
// records belong to now: what follows them has to wait for its outcome.
func (s *schedule) blockLanes() {
	block := func(k *kinesisRecord) {
		var blocks []*lane
		for u := k.users; u != nil; u = u.next {
			if l := s.laneOf(u); !slices.Contains(blocks, l) {
				blocks = append(blocks, l)
				l.blockedBy++
			}
		}
		k.blocks = &blocks
	}
	for _, r := range s.underway {
		for i := range r.records {
			block(&r.records[i])
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
	if k.blocks == nil {
		return
	}
	for _, l := range *k.blocks {
		l.blockedBy--
		s.update(l)
		s.retire(l)
	}
	k.blocks = nil
}

// reroute takes a failed container apart that was made for an older shard map:
// each of its records goes first in the lane it belongs to now.
func (s *schedule) reroute(k *kinesisRecord) {
	lanes := map[*lane]*userQueue{}
	var next *userRecord
	for u := k.users; u != nil; u = next {
		next = u.next
		u.own().earlier = slices.Clip(k.attempts)
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
	s.finish(k)
	s.free(k)
}

// leave ends k's stay in its lane and lets others go on.
func (s *schedule) leave(k *kinesisRecord) {
	if k.lane == nil {
		s.leaveKey(k.key)
		return
	}
	l := k.lane
	l.unacked--
	s.update(l)
	s.retire(l)
	s.unblock(k)
}

// retire forgets a lane in the map that nothing needs any more.
func (s *schedule) retire(l *lane) {
	if l.shared() || l.orphan || !l.idle() {
		return
	}
	delete(s.lanes, l.name)
	if l.name.id != 0 {
		at, _ := s.keys.slot(l.name.id)
		s.keys.remove(at)
	}
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

// free keeps the memory of a Kinesis record that is in no request for another.
func (s *schedule) free(k *kinesisRecord) {
	*k = kinesisRecord{}
	s.freeRecords = append(s.freeRecords, k)
}

// apart brings a record that has to be sent again to memory of its own.
func (s *schedule) apart(k *kinesisRecord) *kinesisRecord {
	own := new(kinesisRecord)
	if last := len(s.freeRecords) - 1; last >= 0 {
		own, s.freeRecords = s.freeRecords[last], s.freeRecords[:last]
	}
	*own = *k
	*k = kinesisRecord{kinesisDetails: noKinesisDetails}
	return own
}

// finish lets go of what belongs to k.
func (s *schedule) finish(k *kinesisRecord) {
	if k.box != nil {
		s.freeContainer(k.box)
		k.box = nil
	}
	k.users = nil
}

func (s *schedule) newContainer() *container {
	c := s.freeBoxes
	if c == nil {
		return new(container)
	}
	s.freeBoxes = c.next
	c.next = nil
	return c
}

// freeContainer keeps c for another one, and its memory unless that is unusually
// large.
func (s *schedule) freeContainer(c *container) {
	c.dropBuilder()
	data := c.data[:0]
	if cap(data) > 2*s.rules.containerBytes {
		data = nil
	}
	*c = container{data: data, next: s.freeBoxes}
	s.freeBoxes = c
}
