package producer

import (
	"container/heap"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/shardmap"
)

// rules are what a schedule goes by: options, and containerBytes within the
// stream's largest record.
type rules struct {
	aggregation    Aggregation
	lanes          bool   // records of a lane wait for each other
	keyMask        uint64 // what keys are told apart by
	hashes         bool   // records go by their hash keys
	metered        bool   // somebody counts
	linger         time.Duration
	deadline       time.Duration
	maxAttempts    int
	concurrency    int
	containerBytes int
	requestRecords int
	requestBytes   int
	worthBytes     int // that make a request worth sending before its records have lingered
	shardShare     float64
}

// fullLingers is the part of the linger that a full container waits for others
// to fill up: one in so many. A request for each would cost more than its bytes.
const fullLingers = 10

// schedule decides what goes into the next request and when. It starts no
// goroutine and reads no clock; the Producer guards it.
//
//	add ──► inbox ──► lane ──► target ──► request ──► settle ──► results
//	                    ▲                                │
//	                    └────────── delayed ◄────────────┘
type schedule struct {
	rules rules
	count tally

	// Where records go; see route.go.
	clock      putClock
	express    express
	inbox      inbox
	shards     *shardmap.Map // nil while it is not known
	generation uint16        // of shards
	targets    map[string]*target
	roads      []road  // to targets
	anywhere   *target // of records whose shard is not known
	lanes      map[laneName]*lane
	keys       keySet // of plain records
	quota      quota
	named      [namedTargets]*target
	misplaced  []*kinesisRecord // their verdict needs a newer shard map
	stale      bool             // shards was seen to be out of date

	// What could be sent.
	active   targetQueue // targets with ready lanes and a limiter that allows
	held     []*target   // targets with ready lanes that their limiters hold
	offered  offer       // of active
	lingerAt instant     // when the first record of active has waited enough

	// What is on its way.
	underway    []*request
	delayed     delayed
	chance      float64 // of delays, drawn for each settled request
	failures    int     // failed requests in a row
	pausedUntil instant // after a failed request

	sweepAt instant // when waiting records may have expired
	hurry   *epoch  // records of older epochs do not linger

	waiting, waitingBytes int // of user records without a result

	stopped     error // why nothing is sent any more; nil while it runs
	stopCode    string
	undelivered []kinetrail.Record // rejected since it stopped

	// Records with their results.
	answers    userQueue    // that somebody waits for
	deliveries requestQueue // the others
	loose      *request     // those that are in no other request; nil for none

	// At rest, or of use to one at a time.
	entry        containerEntry
	users        userPool
	slab         *userSlab // where the next records lie
	freeRecords  []*kinesisRecord
	freeBoxes    *container
	freeLanes    *lane
	freeRequests []*request
}

func newSchedule(r rules) schedule {
	s := schedule{rules: r, lanes: make(map[laneName]*lane)}
	if r.lanes && r.aggregation == Off {
		s.keys = newKeySet()
	}
	s.anywhere = s.newTarget("", limiter{})
	return s
}

// request is one PutRecords request.
type request struct {
	records []kinesisRecord
	entries []types.PutRecordsRequestEntry

	// Partition and hash keys that are made for the request.
	text []byte
	keys []string

	// What came by express: records that are not in records until they go
	// different ways.
	express   userQueue
	marks     []mark  // beside entries
	buffered  int     // what they take of the buffer
	dataBytes int     // of all
	dueAt     instant // when the first has waited enough
	home      *target // of all of them
	sentTo    uint16  // generation of the shard map it was made for
	uncharged bool    // no shard has paid for them yet

	results []result // while they are settled and delivered
	options []func(*kinesis.Options)

	unsealed [][]byte // containers in the making
	bytes    int
	users    int       // user records
	place    int       // in schedule.underway
	traced   bool      // one of the records has a context
	attempts []Attempt // of those records that were accepted at once

	// While results are delivered.
	delivered int // records
	next      *request
}

// update takes note of a change of l: it stands in line while it is ready, and
// its offer counts.
func (s *schedule) update(l *lane) {
	if !l.ready() {
		s.retract(l)
		return
	}
	if l.queuedAt == nil {
		s.queue(l)
	}
	t := l.queuedAt
	change := s.offerOf(l)
	fresh := change
	change.subtract(l.offer)
	l.offer = fresh
	t.offered.add(change)
	if t.held {
		return
	}
	s.offered.add(change)
	if change.full > 0 {
		s.lingerUntil(s.patience(l))
	}
}

// retract takes back the offer of a lane that is no longer ready. The lane stays
// in line until its turn comes.
func (s *schedule) retract(l *lane) {
	if t := l.queuedAt; t != nil {
		t.offered.subtract(l.offer)
		if !t.held {
			s.offered.subtract(l.offer)
		}
	}
	l.offer = offer{}
}

// queue puts a ready lane in line at the target of its first record.
func (s *schedule) queue(l *lane) {
	t := s.targetOfLane(l)
	l.queuedAt = t
	t.ready.append(l)
	if !t.active && !t.held {
		t.active = true
		s.active.append(t)
		s.offered.add(t.offered)
	}
	if !t.held {
		s.lingerUntil(s.patience(l))
	}
}

// patience is until when l's first record waits for company.
func (s *schedule) patience(l *lane) instant {
	if len(l.again) > 0 {
		return l.again[0].retryAt
	}
	first := l.waiting.first
	if s.hurry != nil && first.epoch.number <= s.hurry.number {
		return first.putAt
	}
	if l.offer.full > 0 {
		return first.putAt.add(s.rules.linger / fullLingers)
	}
	return first.putAt.add(s.rules.linger)
}

func (s *schedule) lingerUntil(t instant) {
	if s.lingerAt == 0 || t < s.lingerAt {
		s.lingerAt = t
	}
}

// offerOf is what a ready lane adds to a request that does not wait for the end
// of the linger. A shard's container is not offered before it is full.
func (s *schedule) offerOf(l *lane) offer {
	o := offer{records: len(l.again)}
	for _, k := range l.again {
		o.bytes += int(k.bytes)
	}
	if !l.mayMake() {
		return o
	}
	container := s.rules.containerBytes
	if l.groups && l.waiting.bytes >= container {
		o.full = 1
	}
	switch {
	case l.groups && l.shared():
		containers := l.waiting.bytes / container
		if l.exclusive {
			containers = min(containers, maxParts)
		}
		o.add(offer{records: containers, bytes: containers * container})
	case l.groups:
		o.add(offer{records: 1, bytes: min(l.waiting.bytes, container)})
	case l.exclusive:
		o.add(offer{records: 1, bytes: int(l.waiting.first.bytes)})
	default:
		o.add(offer{records: l.waiting.count, bytes: l.waiting.bytes})
	}
	return o
}

// mayStart reports whether another request may be on its way.
func (s *schedule) mayStart(now instant) bool {
	return s.stopped == nil && len(s.underway) < s.rules.concurrency && now >= s.pausedUntil
}

// due reports whether a request should be made now, and whether the records that
// have not lingered are to go with it.
func (s *schedule) due(now instant) (due, everything bool) {
	switch {
	case s.active.first == nil || !s.mayStart(now):
		return false, false
	case now >= s.lingerAt:
		return true, true
	case s.offered.records >= s.rules.requestRecords || s.offered.bytes >= s.rules.worthBytes:
		return true, false
	}
	// When every container is full, none gains by waiting; lanes that are not
	// exclusive make more of them while a request is on its way.
	allFull := s.offered.full > 0 && s.offered.full == s.active.count
	return allFull && (s.rules.lanes || len(s.underway) == 0), false
}

// next makes the next request, or returns nil if none is due.
func (s *schedule) next(now instant) *request {
	s.clock.pass(now)
	s.route()
	s.ripen(now)
	if !s.mayStart(now) {
		return nil
	}
	s.watchQuota(now)
	s.joinExpress(now)
	due, everything := s.due(now)
	if s.expressDue(now) && !(due && s.express.last) {
		s.express.last = true
		return s.start(s.takeExpress(), now)
	}
	s.express.last = false
	if !due {
		return nil
	}
	r := s.newRequest()
	if everything {
		s.lingerAt = 0
	}
	s.fill(r, everything, now)
	if len(r.records) == 0 {
		s.freeRequest(r)
		return nil
	}
	return s.start(r, now)
}

// start takes note of a request that is made.
func (s *schedule) start(r *request, now instant) *request {
	r.place = len(s.underway)
	s.underway = append(s.underway, r)
	if s.watched() && !s.quota.near {
		s.owe(r, now)
	}
	return r
}

// fill takes Kinesis records of the targets in turn, so that a shard with much to
// send does not fill the request.
func (s *schedule) fill(r *request, everything bool, now instant) {
	var unripe targetQueue
	targets := s.active.count
	share := offer{records: s.rules.requestRecords / targets, bytes: s.rules.worthBytes / targets}
	for s.active.first != nil {
		t := s.active.pop()
		l := t.firstReady(s)
		switch {
		case l == nil:
			t.active = false
			continue
		case !t.limiter.allows(now):
			s.hold(t, now)
			continue
		case !s.ripe(l, everything, now):
			unripe.append(t)
			s.lingerUntil(s.patience(l))
			continue
		case len(r.records) == s.rules.requestRecords,
			len(r.records) > 0 && (l.sendsAlone() || r.records[0].alone),
			len(r.records) > 0 && r.bytes+s.nextBytes(l) > s.rules.requestBytes,
			r.bytes >= s.rules.worthBytes: // more would only take memory
			s.active.prepend(t)
			s.active.appendAll(&unripe)
			s.lingerUntil(s.patience(l))
			return
		}
		s.turn(r, l, share, now)
		s.active.append(t)
	}
	s.active = unripe
}

// turn adds to r what l gives at its turn: a Kinesis record, or its target's
// share in plain records of a lane that need not wait for each other.
func (s *schedule) turn(r *request, l *lane, share offer, now instant) {
	t := l.queuedAt
	records := min(len(r.records)+share.records, s.rules.requestRecords)
	bytes := min(r.bytes+share.bytes, s.rules.requestBytes)
	for {
		from := len(r.records)
		s.take(r, l, share)
		for i := from; i < len(r.records); i++ {
			k := &r.records[i]
			k.target, k.sentTo = t, s.generation
			t.limiter.spend(int(k.bytes))
			r.bytes += int(k.bytes)
			r.users += int(k.count)
			r.traced = r.traced || k.traced
		}
		if !l.givesMore() || len(r.records) >= records || len(r.records) > 0 && r.records[0].alone ||
			r.bytes+s.nextBytes(l) > bytes || !t.limiter.allows(now) {
			break
		}
	}
	s.dequeue(l)
	s.update(l)
}

// givesMore reports whether l may give one more record at its turn.
func (l *lane) givesMore() bool {
	return l.shared() && !l.groups && len(l.again) == 0 && l.waiting.count > 0
}

// ripe reports whether l goes with a request made now. A shard's container
// stays behind to fill up unless it is full or has lingered, or as good as
// lingered when there is a request to go with.
func (s *schedule) ripe(l *lane, everything bool, now instant) bool {
	if !l.groups || !l.shared() || l.offer.records > 0 {
		return true
	}
	return everything && now >= s.patience(l).add(-s.rules.linger/2)
}

// take takes the next Kinesis record of a ready lane into r, or several that have
// no key in common. It takes none when the next user record has to wait for others
// of its key; that was sent to their lane then.
func (s *schedule) take(r *request, l *lane, share offer) {
	if len(l.again) > 0 {
		k := r.add()
		*k = *l.again[0]
		s.free(l.again[0])
		l.again[0] = nil
		if l.again = l.again[1:]; len(l.again) == 0 {
			l.again = nil
		}
		return
	}
	if l.sorts(s) {
		k := r.add()
		s.make(k, l)
		k.lane, k.key = nil, s.keyOf(k.users)
		return
	}
	if parts, bytes := s.parts(r, l, share); parts > 1 && l.waiting.first.form == grouped {
		s.makeParts(r, l, parts, bytes)
		return
	}
	l.unacked++
	s.make(r.add(), l)
}

// maxParts is how many containers of an exclusive lane are made at once, at most.
const maxParts = 16

// parts is how many full containers of an exclusive lane go into r together, and
// how many bytes they may have. They have no key in common, so that their order among each other says nothing; each
// has the keys of one part of all hash keys.
func (s *schedule) parts(r *request, l *lane, share offer) (parts, bytes int) {
	if !l.groups || !l.shared() || !l.exclusive {
		return 1, 0
	}
	container := s.rules.containerBytes
	records := min(maxParts, share.records, s.rules.requestRecords-len(r.records))
	bytes = min(share.bytes, s.rules.requestBytes-r.bytes, l.home.limiter.room())
	// They fill up only when there is more than they hold.
	return min(records, bytes/container, (l.waiting.bytes-container/2)/container), bytes
}

// sorts reports whether the next record of l is alone of its key, and known as such.
func (l *lane) sorts(s *schedule) bool {
	return l.shared() && s.keepsOrder(l.waiting.first)
}

// add makes room for one more record.
func (r *request) add() *kinesisRecord {
	if n := len(r.records); n < cap(r.records) {
		r.records = r.records[:n+1]
	} else {
		r.records = append(r.records, kinesisRecord{})
	}
	return &r.records[len(r.records)-1]
}

// dequeue takes the lane out of the head of its line, unless it is a shared one
// with more to send: the next record of any other may go elsewhere.
func (s *schedule) dequeue(l *lane) {
	if l.shared() && l.ready() {
		return
	}
	s.retract(l)
	l.queuedAt.ready.pop()
	l.queuedAt = nil
}

// nextBytes is how large the next Kinesis record of a ready lane is at most.
func (s *schedule) nextBytes(l *lane) int {
	if len(l.again) > 0 {
		return int(l.again[0].bytes)
	}
	u := l.waiting.first
	switch {
	case u.form == plain:
		return int(u.bytes)
	case l.groups:
		return max(s.rules.containerBytes, containerBound(u))
	}
	return containerBound(u)
}

// holdTime is how long a target that reached its limit is held at least, so that
// its records go in company and not one request each.
const holdTime = 50 * time.Millisecond

// hold takes a target out of the line until its limiter lets records go.
func (s *schedule) hold(t *target, now instant) {
	t.active, t.held = false, true
	t.heldUntil = max(t.limiter.allowsAt(), now.add(holdTime))
	s.offered.subtract(t.offered)
	s.held = append(s.held, t)
}

// ripen brings back what has waited for its time: failed records after their
// delay, targets whose limiter lets records go again, and the expired.
func (s *schedule) ripen(now instant) {
	for len(s.delayed) > 0 && now >= s.delayed[0].retryAt {
		s.sendAgain(heap.Pop(&s.delayed).(*kinesisRecord))
	}
	kept := s.held[:0]
	for _, t := range s.held {
		if now < t.heldUntil {
			kept = append(kept, t)
			continue
		}
		t.held, t.active = false, true
		s.active.append(t)
		s.offered.add(t.offered)
		s.lingerUntil(t.heldUntil)
	}
	clear(s.held[len(kept):])
	s.held = kept
	if s.sweepAt != 0 && now >= s.sweepAt {
		s.sweep(now)
	}
}

// delay keeps a failed record until its time.
func (s *schedule) delay(k *kinesisRecord) { heap.Push(&s.delayed, k) }

// sendAgain puts a failed record whose delay is over at the head of its lane.
func (s *schedule) sendAgain(k *kinesisRecord) {
	if k.lane.shared() && k.sentTo != s.generation {
		s.reroute(k)
		return
	}
	k.lane.again = append(k.lane.again, k)
	s.update(k.lane)
	if k.lane.queuedAt != nil && !k.lane.queuedAt.held {
		s.lingerUntil(k.retryAt)
	}
}

// wakeAt is when next should be asked again if nothing else happens before;
// zero means never.
func (s *schedule) wakeAt() instant {
	at := s.soonest()
	if s.stopped != nil || len(s.underway) >= s.rules.concurrency {
		return at
	}
	if len(s.delayed) > 0 {
		at = sooner(at, max(s.delayed[0].retryAt, s.pausedUntil))
	}
	for _, t := range s.held {
		at = sooner(at, max(t.heldUntil, s.pausedUntil))
	}
	return at
}

// soonest is a time not after which wakeAt is, for the changes that a new record
// can make to it.
func (s *schedule) soonest() instant {
	if s.stopped != nil {
		return 0 // what is left is given up when the last request is settled
	}
	if len(s.underway) >= s.rules.concurrency {
		return s.sweepAt
	}
	at := s.sweepAt
	if s.active.first != nil {
		at = sooner(at, max(s.lingerAt, s.pausedUntil))
	}
	if due := s.express.dueAt(); due != 0 {
		at = sooner(at, max(due, s.pausedUntil))
	}
	if s.inbox.count > 0 {
		at = sooner(at, max(s.inbox.records[0].putAt.add(s.inboxLinger()), s.pausedUntil))
	}
	return at
}

// rush lets the records of an epoch and those before it go without lingering.
func (s *schedule) rush(e *epoch, now instant) {
	s.route()
	s.hurry = e
	if s.express.open != nil {
		s.express.open.dueAt = now
	}
	if s.active.first != nil {
		s.lingerUntil(now)
	}
}

// sending is how many user records are in requests under way, and their bytes.
func (s *schedule) sending() (users, bytes int) {
	for _, r := range s.underway {
		users += r.users
		bytes += r.bytes
	}
	return users, bytes
}

// instant is a time by the clock of one producer: how long after it began. It is
// never 0, which stands for never.
type instant time.Duration

func (t instant) add(d time.Duration) instant { return t + instant(d) }

// sooner is the earlier of two times, either of which may be never.
func sooner(a, b instant) instant {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// restingRequests is how many requests are at rest at most for each that may be under
// way: after a backlog there may be hundreds.
const restingRequests = 4

// newRequest and freeRequest keep the memory of requests for others.
func (s *schedule) newRequest() *request {
	last := len(s.freeRequests) - 1
	if last < 0 {
		return new(request)
	}
	r := s.freeRequests[last]
	s.freeRequests = s.freeRequests[:last]
	return r
}

func (s *schedule) freeRequest(r *request) {
	for i := range r.records {
		s.finish(&r.records[i])
	}
	if len(s.freeRequests) >= restingRequests*s.rules.concurrency {
		return
	}
	clear(r.records)
	clear(r.entries)
	clear(r.results)
	*r = request{
		records: r.records[:0], entries: r.entries[:0], unsealed: r.unsealed[:0],
		text: r.text[:0], keys: r.keys[:0],
		marks: r.marks[:0], results: r.results[:0], options: r.options,
	}
	s.freeRequests = append(s.freeRequests, r)
}

// delayed are the failed records that wait for their time, the first on top.
type delayed []*kinesisRecord

func (d delayed) Len() int           { return len(d) }
func (d delayed) Less(i, j int) bool { return d[i].retryAt < d[j].retryAt }
func (d delayed) Swap(i, j int)      { d[i], d[j] = d[j], d[i] }
func (d *delayed) Push(x any)        { *d = append(*d, x.(*kinesisRecord)) }

func (d *delayed) Pop() any {
	last := len(*d) - 1
	k := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return k
}
