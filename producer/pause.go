package producer

import (
	"sync"
	"time"
)

// A pause lets what was put be sent. Callers that do nothing but put keep the
// processor from the goroutines that send: with one processor Go looks for
// answers from the network every 10 ms while any goroutine can run, and by then
// tens of thousands of records wait that nobody needs in memory yet, each of
// them long out of the processor's caches when its turn comes. So a PutAsync
// that finds many records waiting, while requests are made and answered, waits
// for the next answer itself. It bounds nothing: a pause is short, and where it
// does not help there are few.
type pauses struct {
	limit int           // of the backlog, beyond which there is a pause
	after uint64        // the number of the record before which there is no other one
	over  chan struct{} // closed when the pause is over; nil while there is none

	timers sync.Pool // *time.Timer, stopped
}

const (
	// longestPause is how long a PutAsync waits for an answer at most.
	longestPause = time.Millisecond

	// pauseBacklog is how many records wait at least when there is a pause: two
	// requests of plain records, so that the next one is there when one is
	// answered.
	pauseBacklog = 1000

	// pauseRecords is how many records are put between two pauses at least: some
	// fewer than an answer is for, so that the backlog shrinks.
	pauseRecords = 400
)

// pause returns what a PutAsync that has just brought its record to a lane waits
// for, nil for nothing. The caller holds p.mu.
func (p *Producer) pause(due bool) chan struct{} {
	sending, sendingBytes := p.schedule.sending()
	if p.options.Aggregation != Off && p.schedule.waitingBytes-sendingBytes < p.schedule.rules.worthBytes {
		return nil // there is no request's worth of containers
	}
	backlog := p.schedule.waiting - sending
	p.pauses.limit = max(pauseBacklog, min(p.pauses.limit, 2*backlog))
	if backlog < p.pauses.limit || p.accepted < p.pauses.after || sending == 0 && !due {
		return nil
	}
	p.pauses.after = p.accepted + pauseRecords
	p.pauses.over = make(chan struct{})
	return p.pauses.over
}

// await waits for the end of a pause. When no answer comes in time, the next
// pause is one for a larger backlog, so that a burst of records into a slow
// service has a dozen of them.
func (p *Producer) await(over chan struct{}) {
	timer, _ := p.pauses.timers.Get().(*time.Timer)
	if timer == nil {
		timer = time.NewTimer(longestPause)
	} else {
		timer.Reset(longestPause)
	}
	defer p.pauses.timers.Put(timer)
	select {
	case <-over:
		timer.Stop()
		return
	case <-timer.C:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pauses.over == over {
		p.endPause()
		sending, _ := p.schedule.sending()
		p.pauses.limit = pauseBacklog + (p.schedule.waiting-sending)*5/4
	}
}

// answered ends a pause: a request was answered.
func (p *Producer) answered() {
	if p.pauses.over != nil {
		p.endPause()
		p.pauses.limit -= (p.pauses.limit - pauseBacklog) / 4
	}
}

func (p *Producer) endPause() {
	close(p.pauses.over)
	p.pauses.over = nil
}
