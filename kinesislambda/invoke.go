package kinesislambda

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/metrics"
	"github.com/kinetrail/kinetrail/tracecarrier/otelcarrier"
)

// answerTime is what flushing leaves of an invocation for sending the answer.
const answerTime = 50 * time.Millisecond

// unnamedStream labels counters of events that do not say where they come from.
const unnamedStream = "<unknown>"

// invoke runs one invocation. call gets the user records and the ctx of their
// span; its error is the span's. When call panics, the span is ended and flushed
// before the panic goes on.
func (w *wrapper) invoke(ctx context.Context, received []events.KinesisEventRecord, call func(context.Context, *batch) error) {
	sink := metrics.Isolate(w.Metrics, w.Logger)
	defer w.flush(ctx, sink)

	b := w.deaggregate(received)
	if len(b.records) > 0 {
		stream := cmp.Or(b.stream.Name(), unnamedStream)
		sink.Counter(metrics.TraceExtracted, stream).Add(b.extracted)
		sink.Counter(metrics.TraceMalformed, stream).Add(b.malformed)
		sink.Counter(metrics.TraceUnknownVersion, stream).Add(b.unknownVersion)
	}
	ctx, cancel := w.handlerContext(ctx)
	defer cancel()
	ctx, span := w.startSpan(ctx, b)
	var err error = &PanicError{} // until call has returned
	defer func() { tracing.EndSpan(span, err) }()
	err = call(context.WithValue(ctx, invocationKey{}, &invocation{w, b}), b)
}

// startSpan starts the span of the batch. There is none without a record.
func (w *wrapper) startSpan(ctx context.Context, b *batch) (context.Context, trace.Span) {
	if len(b.records) == 0 {
		return ctx, trace.SpanFromContext(context.Background())
	}
	spans := tracing.New(w.tracer, b.stream.Name(), tracing.Config{ShardID: b.shardID, LinkRecords: w.LinkTraces, PartitionKeys: w.SpanPartitionKeys})
	now := time.Now()
	if len(b.records) == 1 {
		ctx, carried := otelcarrier.Carried(ctx, &b.records[0], w.Propagator)
		return spans.Process(ctx, &b.records[0], carried, now)
	}
	links := spans.NewLinks()
	for i := range b.records {
		_, carried := otelcarrier.Carried(ctx, &b.records[i], w.Propagator)
		links.AddRecord(&b.records[i], carried, now)
	}
	return spans.ProcessBatch(ctx, len(b.records), links)
}

// invocation is what Extract and RecordAt find in the handler's ctx.
type invocation struct {
	w *wrapper
	b *batch
}

type invocationKey struct{}

// RecordAt returns user record i of the batch that ctx, a handler's, belongs
// to: what an event has no room for, such as its headers, its place in a
// container and its trace context. ok is false when there is no such record.
func RecordAt(ctx context.Context, i int) (r kinetrail.Record, ok bool) {
	found, ok := ctx.Value(invocationKey{}).(*invocation)
	if !ok || i < 0 || i >= len(found.b.records) {
		return kinetrail.Record{}, false
	}
	return found.b.records[i], true
}

// Extract returns ctx, a handler's, for what is done with user record i of its
// batch: spans that are started from it continue the record's trace. It is ctx
// itself when the batch is that record alone, whose trace ctx continues already,
// when the record carries no context and when there is no such record.
func Extract(ctx context.Context, i int) context.Context {
	found, ok := ctx.Value(invocationKey{}).(*invocation)
	if !ok || i < 0 || i >= len(found.b.records) {
		return ctx
	}
	return found.w.recordContext(ctx, found.b, i)
}

func (w *wrapper) recordContext(ctx context.Context, b *batch, i int) context.Context {
	if len(b.records) == 1 {
		return ctx
	}
	ctx, carried := otelcarrier.Carried(ctx, &b.records[i], w.Propagator)
	if w.LinkTraces || !carried.IsValid() {
		return ctx
	}
	return trace.ContextWithRemoteSpanContext(ctx, carried)
}

// handlerContext ends early enough to flush.
func (w *wrapper) handlerContext(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || w.Flush == nil || w.FlushTimeout <= 0 {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline.Add(-min(w.FlushTimeout, time.Until(deadline)/4)))
}

// flush sends what was traced and hands over what was counted. ctx is the
// invocation's.
func (w *wrapper) flush(ctx context.Context, sink *metrics.Isolated) {
	ctx, cancel := w.flushContext(ctx)
	defer cancel()
	if w.Flush != nil {
		if err := guard(func() error { return w.Flush(ctx) }); err != nil {
			w.Logger.WarnContext(ctx, "kinetrail: flushing failed", slog.Any("error", err))
		}
	}
	if err := sink.Close(ctx); err != nil {
		w.Logger.WarnContext(ctx, "kinetrail: counters are not handed over", slog.Any("error", err))
	}
}

// flushContext ends in time to answer, but not with the handler's ctx.
func (w *wrapper) flushContext(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	deadline = deadline.Add(-answerTime)
	if limit := time.Now().Add(w.FlushTimeout); w.FlushTimeout > 0 && (!ok || limit.Before(deadline)) {
		deadline, ok = limit, true
	}
	ctx = context.WithoutCancel(ctx)
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadline(ctx, deadline)
}
