package producer

import (
	"cmp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Most plain records need little of what a schedule can do: no lane, because no
// other record of their key waits or is on its way, and no shard, because all
// shards are far from their quotas. They go by express. Put writes them straight
// into the next request, while the processor has them at hand, and nobody looks at
// them again before their results:
//
//	Put ──► open ──► full ──► request ──► results
//	          │        │         │
//	          └────────┴─────────┴──► lanes
//
// What goes wrong goes on as if there were no express: a request with a result
// that is an error becomes an ordinary one, and when a shard comes near its quota,
// a deadline passes or the producer stops, what waits is spread over the lanes.
//
// docs/decisions/express-requests.md has the figures.
type express struct {
	open *request     // takes records; nil for none
	full requestQueue // take no more, and wait for their turn
	last bool         // the last request that was made came from here
}

// expresses reports whether a record that waits for no other of its key goes by
// express.
func (s *schedule) expresses(u *userRecord) bool {
	return s.rules.aggregation == Off && !s.quota.near && u.common && u.form == plain
}

// addExpress writes a record into the open request. key is 0 if it has no order to
// keep. It reports whether there is something new to look at.
func (s *schedule) addExpress(u *userRecord, key keyID) (look bool) {
	x := &s.express
	if x.open != nil && x.open.bytes+int(u.bytes) > s.rules.requestBytes {
		s.closeExpress()
		look = true
	}
	if x.open == nil {
		x.open = s.newRequest()
		x.open.dueAt = u.putAt.add(s.rules.linger)
		look = true
	}
	r := x.open
	r.express.append(u)
	entry := types.PutRecordsRequestEntry{Data: u.data, PartitionKey: &u.key}
	note := mark{key: key, bytes: u.bytes}
	if u.keyed {
		if cap(r.keys) < 2*s.rules.requestRecords {
			r.keys = make([]string, 0, 2*s.rules.requestRecords) // entries point into it
		}
		entry.PartitionKey, note.carried = r.carriedKey(u.key, u.parent()), int32(len(u.key))
	}
	r.entries = append(r.entries, entry)
	r.marks = append(r.marks, note)
	r.users++
	r.bytes += int(u.bytes)
	r.buffered += int(u.buffered)
	r.dataBytes += len(u.data)
	r.traced = r.traced || u.spanned
	if len(r.entries) == s.rules.requestRecords || r.bytes >= s.rules.worthBytes {
		s.closeExpress()
		look = true
	}
	return look
}

// mark is what is kept beside an entry of an express request.
type mark struct {
	key     keyID
	bytes   int32
	carried int32 // length of the caller's key behind the context that is carried with it
}

// closeExpress lets the open request take no more records.
func (s *schedule) closeExpress() {
	x := &s.express
	x.full.append(x.open)
	x.open = nil
}

// expressDue reports whether there is an express request to be made.
func (s *schedule) expressDue(now instant) bool {
	at := s.express.dueAt()
	return at != 0 && now >= at
}

// dueAt is when the next express request is to be made, zero for never.
func (x *express) dueAt() instant {
	switch {
	case x.full.first != nil:
		return 1
	case x.open != nil:
		return x.open.dueAt
	}
	return 0
}

// takeExpress makes the next express request.
func (s *schedule) takeExpress() *request {
	if s.express.full.first == nil {
		s.closeExpress()
	}
	r := s.express.full.pop()
	r.home, r.sentTo = s.anywhere, s.generation
	return r
}

// crowded reports whether express requests have waited for so long that it matters
// whose records go first: from the lanes, each shard gets its share of a request.
func (s *schedule) crowded(now instant) bool {
	first := s.express.full.first
	return first != nil && now > first.dueAt.add(crowdedTime)
}

// crowdedTime is how long a full request waits for its turn at most before its
// records go by their shards, besides its linger.
const crowdedTime = 100 * time.Millisecond

// joinExpress lets records that have lingered go together, those of the lanes and
// those of the open request.
func (s *schedule) joinExpress(now instant) {
	x := &s.express
	if x.open == nil || x.full.first != nil || s.active.first == nil {
		return
	}
	if _, everything := s.due(now); everything || now >= x.open.dueAt {
		s.spreadOut()
	}
}

// oldestExpress is the first of the express records that wait.
func (s *schedule) oldestExpress() *userRecord {
	if r := s.express.full.first; r != nil {
		return r.express.first
	}
	if r := s.express.open; r != nil {
		return r.express.first
	}
	return nil
}

// spread takes the express records that wait out of their requests, in the order
// of the puts.
func (s *schedule) spread() []*userRecord {
	if s.express.open != nil {
		s.closeExpress()
	}
	var waiting []*userRecord
	for s.express.full.first != nil {
		r := s.express.full.pop()
		for r.express.first != nil {
			waiting = append(waiting, r.express.pop())
		}
		s.freeRequest(r)
	}
	return waiting
}

// spreadOut brings the express records that wait to their lane, all of them to the
// same while no shard is looked at. What waits there already may have been put after
// them, and the first in a lane is the one that decides when it is due and expires.
func (s *schedule) spreadOut() {
	waiting := s.spread()
	if len(waiting) == 0 {
		return
	}
	l := s.anywhere.shared
	for l.waiting.first != nil {
		waiting = append(waiting, l.waiting.pop())
	}
	slices.SortFunc(waiting, func(a, b *userRecord) int { return cmp.Compare(a.number, b.number) })
	for _, u := range waiting {
		l.waiting.append(u)
	}
	s.update(l)
	s.lingerUntil(s.patience(l))
}

// settleExpress settles an express request all of whose records were accepted.
func (s *schedule) settleExpress(r *request, now instant) {
	if s.rules.metered {
		s.count.acceptedAll(len(r.entries), r.dataBytes)
	}
	s.count.delivered(r.users, false)
	for i := range r.marks {
		if r.uncharged {
			s.charge(r.results[i].ShardID, int(r.marks[i].bytes), now)
		}
		if key := r.marks[i].key; key != 0 {
			s.leaveKey(key)
		}
	}
	s.waiting -= r.users
	s.waitingBytes -= r.buffered
}

// allAccepted reports whether every result of a request is that of a record that is
// in the stream.
func (r *request) allAccepted() bool {
	return !slices.ContainsFunc(r.results, func(e result) bool { return e.ErrorCode != "" || e.SequenceNumber == "" })
}

// spellOut makes an express request an ordinary one, whose records go different
// ways.
func (s *schedule) spellOut(r *request) {
	for i := 0; r.express.first != nil; i++ {
		u := r.express.pop()
		k := r.add()
		*k = kinesisRecord{target: r.home, sentTo: r.sentTo, key: r.marks[i].key, bytes: u.bytes, kinesisDetails: noKinesisDetails}
		k.take(nil, u)
		if k.key == 0 {
			k.lane = r.home.shared
			k.lane.unacked++
		}
	}
}
