package consumer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"os"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/shardmap"
)

// API is what a consumer asks of Kinesis. A *kinesis.Client fits, and so does
// what wraps one.
type API interface {
	ListShards(context.Context, *kinesis.ListShardsInput, ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	GetShardIterator(context.Context, *kinesis.GetShardIteratorInput, ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(context.Context, *kinesis.GetRecordsInput, ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
	DescribeStreamSummary(context.Context, *kinesis.DescribeStreamSummaryInput, ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
}

// Handler handles one record. Nil means that the record is done; an error or a
// panic leads to Options.Failure.
//
// The ctx carries the trace context of the record and its process span. It ends
// with a cause: ErrLeaseLost, ErrDraining, or that of Run's ctx.
type Handler func(ctx context.Context, r kinetrail.Record) error

// BatchHandler handles records of one shard in their order. Nil means that all
// of them are done; an error or a panic leads to Options.Failure, for the batch
// as a whole. The slice is lent until the handler returns, and a handler that fails
// is called again with it as it left it; the records may be kept.
//
// The ctx carries a process span that links to the trace of every record, and
// ends as that of a Handler.
type BatchHandler func(ctx context.Context, batch []kinetrail.Record) error

// ShardHandler reads one shard for as long as this worker holds its lease. Nil
// means that it is through with what the iterator gave it; an error ends Run.
// When it returns before the loop over Records has ended, the lease is given
// back and not taken again by this worker for a lease duration; when the lease is
// taken again, it is called again. The ctx ends as that of a
// Handler.
type ShardHandler func(ctx context.Context, s *ShardReader) error

// Consumer reads the share of a stream that falls to one worker of a group.
// Make one with New; its methods are safe for concurrent use.
type Consumer struct {
	api     API
	store   lease.Store
	opts    Options
	worker  string
	streams []kinetrail.Stream

	draining chan struct{} // closed by Drain
	ready    chan struct{} // closed when the first leases are being read

	mu      sync.Mutex
	drained sync.Once
	group   *group // nil before Run
	ended   chan struct{}
}

// New makes a worker of the group that store belongs to, reading the stream with
// this name or ARN. It calls no service and starts nothing; Run does. The error
// holds everything that is wrong with the options.
func New(client API, nameOrARN string, store lease.Store, opts ...func(*Options)) (*Consumer, error) {
	o, err := options(opts)
	var errs []error
	errs = append(errs, err)
	if client == nil {
		errs = append(errs, errors.New("consumer: the client is nil"))
	}
	if store == nil {
		errs = append(errs, errors.New("consumer: the lease store is nil"))
	}
	if o.From.IsRecord() {
		errs = append(errs, errors.New("consumer: Options.From is a record, which lies in one shard: a group begins at TrimHorizon, Latest or a time"))
	}
	if o.StopAtTip {
		errs = append(errs, errors.New("consumer: Options.StopAtTip is for Read, a group reads on"))
	}
	if store != nil {
		errs = append(errs, checkFanOut(&o, client, groupName(store)))
	}
	c := &Consumer{api: client, store: store, opts: o, draining: make(chan struct{}), ready: make(chan struct{}), ended: make(chan struct{})}
	for _, name := range append([]string{nameOrARN}, o.Streams...) {
		stream, err := kinetrail.ParseStream(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("consumer: %w", err))
		}
		c.streams = append(c.streams, stream)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	c.worker = workerName(o.Worker)
	return c, nil
}

// workerName makes a name that no other process has, so that a worker can tell
// its own writes from everybody else's.
func workerName(name string) string {
	if name == "" {
		name, _ = os.Hostname()
	}
	return strings.Trim(name+"-"+strings.ToLower(rand.Text()[:12]), "-")
}

// Worker is the name under which this worker holds leases: Options.Worker and a
// random suffix.
func (c *Consumer) Worker() string { return c.worker }

// Run handles the records of every shard this worker gets a lease for, one after
// another in each shard, several shards at once. It returns when ctx ends, with
// its cause; after Drain, with nil; with a *ShardError when the failure policy
// says stop; or with an error that wraps lease.ErrUnusable when the store says
// that no repetition helps and no lease is held. A shard that fails is retried and does not disturb the
// others. By then positions are written and leases released as far as the store
// can be reached, every handler has returned, and no goroutine Run started is
// still running.
func (c *Consumer) Run(ctx context.Context, handle func(ctx context.Context, r kinetrail.Record) error) error {
	if handle == nil {
		return errors.New("consumer: the handler is nil")
	}
	if c.opts.PerKey > 1 {
		return c.run(ctx, perKey(handle, c.opts.PerKey), c.opts.MaxInFlight)
	}
	return c.run(ctx, one(handle), c.opts.MaxInFlight)
}

// RunBatch is Run for batches of up to Options.MaxBatch records of one shard.
// The last batch of a shard, which may be smaller, is handled before the shard
// is finished.
func (c *Consumer) RunBatch(ctx context.Context, handle func(ctx context.Context, batch []kinetrail.Record) error) error {
	if handle == nil {
		return errors.New("consumer: the handler is nil")
	}
	inFlight := c.opts.MaxInFlight
	if !c.opts.ManualCheckpoints {
		inFlight = max(inFlight, c.opts.MaxBatch)
	}
	return c.run(ctx, batches(handle), inFlight)
}

// RunShards is Run for code that wants to iterate over a shard by itself: handle
// is called once for every lease taken, concurrently.
func (c *Consumer) RunShards(ctx context.Context, handle func(ctx context.Context, s *ShardReader) error) error {
	if handle == nil {
		return errors.New("consumer: the handler is nil")
	}
	return c.run(ctx, iterate(handle), c.opts.MaxInFlight)
}

// run runs the group with one way of delivering records.
func (c *Consumer) run(ctx context.Context, deliver deliver, inFlight int) error {
	c.mu.Lock()
	if c.group != nil {
		c.mu.Unlock()
		return ErrUsed
	}
	c.group = newGroup(ctx, c, deliver, inFlight)
	c.mu.Unlock()
	defer close(c.ended)
	if closed(c.draining) {
		return nil
	}
	return c.group.run()
}

// running returns the group, nil before Run.
func (c *Consumer) running() *group {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.group
}

// Drain stops fetching, lets every shard finish the pages it has begun, writes the
// positions and releases the leases. Run returns nil and then Drain does. When ctx ends
// first, the ctx of all handlers ends with the cause ErrDraining, and Drain
// returns an error that wraps the cause of its own ctx; Run still waits for the
// handlers. A handler must not wait for Drain. Before Run, Drain makes Run
// return at once.
func (c *Consumer) Drain(ctx context.Context) error {
	c.drained.Do(func() { close(c.draining) })
	if c.running() == nil {
		return nil
	}
	select {
	case <-c.ended:
		return nil
	case <-ctx.Done():
		c.running().stop(ErrDraining)
		return fmt.Errorf("drain: %w", context.Cause(ctx))
	}
}

// Ready is closed once this worker has listed the leases and every lease it took
// then has its place in the shard: records put from now on are seen by a group
// that begins at Latest. A worker to which no lease fell is ready, too.
func (c *Consumer) Ready() <-chan struct{} { return c.ready }

// Ack says that records are done, from any goroutine, with
// Options.ManualCheckpoints. A record that this worker does not have in flight,
// because it was acknowledged before or its lease was lost, is ignored.
func (c *Consumer) Ack(records ...kinetrail.Record) {
	g := c.running()
	if g == nil {
		return
	}
	for i := range records {
		r := &records[i]
		if t := g.reading(r.Stream, r.ShardID); t != nil && t.tracker.ack(r.Position) {
			t.noteHandled(1, r)
		}
	}
}

// Checkpoint writes the position of every shard that has moved, now. The error
// joins those of all shards that could not be written; a lost lease wraps
// ErrLeaseLost.
func (c *Consumer) Checkpoint(ctx context.Context) error {
	g := c.running()
	if g == nil {
		return nil
	}
	return g.checkpoint(ctx)
}

// stream is one stream of a group.
type stream struct {
	name  kinetrail.Stream
	id    string // as in Lease.Stream
	store *lease.Metered
	meter *streamMeter

	fanOut *fanOut // nil: polling

	mu      sync.Mutex
	shards  *shardmap.Map
	stalled int
}

// setShards takes note of a shard list.
func (s *stream) setShards(shards *shardmap.Map) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.shards = shards
	s.meter.shardsActive.Set(float64(len(shards.Open())))
	s.meter.shardsClosed.Set(float64(len(shards.Shards()) - len(shards.Open())))
}

// listed is the last shard list.
func (s *stream) listed() *shardmap.Map {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.shards
}

// stall counts shards that stand still.
func (s *stream) stall(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.stalled += n
	s.meter.shardsStalled.Set(float64(s.stalled))
}

// key is the key of a shard's lease.
func (s *stream) key(shardID string) string {
	if s.id == "" {
		return shardID
	}
	return s.id + ":" + shardID
}

// identify finds the name of a stream in a group over several: account, name and
// creation time, so that a stream that is created again is another one.
func identify(ctx context.Context, api API, name kinetrail.Stream) (string, error) {
	in := &kinesis.DescribeStreamSummaryInput{}
	in.StreamName, in.StreamARN = name.APINames()
	out, err := api.DescribeStreamSummary(tracing.Mark(ctx), in)
	if err != nil {
		return "", fmt.Errorf("describe stream %s: %w", name.Name(), err)
	}
	if out.StreamDescriptionSummary == nil {
		return "", fmt.Errorf("describe stream %s: the answer is empty", name.Name())
	}
	parsed, err := arn.Parse(aws.ToString(out.StreamDescriptionSummary.StreamARN))
	if err != nil {
		return "", fmt.Errorf("describe stream %s: %w", name.Name(), err)
	}
	created := aws.ToTime(out.StreamDescriptionSummary.StreamCreationTimestamp)
	return fmt.Sprintf("%s:%s:%d", parsed.AccountID, name.Name(), created.Unix()), nil
}

// ShardReader is one shard that RunShards hands out, for as long as its lease is held.
type ShardReader struct {
	t *tenure
}

// ID is the shard's ID.
func (s *ShardReader) ID() string { return s.t.shardID }

// Stream is the stream the shard belongs to.
func (s *ShardReader) Stream() kinetrail.Stream { return s.t.stream.name }

// Records yields the records of the shard in order. A record is done when the
// next one is asked for, or with Options.ManualCheckpoints by Consumer.Ack. The
// loop ends without an error at the end of the shard, when the shard is handed
// over and when the consumer drains; it ends with an error when ctx ends, whose
// cause it is, and when the shard cannot be read. A loop that is left early
// leaves its last record undone. Records may be ranged over once.
func (s *ShardReader) Records(ctx context.Context) iter.Seq2[kinetrail.Record, error] {
	return func(yield func(kinetrail.Record, error) bool) {
		if err := s.t.yieldAll(ctx, yield); err != nil && !errors.Is(err, errLeft) {
			yield(kinetrail.Record{}, err)
		}
	}
}

// errLeft says that the caller left its loop.
var errLeft = errors.New("the loop was left")

// iterate lets the caller's code range over the shard.
func iterate(handle ShardHandler) deliver {
	return func(t *tenure) error {
		err := guard(func() error { return handle(t.ctx, &ShardReader{t: t}) })
		if err == nil && !t.through && t.fetching.Err() == nil {
			t.g.leave(t.key)
		}
		if err == nil || t.ctx.Err() != nil {
			return err
		}
		return fmt.Errorf("%w: %w", errStopRun, &ShardError{Stream: t.stream.name.Name(), ShardID: t.shardID, Position: t.tracker.position(), Attempts: 1, Err: err})
	}
}

// yieldAll yields the records of all pages.
func (t *tenure) yieldAll(ctx context.Context, yield func(kinetrail.Record, error) bool) error {
	for {
		select {
		case pg, ok := <-t.pages:
			if !ok {
				t.through = !t.leaving.Load()
				return t.fetchFailed
			}
			if err := t.yieldPage(ctx, pg, yield); err != nil {
				return err
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// yieldPage yields the records of a page and settles it, unless its last records
// were not handed on.
func (t *tenure) yieldPage(ctx context.Context, pg *page, yield func(kinetrail.Record, error) bool) error {
	if err := t.yieldRecords(ctx, pg, yield); err != nil || t.leaving.Load() {
		t.release(pg)
		return err
	}
	t.settle(pg)
	return nil
}

func (t *tenure) yieldRecords(ctx context.Context, pg *page, yield func(kinetrail.Record, error) bool) error {
	if !t.opts.ManualCheckpoints {
		t.tracker.inHand(1)
	}
	for r := pg.next(); r != nil; r = pg.next() {
		if t.leaving.Load() {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if t.opts.ManualCheckpoints {
			if _, err := t.tracker.add(ctx, r.Position); err != nil {
				return err
			}
			if t.leaving.Load() {
				t.tracker.withdraw(1)
				return nil
			}
		}
		timer := metrics.StartTimer(t.meter.processing)
		if !yield(*r, nil) {
			return errLeft
		}
		timer.Stop(ctx)
		if !t.opts.ManualCheckpoints {
			t.handledInTurn(1, r)
		}
	}
	if !t.opts.ManualCheckpoints {
		t.tracker.inHand(0)
	}
	return nil
}
