package producer

import (
	"math"
	"time"

	"github.com/kinetrail/kinetrail/shardmap"
)

// quota lets plain records go without a look at their shards while no shard is near
// its limits: to know the shard takes an MD5 of the key, a tenth of all that a
// record costs, and the answer names it anyway. A request goes like this only if
// the limiter of every shard would let all of it go and all that is under way
// besides. So no shard gets more than if it paid for each record before that goes,
// whatever the keys are. It pays when an answer names it.
//
//	far ── a request might be too much for one shard ──► near
//	 ▲                                                    │
//	 └────────────── all shards are at rest ◄─────────────┘
//
// While a shard is near, records go by their hash keys, and the shards pay for what
// is under way, too. It is the same while requests have to wait so long that it
// matters whose records go first.
type quota struct {
	near   bool
	lookAt instant // when it is worth asking whether the shards are at rest

	// What may go for certain; a limiter that fills up meanwhile lets more go.
	records, bytes float64
}

// quotaRest is how long records go by their hash keys at least: as long as it
// takes a limiter to fill up.
const quotaRest = time.Second

// watched reports whether plain records are to be charged to shards.
func (s *schedule) watched() bool {
	return s.rules.hashes && s.rules.aggregation == Off && s.shards != nil
}

// byHash reports whether records go by their hash keys.
func (s *schedule) byHash() bool {
	return s.rules.hashes && (s.rules.aggregation != Off || s.quota.near)
}

// watchQuota decides how the next request goes.
func (s *schedule) watchQuota(now instant) {
	q := &s.quota
	switch {
	case !s.watched():
	case q.near:
		if now < q.lookAt {
			return
		}
		if q.lookAt = now.add(quotaRest); s.atRest(now) {
			q.near = false
			s.reorder(now)
		}
	default:
		records, bytes := s.nextAtMost()
		if records > q.records || bytes > q.bytes {
			q.records, q.bytes = s.room(now)
		}
		switch {
		case records > q.records || bytes > q.bytes:
			s.comeNear(now)
			q.lookAt = now.add(quotaRest)
		case s.crowded(now):
			s.comeNear(now)
			q.lookAt = now.add(crowdedTime)
		}
	}
}

// nextAtMost is how much the next request has at most.
func (s *schedule) nextAtMost() (records, bytes float64) {
	sending, sendingBytes := s.sending()
	return float64(min(s.waiting-sending, s.rules.requestRecords)),
		float64(min(s.waitingBytes-sendingBytes, s.rules.requestBytes))
}

// room is what any one shard lets go, when all that is under way goes there too.
func (s *schedule) room(now instant) (records, bytes float64) {
	records, bytes = math.Inf(1), math.Inf(1)
	for _, t := range s.targets {
		t.limiter.fill(now)
		records, bytes = min(records, t.limiter.records), min(bytes, t.limiter.bytes)
	}
	for _, r := range s.underway {
		if r.uncharged {
			records -= float64(r.users)
			bytes -= float64(r.bytes)
		}
	}
	return records, bytes
}

// owe takes note of a request that is made while no shard is near its quota.
// Answers name the shards of express requests; any other pays at once.
func (s *schedule) owe(r *request, now instant) {
	r.uncharged = true
	s.quota.records -= float64(r.users)
	s.quota.bytes -= float64(r.bytes)
	if r.express.first == nil {
		s.chargeByHash(r, now)
	}
}

// comeNear lets records go by their hash keys.
func (s *schedule) comeNear(now instant) {
	s.quota = quota{near: true}
	for _, r := range s.underway {
		s.chargeByHash(r, now)
	}
	s.reorder(now)
}

// reorder brings what waits to where it goes by now.
func (s *schedule) reorder(now instant) {
	s.generation++ // what is delayed finds its lane again
	s.redistribute(now)
}

// atRest reports whether no shard has used up half of what its limiter holds, and no
// record waits as long as when it is crowded.
func (s *schedule) atRest(now instant) bool {
	if len(s.held) > 0 {
		return false
	}
	for _, t := range s.targets {
		t.limiter.fill(now)
		if !t.limiter.atRest() {
			return false
		}
		if first := t.shared.waiting.first; first != nil && now > first.putAt.add(s.rules.linger+crowdedTime/2) {
			return false
		}
	}
	return true
}

// charge lets a shard that an answer names pay for a record.
func (s *schedule) charge(shardID string, bytes int, now instant) {
	if t := s.targetNamed(shardID); t != nil {
		t.limiter.pay(bytes, now)
	} else {
		s.stale = true
	}
}

// targetNamed is the target of a shard, nil if there is none. It remembers where it
// found some: those of few shards all have a place of their own.
func (s *schedule) targetNamed(shardID string) *target {
	if len(shardID) < 2 {
		return s.targets[shardID]
	}
	at := &s.named[(shardID[len(shardID)-1]+10*shardID[len(shardID)-2])%namedTargets]
	if *at == nil || (*at).id != shardID {
		*at = s.targets[shardID]
	}
	return *at
}

// namedTargets is how many targets targetNamed remembers.
const namedTargets = 64

// chargeByHash lets the shards pay that the records of a request under way go to.
func (s *schedule) chargeByHash(r *request, now instant) {
	if !r.uncharged {
		return
	}
	r.uncharged = false
	batch := hashBatch{each: func(bytes int, hash shardmap.HashKey) { s.targetOf(hash).limiter.pay(bytes, now) }}
	charge := func(u *userRecord, bytes int32) {
		if u.hashed {
			s.targetOf(u.hash).limiter.pay(int(bytes), now)
		} else {
			batch.add(u.key, int(bytes))
		}
	}
	for u := r.express.first; u != nil; u = u.next {
		charge(u, u.bytes)
	}
	for i := range r.records {
		charge(r.records[i].users, r.records[i].bytes) // of a container with its headers
	}
	batch.end()
}
