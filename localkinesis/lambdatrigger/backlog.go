package lambdatrigger

import (
	"context"
	"sync"
	"time"
)

// maxBacklogBytes bounds what is read of a shard and not yet in flight; a page
// more may be there. It is larger than a page, so that a lane that is blocked
// does not at once hold up the others.
const maxBacklogBytes = 16 << 20

// backlog is what was read of a shard and not yet delivered, a line for each
// lane.
type backlog struct {
	batchSize int
	window    time.Duration

	mu     sync.Mutex
	lines  [][]entry
	bytes  int
	closed bool

	arrived []chan struct{} // for each lane, holds a token after an add
	room    chan struct{}   // holds a token after a take
}

func newBacklog(o *Options) *backlog {
	b := &backlog{
		batchSize: o.BatchSize,
		window:    o.MaximumBatchingWindow,
		lines:     make([][]entry, o.ParallelizationFactor),
		arrived:   make([]chan struct{}, o.ParallelizationFactor),
		room:      make(chan struct{}, 1),
	}
	for i := range b.arrived {
		b.arrived[i] = make(chan struct{}, 1)
	}
	return b
}

// add appends a page, already divided among the lanes.
func (b *backlog) add(page [][]entry) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for lane, entries := range page {
		if len(entries) == 0 {
			continue
		}
		b.lines[lane] = append(b.lines[lane], entries...)
		for _, e := range entries {
			b.bytes += len(e.json)
		}
		signal(b.arrived[lane])
	}
}

// close says that nothing more is added.
func (b *backlog) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, arrived := range b.arrived {
		signal(arrived)
	}
}

// waitForRoom waits while too much is waiting to be delivered.
func (b *backlog) waitForRoom(ctx context.Context) error {
	for {
		b.mu.Lock()
		full := b.bytes > maxBacklogBytes
		b.mu.Unlock()
		if !full {
			return nil
		}
		select {
		case <-b.room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// next waits for the next batch of a lane: a full one, or what is there when the
// batching window of its first record is over. ok is false when nothing more
// comes, or ctx has ended.
func (b *backlog) next(ctx context.Context, lane int) (batch []entry, ok bool) {
	for ctx.Err() == nil {
		batch, windowEnd, over := b.take(lane)
		if batch != nil {
			return batch, true
		}
		if over {
			return nil, false
		}
		select {
		case <-b.arrived[lane]:
		case <-windowEnd:
		case <-ctx.Done():
		}
	}
	return nil, false
}

// take cuts a batch off a line if it is time. Otherwise it says when the window
// of the first record ends, if there is one, or that nothing more comes.
func (b *backlog) take(lane int) (batch []entry, windowEnd <-chan time.Time, over bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := b.lines[lane]
	if len(line) == 0 {
		return nil, nil, b.closed
	}
	n, full := cut(line, b.batchSize)
	if left := b.window - time.Since(line[0].fetched); !full && !b.closed && left > 0 {
		return nil, time.After(left), false
	}
	batch, b.lines[lane] = line[:n:n], line[n:]
	for _, e := range batch {
		b.bytes -= len(e.json)
	}
	signal(b.room)
	return batch, nil, false
}

// cut says how many records of a line the next batch has, and whether it is
// full. A record that is too large for an event is a batch by itself.
func cut(line []entry, batchSize int) (n int, full bool) {
	size := len(eventHead) + len(eventTail)
	for n < len(line) && n < batchSize {
		if size += len(line[n].json) + len(","); size > maxPayloadBytes && n > 0 {
			return n, true
		}
		n++
	}
	return n, n == batchSize
}

// signal leaves a token in a channel that holds one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
