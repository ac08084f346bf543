package consumer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/metrics"
)

// streamMeter holds the handles of one stream's metrics.
type streamMeter struct {
	sink   *metrics.Isolated
	stream string
	on     bool // somebody listens: clocks are worth reading
	asked  bool // the sink asks for what was counted; else it is told after every change

	queueSize      metrics.Gauge
	endToEnd       metrics.Histogram
	extracted      metrics.Counter
	malformed      metrics.Counter
	unknownVersion metrics.Counter
	shardsActive   metrics.Gauge
	shardsClosed   metrics.Gauge
	resharding     metrics.Counter
	leasesHeld     metrics.Gauge
	leasesLost     metrics.Counter
	leasesTaken    metrics.Counter
	shardsStalled  metrics.Gauge

	mu     sync.Mutex
	shards map[*shardMeter]struct{}
	queued int64 // over all shards, as it was handed on last
}

func newStreamMeter(sink *metrics.Isolated, stream string) *streamMeter {
	m := &streamMeter{
		sink: sink, stream: stream, on: metrics.Enabled(sink),
		queueSize:      sink.Gauge(metrics.ConsumerQueueSize, stream),
		endToEnd:       sink.Histogram(metrics.ConsumerEndToEndLatency, stream),
		extracted:      sink.Counter(metrics.TraceExtracted, stream),
		malformed:      sink.Counter(metrics.TraceMalformed, stream),
		unknownVersion: sink.Counter(metrics.TraceUnknownVersion, stream),
		shardsActive:   sink.Gauge(metrics.StreamShardsActive, stream),
		shardsClosed:   sink.Gauge(metrics.StreamShardsClosed, stream),
		resharding:     sink.Counter(metrics.StreamReshardingEvents, stream),
		leasesHeld:     sink.Gauge(metrics.ConsumerLeasesHeld, stream),
		leasesLost:     sink.Counter(metrics.ConsumerLeasesLost, stream),
		leasesTaken:    sink.Counter(metrics.ConsumerLeasesTaken, stream),
		shardsStalled:  sink.Gauge(metrics.ConsumerShardsStalled, stream),
		shards:         make(map[*shardMeter]struct{}),
	}
	m.asked = sink.OnScrape(m.handOnAll)
	return m
}

// handOnAll is what the sink calls before it is read: all counts of one moment.
func (m *streamMeter) handOnAll() {
	m.mu.Lock()
	defer m.mu.Unlock()

	for shard := range m.shards {
		shard.handOn()
	}
	m.queueSize.Set(float64(m.queued))
}

// shardMeter holds the handles of one shard's metrics. Every record it has
// fetched has been handled, is left to others, or waits.
type shardMeter struct {
	*streamMeter
	shardID string

	received             metrics.Counter
	bytes                metrics.Counter
	errors               *metrics.CounterSet
	age                  metrics.Gauge
	lag                  metrics.Gauge
	processing           metrics.Histogram
	handled              metrics.Counter
	handlerErrors        metrics.Counter
	deadLetters          metrics.Counter
	deaggregationFailure metrics.Counter
	outOfRange           metrics.Counter

	handledCount atomic.Int64 // user records
	checkpointed atomic.Int64 // of handledCount

	// Guarded by streamMeter.mu.
	count  counted
	handed handedOn
}

// counted is what pages have brought.
type counted struct {
	received, bytes int64   // Kinesis records
	fetched, left   int64   // user records, and those of them left to whoever reads the shard next
	rate            float64 // records a second arriving at the shard
	behind          float64 // seconds that the last page is behind the tip
	paged           bool    // a page has come
}

// handedOn is what the sink knows.
type handedOn struct {
	received, bytes, handled, waiting int64
}

func (m *streamMeter) shard(id string) *shardMeter {
	stream := m.stream
	shard := &shardMeter{
		streamMeter: m, shardID: id,
		received:             m.sink.Counter(metrics.ConsumerRecordsReceived, stream, id),
		bytes:                m.sink.Counter(metrics.ConsumerBytesReceived, stream, id),
		errors:               metrics.NewCounterSet(m.sink, metrics.ConsumerErrors, stream, id),
		age:                  m.sink.Gauge(metrics.ConsumerIteratorAge, stream, id),
		lag:                  m.sink.Gauge(metrics.ConsumerLagRecords, stream, id),
		processing:           m.sink.Histogram(metrics.ConsumerProcessingTime, stream, id),
		handled:              m.sink.Counter(metrics.ConsumerUserRecordsHandled, stream, id),
		handlerErrors:        m.sink.Counter(metrics.ConsumerHandlerErrors, stream, id),
		deadLetters:          m.sink.Counter(metrics.ConsumerDeadLetters, stream, id),
		deaggregationFailure: m.sink.Counter(metrics.ConsumerDeaggregationFailures, stream, id),
		outOfRange:           m.sink.Counter(metrics.ConsumerOutOfRange, stream, id),
	}
	m.mu.Lock()
	defer m.mu.Unlock()

	m.shards[shard] = struct{}{}
	return shard
}

// handOn hands on what was counted since the last time. The caller holds
// streamMeter.mu.
func (m *shardMeter) handOn() {
	handled := m.handledCount.Load()
	now := handedOn{m.count.received, m.count.bytes, handled, m.count.fetched - m.count.left - handled}
	m.received.Add(now.received - m.handed.received)
	m.bytes.Add(now.bytes - m.handed.bytes)
	m.handled.Add(now.handled - m.handed.handled)
	m.queued += now.waiting - m.handed.waiting
	m.handed = now
	if m.count.paged {
		m.lag.Set(m.count.lag(m.checkpointed.Load()))
	}
}

// lag estimates the records between the checkpoint and the tip: those that were
// fetched since the checkpoint, and behind the last page as many as arrive in the
// time it was behind.
func (c *counted) lag(checkpointed int64) float64 {
	return float64(c.fetched-checkpointed) + c.rate*c.behind
}

// tell hands on what has changed to a sink that does not ask.
func (m *shardMeter) tell() {
	if m.asked || !m.on {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()

	m.handOn()
	m.queueSize.Set(float64(m.queued))
}

// page counts what a fetch brought.
func (m *shardMeter) page(pg *page) {
	if !m.on {
		return
	}
	m.mu.Lock()
	m.count.page(pg)
	m.mu.Unlock()
	m.tell()
	add(m.deaggregationFailure, pg.broken)
	add(m.outOfRange, pg.outOfRange)
	if pg.behindKnown {
		m.age.Set(float64(pg.behind / time.Millisecond))
	}
}

func (c *counted) page(pg *page) {
	c.paged = true
	c.received += int64(pg.kinesisRecords)
	c.bytes += int64(pg.bytes)
	c.fetched += int64(pg.records)
	c.behind = pg.behind.Seconds()
	if n := pg.records; n > 1 {
		if span := pg.span().Seconds(); span > 0 {
			c.rate = 0.5*c.rate + 0.5*float64(n-1)/span
		}
	}
}

// leave counts out the records that this reader fetched and will not handle.
func (m *shardMeter) leave() {
	m.mu.Lock()
	m.count.left = m.count.fetched - m.handledCount.Load()
	m.mu.Unlock()
	m.tell()
}

// done counts n handled records, the last of which is r.
func (m *shardMeter) done(ctx context.Context, n int, r *kinetrail.Record) {
	if !m.on {
		return
	}
	m.handledCount.Add(int64(n))
	m.tell()
	m.endToEnd.Observe(ctx, time.Since(r.ArrivedAt).Seconds())
}

// retire ends the counting for a shard, and removes its series unless somebody
// else writes to them, all at once.
func (m *shardMeter) retire(last bool) {
	metrics.Together(func() {
		m.mu.Lock()
		defer m.mu.Unlock()

		m.handOn()
		m.queueSize.Set(float64(m.queued))
		delete(m.shards, m)
		if last {
			metrics.ForgetShard(m.sink, m.stream, m.shardID)
		}
	})
}

// written notes that the first count handled records lie before the checkpoint.
func (m *shardMeter) written(count int64) {
	m.checkpointed.Store(count)
	m.tell()
}

func add(c metrics.Counter, n int) {
	if n > 0 {
		c.Add(int64(n))
	}
}
