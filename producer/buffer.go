package producer

import (
	"context"
	"fmt"
)

// buffer counts what a Producer holds, from Put until results are delivered,
// and lets Puts wait in line for room. Its owner guards it.
type buffer struct {
	maxBytes, maxRecords int

	bytes, records int
	first, last    *roomWaiter
}

// roomWaiter is a Put that waits for room. It is answered once: nil when its
// room is reserved, an error when there will be none.
type roomWaiter struct {
	size   int
	answer chan error // of 1
	next   *roomWaiter
}

// reserve takes room for a record at once, or not at all: a record that would
// fit does not overtake one that waits.
func (b *buffer) reserve(size int) bool {
	if b.first != nil || !b.fits(size) {
		return false
	}
	b.take(size)
	return true
}

func (b *buffer) fits(size int) bool {
	return b.records < b.maxRecords && b.bytes+size <= b.maxBytes
}

func (b *buffer) take(size int) {
	b.records++
	b.bytes += size
}

// line puts a waiter at the end of the line.
func (b *buffer) line(size int) *roomWaiter {
	w := &roomWaiter{size: size, answer: make(chan error, 1)}
	if b.last == nil {
		b.first = w
	} else {
		b.last.next = w
	}
	b.last = w
	return w
}

// release gives back the room of records and hands it to those in line.
func (b *buffer) release(records, bytes int) {
	b.records -= records
	b.bytes -= bytes
	for w := b.first; w != nil && b.fits(w.size); w = b.first {
		b.take(w.size)
		b.leave(w)
		w.answer <- nil
	}
}

// leave takes w out of the line; it reports whether w stood in it.
func (b *buffer) leave(w *roomWaiter) bool {
	var before *roomWaiter
	for at := b.first; at != nil; before, at = at, at.next {
		if at != w {
			continue
		}
		if before == nil {
			b.first = w.next
		} else {
			before.next = w.next
		}
		if b.last == w {
			b.last = before
		}
		w.next = nil
		return true
	}
	return false
}

// refuse answers everybody in line with err.
func (b *buffer) refuse(err error) {
	for w := b.first; w != nil; w = b.first {
		b.leave(w)
		w.answer <- err
	}
}

// waitForRoom blocks until there is room for a record, ctx ends or the producer
// is closed. The caller holds p.mu, and holds it again when it returns.
func (p *Producer) waitForRoom(ctx context.Context, size int) error {
	w := p.buffer.line(size)
	p.mu.Unlock()
	var err error
	select {
	case err = <-w.answer:
		p.mu.Lock()
		return err
	case <-ctx.Done():
	}
	p.mu.Lock()
	if !p.buffer.leave(w) && <-w.answer == nil {
		p.buffer.release(1, size) // the room came too late
	}
	// A large record that gives up may have kept smaller ones waiting.
	p.buffer.release(0, 0)
	return fmt.Errorf("wait for room in the producer's buffer: %w", context.Cause(ctx))
}
