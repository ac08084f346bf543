package producer

import (
	"context"

	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier"
)

// meter hands the producer's numbers to a metrics sink. Its methods are called
// with the producer's lock held, so that put = sent + failed + waiting whenever
// the sink is read. A sink that asks before it is read costs a record a few
// plain additions.
type meter struct {
	enabled bool
	asked   bool // the sink asks for what was counted; else it is told after every change

	recordsSent, bytesSent, throttles, retries, wrongShard metrics.Counter
	userRecordsPut, userRecordsSent, injected              metrics.Counter
	errors, userRecordsFailed, skipped                     *metrics.CounterSet
	batchSize, flushDuration, aggregationRatio             metrics.Histogram
	queueSize, bufferedBytes                               metrics.Gauge
}

func newMeter(sink metrics.Sink, stream string) meter {
	m := meter{
		enabled:           metrics.Enabled(sink),
		recordsSent:       sink.Counter(metrics.ProducerRecordsSent, stream),
		bytesSent:         sink.Counter(metrics.ProducerBytesSent, stream),
		throttles:         sink.Counter(metrics.ProducerThrottles, stream),
		retries:           sink.Counter(metrics.ProducerRetries, stream),
		wrongShard:        sink.Counter(metrics.ProducerWrongShard, stream),
		userRecordsPut:    sink.Counter(metrics.ProducerUserRecordsPut, stream),
		userRecordsSent:   sink.Counter(metrics.ProducerUserRecordsSent, stream),
		injected:          sink.Counter(metrics.TraceInjected, stream),
		errors:            metrics.NewCounterSet(sink, metrics.ProducerErrors, stream),
		userRecordsFailed: metrics.NewCounterSet(sink, metrics.ProducerUserRecordsFailed, stream),
		skipped:           metrics.NewCounterSet(sink, metrics.TraceSkipped, stream),
		batchSize:         sink.Histogram(metrics.ProducerBatchSize, stream),
		flushDuration:     sink.Histogram(metrics.ProducerFlushDuration, stream),
		aggregationRatio:  sink.Histogram(metrics.ProducerAggregationRatio, stream),
		queueSize:         sink.Gauge(metrics.ProducerQueueSize, stream),
		bufferedBytes:     sink.Gauge(metrics.ProducerBufferedBytes, stream),
	}
	m.queueSize.Set(0)
	m.bufferedBytes.Set(0)
	return m
}

// put counts a record that was accepted.
func (m *meter) put(s *schedule, outcome tracecarrier.Outcome) {
	if !m.enabled {
		return
	}
	c := &s.count
	c.put++
	if outcome.Injected() {
		c.injected++
	} else if reason := outcome.SkipReason(); reason != "" {
		c.skipped = count(c.skipped, reason)
	}
	if !m.asked {
		m.handOn(s)
	}
}

// request notes one PutRecords call that was settled.
func (m *meter) request(r *request, a answer) {
	if !m.enabled {
		return
	}
	m.batchSize.Observe(a.ctx, float64(len(r.entries)))
	m.flushDuration.Observe(a.ctx, a.took.Seconds())
}

// changed hands on what the sink does not ask for.
func (m *meter) changed(s *schedule) {
	c := &s.count
	if !c.changed {
		return
	}
	c.changed = false
	if m.enabled {
		for _, users := range c.ratios {
			m.aggregationRatio.Observe(context.Background(), float64(users))
		}
	}
	c.ratios = c.ratios[:0]
	if m.enabled && !m.asked {
		m.handOn(s)
	}
}

// handOn hands on what the schedule has counted, and what waits.
func (m *meter) handOn(s *schedule) {
	c := &s.count
	m.userRecordsPut.Add(c.put)
	m.userRecordsSent.Add(c.userRecordsSent)
	for _, e := range c.userErrors {
		m.userRecordsFailed.Add(e.code, e.count)
	}
	m.queueSize.Set(float64(s.waiting))
	m.bufferedBytes.Set(float64(s.waitingBytes))

	m.recordsSent.Add(c.recordsSent)
	m.bytesSent.Add(c.bytesSent)
	m.throttles.Add(c.throttles)
	m.retries.Add(c.retries)
	m.wrongShard.Add(c.wrongShard)
	for _, e := range c.errors {
		m.errors.Add(e.code, e.count)
	}
	m.injected.Add(c.injected)
	for _, e := range c.skipped {
		m.skipped.Add(e.code, e.count)
	}
	*c = tally{changed: c.changed, ratios: c.ratios, errors: c.errors[:0], userErrors: c.userErrors[:0], skipped: c.skipped[:0]}
}

// tally is what a schedule has counted since the meter last took it.
type tally struct {
	changed                                 bool
	put, injected                           int64
	recordsSent, bytesSent, userRecordsSent int64
	throttles, retries, wrongShard          int64
	errors, userErrors, skipped             []codeCount
	ratios                                  []int
}

type codeCount struct {
	code  string
	count int64
}

// accepted counts a Kinesis record that the service took.
func (t *tally) accepted(bytes int) {
	t.acceptedAll(1, bytes)
}

// acceptedAll counts so many of them.
func (t *tally) acceptedAll(records, bytes int) {
	t.changed = true
	t.recordsSent += int64(records)
	t.bytesSent += int64(bytes)
}

// delivered counts the user records of a Kinesis record that is where it
// belongs.
func (t *tally) delivered(users int, container bool) {
	t.changed = true
	t.userRecordsSent += int64(users)
	if container {
		t.ratios = append(t.ratios, users)
	}
}

// failed counts a Kinesis record that failed an attempt.
func (t *tally) failed(code string) {
	t.changed = true
	t.errors = count(t.errors, code)
	if throttles(code) {
		t.throttles++
	}
}

// userFailed counts a user record that was given up.
func (t *tally) userFailed(code string) {
	t.changed = true
	t.userErrors = count(t.userErrors, code)
}

func count(counts []codeCount, code string) []codeCount {
	for i := range counts {
		if counts[i].code == code {
			counts[i].count++
			return counts
		}
	}
	return append(counts, codeCount{code, 1})
}
