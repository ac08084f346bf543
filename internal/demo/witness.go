package demo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
)

// Handling is one call of a handler: what it saw, and when it ran.
type Handling struct {
	EventID      string
	PartitionKey string // as the handler saw it
	ShardID      string
	Start, End   time.Duration // since the beginning of the act

	sequence string
	span     trace.SpanContext // current in the handler
}

// witness is event-consumer's handler. It takes its time over every event and
// remembers what it saw, in the order in which the calls began.
type witness struct {
	all   chan struct{} // closed when every event has been handled
	moved func()        // called when an event has been handled

	mu      sync.Mutex
	began   time.Time
	handled []Handling
	waiting map[string]bool // events not yet handled
}

func newWitness(events []event, moved func()) *witness {
	w := &witness{all: make(chan struct{}), moved: moved, waiting: make(map[string]bool, len(events))}
	for _, e := range events {
		w.waiting[e.ID] = true
	}
	return w
}

// begin is the moment from which handlings are timed. It comes before the first
// put.
func (w *witness) begin(now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()

	w.began = now
}

// handle is the handler.
func (w *witness) handle(ctx context.Context, r kinetrail.Record) error {
	e, err := readEvent(r.Data)
	if err != nil {
		return fmt.Errorf("record %s: %w", r.Position, err)
	}
	call := w.enter(ctx, e, r)
	timer := time.NewTimer(e.work())
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	w.leave(call, e)
	w.moved()
	return nil
}

// enter notes the beginning of a call and returns its index.
func (w *witness) enter(ctx context.Context, e event, r kinetrail.Record) int {
	w.mu.Lock()
	defer w.mu.Unlock()

	w.handled = append(w.handled, Handling{
		EventID:      e.ID,
		PartitionKey: r.PartitionKey,
		ShardID:      r.ShardID,
		Start:        time.Since(w.began),
		sequence:     r.Position.Sequence(),
		span:         trace.SpanContextFromContext(ctx),
	})
	return len(w.handled) - 1
}

// leave notes the end of a call.
func (w *witness) leave(call int, e event) {
	w.mu.Lock()
	defer w.mu.Unlock()

	w.handled[call].End = time.Since(w.began)
	if !w.waiting[e.ID] {
		return
	}
	delete(w.waiting, e.ID)
	if len(w.waiting) == 0 {
		close(w.all)
	}
}

// handlings returns the calls. The readers have ended by then, and what one was
// in the middle of counts as handled until now.
func (w *witness) handlings() []Handling {
	w.mu.Lock()
	defer w.mu.Unlock()

	for i := range w.handled {
		if w.handled[i].End == 0 {
			w.handled[i].End = time.Since(w.began)
		}
	}
	return w.handled
}
