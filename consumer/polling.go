package consumer

import (
	"context"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// polling is what the pollers of one Run or Read share: the times at which idle
// shards are asked, and the goroutines that ask.
type polling struct {
	begun  time.Time
	shards atomic.Int64 // being polled
	seats  atomic.Uint64
	lines  chan struct{} // holds one for each call for an idle shard
	callers
}

func newPolling() *polling { return &polling{begun: time.Now(), lines: make(chan struct{}, idleLines)} }

// moment is the grid on which idle shards are asked. 25 calls in a row find
// caches warm and wake processor, scheduler and network once: on a machine that
// others keep busy they cost half of what they do one every 4 ms.
const moment = 100 * time.Millisecond

// turn is the first moment after now at which the poller of a seat has its turn,
// in rounds of this length. Seats have theirs far from their neighbours', so that
// any number of them is spread evenly, and always at the same place of the round:
// shards that were asked together once, when the process stood still for a while,
// are not asked together for ever.
func (p *polling) turn(seat uint64, round time.Duration, now time.Time) time.Time {
	const golden = 0x9E3779B97F4A7C15 // 2^64 divided by the golden ratio
	place, _ := bits.Mul64(seat*golden, uint64(round))
	since := now.Sub(p.begun) - time.Duration(place).Truncate(moment)
	return now.Add(round - (since%round+round)%round)
}

const (
	// idleLines is how many idle shards are asked at once. The SDK's HTTP client
	// keeps ten connections: it would open others for what has piled up while the
	// process or the service stood still, each with a handshake, and close them.
	idleLines = 8

	// patience is how long an idle shard waits for a line: calls that take long
	// are made all the same.
	patience = 100 * time.Millisecond
)

// line waits until an idle shard may be asked. The caller hangs up afterwards.
func (p *polling) line(ctx context.Context) (hangUp func(), err error) {
	hangUp = func() { <-p.lines }
	select {
	case p.lines <- struct{}{}:
		return hangUp, nil
	default:
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case p.lines <- struct{}{}:
		return hangUp, nil
	case <-timer.C:
		return func() {}, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// callers make calls for goroutines that wait for something most of the time. A
// call through the SDK takes a deep stack. The runtime takes half of it away from
// a goroutine that does not need it whenever it collects garbage, and growing it
// again would cost as much as a third of the call.
type callers struct {
	running sync.WaitGroup

	mu     sync.Mutex
	idle   []chan<- call // who was busy last is busy next
	closed bool
}

type call struct {
	make func()
	done chan struct{}
}

// idleCallers is how many goroutines wait for a call.
const idleCallers = 8

// do makes a call on another goroutine and returns when it is over.
func (c *callers) do(f func()) {
	next := call{f, make(chan struct{})}
	c.hand(next)
	<-next.done
}

// hand gives a call to a goroutine that waits, or to a new one.
func (c *callers) hand(next call) {
	c.mu.Lock()
	defer c.mu.Unlock()

	if n := len(c.idle); n > 0 {
		c.idle[n-1] <- next // which has room
		c.idle = c.idle[:n-1]
		return
	}
	c.running.Go(func() { c.run(next) })
}

// run makes calls until enough others wait for the next one.
func (c *callers) run(next call) {
	calls := make(chan call, 1)
	for ok := true; ok; next, ok = <-calls {
		if !c.make(next, calls) {
			return
		}
	}
}

// make makes one call, and reports whether the goroutine waits for another one.
func (c *callers) make(next call, calls chan<- call) (waits bool) {
	defer close(next.done) // also when the client ends the goroutine
	next.make()
	return c.wait(calls)
}

// wait offers to make the next call, unless enough others do.
func (c *callers) wait(calls chan<- call) bool {
	c.mu.Lock()
	defer c.mu.Unlock()

	if c.closed || len(c.idle) == idleCallers {
		return false
	}
	c.idle = append(c.idle, calls)
	return true
}

// close ends the goroutines. No call of do follows.
func (c *callers) close() {
	c.mu.Lock()
	c.closed = true
	for _, calls := range c.idle {
		close(calls)
	}
	c.idle = nil
	c.mu.Unlock()
	c.running.Wait()
}
