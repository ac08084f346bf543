package oracle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/consumer"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier/otelcarrier"
)

const streamName = "orders"

// errHandler is what handlers fail with.
var errHandler = errors.New("oracle: the handler fails")

// worker is one member of the group, with handlers that tell the journal.
type worker struct {
	number  int
	seed    uint64
	writers []writer
	options groupOptions
	journal journal
	network *network
	group   *consumer.Consumer

	onTheWay sync.WaitGroup

	mu       sync.Mutex
	attempts map[recordID]int
	open     []kinetrail.Record // not acknowledged
}

// newWorker makes a worker that reaches the service with api.
func newWorker(number int, p *program, j journal, api consumer.API, store lease.Store, net *network) (*worker, error) {
	w := &worker{
		number: number, seed: p.Seed, writers: p.Writers, options: p.Group, journal: j, network: net,
		attempts: make(map[recordID]int),
	}
	store = &watched{
		store: store, journal: j, network: net, worker: number, interval: p.Group.LeaseDuration / 6, onTheWay: &w.onTheWay,
	}
	group, err := consumer.New(api, streamName, store, w.set)
	w.group = group
	return w, err
}

// set sets the options of the consumer.
func (w *worker) set(o *consumer.Options) {
	g := &w.options
	o.Worker = fmt.Sprintf("worker-%d", w.number)
	o.Logger, o.Metrics = slog.New(slog.DiscardHandler), metrics.Noop
	o.PollInterval, o.MaxPollInterval, o.MaxRecords = g.PollInterval, g.MaxPollInterval, g.MaxRecords
	o.CheckpointInterval, o.LeaseDuration, o.HandoverTimeout = g.CheckpointInterval, g.LeaseDuration, g.HandoverTimeout
	o.HandlerTimeout, o.Wire = g.HandlerTimeout, g.Wire
	o.ShardSyncInterval = 20 * g.LeaseDuration
	o.RequestTimeout = 2 * g.LeaseDuration
	o.Failure = consumer.FailurePolicy{Backoff: g.LeaseDuration / 100, MaxBackoff: g.LeaseDuration / 10}
	if g.RangeKCL {
		o.RangeFilter = consumer.RangeKCL
	}
	if g.DeadLetters {
		o.Failure.MaxAttempts, o.Failure.Then, o.Failure.DeadLetter = maxAttempts, consumer.DeadLetter, w.bury
	}
	switch g.Mode {
	case perKey:
		o.PerKey = g.PerKey
	case batch, acked:
		o.MaxBatch, o.BatchWait = g.MaxBatch, g.BatchWait
	}
	o.ManualCheckpoints = g.manual()
	if w.number%10 < g.FanOut {
		o.Fetch = consumer.FanOut
	}
}

// maxAttempts is when a dead letter takes a record. Those that fail for a while
// need one less.
const maxAttempts = 4

// run runs the worker until it is stopped or drained. Afterwards nothing of it
// is left.
func (w *worker) run(ctx context.Context) error {
	w.journal.add(event{Worker: w.number, Kind: started, Text: w.group.Worker()})
	acking, stopAcking := context.WithCancel(ctx)
	var acker sync.WaitGroup
	if w.options.manual() {
		acker.Go(func() { w.ack(acking) })
	}
	err := w.take(ctx)
	stopAcking()
	acker.Wait()
	e := event{Worker: w.number, Kind: ended}
	if err != nil {
		e.Text = err.Error()
	}
	w.journal.add(e)
	w.onTheWay.Wait()
	return err
}

// drain drains the worker. An end to it is an error only when none was set.
func (w *worker) drain(within time.Duration) {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if within > 0 {
		ctx, cancel = context.WithTimeout(ctx, within)
	}
	defer cancel()
	if err := w.group.Drain(ctx); err != nil && within == 0 {
		w.journal.add(event{Worker: w.number, Kind: ended, Text: "drain: " + err.Error()})
	}
}

func (w *worker) take(ctx context.Context) error {
	switch w.options.Mode {
	case batch, acked:
		return w.group.RunBatch(ctx, w.handle)
	case shards:
		return w.group.RunShards(ctx, w.iterate)
	}
	return w.group.Run(ctx, func(ctx context.Context, r kinetrail.Record) error {
		w.checkSpan(ctx, &r)
		return w.handle(ctx, []kinetrail.Record{r})
	})
}

// tell puts an event about records into the journal.
func (w *worker) tell(kind kind, records []kinetrail.Record, over bool) {
	e := event{Worker: w.number, Kind: kind, Over: over}
	for i := range records {
		r := &records[i]
		e.Shard = r.ShardID
		id, ok := idOf(r.Data)
		if !ok {
			w.complain(r, "nobody put it")
		}
		e.Records = append(e.Records, seen{ID: id, Pos: r.Position.String()})
	}
	w.journal.add(e)
}

func (w *worker) complain(r *kinetrail.Record, what string) {
	w.journal.add(event{Worker: w.number, Kind: wrong, Shard: r.ShardID, Text: fmt.Sprintf("record at %s: %s", r.Position, what)})
}

// checkSpan looks at the trace in a handler's ctx.
func (w *worker) checkSpan(ctx context.Context, r *kinetrail.Record) {
	got, want := trace.SpanContextFromContext(ctx), otelcarrier.SpanContext(r.Trace)
	if got.TraceID() != want.TraceID() || got.SpanID() != want.SpanID() || got.TraceState().String() != want.TraceState().String() {
		w.complain(r, fmt.Sprintf("the ctx of the handler has the span %v, want %v", got, want))
	}
}

// handle handles one record, or a batch.
func (w *worker) handle(ctx context.Context, records []kinetrail.Record) error {
	w.tell(begun, records, ctx.Err() != nil)
	for i := range records {
		if err := w.look(ctx, &records[i]); err != nil {
			kind := failed
			if errors.Is(err, errGaveUp) {
				kind = left
			}
			w.tell(kind, records, false)
			if records[0].Position.Sub()%2 == 1 {
				panic(err)
			}
			return err
		}
	}
	if w.options.manual() {
		w.later(records)
		return nil
	}
	w.tell(done, records, false)
	return nil
}

// iterate reads a shard in a loop of its own.
func (w *worker) iterate(ctx context.Context, s *consumer.ShardReader) error {
	for r, err := range s.Records(ctx) {
		if err != nil {
			return err
		}
		w.tell(begun, []kinetrail.Record{r}, ctx.Err() != nil)
		if err := w.look(ctx, &r); err != nil {
			w.tell(left, []kinetrail.Record{r}, false)
			return err
		}
		w.tell(done, []kinetrail.Record{r}, false)
	}
	return nil
}

// errGaveUp says that the ctx of a handler has ended.
var errGaveUp = errors.New("oracle: the handler gives up")

// look compares a record with what was put, and behaves as the program wants.
func (w *worker) look(ctx context.Context, r *kinetrail.Record) error {
	id, ok := idOf(r.Data)
	if !ok {
		return nil // tell has complained
	}
	if wrong := differences(w.seed, w.writers, id, r); wrong != "" {
		w.complain(r, wrong)
	}
	w.mu.Lock()
	w.attempts[id]++
	attempt := w.attempts[id]
	w.mu.Unlock()
	h := &w.options.Handlers
	chance := func(what string) int { return int(id.hash(w.seed, what) % 1000) }
	switch {
	case chance("poison") < h.Poison:
		return fmt.Errorf("%w: poison", errHandler)
	case chance("fail") < h.Fail && attempt < 1+chance("times")%maxAttempts:
		return fmt.Errorf("%w: attempt %d", errHandler, attempt)
	case chance("hang") < h.Hang && attempt == 1:
		<-ctx.Done()
		return fmt.Errorf("%w: %w", errGaveUp, context.Cause(ctx))
	case chance("deaf") < h.Deaf && attempt == 1:
		<-time.After(time.Duration(chance("deafness")) * h.DeafFor / 1000)
	case chance("slow") < h.Slow && attempt == 1:
		timer := time.NewTimer(time.Duration(chance("slowness")) * h.SlowFor / 1000)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", errGaveUp, context.Cause(ctx))
		}
	}
	return nil
}

// bury takes a dead letter.
func (w *worker) bury(_ context.Context, r kinetrail.Record, _ error) error {
	w.tell(buried, []kinetrail.Record{r}, false)
	return nil
}

// later leaves records to ack.
func (w *worker) later(records []kinetrail.Record) {
	w.tell(taken, records, false)
	w.mu.Lock()
	defer w.mu.Unlock()

	w.open = append(w.open, records...)
}

// ack acknowledges records out of order, and writes positions now and then.
func (w *worker) ack(ctx context.Context) {
	random := rand.New(rand.NewPCG(w.seed, uint64(w.number)))
	tick := time.NewTicker(max(w.options.LeaseDuration/50, time.Millisecond))
	defer tick.Stop()
	for ticks := 1; ; ticks++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, r := range w.someOpen(random) {
			w.tell(done, []kinetrail.Record{r}, false)
			w.group.Ack(r)
		}
		if ticks%8 == 0 {
			_ = w.group.Checkpoint(ctx) // what fails is written later
		}
	}
}

// someOpen takes half of the records that are not acknowledged, in any order.
func (w *worker) someOpen(random *rand.Rand) []kinetrail.Record {
	w.mu.Lock()
	defer w.mu.Unlock()

	random.Shuffle(len(w.open), func(i, j int) { w.open[i], w.open[j] = w.open[j], w.open[i] })
	n := len(w.open) / 2
	some := w.open[n:]
	w.open = w.open[:n:n]
	return some
}
