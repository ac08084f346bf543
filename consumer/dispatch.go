package consumer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/metrics"
)

// A deliver function hands the pages of one shard to the caller's code, in
// order, until there are no more or one ends with an error. When it returns, the
// caller's code is no longer running. The pages it took from the channel are
// settled.
type deliver func(t *tenure) error

// one handles records one after another.
func one(handle Handler) deliver {
	return func(t *tenure) error {
		for pg := range t.pages {
			if err := t.oneByOne(pg, handle); err != nil {
				return err
			}
		}
		t.through = true
		return nil
	}
}

// oneByOne handles the records of a page one after another.
func (t *tenure) oneByOne(pg *page, handle Handler) error {
	handleOne := t.handleInTurn
	if t.opts.ManualCheckpoints {
		handleOne = t.handleForAck
	} else {
		t.tracker.inHand(1)
	}
	for r := pg.next(); r != nil; r = pg.next() {
		err := t.over()
		if err == nil {
			err = handleOne(r, handle)
		}
		if err != nil {
			t.release(pg)
			return err
		}
	}
	if !t.opts.ManualCheckpoints {
		t.tracker.inHand(0)
	}
	t.settle(pg)
	return nil
}

// over says why no further record is handed on, if so.
func (t *tenure) over() error {
	if t.leaving.Load() {
		return errLeft
	}
	if t.ctx.Err() != nil {
		return context.Cause(t.ctx)
	}
	return nil
}

// handleInTurn handles a record, with which all before it and the record itself are
// done.
func (t *tenure) handleInTurn(r *kinetrail.Record, handle Handler) error {
	if err := t.handle(r, handle); err != nil {
		return err
	}
	t.handledInTurn(1, r)
	return nil
}

// handleForAck handles a record that is done when Ack says so.
func (t *tenure) handleForAck(r *kinetrail.Record, handle Handler) error {
	if err := t.track(r); err != nil {
		return err
	}
	return t.handle(r, handle)
}

// track keeps a record in mind until Ack, once there is room for it, which may take
// long: by then the shard may be asked for.
func (t *tenure) track(r *kinetrail.Record) error {
	if _, err := t.tracker.add(t.ctx, r.Position); err != nil {
		return err
	}
	err := t.over()
	if err != nil {
		t.tracker.withdraw(1)
	}
	return err
}

// perKey handles n records of a shard at once, those of one key in order. A
// record whose original key is not known could belong to any key: it waits until
// all before it are done, and all behind it wait for it.
func perKey(handle Handler, n int) deliver {
	return func(t *tenure) error {
		lanes := t.startLanes(handle, n)
		err := t.distribute(lanes)
		return cmp.Or(lanes.stop(), err)
	}
}

// lanes are the workers of one shard.
type lanes struct {
	work    []chan job
	working sync.WaitGroup
	open    sync.WaitGroup // jobs handed out
	seed    maphash.Seed

	broken atomic.Bool // there is a failure

	mu     sync.Mutex
	failed error
	down   chan struct{} // closed on the first failure
}

type job struct {
	r      *kinetrail.Record
	ticket uint64
	left   *atomic.Int64 // records of its page not yet handled
	pg     *page
}

func (t *tenure) startLanes(handle Handler, n int) *lanes {
	l := &lanes{work: make([]chan job, n), seed: maphash.MakeSeed(), down: make(chan struct{})}
	for i := range l.work {
		l.work[i] = make(chan job, 16)
		l.working.Go(func() {
			for j := range l.work[i] {
				l.run(t, j, handle)
			}
		})
	}
	return l
}

// run handles one record, unless an earlier one failed for good: then the rest
// is left to whoever reads the shard next.
func (l *lanes) run(t *tenure, j job, handle Handler) {
	defer l.open.Done()
	defer func() {
		if j.left.Add(-1) == 0 {
			t.settle(j.pg)
		}
	}()
	if l.failure() != nil || t.ctx.Err() != nil {
		return
	}
	if err := t.handle(j.r, handle); err != nil {
		l.fail(err)
		return
	}
	t.handled(j.ticket, j.r)
}

func (l *lanes) failure() error {
	if !l.broken.Load() {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.failed
}

func (l *lanes) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	if l.failed == nil {
		l.failed = err
		l.broken.Store(true)
		close(l.down)
	}
}

// stop waits for the workers and returns their failure.
func (l *lanes) stop() error {
	for _, work := range l.work {
		close(work)
	}
	l.working.Wait()
	return l.failure()
}

// distribute gives every record to the worker of its key.
func (t *tenure) distribute(l *lanes) error {
	for {
		var pg *page
		select {
		case pg = <-t.pages:
		case <-l.down:
			return l.failure()
		}
		if pg == nil {
			break
		}
		left := new(atomic.Int64)
		left.Store(int64(pg.records) + 1) // one for this loop
		err := t.distributePage(l, pg, left)
		if left.Add(-1) == 0 {
			t.settle(pg)
		}
		if err != nil || l.failure() != nil {
			return err
		}
	}
	l.open.Wait()
	t.through = true
	return nil
}

func (t *tenure) distributePage(l *lanes, pg *page, left *atomic.Int64) error {
	all := pg.all()
	for i := range all {
		r := &all[i]
		var ticket uint64
		err := l.failure()
		if t.leaving.Load() {
			err = errLeft
		}
		if err == nil {
			ticket, err = t.tracker.add(t.ctx, r.Position)
		}
		if err == nil {
			err = t.hand(l, job{r: r, ticket: ticket, left: left, pg: pg})
		}
		if err != nil {
			left.Add(int64(i - len(all))) // those that nobody will handle
			return err
		}
	}
	return nil
}

// hand gives one job to its worker, alone when its key is not known.
func (t *tenure) hand(l *lanes, j job) error {
	if !j.r.OriginalKeyKnown {
		l.open.Wait()
	}
	lane := l.work[maphash.String(l.seed, j.r.PartitionKey)%uint64(len(l.work))]
	l.open.Add(1)
	select {
	case lane <- j: // mostly there is room: a select over three channels would cost as much as the rest
	default:
		select {
		case lane <- j:
		case <-l.down:
			l.open.Done()
			return l.failure()
		case <-t.ctx.Done():
			l.open.Done()
			return context.Cause(t.ctx)
		}
	}
	if !j.r.OriginalKeyKnown {
		l.open.Wait()
	}
	return nil
}

// handle calls the handler with a record until the record is done, or returns
// why this shard's reading ends: the end of its ctx, or a *ShardError.
func (t *tenure) handle(r *kinetrail.Record, handle Handler) error {
	err := t.call(r, handle)
	if err == nil {
		return nil
	}
	return t.failed([]kinetrail.Record{*r}, err, func() error { return t.call(r, handle) })
}

// failed does what the failure policy says about a call with these records that
// has ended with err.
func (t *tenure) failed(records []kinetrail.Record, err error, call func() error) error {
	policy := &t.opts.Failure
	for attempt := 1; err != nil; attempt++ {
		if t.ctx.Err() != nil {
			return context.Cause(t.ctx)
		}
		t.meter.handlerErrors.Add(1)
		t.logFailure(&records[0], attempt, err)
		if policy.MaxAttempts > 0 && attempt >= policy.MaxAttempts {
			return t.giveUp(records, attempt, err)
		}
		if err := sleep(t.ctx, backoff(attempt, policy.Backoff, policy.MaxBackoff)); err != nil {
			return err
		}
		err = call()
	}
	return nil
}

func (t *tenure) logFailure(r *kinetrail.Record, attempt int, err error) {
	attrs := t.attrs(slog.String("position", r.Position.String()), slog.Int("attempt", attempt), slog.Any("error", err))
	var panicked *PanicError
	if errors.As(err, &panicked) {
		attrs = append(attrs, slog.String("stack", string(panicked.Stack)))
	}
	t.opts.Logger.WarnContext(t.ctx, "kinetrail: the handler failed", attrs...)
}

// giveUp does what the policy says about records whose attempts are used up.
func (t *tenure) giveUp(records []kinetrail.Record, attempts int, cause error) error {
	at := records[0].Position
	failed := &ShardError{Stream: t.stream.name.Name(), ShardID: t.shardID, Position: at, Attempts: attempts, Err: cause}
	switch t.opts.Failure.Then {
	case Skip:
		t.opts.Logger.ErrorContext(t.ctx, "kinetrail: a record is skipped", t.attrs(slog.String("position", at.String()), slog.Int("records", len(records)), slog.Any("error", cause))...)
		t.givenUp(records)
		return nil
	case DeadLetter:
		if err := t.deadLetter(records, cause); err != nil {
			if t.ctx.Err() != nil {
				return err
			}
			failed.Err = fmt.Errorf("dead letter: %w; the handler's error: %w", err, cause)
			return fmt.Errorf("%w: %w", errStopRun, failed)
		}
		t.meter.deadLetters.Add(int64(len(records)))
		t.givenUp(records)
		return nil
	case StopShard:
		return failed
	}
	return fmt.Errorf("%w: %w", errStopRun, failed)
}

// givenUp makes records done that no handler will see again. Nobody acknowledges
// them: the caller knows them as failed.
func (t *tenure) givenUp(records []kinetrail.Record) {
	if !t.opts.ManualCheckpoints {
		return // their deliverer does it
	}
	for i := range records {
		if t.tracker.ack(records[i].Position) {
			t.noteHandled(1, &records[i])
		}
	}
}

// deadLetter calls the dead-letter function for each of the records, with the
// pauses of the policy. One that it has taken is not handed to it again.
func (t *tenure) deadLetter(records []kinetrail.Record, cause error) error {
	policy := &t.opts.Failure
	call := func() error {
		for ; len(records) > 0; records = records[1:] {
			if err := policy.DeadLetter(t.ctx, records[0], cause); err != nil {
				return err
			}
		}
		return nil
	}
	for attempt := 1; ; attempt++ {
		err := guard(call)
		if err == nil || attempt >= max(policy.MaxAttempts, 1) {
			return err
		}
		if err := sleep(t.ctx, backoff(attempt, policy.Backoff, policy.MaxBackoff)); err != nil {
			return err
		}
	}
}

// call calls the handler once, inside a process span and within its time.
func (t *tenure) call(r *kinetrail.Record, handle Handler) error {
	ctx, cancel := t.handlerContext()
	defer cancel()
	ctx, span := t.spans.process(ctx, r)
	timer := metrics.StartTimer(t.meter.processing)
	err := guard(func() error { return handle(ctx, *r) })
	timer.Stop(ctx)
	span.end(err)
	return err
}

// handlerContext is the ctx of one call.
func (t *tenure) handlerContext() (context.Context, context.CancelFunc) {
	if t.opts.HandlerTimeout == 0 {
		return t.ctx, func() {}
	}
	return context.WithTimeout(t.ctx, t.opts.HandlerTimeout)
}

// guard makes an error of a panic.
func guard(call func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	return call()
}

// batches hands records on in batches that are filled over several pages.
func batches(handle BatchHandler) deliver {
	return func(t *tenure) error {
		b := &batcher{t: t, handle: handle}
		defer b.release()
		return b.run()
	}
}

// batcher collects the records of one shard.
type batcher struct {
	t       *tenure
	handle  BatchHandler
	records []kinetrail.Record
	pages   []*page // that lie in records in whole or in part
	full    <-chan time.Time
}

// run delivers until there are no more pages. What is collected by then is
// delivered too, before the shard can be finished.
func (b *batcher) run() error {
	for {
		select {
		case pg, ok := <-b.t.pages:
			if !ok {
				b.t.through = true
				return b.flush()
			}
			if err := b.add(pg); err != nil {
				return err
			}
		case <-b.full:
			if err := b.flush(); err != nil {
				return err
			}
		case <-b.t.noRoom:
			if !b.t.g.buffered.short() { // any more
				continue
			}
			if err := b.flush(); err != nil {
				return err
			}
		case <-b.t.ctx.Done():
			return context.Cause(b.t.ctx)
		}
	}
}

// add collects a page and delivers every batch that is full.
func (b *batcher) add(pg *page) error {
	b.pages = append(b.pages, pg)
	for r := pg.next(); r != nil; r = pg.next() {
		err := b.t.over()
		if err == nil && b.t.opts.ManualCheckpoints {
			err = b.track(r)
		}
		if err != nil {
			b.leave()
			return err
		}
		b.records = append(b.records, *r)
		if len(b.records) == b.t.opts.MaxBatch {
			if err := b.deliver(); err != nil {
				return err
			}
		}
	}
	switch {
	case len(b.records) == 0:
		b.settle(len(b.pages))
	case b.t.opts.BatchWait == 0:
		return b.flush()
	case b.full == nil:
		b.full = time.After(b.t.opts.BatchWait)
	}
	return nil
}

// track keeps a record in mind until Ack, once there is room for it.
func (b *batcher) track(r *kinetrail.Record) error {
	if len(b.records) > 0 && b.t.tracker.full() {
		if err := b.deliver(); err != nil {
			return err
		}
	}
	return b.t.track(r)
}

// leave forgets what is collected and will not be delivered here.
func (b *batcher) leave() {
	if b.t.opts.ManualCheckpoints {
		b.t.tracker.withdraw(len(b.records))
	}
}

// flush delivers what is collected.
func (b *batcher) flush() error {
	if len(b.records) > 0 {
		if err := b.deliver(); err != nil {
			return err
		}
	}
	b.settle(len(b.pages))
	return nil
}

// deliver hands the collected records to the handler as one batch. All pages but
// the last, which may hold more, are then delivered.
func (b *batcher) deliver() error {
	t := b.t
	if t.ctx.Err() != nil {
		return context.Cause(t.ctx)
	}
	if !t.opts.ManualCheckpoints {
		t.tracker.inHand(len(b.records))
	}
	last := b.records[len(b.records)-1] // whatever the handler does to the slice
	call := func() error { return t.callBatch(b.records, b.handle) }
	if err := t.failed(b.records, call(), call); err != nil {
		return err
	}
	if !t.opts.ManualCheckpoints {
		t.handledInTurn(len(b.records), &last)
		t.tracker.inHand(0)
	}
	clear(b.records)
	b.records, b.full = b.records[:0], nil
	b.settle(len(b.pages) - 1)
	return nil
}

// settle gives back the first n pages, whose records are all delivered.
func (b *batcher) settle(n int) {
	for _, pg := range b.pages[:n] {
		b.t.settle(pg)
	}
	b.pages = slices.Delete(b.pages, 0, n)
}

// release gives back the pages of records that are not delivered.
func (b *batcher) release() {
	for _, pg := range b.pages {
		b.t.release(pg)
	}
}

// callBatch calls the handler once with a batch.
func (t *tenure) callBatch(batch []kinetrail.Record, handle BatchHandler) error {
	ctx, cancel := t.handlerContext()
	defer cancel()
	ctx, span := t.spans.processBatch(ctx, batch)
	timer := metrics.StartTimer(t.meter.processing)
	err := guard(func() error { return handle(ctx, batch) })
	timer.Stop(ctx)
	span.end(err)
	return err
}
