package producer

import (
	"math"
	"time"

	"github.com/kinetrail/kinetrail"
)

// The limiter's pace follows the throttles of its shard: cut down in proportion,
// regained by addition. This is what lets several producers that see the same
// throttles come to equal shares of a shard without talking to each other.
const (
	paceCut     = 0.7
	paceFloor   = 0.02
	paceRegain  = 0.1                    // of the full pace, each second
	paceSettles = 500 * time.Millisecond // one overload, many throttles: cut once
)

// limiter is a pair of token buckets for one shard, records and bytes, that
// fill with the shard's write quota times share times pace. Each holds at most
// one second's worth, and room for a record. A record goes when both hold something and may leave them
// in debt, so that a record larger than a bucket passes too. Its owner guards it.
type limiter struct {
	share float64 // of the shard's quota; zero limits nothing

	pace           float64 // 0 < pace ≤ 1
	records, bytes float64
	filledAt       instant
	slowedAt       instant // 0 before the first time
}

func newLimiter(share float64, now instant) limiter {
	l := limiter{share: share, pace: 1, filledAt: now}
	l.records, l.bytes = l.perSecond()
	return l
}

// perSecond is how many records and bytes flow in each second.
func (l *limiter) perSecond() (records, bytes float64) {
	rate := l.share * l.pace
	return rate * kinetrail.WriteRecordsPerSecond, rate * kinetrail.WriteBytesPerSecond
}

func (l *limiter) fill(now instant) {
	if now <= l.filledAt {
		return
	}
	elapsed := time.Duration(now - l.filledAt).Seconds()
	l.filledAt = now
	l.pace = min(1, l.pace+paceRegain*elapsed)
	records, bytes := l.perSecond()
	l.records = min(max(1, records), l.records+records*elapsed)
	l.bytes = min(bytes, l.bytes+bytes*elapsed)
}

// allows reports whether a record may go now.
func (l *limiter) allows(now instant) bool {
	if l.share == 0 {
		return true
	}
	l.fill(now) // before it is spent: a full bucket gains nothing by waiting
	return l.records >= 1 && l.bytes > 0
}

// atRest reports whether at least half of what the buckets hold is left.
func (l *limiter) atRest() bool {
	records, bytes := l.perSecond()
	return l.records >= max(1, records)/2 && l.bytes >= bytes/2
}

// room is how many bytes may go at once without debt.
func (l *limiter) room() int {
	if l.share == 0 {
		return math.MaxInt
	}
	return int(l.bytes)
}

// pay is spend where nobody has asked whether it is allowed.
func (l *limiter) pay(size int, now instant) {
	l.fill(now)
	l.spend(size)
}

// spend pays for one Kinesis record of this size.
func (l *limiter) spend(size int) {
	if l.share == 0 {
		return
	}
	l.records--
	l.bytes -= float64(size)
}

// allowsAt is when the next record may go, once allows has said no.
func (l *limiter) allowsAt() instant {
	records, bytes := l.perSecond()
	wait := max((1-l.records)/records, (1-l.bytes)/bytes)
	// A moment more, so that rounding does not wake anybody too early.
	return l.filledAt.add(time.Duration(wait*float64(time.Second)) + time.Microsecond)
}

// throttled slows the pace: the service refused a record of this shard.
func (l *limiter) throttled(now instant) {
	if l.share == 0 {
		return
	}
	l.fill(now)
	l.records, l.bytes = min(l.records, 0), min(l.bytes, 0)
	if l.slowedAt == 0 || now >= l.slowedAt.add(paceSettles) {
		l.slowedAt = now
		l.pace = max(paceFloor, l.pace*paceCut)
	}
}
