package consumer

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/metrics"
)

// streamMeter holds the handles of one stream's metrics.
type streamMeter struct {
	sink   metrics.Sink
	stream string
	on     bool // somebody listens: clocks are worth reading

	queued atomic.Int64

	queueSize     metrics.Gauge
	endToEnd      metrics.Histogram
	extracted     metrics.Counter
	malformed     metrics.Counter
	shardsActive  metrics.Gauge
	shardsClosed  metrics.Gauge
	resharding    metrics.Counter
	leasesHeld    metrics.Gauge
	leasesLost    metrics.Counter
	leasesTaken   metrics.Counter
	shardsStalled metrics.Gauge
}

func newStreamMeter(sink metrics.Sink, stream string) *streamMeter {
	return &streamMeter{
		sink: sink, stream: stream, on: metrics.Enabled(sink),
		queueSize:     sink.Gauge(metrics.ConsumerQueueSize, stream),
		endToEnd:      sink.Histogram(metrics.ConsumerEndToEndLatency, stream),
		extracted:     sink.Counter(metrics.TraceExtracted, stream),
		malformed:     sink.Counter(metrics.TraceMalformed, stream),
		shardsActive:  sink.Gauge(metrics.StreamShardsActive, stream),
		shardsClosed:  sink.Gauge(metrics.StreamShardsClosed, stream),
		resharding:    sink.Counter(metrics.StreamReshardingEvents, stream),
		leasesHeld:    sink.Gauge(metrics.ConsumerLeasesHeld, stream),
		leasesLost:    sink.Counter(metrics.ConsumerLeasesLost, stream),
		leasesTaken:   sink.Counter(metrics.ConsumerLeasesTaken, stream),
		shardsStalled: sink.Gauge(metrics.ConsumerShardsStalled, stream),
	}
}

// shardMeter holds the handles of one shard's metrics.
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

	waiting atomic.Int64 // of this shard in queued

	// What the lag is estimated from.
	fetched      atomic.Int64 // user records
	handledCount atomic.Int64
	checkpointed atomic.Int64 // of handledCount
	rate         float64      // records a second arriving at the shard; of the fetching goroutine
}

func (m *streamMeter) shard(id string) *shardMeter {
	stream := m.stream
	return &shardMeter{
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
}

// queue adds n records, or takes −n away, to those that wait for a handler.
func (m *shardMeter) queue(n int64) {
	m.waiting.Add(n)
	if queued := m.queued.Add(n); m.on {
		m.queueSize.Set(float64(queued))
	}
}

// unqueue forgets the records that this reader fetched and will not handle.
func (m *shardMeter) unqueue() { m.queue(-m.waiting.Load()) }

// page counts what a fetch brought.
func (m *shardMeter) page(pg *page) {
	if pg.kinesisRecords > 0 {
		m.received.Add(int64(pg.kinesisRecords))
		m.bytes.Add(int64(pg.bytes))
		m.fetched.Add(int64(len(pg.records)))
		m.queue(int64(len(pg.records)))
	}
	add(m.extracted, pg.extracted)
	add(m.malformed, pg.malformed)
	add(m.deaggregationFailure, pg.broken)
	add(m.outOfRange, pg.outOfRange)
	if pg.behindKnown && m.on {
		m.age.Set(float64(pg.behind / time.Millisecond))
	}
	if m.on {
		m.setLag(pg)
	}
}

// setLag estimates the records between the checkpoint and the tip: those that
// were fetched since the checkpoint, and behind the response as many as arrive
// in the time it was behind.
func (m *shardMeter) setLag(pg *page) {
	if n := len(pg.records); n > 1 {
		span := pg.records[n-1].ArrivedAt.Sub(pg.records[0].ArrivedAt).Seconds()
		if span > 0 {
			m.rate = 0.5*m.rate + 0.5*float64(n-1)/span
		}
	}
	unfinished := m.fetched.Load() - m.checkpointed.Load()
	m.lag.Set(float64(unfinished) + m.rate*pg.behind.Seconds())
}

// done counts n handled records, the last of which is r.
func (m *shardMeter) done(ctx context.Context, n int, r *kinetrail.Record) {
	m.handled.Add(int64(n))
	m.handledCount.Add(int64(n))
	m.queue(int64(-n))
	if m.on {
		m.endToEnd.Observe(ctx, time.Since(r.ArrivedAt).Seconds())
	}
}

// forget removes the series of a shard that is finished.
func (m *shardMeter) forget() { metrics.ForgetShard(m.sink, m.stream, m.shardID) }

func add(c metrics.Counter, n int) {
	if n > 0 {
		c.Add(int64(n))
	}
}
