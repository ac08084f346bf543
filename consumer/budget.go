package consumer

import (
	"container/list"
	"context"
	"sync"
)

// budget bounds the bytes of the pages that are fetched and not yet handled,
// over all shards. A shard reserves what its next page may bring, and corrects
// the reservation when the page is there. Who waits is served in turn.
type budget struct {
	max int

	mu      sync.Mutex
	used    int
	waiting list.List // of *claim
}

type claim struct {
	bytes   int
	granted chan struct{}
}

// reserve waits for room. What does not fit at all is admitted when nothing else
// is held. waits, unless nil, is called when there is none yet.
func (b *budget) reserve(ctx context.Context, bytes int, waits func()) error {
	b.mu.Lock()
	if b.waiting.Len() == 0 && b.fits(bytes) {
		b.used += bytes
		b.mu.Unlock()
		return nil
	}
	c := &claim{bytes: bytes, granted: make(chan struct{})}
	place := b.waiting.PushBack(c)
	b.mu.Unlock()

	if waits != nil {
		waits()
	}
	select {
	case <-c.granted:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	select {
	case <-c.granted: // in the same moment
		b.used -= bytes
	default:
		b.waiting.Remove(place)
	}
	b.grant()
	b.mu.Unlock()
	return context.Cause(ctx)
}

// correct replaces a reservation by what is really held. It never waits: what
// has arrived is there.
func (b *budget) correct(reserved, held int) {
	b.mu.Lock()
	defer b.mu.Unlock()

	b.used += held - reserved
	b.grant()
}

func (b *budget) release(held int) { b.correct(held, 0) }

// short reports whether somebody waits for room.
func (b *budget) short() bool {
	b.mu.Lock()
	defer b.mu.Unlock()

	return b.waiting.Len() > 0
}

func (b *budget) fits(bytes int) bool { return b.used == 0 || b.used+bytes <= b.max }

// grant serves those who wait, the first first.
func (b *budget) grant() {
	for first := b.waiting.Front(); first != nil; first = b.waiting.Front() {
		c := first.Value.(*claim)
		if !b.fits(c.bytes) {
			return
		}
		b.used += c.bytes
		b.waiting.Remove(first)
		close(c.granted)
	}
}
