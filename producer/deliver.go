package producer

import (
	"time"

	"github.com/kinetrail/kinetrail"
)

// Result is what became of one record.
//
// Its texts may share memory with those of the records that were in the same
// request, some 60 KB. Who keeps one for long keeps a copy: strings.Clone.
type Result struct {
	// ShardID is the shard the record lies on. Of a rejected record it is the
	// shard it was meant for, empty when that is not known.
	ShardID string

	// Position is the record's place in the shard: the sequence number of its
	// Kinesis record and its number in the container, 0 for a plain record.
	// It is zero for a rejected record.
	Position kinetrail.Position

	// Attempts are the times the record was sent, in order. The slice is
	// shared between records: do not change it.
	Attempts []Attempt

	// Err is nil when the record is in the stream, else a *RejectedError.
	Err error
}

// Attempt is one time a record was sent.
type Attempt struct {
	// Duration is how long the PutRecords call took.
	Duration time.Duration

	// Code is the service's error code or one of the Code constants, and
	// empty when the record was accepted.
	Code string
}

// deliveryChunk is how many callbacks run before the room of their records is
// given back.
const deliveryChunk = 64

// deliver calls the callbacks of finished records, one after the other in the
// order of the results. It is the only goroutine that does, so records of a lane
// are reported in order, and a slow callback keeps nobody from sending until the
// buffer is full of results.
func (p *Producer) deliver() {
	for {
		p.mu.Lock()
		for p.schedule.deliveries.first == nil && !p.finished {
			p.delivery.Wait()
		}
		batch := p.schedule.deliveries
		p.schedule.deliveries = requestQueue{}
		p.mu.Unlock()
		if batch.first == nil {
			return
		}
		for batch.first != nil {
			r := batch.pop()
			for r.express.first != nil {
				p.deliverExpress(r)
			}
			for r.delivered < len(r.records) {
				p.deliverChunk(r)
			}
			p.mu.Lock()
			p.schedule.freeRequest(r)
			p.mu.Unlock()
		}
	}
}

// deliverChunk delivers the results of some records of r and gives back their
// room.
func (p *Producer) deliverChunk(r *request) {
	var done userQueue
	for r.delivered < len(r.records) && done.count < deliveryChunk {
		k := &r.records[r.delivered]
		for k.users != nil && done.count < deliveryChunk {
			u := k.users
			k.users = u.next
			result := r.result(k, u)
			u.endSpan(&result)
			u.done(result)
			done.append(u)
		}
		if k.users == nil {
			r.delivered++
		}
	}
	p.mu.Lock()
	p.release(&done)
	p.schedule.rest(&done)
	p.mu.Unlock()
}

// deliverExpress is deliverChunk for records that went by express and are all in
// the stream.
func (p *Producer) deliverExpress(r *request) {
	done := userQueue{first: r.express.first}
	for u := done.first; u != nil && done.count < deliveryChunk; u = u.next {
		e := &r.results[r.delivered]
		u.done(Result{ShardID: e.ShardID, Position: kinetrail.At(e.SequenceNumber, 0), Attempts: r.attempts})
		r.delivered++
		done.count++
		done.last = u
	}
	r.express.first = done.last.next
	done.last.next = nil
	p.mu.Lock()
	p.release(&done)
	p.schedule.rest(&done)
	p.mu.Unlock()
}

// unlockAndAnswer unlocks p.mu and tells those who wait in Put what became of
// their records. Callbacks are left to deliver.
func (p *Producer) unlockAndAnswer() {
	s := &p.schedule
	p.meter.changed(s)
	if s.loose != nil {
		loose := s.loose
		s.loose = nil
		s.deliver(loose)
	}
	if s.deliveries.first != nil {
		p.delivery.Signal()
	}
	answers := s.answers
	s.answers = userQueue{}
	if answers.first == nil {
		p.mu.Unlock()
		return
	}
	p.release(&answers)
	p.mu.Unlock()
	for u := answers.first; u != nil; u = u.next {
		details := u.userDetails
		result := details.result
		u.endSpan(&result)
		u.userDetails = noUserDetails // the Put uses them again once it has its answer
		details.waiter <- result      // of 1, and empty
	}
	p.mu.Lock()
	s.rest(&answers)
	p.mu.Unlock()
}

// requestQueue is a line of requests.
type requestQueue struct{ first, last *request }

func (q *requestQueue) append(r *request) {
	if q.last == nil {
		q.first = r
	} else {
		q.last.next = r
	}
	q.last = r
}

func (q *requestQueue) pop() *request {
	r := q.first
	q.first = r.next
	if q.first == nil {
		q.last = nil
	}
	r.next = nil
	return r
}

// release gives back the room of records that are done.
func (p *Producer) release(done *userQueue) {
	bytes := 0
	for u := done.first; u != nil; u = u.next {
		bytes += int(u.buffered)
		u.epoch.open--
	}
	p.buffer.release(done.count, bytes)
	p.closeEpochs()
}

// epoch is the records accepted between two flushes.
type epoch struct {
	number uint64
	open   int           // records without a delivered result
	done   chan struct{} // closed when these and all older records are done
	next   *epoch
}

// newEpoch ends the current epoch and returns it.
func (p *Producer) newEpoch() *epoch {
	e := p.epoch
	p.epoch = &epoch{number: e.number + 1, done: make(chan struct{})}
	e.next = p.epoch
	p.schedule.rush(e, p.now())
	p.closeEpochs()
	return e
}

// closeEpochs tells those who wait for epochs that are over.
func (p *Producer) closeEpochs() {
	for p.oldest != p.epoch && p.oldest.open == 0 {
		close(p.oldest.done)
		p.oldest = p.oldest.next
	}
}
