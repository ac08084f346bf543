package consumer

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/shardmap"
)

// tenure is the time in which this worker holds the lease of one shard:
//
//	taken ──► reading ──┬─ end of the shard, everything done ──► finished, released
//	                    ├─ drained or asked for ─────────────► checkpoint, released
//	                    ├─ Run stopped ──────────────────────► checkpoint, released
//	                    ├─ unreadable, or StopShard ─► stalled ─► checkpoint, released
//	                    └─ lease lost ───────────────────────► nothing more is written
type tenure struct {
	g       *group
	began   time.Time
	opts    *Options
	stream  *stream
	spans   *spans
	key     string
	shardID string
	meter   *shardMeter
	held    *lease.Held
	tracker *tracker
	pages   chan *page
	noRoom  chan struct{} // holds one when the next page has begun to wait for room
	opened  func()        // the first iterator is there, or never will be

	ctx       context.Context // of the handlers; its cause says why it ended
	cancel    context.CancelCauseFunc
	fetching  context.Context // ends with ctx, and before it to finish in peace
	stopFetch context.CancelFunc

	leaving       atomic.Bool   // to the next owner, after the records at hand
	askedFor      chan struct{} // closed with it
	handingOver   sync.Once
	handoverTimer *time.Timer
	lost          atomic.Bool
	released      atomic.Bool

	// Set by the fetching goroutine before it closes pages.
	ended       bool // the shard's end was handed on
	children    []types.ChildShard
	fetchFailed error

	through bool // deliver has seen the last page

	lastHandled atomic.Int64 // nanoseconds after began, 0 when nothing was

	mu        sync.Mutex
	lastFetch time.Time
	behind    time.Duration
	stalled   error
}

func newTenure(g *group, s *stream, held *lease.Held) *tenure {
	row := held.Lease()
	t := &tenure{
		g: g, began: time.Now(), opts: g.opts, stream: s, spans: newSpans(g.opts, g.tracer, s.name, g.name, row.ShardID), key: row.Key, shardID: row.ShardID,
		held: held, tracker: &tracker{max: g.inFlight}, pages: make(chan *page), noRoom: make(chan struct{}, 1), askedFor: make(chan struct{}),
		opened: sync.OnceFunc(g.opened),
	}
	t.measure()
	t.ctx, t.cancel = context.WithCancelCause(g.ctx)
	t.fetching, t.stopFetch = context.WithCancel(t.ctx)
	return t
}

func (t *tenure) attrs(more ...any) []any {
	return append([]any{slog.String("stream", t.stream.name.Name()), slog.String("shard", t.shardID)}, more...)
}

// run reads the shard until the tenure ends. Afterwards neither its goroutines
// nor a handler are running.
func (t *tenure) run() {
	defer t.cancel(nil)
	var fetching sync.WaitGroup
	fetching.Go(t.fetch)
	err := t.deliver()
	t.stopFetch()
	for pg := range t.pages {
		t.release(pg)
	}
	fetching.Wait()
	t.meter.leave()
	t.conclude(cmp.Or(err, t.fetchFailed))
	t.handingOver.Do(func() {}) // no timer from now on
	if t.handoverTimer != nil {
		t.handoverTimer.Stop()
	}
	t.unmeasure()
}

// fetch puts the pages of the shard into the channel, one ahead of the handler,
// until the shard ends or fetching is stopped.
func (t *tenure) fetch() {
	defer close(t.pages)
	from := t.source().fetcher()
	defer from.close()
	for {
		pg, err := from.next(t.fetching)
		if err != nil {
			if t.fetching.Err() == nil {
				t.fetchFailed = err
			}
			return
		}
		t.fetched(pg)
		if pg.kinesisRecords > 0 {
			select {
			case t.pages <- pg:
			case <-t.fetching.Done():
				t.release(pg)
				return
			}
		}
		if pg.end {
			t.ended, t.children = true, pg.children
			return
		}
	}
}

// source begins where the lease says.
func (t *tenure) source() source {
	row := t.held.Lease()
	start, startErr := shardmap.ParseHashKey(row.StartingHashKey)
	end, endErr := shardmap.ParseHashKey(row.EndingHashKey)
	return source{
		api: t.g.api, fanOut: t.stream.fanOut, stream: t.stream.name, shardID: t.shardID, opts: t.opts, meter: t.meter, spans: t.spans,
		buffered: t.g.buffered, polling: t.g.polling, opened: t.opened, waits: t.fetchWaits, resume: row.ResumeAt(),
		split: &deaggregator{
			stream: t.stream.name, shardID: t.shardID, filter: t.opts.RangeFilter, extracts: t.opts.Extract, payloads: t.opts.JSONPayloads,
			meter: t.meter, memories: &t.g.memories,
			rng: shardmap.Range{Start: start, End: end}, rangeKnown: startErr == nil && endErr == nil,
		},
	}
}

// fetchWaits tells whoever collects records that no page comes for now.
func (t *tenure) fetchWaits() {
	select {
	case t.noRoom <- struct{}{}:
	default:
	}
}

// fetched notes for Status what a fetch has shown.
func (t *tenure) fetched(pg *page) {
	t.mu.Lock()
	defer t.mu.Unlock()

	t.lastFetch, t.behind = time.Now(), pg.behind
}

// deliver hands the pages to the caller's code. A handler that ignores the end of
// its ctx is reported, and its lease given up, while this goroutine goes on
// waiting for it.
func (t *tenure) deliver() error {
	done := make(chan struct{})
	var watching sync.WaitGroup
	watching.Add(1)
	unwatch := context.AfterFunc(t.ctx, func() {
		defer watching.Done()
		t.awaitHandler(done)
	})
	err := t.g.deliver(t)
	close(done)
	if unwatch() {
		watching.Done()
	}
	watching.Wait()
	return err
}

// awaitHandler gives up the lease of a handler that does not return.
func (t *tenure) awaitHandler(done <-chan struct{}) {
	timer := time.NewTimer(cmp.Or(t.opts.HandlerTimeout, t.opts.LeaseDuration))
	defer timer.Stop()
	select {
	case <-done:
		return
	case <-timer.C:
	}
	t.opts.Logger.Error("kinetrail: a handler ignores the end of its ctx; its lease is released",
		t.attrs(slog.String("position", t.tracker.position().String()), slog.Any("cause", context.Cause(t.ctx)))...)
	t.giveBack()
}

// conclude ends the tenure: what is done is written, and the lease released.
func (t *tenure) conclude(err error) {
	switch {
	case t.ctx.Err() != nil:
	case errors.Is(err, errStopRun):
		t.g.stop(err)
	case errors.Is(err, ErrShardGone) && t.expired():
		t.opts.Logger.Error("kinetrail: retention has removed a shard before it was read to its end; its remaining records are lost", t.attrs()...)
		t.complete()
	case err != nil && !errors.Is(err, errLeft):
		t.stall(err)
	case !t.through && !t.awaitsAck(): // handed over, or the caller's code has left its loop
	case t.tracker.wait(t.ctx, t.tracker.allDone) != nil: // for Ack
	case t.through && t.ended:
		t.complete()
	}
	t.giveBack()
}

// awaitsAck reports whether the shard is handed over with records in flight that
// may still be acknowledged.
func (t *tenure) awaitsAck() bool { return t.opts.ManualCheckpoints && t.leaving.Load() }

// expired reports whether the stream is there and no longer has the shard.
func (t *tenure) expired() bool {
	list, err := listShards(t.ctx, t.g.api, t.stream.name)
	if err != nil {
		return false
	}
	_, listed := list.Shard(t.shardID)
	return !listed
}

// complete finishes a shard whose records are all done: first its children have
// leases, then its own says that it is finished. In any other order a crash in
// between could leave the children unread.
func (t *tenure) complete() {
	for failures := 1; t.ctx.Err() == nil; failures++ {
		children, err := t.g.createChildren(t.ctx, t)
		if err == nil {
			err = t.finish(children)
		}
		if err == nil {
			t.opts.Logger.InfoContext(t.ctx, "kinetrail: a shard is read to its end", t.attrs(slog.Any("children", children))...)
			return
		}
		if errors.Is(err, lease.ErrLost) {
			t.lose(err)
			return
		}
		t.opts.Logger.WarnContext(t.ctx, "kinetrail: the end of a shard could not be written", t.attrs(slog.Any("error", err))...)
		if sleep(t.ctx, backoff(failures, firstPause, lastPause)) != nil {
			return
		}
	}
}

// finish writes that the shard is read to its end.
func (t *tenure) finish(children []string) error {
	ctx, span := t.spans.checkpoint(t.ctx, kinetrail.ShardEnd())
	err := t.held.Finish(ctx, children)
	span.end(err)
	return err
}

// stall keeps the lease of a shard that cannot go on, so that no other worker
// takes it only to fail in the same place, until Run stops or somebody asks for
// it.
func (t *tenure) stall(err error) {
	t.opts.Logger.ErrorContext(t.ctx, "kinetrail: a shard stands still", t.attrs(slog.Any("error", err))...)
	t.mu.Lock()
	t.stalled = err
	t.mu.Unlock()
	t.opened()
	t.meter.standsStill()
	t.stream.stall(1)
	defer t.stream.stall(-1)
	select {
	case <-t.ctx.Done():
	case <-t.g.draining:
	case <-t.askedFor:
	}
}

// giveBack writes the position and releases the lease, once, as far as the store
// can be reached in the time for closing.
func (t *tenure) giveBack() {
	if t.lost.Load() || t.released.Swap(true) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), closingTime)
	defer cancel()
	for failures := 1; ; failures++ {
		err := t.checkpoint(ctx)
		if err == nil {
			err = t.held.Release(ctx)
		}
		if err == nil || errors.Is(err, lease.ErrLost) {
			return
		}
		if sleep(ctx, backoff(failures, firstPause, lastPause)) != nil {
			t.opts.Logger.WarnContext(ctx, "kinetrail: a lease could not be released; it runs out by itself", t.attrs(slog.Any("error", err))...)
			return
		}
	}
}

// handled marks a record as handled, and as done unless that is up to Ack.
func (t *tenure) handled(ticket uint64, r *kinetrail.Record) {
	if t.opts.ManualCheckpoints {
		return
	}
	t.tracker.finish(ticket)
	t.noteHandled(1, r)
}

// handledInTurn marks n records as handled and done, and with them everything before
// the last of them, which is r.
func (t *tenure) handledInTurn(n int, r *kinetrail.Record) {
	t.tracker.reach(r.Position)
	t.noteHandled(n, r)
}

// noteHandled counts n records that are done, the last of which is r.
func (t *tenure) noteHandled(n int, r *kinetrail.Record) {
	t.meter.done(t.ctx, n, r)
	t.lastHandled.Store(int64(max(time.Since(t.began), 1)))
}

// release gives back the room of a page, and the memory of its records.
func (t *tenure) release(pg *page) {
	t.g.buffered.release(pg.bytes)
	t.g.memories.put(pg.memory)
	pg.memory = nil
}

// settle gives back the room of a page that was handled, and moves the position
// over a page of which nothing was to be handed on.
func (t *tenure) settle(pg *page) {
	if pg.records == 0 {
		t.tracker.pass(pg.last)
	}
	t.release(pg)
	if t.opts.CheckpointInterval == 0 && !t.opts.ManualCheckpoints && t.ctx.Err() == nil {
		if err := t.checkpoint(t.ctx); err != nil && t.ctx.Err() == nil {
			t.opts.Logger.WarnContext(t.ctx, "kinetrail: a checkpoint could not be written", t.attrs(slog.Any("error", err))...)
		}
	}
}
