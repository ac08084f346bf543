package consumer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/shardmap"
)

// Read yields the records of the stream with this name or ARN, or of the shards
// named with Shard, without a group and without a lease store: every Read sees
// every record. The records of a shard come in order, those of a reshard's
// children after those of all its parents; shards are mixed as they arrive.
//
// From says where to begin. The loop goes on waiting for records until it is
// left, ctx ends, every shard named with Shard has ended, or, with StopAtTip, all
// shards have caught up. It ends with an error only in the second case, with the
// cause of ctx, and when the stream cannot be read; what may heal, such as a
// throttle or a lost connection, is repeated.
//
// Nothing runs before the loop begins and after it has ended.
func Read(ctx context.Context, client API, nameOrARN string, opts ...func(*Options)) iter.Seq2[kinetrail.Record, error] {
	return func(yield func(kinetrail.Record, error) bool) {
		rd, err := newReader(client, nameOrARN, opts)
		if err == nil {
			err = rd.read(ctx, yield)
		}
		if err != nil && !errors.Is(err, errLeft) {
			yield(kinetrail.Record{}, err)
		}
	}
}

// reader reads a stream for one loop. Each shard has a goroutine that fetches;
// the loop's own goroutine decides which shards are read, and yields.
type reader struct {
	api      API
	fanOut   *fanOut // nil: polling
	stream   kinetrail.Stream
	opts     Options
	only     map[string]bool
	buffered *budget
	polling  *polling
	memories memories
	meter    *streamMeter
	tracer   trace.Tracer

	fetched chan fetchedPage
	reading sync.WaitGroup

	shards map[string]*readShard
	active int
	unsure bool // there may be shards older than those known that are not known
}

// readShard is what a reader knows of one shard.
type readShard struct {
	shardmap.Shard

	from  kinetrail.Position
	state readState
	meter *shardMeter
}

type readState uint8

const (
	readWaiting readState = iota // for its parents
	readActive
	readDone // read to its end, or not to be read at all
)

// fetchedPage is a page on its way to the loop. It is the shard's last when last
// or err is set.
type fetchedPage struct {
	shard *readShard
	page  *page
	last  bool
	err   error
}

func newReader(client API, nameOrARN string, opts []func(*Options)) (*reader, error) {
	o, err := options(opts)
	errs := []error{err}
	if client == nil {
		errs = append(errs, errors.New("consumer: the client is nil"))
	}
	stream, err := kinetrail.ParseStream(nameOrARN)
	if err != nil {
		errs = append(errs, fmt.Errorf("consumer: %w", err))
	}
	if len(o.Streams) > 0 {
		errs = append(errs, errors.New("consumer: Options.Streams is for groups, Read reads one stream"))
	}
	if o.From.IsRecord() && len(o.Shards) != 1 {
		errs = append(errs, errors.New("consumer: Options.From is a record, which lies in one shard: name that shard with Options.Shards"))
	}
	errs = append(errs, checkFanOut(&o, client, ""))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	rd := &reader{
		api: client, stream: stream, opts: o, only: make(map[string]bool),
		buffered: &budget{max: o.MaxBufferedBytes}, polling: newPolling(), tracer: tracing.Tracer(o.TracerProvider),
		fetched: make(chan fetchedPage), shards: make(map[string]*readShard),
	}
	rd.fanOut = newFanOut(client, stream, &rd.opts, "", nil)
	for _, id := range o.Shards {
		rd.only[id] = true
	}
	return rd, nil
}

// read reads until the loop is over.
func (rd *reader) read(ctx context.Context, yield func(kinetrail.Record, error) bool) error {
	sink := metrics.Isolate(rd.opts.Metrics, rd.opts.Logger)
	defer rd.closeSink(sink)
	rd.meter = newStreamMeter(sink, rd.stream.Name())
	ctx, stop := context.WithCancel(ctx)
	defer func() {
		stop()
		rd.reading.Wait()
		rd.polling.close()
		for _, s := range rd.shards {
			s.meter.leave()
		}
	}()
	if err := rd.begin(ctx); err != nil {
		return orCause(ctx, err)
	}
	again := time.NewTimer(rd.untilRelist())
	defer again.Stop()
	for {
		if rd.active == 0 {
			if done, err := rd.idle(ctx); done || err != nil {
				return orCause(ctx, err)
			}
		}
		select {
		case <-again.C:
			if err := rd.relist(ctx); err != nil {
				return orCause(ctx, err)
			}
			again.Reset(rd.untilRelist())
		case f := <-rd.fetched:
			wasSure := !rd.unsure
			if err := rd.take(ctx, f, yield); err != nil {
				return orCause(ctx, err)
			}
			if wasSure && rd.unsure {
				again.Reset(rd.untilRelist())
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// orCause prefers the end of ctx to the error it has led to.
func orCause(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && !errors.Is(err, errLeft) {
		return context.Cause(ctx)
	}
	return err
}

func (rd *reader) closeSink(sink *metrics.Isolated) {
	ctx, cancel := context.WithTimeout(context.Background(), closingTime)
	defer cancel()
	if err := sink.Close(ctx); err != nil {
		rd.opts.Logger.Warn("kinetrail: metrics were lost", slog.Any("error", err))
	}
}

// begin lists the shards and starts those that wait for no other.
func (rd *reader) begin(ctx context.Context) error {
	if err := rd.fanOut.join(ctx); err != nil {
		return fmt.Errorf("consumer: %w", err)
	}
	list, err := rd.list(ctx)
	if err != nil {
		return err
	}
	for _, shard := range list.Shards() {
		s := rd.add(shard, rd.opts.From)
		if s != nil && rd.opts.From.IsLatest() && shard.Closed {
			s.state = readDone // whatever it holds is older than now
		}
	}
	for id := range rd.only {
		if rd.shards[id] == nil {
			return fmt.Errorf("read shard %s of stream %s: %w", id, rd.stream.Name(), ErrShardGone)
		}
	}
	rd.startReady(ctx)
	return nil
}

func (rd *reader) list(ctx context.Context) (shardList, error) {
	list, err := listShards(ctx, rd.api, rd.stream)
	if err == nil {
		rd.meter.shardsActive.Set(float64(len(list.Open())))
		rd.meter.shardsClosed.Set(float64(len(list.Shards()) - len(list.Open())))
	}
	return list, err
}

// add makes a shard known. It returns nil for one that is known already or not
// to be read.
func (rd *reader) add(shard shardmap.Shard, from kinetrail.Position) *readShard {
	if rd.shards[shard.ID] != nil || len(rd.only) > 0 && !rd.only[shard.ID] {
		return nil
	}
	s := &readShard{Shard: shard, from: from, meter: rd.meter.shard(shard.ID)}
	rd.shards[shard.ID] = s
	return s
}

// startReady starts every shard whose parents are done. It is not called while
// there may be shards that are not known: a parent that is not known was removed
// by retention, or is not to be read.
func (rd *reader) startReady(ctx context.Context) {
	for _, s := range rd.shards {
		if s.state != readWaiting || !rd.parentsDone(s) {
			continue
		}
		s.state = readActive
		rd.active++
		rd.reading.Go(func() { rd.fetch(ctx, s) })
	}
}

func (rd *reader) parentsDone(s *readShard) bool {
	for _, id := range s.Parents() {
		if parent := rd.shards[id]; parent != nil && parent.state != readDone {
			return false
		}
	}
	return true
}

// fetch puts the pages of one shard on their way to the loop.
func (rd *reader) fetch(ctx context.Context, s *readShard) {
	from := source{
		api: rd.api, fanOut: rd.fanOut, stream: rd.stream, shardID: s.ID, opts: &rd.opts, meter: s.meter, buffered: rd.buffered, polling: rd.polling, giveUp: true,
		spans:  newSpans(&rd.opts, rd.tracer, rd.stream, "", s.ID),
		resume: s.from, inclusive: true,
		split: &deaggregator{stream: rd.stream, shardID: s.ID, rng: s.Range, rangeKnown: true, filter: rd.opts.RangeFilter, extracts: rd.opts.Extract, payloads: rd.opts.JSONPayloads, meter: s.meter, memories: &rd.memories},
	}.fetcher()
	defer from.close()
	for {
		pg, err := from.next(ctx)
		f := fetchedPage{shard: s, page: pg, err: err}
		if err == nil {
			f.last = pg.end || rd.opts.StopAtTip && pg.atTip()
			if pg.records == 0 && !f.last {
				rd.release(pg)
				continue
			}
		}
		select {
		case rd.fetched <- f:
		case <-ctx.Done():
			return
		}
		if f.last || err != nil {
			return
		}
	}
}

// take yields the records of a page, and follows the reshard at the end of a
// shard.
func (rd *reader) take(ctx context.Context, f fetchedPage, yield func(kinetrail.Record, error) bool) error {
	if f.err != nil {
		return f.err
	}
	if err := rd.yieldPage(ctx, f.shard.meter, f.page, yield); err != nil {
		return err
	}
	if !f.last {
		return nil
	}
	rd.active--
	if !f.page.end {
		return nil // at the tip, its children if any are not due
	}
	f.shard.state = readDone
	f.shard.meter.retire(true)
	if err := rd.follow(f.page); err != nil {
		return err
	}
	if rd.unsure {
		return rd.relist(ctx)
	}
	rd.startReady(ctx)
	return nil
}

// release gives back the room of a page, and the memory of its records.
func (rd *reader) release(pg *page) {
	rd.buffered.release(pg.bytes)
	rd.memories.put(pg.memory)
	pg.memory = nil
}

func (rd *reader) yieldPage(ctx context.Context, m *shardMeter, pg *page, yield func(kinetrail.Record, error) bool) error {
	defer rd.release(pg)
	for r := pg.next(); r != nil; r = pg.next() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !m.on {
			if !yield(*r, nil) {
				return errLeft
			}
			continue
		}
		timer := metrics.StartTimer(m.processing)
		if !yield(*r, nil) {
			return errLeft
		}
		timer.Stop(ctx)
		m.done(ctx, 1, r)
		m.written(m.handledCount.Load())
	}
	return nil
}

// follow makes the children known that came out of a shard which has ended. When
// the last page named none, or one with a parent that is not known, there are
// older shards to be found in the list first.
func (rd *reader) follow(last *page) error {
	if len(rd.only) > 0 {
		return nil
	}
	children, err := childrenOf(last.children)
	if err != nil {
		return fmt.Errorf("read stream %s: %w", rd.stream.Name(), err)
	}
	rd.addChildren(children)
	rd.unsure = rd.unsure || len(children) == 0
	for _, child := range children {
		for _, parent := range child.Parents() {
			rd.unsure = rd.unsure || rd.shards[parent] == nil
		}
	}
	return nil
}

// addChildren makes shards known that came out of a reshard. They begin at
// TrimHorizon.
func (rd *reader) addChildren(shards []shardmap.Shard) {
	for _, shard := range shards {
		if rd.add(shard, kinetrail.TrimHorizon()) != nil && opensReshard(shard, shards) {
			rd.meter.resharding.Add(1)
		}
	}
}

// relist makes all shards known that the service lists, and starts those that are
// due. What fails and may heal is left to the next time.
func (rd *reader) relist(ctx context.Context) error {
	list, err := rd.list(ctx)
	if err != nil {
		if isCallersFault(err) || ctx.Err() != nil {
			return err
		}
		rd.opts.Logger.WarnContext(ctx, "kinetrail: the shard list could not be read", slog.String("stream", rd.stream.Name()), slog.Any("error", err))
		return nil
	}
	if len(rd.only) == 0 {
		rd.addChildren(list.Shards())
	}
	rd.unsure = false
	rd.startReady(ctx)
	return nil
}

// untilRelist is how long the last list may be relied on.
func (rd *reader) untilRelist() time.Duration {
	if rd.unsure {
		return min(soon, rd.opts.ShardSyncInterval)
	}
	return rd.opts.ShardSyncInterval
}

// idle decides what follows when no shard is being read: the end of the loop, or
// another look at the shards after a while.
func (rd *reader) idle(ctx context.Context) (done bool, err error) {
	if !rd.unsure && (rd.opts.StopAtTip || len(rd.only) > 0) {
		return true, nil
	}
	if err := sleep(ctx, rd.opts.longestPause(0)); err != nil {
		return false, err
	}
	return false, rd.relist(ctx)
}
