package producer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/endpoints"
	"github.com/kinetrail/kinetrail/kinesisprotocol"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// API is what a Producer asks of Kinesis. A *kinesis.Client has it.
//
// PutRecords must not keep its input, nor anything it points to, after it has
// returned: the memory is used again for later requests.
type API interface {
	PutRecords(context.Context, *kinesis.PutRecordsInput, ...func(*kinesis.Options)) (*kinesis.PutRecordsOutput, error)
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
}

// StreamCreator is what Options.Create asks of the client besides. A
// *kinesis.Client has it.
type StreamCreator interface {
	CreateStream(context.Context, *kinesis.CreateStreamInput, ...func(*kinesis.Options)) (*kinesis.CreateStreamOutput, error)
}

// Producer puts records into one stream. New makes one, Close ends it. It is
// safe for concurrent use.
//
// Besides the goroutines of its callers it has one that makes requests, one per
// request that is under way, one that calls back with results, and now and then
// one that reads the shard list. Close waits for all of them.
type Producer struct {
	api            API
	stream         kinetrail.Stream
	options        Options
	writer         atomic.Pointer[tracecarrier.Writer] // with the carrier in force; a put reads it once
	forced         bool                                // the environment chose the carrier
	callOptions    []func(*kinesis.Options)            // of every PutRecords call
	ownAnswers     bool                                // nobody but this Producer looks at outputs of PutRecords
	tracer         tracer
	meter          meter
	sink           *metrics.Isolated
	logger         *slog.Logger
	noCarrier      sync.Once
	waiters        sync.Pool // of *userDetails with a channel; a Producer's own, as channels are in tests with synctest
	listsShards    bool      // records have hash keys, and the shards they belong to are known
	maxRecordBytes atomic.Int64

	began      time.Time
	ctx        context.Context // of every call after New
	cancel     context.CancelFunc
	wakeup     chan struct{} // of 1: run has something to look at
	quit       chan struct{}
	goroutines sync.WaitGroup
	closing    sync.Once
	closed     chan struct{} // closed when Close has done its work
	closeErr   error

	mu       sync.Mutex
	delivery *sync.Cond // schedule.deliveries has records, or finished is set
	schedule schedule
	buffer   buffer
	pauses   pauses
	refusal  error // what Put answers; nil while records are accepted
	packers  []packer
	accepted uint64  // number of the last accepted record
	armedAt  instant // when run wakes by itself; zero for never
	finished bool    // nothing will be delivered any more

	epoch, oldest *epoch

	refreshing      bool
	refreshFailures int
	refreshAfter    instant // no refresh before
	nextRefresh     instant // the next by the clock; zero for never
}

// New makes a Producer for a stream, given by name or ARN. client is usually a
// *kinesis.Client.
//
// New reads the stream's settings and shards, and creates the stream if
// Options.Create asks for it; Options.StartContext bounds that. It returns every
// mistake in the options, joined, and starts nothing then.
//
// The client needs kinesis:PutRecords, and better has kinesis:ListShards, which
// aggregation by shard and the limits per shard need, and
// kinesis:DescribeStreamSummary, which tells the largest record.
func New(client API, nameOrARN string, opts ...func(*Options)) (*Producer, error) {
	options := defaultOptions()
	for _, adjust := range opts {
		adjust(&options)
	}
	stream, err := kinetrail.ParseStream(nameOrARN)
	carrier, forced, carrierErr := effectiveCarrier(&options)
	if err := errors.Join(err, options.check(), carrierErr); err != nil {
		return nil, fmt.Errorf("new producer: %w", err)
	}
	p := newProducer(client, stream, options)
	p.forced = forced
	p.carry(carrier)
	if err := p.start(); err != nil {
		p.cancel()
		return nil, errors.Join(fmt.Errorf("new producer: %w", err), p.sink.Close(context.Background()))
	}
	p.goroutines.Go(p.run)
	p.goroutines.Go(p.deliver)
	return p, nil
}

func newProducer(client API, stream kinetrail.Stream, options Options) *Producer {
	logger := options.Logger
	if logger == nil {
		logger = slog.Default()
	}
	p := &Producer{
		api:     client,
		began:   time.Now(),
		stream:  stream,
		options: options,
		tracer:  newTracer(stream, &options),
		sink:    metrics.Isolate(options.Metrics, logger),
		logger:  logger,
		wakeup:  make(chan struct{}, 1),
		quit:    make(chan struct{}),
		closed:  make(chan struct{}),
		buffer:  buffer{maxBytes: options.MaxBufferedBytes, maxRecords: options.MaxBufferedRecords},
		epoch:   &epoch{done: make(chan struct{})},
	}
	p.waiters.New = func() any { return &userDetails{waiter: make(chan Result, 1)} }
	p.callOptions = append(p.callOptions, withoutRetries, kinesisprotocol.With(options.Wire), endpoints.Keep())
	// Whoever wraps a client may look at the output, or make two calls of one and
	// return the output of either: no option may take the results elsewhere then.
	_, p.ownAnswers = client.(*kinesis.Client)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.meter = newMeter(p.sink, stream.Name())
	p.delivery = sync.NewCond(&p.mu)
	p.oldest = p.epoch
	p.schedule = newSchedule(options.rules())
	if options.RefreshInterval > 0 {
		p.nextRefresh = p.now().add(options.RefreshInterval)
	}
	p.meter.asked = p.sink.OnScrape(p.handOnCounts)
	return p
}

// handOnCounts is what the sink calls before it is read.
func (p *Producer) handOnCounts() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.meter.handOn(&p.schedule)
}

// effectiveCarrier is the carrier by environment, option or default, in this
// order, and whether it is the environment's. It is empty when none was chosen for
// plain records.
func effectiveCarrier(o *Options) (c tracecarrier.Carrier, forced bool, err error) {
	c, forced, err = tracecarrier.FromEnvironment(os.LookupEnv)
	switch {
	case err != nil || forced:
		return c, forced, err
	case o.Carrier != "":
		return o.Carrier, false, nil
	case o.Aggregation != Off:
		return tracecarrier.Headers, false, nil
	}
	return "", false, nil
}

func (o *Options) rules() rules {
	return rules{
		aggregation:    o.Aggregation,
		lanes:          o.Order == PerKey && !o.noLanes,
		keyMask:        1<<(cmp.Or(o.keyBits, 64)) - 1,
		metered:        metrics.Enabled(o.Metrics),
		hashes:         o.Aggregation == ByShard || o.ShardShare > 0,
		linger:         o.Linger,
		deadline:       o.Deadline,
		maxAttempts:    o.MaxAttempts,
		concurrency:    o.Concurrency,
		containerBytes: o.MaxContainerBytes,
		requestRecords: o.MaxRequestRecords,
		requestBytes:   o.MaxRequestBytes,
		worthBytes:     min(o.worthRequest(), o.MaxRequestBytes),
		shardShare:     o.ShardShare,
	}
}

// worthRequest is how many bytes make a request worth sending before its records
// have lingered: beyond it, the fixed cost of a request is small against that of its
// bytes, and what waits grows out of the processor's caches. Where a shard has one
// round of containers under way, twice as much lets several of them go in each.
func (o *Options) worthRequest() int {
	if o.Aggregation == ByShard && o.Order == PerKey {
		return 1 << 20
	}
	return 1 << 19
}

// tellNoCarrier logs once that contexts are not carried.
func (p *Producer) tellNoCarrier() {
	p.noCarrier.Do(func() {
		p.logger.Warn("records are put without their trace context: set Options.Carrier when it is known who reads the stream",
			"stream", p.stream.Name())
	})
}

// run makes requests as they become due, until Close.
func (p *Producer) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		p.mu.Lock()
		now := p.now()
		for r := p.schedule.next(now); r != nil; r = p.schedule.next(now) {
			p.goroutines.Go(func() { p.send(r) })
		}
		p.schedule.giveUp()
		p.armedAt = sooner(p.schedule.wakeAt(), p.refreshIfDue(now))
		at := p.armedAt
		p.unlockAndAnswer()

		timer.Stop()
		if at != 0 {
			timer.Reset(max(0, time.Duration(at-p.now())))
		}
		select {
		case <-p.wakeup:
		case <-timer.C:
		case <-p.quit:
			return
		}
	}
}

// refreshIfDue starts a refresh if it is time, and returns when it will be;
// zero means not by the clock.
func (p *Producer) refreshIfDue(now instant) instant {
	periodic := p.nextRefresh != 0 && now >= p.nextRefresh
	switch {
	case p.refreshing || p.schedule.stopped != nil:
		return 0
	case !periodic && !p.schedule.stale:
		return p.nextRefresh
	case now < p.refreshAfter:
		return p.refreshAfter
	}
	p.refreshing = true
	if periodic {
		p.nextRefresh = now.add(p.options.RefreshInterval)
	}
	p.goroutines.Go(func() { p.refresh(periodic) })
	return 0
}

// now is the time, by the monotonic clock.
func (p *Producer) now() instant { return instant(time.Since(p.began)) + 1 }

// wake lets run look at the schedule.
func (p *Producer) wake() {
	select {
	case p.wakeup <- struct{}{}:
	default:
	}
}

// mustWake reports whether run has to look at the schedule before it would by
// itself.
func (p *Producer) mustWake(now instant) bool {
	if due, _ := p.schedule.due(now); due || p.schedule.mayStart(now) && p.schedule.expressDue(now) {
		return true
	}
	at := p.schedule.soonest()
	return at != 0 && (p.armedAt == 0 || at < p.armedAt)
}

// Flush sends what waits for company and returns when every record accepted
// before it has its result: in the stream or given up, callbacks returned. The
// error wraps the cause of ctx when that ends first; the records are then still
// under way. A callback must not call Flush.
func (p *Producer) Flush(ctx context.Context) error {
	if err := p.flushPackers(ctx, nil); err != nil {
		return err
	}
	p.mu.Lock()
	e := p.newEpoch()
	p.mu.Unlock()
	p.wake()
	select {
	case <-e.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("flush: %w", context.Cause(ctx))
	}
}

// Close accepts no more records, flushes, and ends the Producer. When ctx ends
// before everything is delivered, Close gives the rest up: every one of those
// records gets its Result, and Close returns them all in an *UndeliveredError.
// Close returns when no goroutine of the Producer is left, so it waits for a
// callback that is running. Further calls wait for the first to be done and
// return the same. A callback must not call Close.
func (p *Producer) Close(ctx context.Context) error {
	p.closing.Do(func() {
		p.closeErr = p.shutDown(ctx)
		close(p.closed)
	})
	<-p.closed
	return p.closeErr
}

func (p *Producer) shutDown(ctx context.Context) error {
	// What this cannot send before ctx ends is given up below.
	_ = p.flushPackers(ctx, ErrClosed)
	p.mu.Lock()
	p.refusal = ErrClosed
	p.buffer.refuse(ErrClosed)
	e := p.newEpoch()
	p.mu.Unlock()
	p.wake()
	select {
	case <-e.done:
	case <-ctx.Done():
		p.mu.Lock()
		p.schedule.stop(CodeClosed, fmt.Errorf("%w: %w", ErrClosed, context.Cause(ctx)))
		p.mu.Unlock()
		p.cancel()
		p.wake()
		<-e.done
	}
	p.cancel()
	close(p.quit)
	p.mu.Lock()
	p.finished = true
	p.delivery.Signal()
	p.mu.Unlock()
	p.goroutines.Wait()
	return errors.Join(p.undelivered(ctx), p.sink.Close(ctx))
}

// undelivered is what Close has to say about records it gave up.
func (p *Producer) undelivered(ctx context.Context) error {
	records, err := p.schedule.undelivered, p.schedule.stopped
	if err == nil {
		err = fmt.Errorf("%w: %w", ErrClosed, context.Cause(ctx))
	}
	for _, t := range p.packers {
		records = append(records, t.abandon(err)...)
	}
	if len(records) == 0 {
		return nil
	}
	return &UndeliveredError{Records: records, Err: err}
}
