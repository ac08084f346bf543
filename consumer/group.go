package consumer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/lease"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/shardmap"
)

// group is one worker's part in a group while Run runs. Its goroutines:
//
//	scan         lists the leases, takes and requests its share    assign.go
//	renew        keeps the held leases                             renew.go
//	watch        cancels what could not be renewed in time         renew.go
//	checkpoints  writes the positions                              renew.go
//	sync         lists the shards                                  shardsync.go
//	decline      gives back leases that come while Run ends        here
//	tenures      one for each held lease, which fetches in another tenure.go
//
// The tenures end first; renewing goes on until the last has.
type group struct {
	api      API
	store    lease.Store
	opts     *Options
	worker   string
	streams  []*stream
	only     map[string]bool // the shards this worker may read, all when empty
	deliver  deliver
	inFlight int
	buffered *budget
	polling  *polling
	memories memories
	sink     *metrics.Isolated
	tracer   trace.Tracer
	name     string // of the group, as far as the store says
	names    []kinetrail.Stream

	ctx      context.Context // of the tenures and of the handlers
	cancel   context.CancelCauseFunc
	draining <-chan struct{}
	waked    chan struct{}
	outdated chan struct{} // the shard list is too old
	ready    func()
	scanned  func() // the first scan is over

	observer *lease.Observer // of the scan goroutine, as the next two
	asked    map[string]time.Time
	whole    time.Time // when a scan last went without an error

	tenancy sync.WaitGroup

	mu      sync.Mutex
	tenures map[string]*tenure   // by key
	left    map[string]time.Time // when a ShardHandler left a shard, by key
	seen    []lease.Lease        // by the last scan
	opening int                  // tenures of the first scan without an iterator, and one for the scan
}

// closingTime bounds what is written to the store when a tenure ends.
const closingTime = 5 * time.Second

// atOnce is how many calls to the store run at the same time.
const atOnce = 32

func newGroup(ctx context.Context, c *Consumer, deliver deliver, inFlight int) *group {
	g := &group{
		api: c.api, store: c.store, opts: &c.opts, worker: c.worker, names: c.streams,
		deliver: deliver, inFlight: inFlight,
		buffered: &budget{max: c.opts.MaxBufferedBytes}, polling: newPolling(),
		draining: c.draining, waked: make(chan struct{}, 1), outdated: make(chan struct{}, 1), ready: sync.OnceFunc(func() { close(c.ready) }),
		observer: lease.NewObserver(c.opts.LeaseDuration), asked: make(map[string]time.Time),
		tenures: make(map[string]*tenure), left: make(map[string]time.Time), only: make(map[string]bool), opening: 1,
	}
	g.scanned = sync.OnceFunc(g.opened)
	for _, id := range c.opts.Shards {
		g.only[id] = true
	}
	g.ctx, g.cancel = context.WithCancelCause(ctx)
	return g
}

// stop ends Run with err, or with ctx's own end if that came first.
func (g *group) stop(err error) { g.cancel(err) }

// run runs the worker until it is stopped or drained.
func (g *group) run() error {
	g.sink = metrics.Isolate(g.opts.Metrics, g.opts.Logger)
	defer g.closeSink()
	defer g.polling.close()
	defer g.cancel(nil)
	if err := g.begin(); err != nil {
		return err
	}

	// Renewing outlives the tenures, which may need their leases to finish.
	keeping, stopKeeping := context.WithCancel(context.WithoutCancel(g.ctx))
	var loops sync.WaitGroup
	loops.Go(func() { g.renewLoop(keeping) })
	loops.Go(func() { g.watchLoop(keeping) })
	loops.Go(func() { g.checkpointLoop(keeping) })

	var taking sync.WaitGroup
	assigning, stopAssigning := context.WithCancel(g.ctx)
	taking.Go(func() { g.scanLoop(assigning) })
	taking.Go(func() { g.syncLoop(assigning) })
	select {
	case <-g.ctx.Done():
	case <-g.draining:
	}
	stopAssigning()
	taking.Wait()
	for _, t := range g.all() {
		t.stopFetch()
	}
	var declining sync.WaitGroup
	declining.Go(func() { g.decline(keeping) })
	g.tenancy.Wait()
	declining.Wait()
	stopKeeping()
	loops.Wait()
	return g.result()
}

// decline gives back the leases in this worker's name whose shards it will not
// begin to read: those that were handed over when Run was about to end. A worker
// that drains also waits for those it has asked for, for a short time: nobody
// else could take them before they expire.
func (g *group) decline(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, closingTime)
	defer cancel()
	for {
		pending, err := g.declineAll(ctx)
		if err != nil && ctx.Err() == nil {
			g.opts.Logger.WarnContext(ctx, "kinetrail: leases that are not needed any more could not be given back", slog.Any("error", err))
		}
		if err == nil && !pending || g.ctx.Err() != nil || sleep(ctx, min(g.scanInterval(), time.Second)) != nil {
			return
		}
	}
}

// declineAll gives back what is there, and reports whether more is to come.
func (g *group) declineAll(ctx context.Context) (pending bool, err error) {
	rows, err := g.store.List(ctx)
	if err != nil {
		return false, fmt.Errorf("list the leases: %w", err)
	}
	var unread []lease.Lease
	for _, l := range rows {
		switch {
		case l.Owner == g.worker && g.tenure(l.Key) == nil:
			unread = append(unread, l)
		case l.Successor == g.worker:
			pending = true
		}
	}
	return pending, each(unread, func(l lease.Lease) error {
		_, err := g.store.Release(ctx, l)
		return unlessConflict(err)
	})
}

// stopping reports whether Run is about to end.
func (g *group) stopping() bool { return g.ctx.Err() != nil || closed(g.draining) }

// result is what Run returns.
func (g *group) result() error {
	err := context.Cause(g.ctx)
	var failed *ShardError
	switch {
	case err == nil: // drained
		return nil
	case errors.Is(err, ErrDraining):
		return ErrDraining
	case errors.Is(err, errStopRun) && errors.As(err, &failed):
		return failed
	}
	return err
}

func (g *group) closeSink() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(g.ctx), closingTime)
	defer cancel()
	if err := g.sink.Close(ctx); err != nil {
		g.opts.Logger.WarnContext(ctx, "kinetrail: metrics were lost", slog.Any("error", err))
	}
}

// begin finds the streams and brings the leases up to their shards. What fails
// here for good, such as a stream that does not exist, ends Run.
func (g *group) begin() error {
	store, bound := g.store, (*lease.Metered)(nil)
	if metered, ok := store.(*lease.Metered); ok {
		store = metered.Store
		if len(g.names) == 1 {
			bound = metered
		}
	}
	g.store = store
	g.tracer = tracing.Tracer(g.opts.TracerProvider)
	if named, ok := store.(lease.Named); ok {
		g.name = named.Group()
	}
	for _, name := range g.names {
		s := &stream{name: name, meter: newStreamMeter(g.sink, name.Name()), store: bound}
		if s.store == nil {
			s.store = lease.WithMetrics(store, g.sink)
		}
		if err := s.store.Bind(name.Name()); err != nil {
			return fmt.Errorf("consumer: %w", err)
		}
		s.fanOut = newFanOut(g.api, name, g.opts, g.name, g.draining)
		if err := s.fanOut.join(g.ctx); err != nil {
			return g.orCause(fmt.Errorf("consumer: %w", err))
		}
		if len(g.names) > 1 {
			id, err := identify(g.ctx, g.api, name)
			if err != nil {
				return g.orCause(err)
			}
			s.id = id
		}
		s.meter.leasesHeld.Set(0)
		s.meter.shardsStalled.Set(0)
		g.addStream(s)
	}
	return g.firstSync()
}

// addStream makes a stream known to Status, which may be asked meanwhile.
func (g *group) addStream(s *stream) {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.streams = append(g.streams, s)
}

// firstSync takes the first look at the shards and the leases. A stream that
// cannot be listed ends Run, since the SDK has repeated the call; what fails in
// the store is repeated, unless the store says that this does not help.
func (g *group) firstSync() error {
	for _, s := range g.streams {
		for failures := 1; ; failures++ {
			err := g.sync(g.ctx, s)
			if err == nil {
				break
			}
			if g.ctx.Err() != nil || s.listed() == nil || errors.Is(err, errOtherKeys) {
				return g.orCause(err)
			}
			if errors.Is(err, lease.ErrUnusable) {
				return g.orCause(unusable(err))
			}
			g.opts.Logger.WarnContext(g.ctx, "kinetrail: the group could not be joined yet", slog.String("stream", s.name.Name()), slog.Any("error", err))
			select {
			case <-g.draining:
				return nil
			case <-time.After(backoff(failures, firstPause, lastPause)):
			case <-g.ctx.Done():
				return g.orCause(err)
			}
		}
	}
	return nil
}

// orCause prefers why Run was stopped to the error this has led to.
func (g *group) orCause(err error) error {
	if g.ctx.Err() != nil {
		return g.result()
	}
	return err
}

// list returns the leases of the group by stream and shard.
func (g *group) list(ctx context.Context) (map[string]table, error) {
	rows, err := g.store.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the leases: %w", err)
	}
	return tables(rows), nil
}

// tables are the rows by stream and shard.
func tables(rows []lease.Lease) map[string]table {
	byStream := make(map[string]table)
	for i := range rows {
		l := &rows[i]
		if byStream[l.Stream] == nil {
			byStream[l.Stream] = make(table, len(rows)-i)
		}
		byStream[l.Stream][l.ShardID] = l
	}
	return byStream
}

// wake makes the next scan come at once.
func (g *group) wake() { signal(g.waked) }

// askForList makes the next listing come soon when the last one is older than
// the shard of l.
func (g *group) askForList(l *lease.Lease, shards *shardmap.Map) {
	if _, current := shards.Shard(l.ShardID); !current {
		signal(g.outdated)
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// scanLoop looks for leases to take until ctx ends.
func (g *group) scanLoop(ctx context.Context) {
	for ctx.Err() == nil {
		if err := g.scan(ctx); err == nil {
			g.whole = time.Now()
		} else if ctx.Err() == nil {
			g.opts.Logger.WarnContext(ctx, "kinetrail: the leases could not be looked through", slog.Any("error", err))
			g.giveUp(err)
		}
		timer := time.NewTimer(g.untilScan())
		select {
		case <-timer.C:
		case <-g.waked:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// untilScan is the scan's interval, or less when a lease will have expired before:
// then the shards of a worker that died wait no longer than they must.
func (g *group) untilScan() time.Duration {
	interval, now := g.scanInterval(), time.Now()
	if next := g.observer.NextExpiry(g.worker, now); !next.IsZero() {
		interval = min(interval, next.Sub(now)+time.Millisecond)
	}
	return interval
}

// giveUp ends Run when no repetition heals err: at once when nothing has worked
// yet, else when no lease is held any more. What ends within a lease duration,
// such as a right that was taken away by mistake, costs nothing.
func (g *group) giveUp(err error) {
	if errors.Is(err, lease.ErrUnusable) && len(g.all()) == 0 && time.Since(g.whole) > g.opts.LeaseDuration {
		g.stop(unusable(err))
	}
}

// unusable is what Run returns of an error that no repetition heals: the first
// of those that were joined, since every lease has the same.
func unusable(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, one := range joined.Unwrap() {
			if errors.Is(one, lease.ErrUnusable) {
				return unusable(one)
			}
		}
	}
	return fmt.Errorf("consumer: %w", err)
}

const (
	// rowScan is how long the leases are left alone for each of them, and
	// longestScan the most that this adds up to: looking through a thousand five
	// times a second costs as much as a tenth of their polling.
	rowScan     = 500 * time.Microsecond
	longestScan = 500 * time.Millisecond
)

// scanInterval is a quarter of the lease duration, or less where the store says
// that a listing costs little.
func (g *group) scanInterval() time.Duration {
	if g.opts.ScanInterval > 0 {
		return g.opts.ScanInterval
	}
	interval := g.opts.LeaseDuration / 4
	if pacer, ok := g.store.(lease.Pacer); ok {
		listed := max(pacer.ListInterval(), min(time.Duration(g.rows())*rowScan, longestScan))
		interval = min(interval, listed)
	}
	return interval
}

// scan lists the leases, hands over what others asked for, and takes and
// requests what falls to this worker.
func (g *group) scan(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, g.opts.LeaseDuration)
	defer cancel()
	// What is listed is at most as old as the call, so a lease that looks the
	// same in two listings stood still at least from the end of the first to the
	// beginning of the second.
	before := time.Now()
	rows, err := g.store.List(ctx)
	if err != nil {
		return fmt.Errorf("list the leases: %w", err)
	}
	if g.stopping() {
		return nil // what tenures have given back since then is in rows
	}
	g.observer.Observe(rows, time.Now())
	g.note(rows)
	for i := range rows {
		l := &rows[i]
		if l.Successor == "" || l.Owner != g.worker {
			continue
		}
		if t := g.tenure(l.Key); t != nil {
			t.handOver()
		}
	}
	p := assign(g.worker, g.candidates(rows, before), g.opts.MaxLeases)
	p.take = append(p.take, g.mine(rows, before)...)
	p.take = onceEach(p.take)
	err = errors.Join(g.takeAll(ctx, p.take), g.requestAll(ctx, p.request))
	g.scanned()
	return err
}

// note keeps what Status tells of leases this worker does not hold.
func (g *group) note(rows []lease.Lease) {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.seen = rows
}

// rows is how many leases the last scan saw.
func (g *group) rows() int {
	g.mu.Lock()
	defer g.mu.Unlock()

	return len(g.seen)
}

// candidates are the leases this worker may read, as far as they can be read.
func (g *group) candidates(rows []lease.Lease, now time.Time) []candidate {
	byStream := tables(rows)
	leases := make([]candidate, 0, len(rows))
	for _, s := range g.streams {
		shards := s.listed()
		for _, l := range byStream[s.id] {
			if l.Finished() || len(g.only) > 0 && !g.only[l.ShardID] || g.wasLeft(l.Key, now) {
				continue
			}
			if !ready(l, byStream[s.id], shards, g.only) {
				g.askForList(l, shards)
				continue
			}
			mine := l.Owner == g.worker
			leases = append(leases, candidate{
				Lease:     l,
				available: !mine && g.observer.Available(*l, now),
				neglected: !mine && g.observer.Still(*l, now) > 3*g.opts.LeaseDuration,
			})
		}
	}
	return leases
}

// wasLeft reports whether a ShardHandler left the shard a short while ago.
func (g *group) wasLeft(key string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()

	at, left := g.left[key]
	return left && now.Sub(at) < g.opts.LeaseDuration
}

// leave notes that a ShardHandler left the shard.
func (g *group) leave(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.left[key] = time.Now()
}

// mine are leases in this worker's name that it does not hold: handed over to
// it, taken while the reply was lost, or lost when they could not be renewed in
// time and not taken by anybody since. And those that an owner does not hand
// over although it was asked long ago.
func (g *group) mine(rows []lease.Lease, now time.Time) []lease.Lease {
	var mine []lease.Lease
	pending := make(map[string]time.Time)
	for i := range rows {
		switch l := &rows[i]; {
		case l.Finished():
		case l.Owner == g.worker && g.tenure(l.Key) == nil:
			mine = append(mine, *l)
		case l.Successor == g.worker && l.Owner != g.worker:
			since, asked := g.asked[l.Key]
			if !asked {
				since = now
			}
			pending[l.Key] = since
			if now.Sub(since) > g.opts.HandoverTimeout+g.opts.LeaseDuration {
				mine = append(mine, *l)
			}
		}
	}
	g.asked = pending
	return mine
}

// onceEach leaves out leases that are there already: one that an owner does not
// hand over has often expired, too. Taken twice at the same time, the second take
// would look like the first one with its reply lost, and the shard be read twice.
func onceEach(leases []lease.Lease) []lease.Lease {
	seen := make(map[string]bool, len(leases))
	return slices.DeleteFunc(leases, func(l lease.Lease) bool {
		there := seen[l.Key]
		seen[l.Key] = true
		return there
	})
}

// takeAll takes leases and begins to read their shards.
func (g *group) takeAll(ctx context.Context, leases []lease.Lease) error {
	return each(leases, func(l lease.Lease) error {
		s := g.stream(l.Stream)
		if s == nil || g.tenure(l.Key) != nil {
			return nil
		}
		held, err := lease.Take(ctx, s.store, l, g.worker, g.opts.LeaseDuration)
		if err != nil {
			return unlessConflict(err)
		}
		s.meter.leasesTaken.Add(1)
		g.start(s, held)
		return nil
	})
}

// unlessConflict leaves out that another worker was quicker.
func unlessConflict(err error) error {
	if errors.Is(err, lease.ErrConflict) {
		return nil
	}
	return err
}

// requestAll asks the owners of leases to hand them over.
func (g *group) requestAll(ctx context.Context, leases []lease.Lease) error {
	return each(leases, func(l lease.Lease) error {
		_, err := g.store.Request(ctx, l, g.worker)
		return unlessConflict(err)
	})
}

// each calls f for all items, several at the same time, waits, and joins the
// errors.
func each[T any](items []T, f func(T) error) error {
	var calls sync.WaitGroup
	var begun atomic.Int64
	errs := make([]error, len(items))
	for range min(atOnce, len(items)) {
		calls.Go(func() {
			for i := begun.Add(1) - 1; i < int64(len(items)); i = begun.Add(1) - 1 {
				errs[i] = f(items[i])
			}
		})
	}
	calls.Wait()
	return errors.Join(errs...)
}

// start begins the tenure of a lease that was just taken.
func (g *group) start(s *stream, held *lease.Held) {
	t := newTenure(g, s, held)
	g.hold(t)
	g.tenancy.Go(func() {
		t.run()
		t.opened()
		g.drop(t)
		g.wake()
	})
}

// hold counts a tenure in.
func (g *group) hold(t *tenure) {
	g.mu.Lock()
	defer g.mu.Unlock()

	g.tenures[t.key] = t
	g.opening++
	g.tellHeld(t.stream)
}

// drop counts it out.
func (g *group) drop(t *tenure) {
	g.mu.Lock()
	defer g.mu.Unlock()

	delete(g.tenures, t.key)
	g.tellHeld(t.stream)
}

// tellHeld is called with g.mu held, so that the latest count is told last.
func (g *group) tellHeld(s *stream) {
	n := 0
	for _, t := range g.tenures {
		if t.stream == s {
			n++
		}
	}
	s.meter.leasesHeld.Set(float64(n))
}

// opened counts the tenures that have found their place in the shard; the last
// one of the first scan makes the consumer ready.
func (g *group) opened() {
	g.mu.Lock()
	g.opening--
	ready := g.opening <= 0
	g.mu.Unlock()
	if ready {
		g.ready()
	}
}

func (g *group) tenure(key string) *tenure {
	g.mu.Lock()
	defer g.mu.Unlock()

	return g.tenures[key]
}

// all returns the tenures at this moment.
func (g *group) all() []*tenure {
	g.mu.Lock()
	defer g.mu.Unlock()

	all := make([]*tenure, 0, len(g.tenures))
	for _, t := range g.tenures {
		all = append(all, t)
	}
	return all
}

// stream finds a stream by its name in the leases.
func (g *group) stream(id string) *stream {
	for _, s := range g.streams {
		if s.id == id {
			return s
		}
	}
	return nil
}

// reading finds the tenure a record came from.
func (g *group) reading(name kinetrail.Stream, shardID string) *tenure {
	g.mu.Lock()
	defer g.mu.Unlock()

	for _, s := range g.streams {
		if s.name == name {
			return g.tenures[s.key(shardID)]
		}
	}
	return nil
}
