package producer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/codec"
)

// Typed puts values of one type through a Producer, with a codec between.
// NewTyped makes one. It is safe for concurrent use.
//
// A codec that holds many values in a record (codec.Packing) gets consecutive
// values of one key into one record: until another key comes, the record has
// Options.MaxContainerBytes, or its first value has waited for Options.Linger.
// Producer.Flush and Producer.Close send what is being packed.
//
//	values ──► pack ──► record ──► Producer.PutAsync
type Typed[T any] struct {
	producer *Producer
	codec    codec.Codec[T]
	packing  codec.Packing[T] // nil when a record holds one value

	turn   chan struct{} // of 1: who has it may use what follows
	pack   pack[T]       // what is being packed
	full   []packed      // what is to be sent, the oldest first
	due    *time.Timer   // when pack has waited for long enough
	closed error         // why no value is taken any more
}

// pack is a record that is being packed.
type pack[T any] struct {
	packer *codec.Packer[T]
	packed packed
}

// packed is a record of several values.
type packed struct {
	ctx   context.Context // of the first value's put
	key   string
	data  []byte
	dones []func(Result) // one for each value
}

// NewTyped makes a Typed. Producer.Close ends it; a Producer that is closed
// already takes no values.
func NewTyped[T any](p *Producer, c codec.Codec[T]) *Typed[T] {
	t := &Typed[T]{producer: p, codec: c, turn: make(chan struct{}, 1)}
	t.turn <- struct{}{}
	packing, packs := c.(codec.Packing[T])
	if !packs {
		return t
	}
	t.packing = packing
	t.due = time.NewTimer(0)
	t.due.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	if t.closed = p.refusal; t.closed == nil {
		p.packers = append(p.packers, t)
		p.goroutines.Go(t.run)
	}
	return t
}

// Put puts one value and waits for its Result, as Producer.Put does. An error of
// the codec is returned and puts nothing.
func (t *Typed[T]) Put(ctx context.Context, partitionKey string, v T) (Result, error) {
	results := make(chan Result, 1)
	if err := t.PutAsync(ctx, partitionKey, v, func(r Result) { results <- r }); err != nil {
		return Result{}, err
	}
	select {
	case result := <-results:
		return result, result.Err
	case <-ctx.Done():
		return Result{}, fmt.Errorf("put: the value was accepted and its result was not awaited: %w", context.Cause(ctx))
	}
}

// PutAsync accepts one value and returns, as Producer.PutAsync does: done is
// called exactly once with the Result of the record that holds the value, unless
// PutAsync returns an error. Values of one record have the same Result. Such a
// record carries one trace context, that of the first value's put.
//
// The value may be changed when PutAsync has returned.
func (t *Typed[T]) PutAsync(ctx context.Context, partitionKey string, v T, done func(Result)) error {
	if t.packing != nil && partitionKey != "" && done != nil {
		return t.packAsync(ctx, partitionKey, v, done)
	}
	data, err := t.codec.Append(nil, v)
	if err != nil {
		return err
	}
	return t.producer.PutAsync(ctx, kinetrail.Record{PartitionKey: partitionKey, Data: data}, done)
}

func (t *Typed[T]) packAsync(ctx context.Context, key string, v T, done func(Result)) error {
	if ctx.Err() != nil {
		return fmt.Errorf("put: %w", context.Cause(ctx))
	}
	if err := checkKey(key); err != nil {
		return err
	}
	select {
	case <-t.turn:
	case <-ctx.Done():
		return fmt.Errorf("put: %w", context.Cause(ctx))
	}
	defer func() { t.turn <- struct{}{} }()
	if t.pack.packer != nil && t.pack.packed.key != key {
		t.complete()
	}
	if err := t.send(ctx); err != nil {
		return err
	}
	if t.closed != nil {
		return t.closed
	}
	err := t.add(ctx, key, v, done)
	if tooLarge := (*codec.TooLargeError)(nil); errors.As(err, &tooLarge) {
		return t.alone(ctx, key, v, done)
	}
	return err
}

// add packs a value.
func (t *Typed[T]) add(ctx context.Context, key string, v T, done func(Result)) error {
	if t.pack.packer == nil {
		t.pack = pack[T]{packer: t.packing.Packer(t.producer.packLimit() - len(key)), packed: packed{ctx: ctx, key: key}}
	}
	data, err := t.pack.packer.Add(v)
	if err != nil {
		if t.pack.packer.Len() == 0 {
			t.pack = pack[T]{}
		}
		return err
	}
	if data != nil {
		t.pack.packed.data = data
		t.full = append(t.full, t.pack.packed)
		t.pack.packed = packed{ctx: ctx, key: key}
	}
	t.pack.packed.dones = append(t.pack.packed.dones, done)
	if len(t.pack.packed.dones) == 1 {
		t.due.Reset(t.producer.options.Linger)
	}
	if t.producer.options.Linger == 0 {
		t.complete()
	}
	// The value is accepted whatever happens now.
	_ = t.send(ctx)
	return nil
}

// alone puts a value that is too large to share a record.
func (t *Typed[T]) alone(ctx context.Context, key string, v T, done func(Result)) error {
	t.complete()
	if err := t.send(ctx); err != nil {
		return err
	}
	data, err := t.codec.Append(nil, v)
	if err != nil {
		return err
	}
	return t.producer.PutAsync(ctx, kinetrail.Record{PartitionKey: key, Data: data}, done)
}

// complete ends the record that is being packed.
func (t *Typed[T]) complete() {
	if t.pack.packer == nil {
		return
	}
	if t.pack.packed.data = t.pack.packer.Flush(); t.pack.packed.data != nil {
		t.full = append(t.full, t.pack.packed)
	}
	t.pack = pack[T]{}
	t.due.Stop()
}

// send puts what is full. It returns an error when ctx ends before there is room,
// and leaves the rest to run: its values were accepted by calls that have returned.
// What the producer does not take for another reason is reported to its values.
func (t *Typed[T]) send(ctx context.Context) error {
	for len(t.full) > 0 {
		next := t.full[0]
		err := t.producer.PutAsync(joinedContext{ctx, next.ctx}, kinetrail.Record{PartitionKey: next.key, Data: next.data}, next.report)
		if err != nil && ctx.Err() != nil {
			t.due.Reset(0)
			return err
		}
		t.full[0] = packed{}
		t.full = t.full[1:]
		if err != nil {
			next.report(Result{Err: &RejectedError{Code: rejectionCode(err), Err: err}})
		}
	}
	return nil
}

// report hands the record's result to all its values.
func (p *packed) report(r Result) {
	for _, done := range p.dones {
		done(r)
	}
}

// rejectionCode is the Code of a record that the Producer did not take.
func rejectionCode(err error) string {
	switch {
	case errors.Is(err, ErrClosed):
		return CodeClosed
	case errors.Is(err, ErrAutoDistribution):
		return CodeAutoDistribution
	}
	return CodeUnknown
}

// run sends what has waited for long enough, until the Producer is closed; it waits
// for room as long as that.
func (t *Typed[T]) run() {
	for {
		select {
		case <-t.due.C:
			if t.flush(t.producer.ctx, nil) != nil {
				return
			}
		case <-t.producer.ctx.Done():
			return
		}
	}
}

// flush sends what is being packed. closed, unless it is nil, is what later
// values are answered.
func (t *Typed[T]) flush(ctx context.Context, closed error) error {
	select {
	case <-t.turn:
	case <-ctx.Done():
		return fmt.Errorf("flush: %w", context.Cause(ctx))
	}
	defer func() { t.turn <- struct{}{} }()
	if closed != nil {
		t.closed = closed
	}
	t.complete()
	return t.send(ctx)
}

// abandon gives up what could not be sent and returns it.
func (t *Typed[T]) abandon(err error) []kinetrail.Record {
	<-t.turn
	defer func() { t.turn <- struct{}{} }()
	t.closed = ErrClosed
	t.complete()
	var records []kinetrail.Record
	for _, left := range t.full {
		records = append(records, kinetrail.Record{PartitionKey: left.key, Data: left.data})
		left.report(Result{Err: &RejectedError{Code: CodeClosed, Err: err}})
	}
	t.full = nil
	return records
}

// packer is a Typed of any type that packs values.
type packer interface {
	flush(ctx context.Context, closed error) error
	abandon(err error) []kinetrail.Record
}

// flushPackers sends what is being packed.
func (p *Producer) flushPackers(ctx context.Context, closed error) error {
	p.mu.Lock()
	packers := p.packers
	p.mu.Unlock()
	for _, t := range packers {
		if err := t.flush(ctx, closed); err != nil {
			return err
		}
	}
	return nil
}

// packLimit is the size up to which values share a record, key included.
func (p *Producer) packLimit() int { return min(p.options.MaxContainerBytes, p.recordLimit()) }

// joinedContext ends with one context and has the values of another.
type joinedContext struct {
	context.Context
	values context.Context
}

func (c joinedContext) Value(key any) any { return c.values.Value(key) }
