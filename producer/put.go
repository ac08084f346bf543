package producer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"unicode/utf8"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/aggregate"
	"github.com/kinetrail/kinetrail/shardmap"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// Put puts one record and waits until it is in the stream or given up; the error
// is then the Result's. It reads Data, PartitionKey, ExplicitHashKey, Headers
// and Trace of the record, which must not be changed before Put returns.
//
// When ctx ends while Put waits for room, the record was not accepted. When ctx
// ends later, the record is still delivered, or given up and counted, without
// anybody to tell; the error wraps the cause of ctx.
//
// Put may be called by many goroutines at once. Those that need an order among
// their records of one key call it one after the other, or use PutAsync.
func (p *Producer) Put(ctx context.Context, record kinetrail.Record) (Result, error) {
	waiting := p.waiters.Get().(*userDetails)
	u := userRecord{userDetails: waiting}
	if err := p.put(ctx, &u, &record, true); err != nil {
		return Result{}, err
	}
	select {
	case result := <-waiting.waiter:
		*waiting = userDetails{waiter: waiting.waiter}
		p.waiters.Put(waiting)
		return result, result.Err
	case <-ctx.Done():
	}
	select {
	case result := <-waiting.waiter:
		return result, result.Err
	default:
		return Result{}, fmt.Errorf("put: the record was accepted and its result was not awaited: %w", context.Cause(ctx))
	}
}

// PutAsync accepts one record and returns; it waits for room in the buffer, and
// for at most a millisecond now and then when records are put faster than sent,
// so that sending gets its share of the processor: once for several hundred
// records while the service answers that fast, and a dozen times for all the
// buffer holds while it does not.
// Unless it returns an error, done is called exactly once with the record's
// Result, also when the Producer is closed. The record's Data and Headers must
// not be changed before that.
//
// All callbacks run one after the other in one goroutine, those of one key in
// the order of the puts under Order: PerKey. A slow one does not stop records
// from being sent, but its record and those behind it keep their room in the
// buffer. A callback must not wait for the Producer: in it, use TryPut, and
// call none of Put, PutAsync, Flush and Close.
func (p *Producer) PutAsync(ctx context.Context, record kinetrail.Record, done func(Result)) error {
	return p.putAsync(ctx, &record, done, true)
}

// TryPut is PutAsync without the wait: when the buffer has no room it returns
// ErrBufferFull. It never pauses either.
func (p *Producer) TryPut(ctx context.Context, record kinetrail.Record, done func(Result)) error {
	return p.putAsync(ctx, &record, done, false)
}

func (p *Producer) putAsync(ctx context.Context, record *kinetrail.Record, done func(Result), wait bool) error {
	if done == nil {
		return fmt.Errorf("%w: there is no callback to take its result", ErrInvalidRecord)
	}
	u := userRecord{done: done, userDetails: noUserDetails}
	return p.put(ctx, &u, record, wait)
}

// put makes u of a record: it checks it, starts its span, gives it the form in
// which it goes into the stream, and takes it into the buffer.
func (p *Producer) put(ctx context.Context, u *userRecord, record *kinetrail.Record, wait bool) error {
	if ctx.Err() != nil {
		return fmt.Errorf("put: %w", context.Cause(ctx))
	}
	u.take(record)
	err := p.check(u)
	outcome := tracecarrier.AsGiven
	var caller tracecarrier.Parent
	if err == nil {
		var bare bool
		caller, bare = p.tracer.startCreate(ctx, u, record)
		w := p.writer.Load()
		if bare && !p.shapeSpanned(u, w) {
			u.carry(kinetrail.TraceContext{Parent: caller.String()})
		}
		if u.spanned {
			outcome, err = tracecarrier.Injected, p.checkSize(u, int(u.bytes))
		} else {
			outcome, err = p.shape(u, w)
		}
	}
	if err == nil {
		err = p.accept(ctx, u, &caller, outcome, wait)
	}
	if err != nil {
		u.endSpan(&Result{Err: err})
	}
	return err
}

// take takes what the caller gave.
func (u *userRecord) take(record *kinetrail.Record) {
	u.data, u.key = record.Data, record.PartitionKey
	if u.key == "" {
		u.key, u.keyless = randomKey(), true
	}
	if record.ExplicitHashKey != "" || len(record.Headers) > 0 {
		own := u.own()
		own.explicitHashKey, own.headers = record.ExplicitHashKey, record.Headers
	}
}

// randomKey is the partition key of a record without one: 128 random bits,
// drawn once, so that the record goes to the same shard at every attempt.
func randomKey() string {
	var text [32]byte
	key := strconv.AppendUint(text[:0], rand.Uint64(), 36)
	return string(strconv.AppendUint(key, rand.Uint64(), 36))
}

// check refuses what the service would refuse.
func (p *Producer) check(u *userRecord) error {
	if size := len(u.data); size > kinetrail.MaxRecordBytes { // sizes beyond it are not counted with
		return fmt.Errorf("%w: its data has %d bytes, the service allows %d", ErrInvalidRecord, size, kinetrail.MaxRecordBytes)
	}
	if err := checkKey(u.key); err != nil {
		return err
	}
	for i := range u.headers {
		h := &u.headers[i]
		if h.Name == "" || !utf8.ValidString(h.Name) || !utf8.ValidString(h.Value) {
			return fmt.Errorf("%w: header %d, %q, has no name or is not valid UTF-8", ErrInvalidRecord, i, h.Name)
		}
	}
	if len(u.headers) > 0 && p.options.Aggregation == Off && p.options.Carrier != tracecarrier.Headers {
		return ErrHeadersNeedContainer
	}
	if u.explicitHashKey != "" {
		hash, err := shardmap.ParseHashKey(u.explicitHashKey)
		if err != nil {
			return fmt.Errorf("%w: explicit hash key: %w", ErrInvalidRecord, err)
		}
		u.hash, u.hashed = hash, true
	}
	return nil
}

func checkKey(key string) error {
	if len(key) <= kinetrail.MaxPartitionKeyLength && ascii(key) {
		return nil
	}
	if !utf8.ValidString(key) {
		return fmt.Errorf("%w: the partition key is not valid UTF-8, and the service's JSON cannot carry it", ErrInvalidRecord)
	}
	units := 0
	for _, r := range key {
		units++
		if r > 0xFFFF {
			units++
		}
	}
	if units > kinetrail.MaxPartitionKeyLength {
		return fmt.Errorf("%w: the partition key has %d characters, the service allows %d", ErrInvalidRecord, units, kinetrail.MaxPartitionKeyLength)
	}
	return nil
}

// ascii reports whether text is ASCII. Of the first bytes the compiler loads eight at
// once.
func ascii(text string) bool {
	for ; len(text) >= 8; text = text[8:] {
		eight := uint64(text[0]) | uint64(text[1])<<8 | uint64(text[2])<<16 | uint64(text[3])<<24 |
			uint64(text[4])<<32 | uint64(text[5])<<40 | uint64(text[6])<<48 | uint64(text[7])<<56
		if eight&0x8080808080808080 != 0 {
			return false
		}
	}
	for i := range len(text) {
		if text[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// shapeSpanned gives a record the form in which it carries a span context and
// nothing else, if that is as simple as it usually is: with no details of its own,
// and with room to spare.
func (p *Producer) shapeSpanned(u *userRecord, w *tracecarrier.Writer) bool {
	if u.userDetails != noUserDetails {
		return false
	}
	u.bytes = int32(len(u.data) + len(u.key))
	switch limit := p.recordLimit(); {
	case p.mayContain(u, w.Carrier):
		u.form = grouped
		if p.options.Aggregation == Off {
			u.form = wrapped
		}
		u.userDetails = spanInHeader
		if w.Carrier == tracecarrier.Headers && containerBound(u) <= limit {
			return true
		}
	case w.Plan(u.key) == tracecarrier.Injected:
		u.form, u.userDetails = plain, spanInKey
		u.bytes = int32(len(u.data) + w.KeyLength(tracecarrier.Injected, u.key))
		if int(u.bytes) <= limit {
			return true
		}
	}
	u.userDetails = noUserDetails
	return false
}

// shape gives a record the form in which it goes into the stream, with its trace
// context if that fits, else without, and checks its size. It returns what
// became of the context.
func (p *Producer) shape(u *userRecord, w *tracecarrier.Writer) (tracecarrier.Outcome, error) {
	u.bytes = int32(len(u.data) + len(u.key))
	if p.mayContain(u, w.Carrier) {
		return p.shapeForContainer(u, w.Carrier)
	}
	u.form = plain
	if u.trace.Parent == "" && !rewritesKey(w.Carrier) {
		return tracecarrier.AsGiven, p.checkSize(u, int(u.bytes))
	}
	key, hashKey, outcome := w.Write(u.key, u.explicitHashKey, u.trace)
	if outcome.Injected() && len(u.data)+len(key) > p.recordLimit() {
		key, hashKey, _ = w.Write(u.key, u.explicitHashKey, kinetrail.TraceContext{})
		outcome = tracecarrier.SkippedSize
	}
	switch {
	case outcome == tracecarrier.Ambiguous:
		return outcome, fmt.Errorf("%w: readers would take the partition key for one that carries a trace context, and at this length it cannot be escaped", ErrInvalidRecord)
	case outcome == tracecarrier.SkippedNoCarrier:
		p.tellNoCarrier()
	case key == u.key && hashKey == u.explicitHashKey:
	default:
		u.store(key, hashKey)
		if outcome == tracecarrier.Kept && p.schedule.rules.hashes {
			u.hashKept()
		}
		if w.Carrier == tracecarrier.PartitionKey && outcome.Injected() && u.explicitHashKey == "" && p.schedule.rules.hashes {
			u.hash, u.hashed = shardmap.HashKeyOf(key), true
		}
	}
	return outcome, p.checkSize(u, int(u.bytes))
}

// hashKept sets the hash key of a record that comes with a carried key: that of
// the original inside, which was written beside it, unless it has one of its own.
func (u *userRecord) hashKept() {
	if hash, err := shardmap.ParseHashKey(u.storedHash); err == nil && !u.hashed {
		u.hash, u.hashed = hash, true
	}
}

// store gives a plain record other keys than the caller's.
func (u *userRecord) store(key, hashKey string) {
	own := u.own()
	own.storedKey, own.storedHash = key, hashKey
	u.bytes = int32(len(u.data) + len(key))
}

// mayContain reports whether a container may hold u. With the headers carrier on
// plain records and a key carrier in force, by the environment or SetCarrier, only a
// record that needs a container anyway gets one.
func (p *Producer) mayContain(u *userRecord, inForce tracecarrier.Carrier) bool {
	if p.options.Aggregation != Off {
		return true
	}
	return p.options.Carrier == tracecarrier.Headers &&
		(!rewritesKey(inForce) || len(u.headers) > 0 || aggregate.IsContainer(u.data))
}

// shapeForContainer shapes a record that goes into a container. Without
// aggregation only a record that needs one does: for what it carries, or because
// its data would be taken for a container.
func (p *Producer) shapeForContainer(u *userRecord, inForce tracecarrier.Carrier) (tracecarrier.Outcome, error) {
	u.form = grouped
	outcome := tracecarrier.AsGiven
	carried := u.trace.Parent != ""
	switch {
	case !carried:
	case inForce == tracecarrier.Off:
		carried = false
	case inForce != tracecarrier.Headers:
		outcome, carried = tracecarrier.SkippedAggregated, false
	default:
		if _, own := tracecarrier.FromHeaders(u.headers); own {
			outcome, carried = tracecarrier.Existing, false
		}
	}
	if p.options.Aggregation == Off {
		u.form = wrapped
		if !carried && len(u.headers) == 0 && !aggregate.IsContainer(u.data) {
			u.form = plain
			return outcome, p.checkSize(u, int(u.bytes))
		}
	}
	if carried {
		u.own().headerTrace = true
		outcome = tracecarrier.Injected
	}
	if containerBound(u) <= p.recordLimit() {
		return outcome, p.checkSize(u, int(u.bytes))
	}
	return p.shapeForSize(u, outcome)
}

// shapeForSize shapes a record that may be too large for a container: it goes
// without its trace context, and without the container, before it is refused.
func (p *Producer) shapeForSize(u *userRecord, outcome tracecarrier.Outcome) (tracecarrier.Outcome, error) {
	size, limit := containerSize(u), p.recordLimit()
	if size > limit && u.headerTrace {
		u.headerTrace, outcome = false, tracecarrier.SkippedSize
		size = containerSize(u)
	}
	if size > limit && len(u.headers) == 0 && !aggregate.IsContainer(u.data) {
		u.form = plain
		size = int(u.bytes)
	}
	return outcome, p.checkSize(u, size)
}

// containerSize is the exact size of a container of u alone, its outer key
// included.
func containerSize(u *userRecord) int {
	var b aggregate.Builder
	var entry containerEntry
	return b.SizeWith(entry.of(u)) + len(u.key)
}

// checkSize checks the size u has in the stream, and what it takes of the
// buffer.
func (p *Producer) checkSize(u *userRecord, size int) error {
	if limit := p.recordLimit(); size > limit {
		return fmt.Errorf("%w: it has %d bytes with its key, the stream allows %d", ErrInvalidRecord, size, limit)
	}
	buffered := int(u.bytes)
	if u.spanned {
		buffered += traceparentLength
	}
	buffered += len(u.trace.Parent) + len(u.trace.State) + len(u.trace.Baggage)
	for i := range u.headers {
		buffered += len(u.headers[i].Name) + len(u.headers[i].Value)
	}
	if buffered > p.options.MaxBufferedBytes {
		return fmt.Errorf("%w: it has %d bytes, MaxBufferedBytes is %d", ErrInvalidRecord, buffered, p.options.MaxBufferedBytes)
	}
	u.buffered = int32(buffered)
	return nil
}

// accept takes a prepared record into the buffer.
func (p *Producer) accept(ctx context.Context, u *userRecord, caller *tracecarrier.Parent, outcome tracecarrier.Outcome, wait bool) error {
	p.mu.Lock()
	if err := p.admit(ctx, int(u.buffered), wait); err != nil {
		p.mu.Unlock()
		return err
	}
	now := p.putTime()
	p.accepted++
	u.number, u.putAt, u.epoch = p.accepted, now, p.epoch
	u.epoch.open++
	look := p.schedule.add(u, caller)
	p.meter.put(&p.schedule, outcome)
	wake := look && p.mustWake(now)
	var over chan struct{} // of a pause
	if wait && u.waiter == nil {
		over = p.pauses.over // all wait then, or nobody looks at the network
		if over == nil && look {
			over = p.pause(wake)
		}
	}
	p.mu.Unlock()
	if wake {
		p.wake()
	}
	if over != nil {
		p.await(over)
	}
	return nil
}

// putTime is the time for the next record. Reading the clock costs as
// much as all else that is done here.
func (p *Producer) putTime() instant {
	c := &p.schedule.clock
	if !c.mayGuess() {
		c.look(p.now())
	}
	return c.at
}

// admit finds room for a record, unless nothing is accepted any more.
func (p *Producer) admit(ctx context.Context, size int, wait bool) error {
	if p.refusal != nil {
		return p.refusal
	}
	if p.buffer.reserve(size) {
		return nil
	}
	if !wait {
		return ErrBufferFull
	}
	if err := p.waitForRoom(ctx, size); err != nil {
		return err
	}
	if p.refusal != nil { // set between the answer and the lock
		p.buffer.release(1, size)
		return p.refusal
	}
	return nil
}
