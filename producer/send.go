package producer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// The delay before a record is sent again doubles from the first to the longest.
// Its upper half is left to chance, so that many producers do not come back
// together; the records of one request draw the same and come back together.
const (
	firstDelay   = 50 * time.Millisecond
	longestDelay = 5 * time.Second
)

// delayAfter is how long to wait after this many failures in a row; chance is
// from 0 to 1.
func delayAfter(failures int, chance float64) time.Duration {
	delay := longestDelay
	if shift := failures - 1; shift < 7 {
		delay = min(longestDelay, firstDelay<<shift)
	}
	return delay/2 + time.Duration(chance*float64(delay/2))
}

// answer is what came back for a request.
type answer struct {
	err  error // of the whole request; if it is nil, r.results has one for each record
	took time.Duration
	ctx  context.Context // with the span of the request
}

// result is what the service says of a record.
type result = kinesisprotocol.Result

// errUncounted is a response whose results cannot be matched with its records.
var errUncounted = errors.New("the response does not have one result for each record")

// send sends one request and settles its records, and so on with the request that
// is due next, if there is one: what the SDK needs is still at hand, and the
// goroutine's stack has the size for it. It runs in a goroutine of its own.
func (p *Producer) send(r *request) {
	for r != nil {
		a := p.call(r)

		p.mu.Lock()
		p.meter.request(r, a)
		now := p.now()
		p.schedule.settle(r, a, now)
		p.answered()
		r = p.schedule.next(now)
		p.unlockAndAnswer()
		p.wake()
	}
}

// call makes the PutRecords call. The SDK's own retries are off for it: they
// would send a record again that is already behind another one of its lane.
func (p *Producer) call(r *request) answer {
	r.finish()
	r.writeEntries()
	ctx := p.ctx
	if p.options.RequestTimeout > 0 {
		timed, cancel := context.WithTimeout(ctx, p.options.RequestTimeout)
		defer cancel()
		ctx = timed
	}
	ctx, endSpan := p.tracer.startPutRecords(tracing.Mark(ctx), r)
	name, arn := p.stream.APINames()
	started := time.Now()
	input := &kinesis.PutRecordsInput{StreamName: name, StreamARN: arn, Records: r.entries}
	if r.options == nil {
		r.options = slices.Clip(p.callOptions)
		if p.ownAnswers {
			r.options = append(r.options, kinesisprotocol.ResultsInto(&r.results))
		}
	}
	out, err := p.api.PutRecords(ctx, input, r.options...)
	if errors.Is(err, kinesisprotocol.ErrNotCBOR) {
		out, err = p.api.PutRecords(ctx, input, r.options...)
	}
	if err == nil {
		err = r.takeResults(out)
	}
	a := answer{ctx: ctx, err: err, took: time.Since(started)}
	endSpan(a.err)
	return a
}

// takeResults takes the results from the output, unless they are there already.
func (r *request) takeResults(out *kinesis.PutRecordsOutput) error {
	if out != nil && len(out.Records) > 0 {
		r.results = r.results[:0]
		for i := range out.Records {
			r.results = append(r.results, kinesisprotocol.ResultOf(&out.Records[i]))
		}
	}
	if out == nil || len(r.results) != len(r.entries) {
		return errUncounted
	}
	return nil
}

// writeEntries makes the entries of r that Put has not made, and the hash keys
// beside keys that carry span contexts.
func (r *request) writeEntries() {
	carried := hashBatch{each: r.writeHash}
	for i := range r.marks {
		if n := int(r.marks[i].carried); n > 0 {
			key := *r.entries[i].PartitionKey
			carried.add(key[len(key)-n:], i)
		}
	}
	if r.traced {
		r.keys = slices.Grow(r.keys, 2*len(r.records)) // entries point into it
	}
	for i := range r.records {
		k := &r.records[i]
		r.entries = append(r.entries, k.entry())
		if k.box == nil && k.users.keyed {
			r.entries[i].PartitionKey = r.carriedKey(k.users.key, k.users.parent())
			carried.add(k.users.key, i)
		}
	}
	carried.end()
}

// keyWriter writes the keys of spanInKey.
var keyWriter = tracecarrier.Writer{Carrier: tracecarrier.Lossless}

// keyText is how much memory for keys is made at once: those of a request, if they
// are not unusually long.
const keyText = 64 << 10

// textRoom makes room for a text of so many bytes. Texts are in memory that is used
// again for other requests: nobody keeps them when the call has returned.
func (r *request) textRoom(most int) {
	if cap(r.text)-len(r.text) < most {
		r.text = make([]byte, 0, max(keyText, most))
	}
}

// textFrom is the text that was written since.
func (r *request) textFrom(at int) *string {
	r.keys = append(r.keys, unsafe.String(&r.text[at], len(r.text)-at))
	return &r.keys[len(r.keys)-1]
}

// carriedKey is the key that carries a span context.
func (r *request) carriedKey(key string, parent *tracecarrier.Parent) *string {
	r.textRoom(keyWriter.KeyLength(tracecarrier.Injected, key))
	at := len(r.text)
	r.text = keyWriter.AppendKey(r.text, tracecarrier.Injected, key, *parent)
	return r.textFrom(at)
}

// writeHash gives an entry its hash key.
func (r *request) writeHash(entry int, hash shardmap.HashKey) {
	r.textRoom(shardmap.MaxHashKeyDigits)
	at := len(r.text)
	r.text = hash.AppendDecimal(r.text)
	r.entries[entry].ExplicitHashKey = r.textFrom(at)
}

// entry is k as PutRecords takes it.
func (k *kinesisRecord) entry() types.PutRecordsRequestEntry {
	if k.box != nil {
		return types.PutRecordsRequestEntry{Data: k.box.data, PartitionKey: &k.box.key, ExplicitHashKey: optional(&k.box.hashKey)}
	}
	u := k.users
	key, hashKey := u.stored()
	return types.PutRecordsRequestEntry{Data: u.data, PartitionKey: key, ExplicitHashKey: hashKey}
}

// dataBytes is the length of k's data, once it is made.
func (k *kinesisRecord) dataBytes() int {
	if k.box != nil {
		return len(k.box.data)
	}
	return len(k.users.data)
}

func withoutRetries(o *kinesis.Options) { o.Retryer = aws.NopRetryer{} }

// settle decides what becomes of every record of a request that was answered.
func (s *schedule) settle(r *request, a answer, now instant) {
	s.clear(r)
	clear(r.entries)
	clear(r.keys)
	clear(r.unsealed)
	s.chance = rand.Float64()
	if r.express.first != nil && (a.err != nil || !r.allAccepted()) {
		s.chargeByHash(r, now)
		s.spellOut(r)
	}
	if a.err != nil {
		s.settleFailure(r, a, now)
	} else {
		s.failures = 0
		r.attempts = []Attempt{{Duration: a.took}}
		if r.express.first != nil {
			s.settleExpress(r, now)
		}
		for i := range r.records {
			s.settleRecord(r, &r.records[i], &r.results[i], now)
		}
	}
	s.deliver(r)
}

// deliver leaves the results of r's records to the callbacks, if there are any.
func (s *schedule) deliver(r *request) {
	if r.express.first != nil || slices.ContainsFunc(r.records, func(k kinesisRecord) bool { return k.users != nil }) {
		s.deliveries.append(r)
	} else {
		s.freeRequest(r)
	}
}

func (s *schedule) settleRecord(r *request, k *kinesisRecord, e *result, now instant) {
	switch {
	case e.ErrorCode != "":
		code := strings.Clone(bareCode(e.ErrorCode))
		s.failed(k, Attempt{r.attempts[0].Duration, code}, verdictOn(code), &serviceError{code, strings.Clone(e.ErrorMessage)}, now)
	case e.SequenceNumber == "":
		s.failed(k, Attempt{r.attempts[0].Duration, CodeUnknown}, retry, errUncounted, now)
	default:
		k.shardID, k.sequence = e.ShardID, e.SequenceNumber
		if len(k.attempts) > 0 {
			k.own().attempts = append(k.attempts, r.attempts[0])
		}
		s.accepted(r, k, now)
	}
}

// settleFailure settles a request that failed as a whole. Until its delay is
// over nothing else is sent either, so that a service that refuses everything at
// once is not called in a loop.
func (s *schedule) settleFailure(r *request, a answer, now instant) {
	code := codeOf(a.err)
	if s.stopped != nil && errors.Is(a.err, context.Canceled) {
		code, a.err = s.stopCode, s.stopped
	} else if verdictOn(code) == retry {
		s.failures++
		s.pausedUntil = max(s.pausedUntil, now.add(delayAfter(s.failures, s.chance)))
	}
	verdict := verdictOn(code)
	suspects := len(r.records) > 1 && blames(code)
	if suspects {
		verdict = retry // each alone: the others must not pay for one of them
	}
	for i := range r.records {
		k := &r.records[i]
		if suspects {
			k.own().alone = true
		}
		s.failed(k, Attempt{a.took, code}, verdict, a.err, now)
	}
}

// judgeAgain looks again at the containers that wait for a newer shard map.
func (s *schedule) judgeAgain(now instant) {
	misplaced := s.misplaced
	s.misplaced = nil
	for _, k := range misplaced {
		s.judge(k, now)
	}
}

// clear takes r off the list of requests under way.
func (s *schedule) clear(r *request) {
	last := len(s.underway) - 1
	s.underway[last].place = r.place
	s.underway[r.place] = s.underway[last]
	s.underway[last] = nil
	s.underway = s.underway[:last]
}

// accepted takes note that the service put k on a shard. A container is judged
// as a whole: when that is not the shard it was made for, all its keys must
// belong there, because the KCL drops a container with a foreign key.
func (s *schedule) accepted(r *request, k *kinesisRecord, now instant) {
	if s.rules.metered {
		s.count.accepted(k.dataBytes())
	}
	if k.shardID == k.target.id {
		k.shardID = k.target.id // a text of its own, not one in the answer
		s.succeed(r, k)
		return
	}
	if s.landedElsewhere(k) {
		s.stale = true
	}
	if k.target.id == "" || k.count == 1 || !k.lane.shared() {
		s.succeed(r, k)
		return
	}
	if len(k.attempts) == 0 {
		k.own().attempts = r.attempts
	}
	s.judge(s.apart(k), now)
}

// landedElsewhere reports whether the shard of k, which is not where it was sent,
// says that there is a newer shard map.
func (s *schedule) landedElsewhere(k *kinesisRecord) bool {
	if k.target.id == "" {
		return s.shards != nil && s.targets[k.shardID] == nil
	}
	return k.sentTo == s.generation
}

// judge decides on a container that landed on an unexpected shard and is in no
// request any more: whether it may stay there, or has to be sent again. Until
// there is a shard map that knows that shard it waits.
func (s *schedule) judge(k *kinesisRecord, now instant) {
	shard, known := s.shards.Shard(k.shardID)
	switch {
	case known && k.within(shard.Range):
		loose := s.looseRequest().add()
		*loose = *k
		s.free(k)
		s.succeed(s.loose, loose)
	case known, // open or closed since, a shard's range never changes
		s.rules.deadline > 0 && now >= k.users.putAt.add(s.rules.deadline):
		s.count.wrongShard++
		last := len(k.attempts) - 1
		took := k.attempts[last].Duration
		k.own().attempts = slices.Clip(k.attempts[:last])
		s.failed(k, Attempt{took, CodeWrongShard}, retry, fmt.Errorf("the container was put on %s, which does not own all its keys", k.shardID), now)
	default:
		s.misplaced = append(s.misplaced, k)
		s.stale = true
	}
}

// succeed ends the way of a record that is where it belongs.
func (s *schedule) succeed(r *request, k *kinesisRecord) {
	s.count.delivered(int(k.count), k.box != nil)
	s.leave(k)
	s.done(r, k)
}

// failed decides what becomes of a record that was not accepted: it is sent
// again after a delay, but for those of its user records whose deadline comes
// before that.
func (s *schedule) failed(k *kinesisRecord, last Attempt, verdict verdict, err error, now instant) {
	if last.Code != CodeClosed { // stopping ourselves is no error
		s.count.failed(last.Code)
	}
	if throttles(last.Code) {
		s.targetOf(k.users.hashKey()).limiter.throttled(now)
		s.quota.records = 0 // look again
	}
	own := k.own()
	own.attempts = append(own.attempts, last)
	attempts := len(own.attempts)
	if s.stopped != nil || verdict == reject || attempts == s.rules.maxAttempts {
		s.reject(k.users, s.rejection(k, last.Code, err), k.attempts)
		s.leave(k)
		s.finish(k)
		return
	}
	own.retryAt = now.add(delayAfter(attempts, s.chance))
	if s.rules.deadline > 0 && !s.dropExpired(k, last.Code, err) {
		return
	}
	s.count.retries++
	s.laneOfSent(k)
	s.delay(s.apart(k))
}

// dropExpired rejects the user records of k whose deadline comes before it would
// be sent again. It reports whether any are left; if not, k is done.
func (s *schedule) dropExpired(k *kinesisRecord, code string, err error) bool {
	var expired, left userQueue
	var next *userRecord
	for u := k.users; u != nil; u = next {
		next = u.next
		if k.retryAt > u.putAt.add(s.rules.deadline) {
			expired.append(u)
		} else {
			left.append(u)
		}
	}
	if expired.count == 0 {
		return true
	}
	s.reject(expired.first, s.rejection(k, code, err), k.attempts)
	if left.count == 0 {
		s.leave(k)
		s.finish(k)
		return false
	}
	s.remake(k, left)
	return true
}

func (s *schedule) rejection(k *kinesisRecord, code string, err error) *RejectedError {
	shardID := ""
	if k.target != nil {
		shardID = k.target.id
	}
	if shardID == "" && s.rules.hashes && k.users != nil {
		shardID = s.targetOf(k.users.hashKey()).id
	}
	return &RejectedError{ShardID: shardID, Code: code, Attempts: len(k.attempts), Err: err}
}

// reject gives up user records, users and those behind it.
func (s *schedule) reject(users *userRecord, err *RejectedError, attempts []Attempt) {
	k := s.looseRequest().add()
	*k = kinesisRecord{shardID: err.ShardID, kinesisDetails: &kinesisDetails{err: err, attempts: attempts}}
	var last *userRecord
	var next *userRecord
	for u := users; u != nil; u = next {
		next = u.next
		if s.stopped != nil {
			s.undelivered = append(s.undelivered, u.given())
		}
		s.count.userFailed(err.Code)
		u.next = nil
		k.take(last, u)
		last = u
	}
	s.done(s.loose, k)
}

// looseRequest is a request that was never made, of records with their results.
func (s *schedule) looseRequest() *request {
	if s.loose == nil {
		s.loose = s.newRequest()
	}
	return s.loose
}

// done takes the user records of k, one of r, out of the schedule: their outcome
// is known. Those that somebody waits for in Put become answers, the others are
// delivered with r.
func (s *schedule) done(r *request, k *kinesisRecord) {
	s.waiting -= int(k.count)
	s.waitingBytes -= int(k.buffered)
	if !k.awaited {
		return
	}
	var others userQueue
	var next *userRecord
	for u := k.users; u != nil; u = next {
		next = u.next
		if u.waiter != nil {
			u.userDetails.result = r.result(k, u)
			s.answers.append(u)
		} else {
			others.append(u)
		}
	}
	if k.users = others.first; k.users == nil {
		s.finish(k)
	}
}

// sweep rejects waiting records whose deadline has passed. In a lane whose older
// record is still on its way they wait for its result.
func (s *schedule) sweep(now instant) {
	s.route()
	s.sweepAt = 0
	if oldest := s.oldestExpress(); oldest != nil && s.expired(oldest, now) {
		s.spreadOut()
	} else if oldest != nil {
		s.sweepAt = oldest.putAt.add(s.rules.deadline)
	}
	sweep := func(l *lane) {
		if !l.exclusive || l.unacked == 0 && l.blockedBy == 0 {
			for l.waiting.first != nil && s.expired(l.waiting.first, now) {
				s.leaveWaiting(l)
				s.giveUpWaiting(l.waiting.pop(), CodeExpired, ErrExpired)
			}
			s.update(l)
		}
		if l.waiting.first != nil {
			s.sweepAt = sooner(s.sweepAt, max(l.waiting.first.putAt.add(s.rules.deadline), now.add(holdTime)))
		}
		s.retire(l)
	}
	for _, t := range s.targets {
		sweep(t.shared)
	}
	sweep(s.anywhere.shared)
	for _, l := range s.lanes {
		sweep(l)
	}
}

func (s *schedule) expired(u *userRecord, now instant) bool {
	return now >= u.putAt.add(s.rules.deadline)
}

// leaveWaiting lets the records go on that wait for the first of a lane, which is
// to be given up.
func (s *schedule) leaveWaiting(l *lane) {
	if l.sorts(s) {
		s.leaveKey(s.keyOf(l.waiting.first))
	}
}

// giveUpWaiting rejects a record that is in no Kinesis record.
func (s *schedule) giveUpWaiting(u *userRecord, code string, err error) {
	s.reject(u, &RejectedError{Code: code, Attempts: len(u.earlier), Err: err}, u.earlier)
}

// stop ends all sending: nothing new is sent and nothing is retried. What is not
// in a request is rejected when the last request has been settled, so that the
// results of a lane stay in order.
func (s *schedule) stop(code string, err error) {
	if s.stopped == nil {
		s.stopCode, s.stopped = code, err
	}
}

// giveUp rejects what is left after stop, in the order of acceptance.
func (s *schedule) giveUp() {
	if s.stopped == nil || len(s.underway) > 0 || s.waiting == 0 {
		return
	}
	s.route()
	s.spreadOut()
	type left struct {
		user     *userRecord
		attempts []Attempt
		rejected *RejectedError
	}
	var all []left
	take := func(k *kinesisRecord) {
		rejected := s.rejection(k, s.stopCode, s.stopped)
		for u := k.users; u != nil; u = u.next {
			all = append(all, left{u, k.attempts, rejected})
		}
		s.leave(k)
		s.finish(k)
		s.free(k)
	}
	empty := func(l *lane) {
		again := l.again
		l.again = nil
		for _, k := range again {
			take(k)
		}
		for l.waiting.first != nil {
			s.leaveWaiting(l)
			u := l.waiting.pop()
			all = append(all, left{u, u.earlier, &RejectedError{Code: s.stopCode, Attempts: len(u.earlier), Err: s.stopped}})
		}
		s.update(l)
		s.retire(l)
	}
	for _, k := range s.delayed {
		take(k)
	}
	for _, k := range s.misplaced {
		take(k)
	}
	s.delayed, s.misplaced = nil, nil
	for _, t := range s.targets {
		empty(t.shared)
	}
	empty(s.anywhere.shared)
	for _, l := range s.lanes {
		empty(l)
	}
	slices.SortFunc(all, func(a, b left) int { return cmp.Compare(a.user.number, b.user.number) })
	for _, l := range all {
		l.user.next = nil
		s.reject(l.user, l.rejected, l.attempts)
	}
}
