package consumer

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/tracecarrier/otelcarrier"
)

// spans makes the spans of one shard.
type spans struct {
	tracing     *tracing.Spans
	propagator  propagation.TextMapPropagator
	link        bool
	fetches     bool
	checkpoints bool

	// idle says that the tracer makes no spans, as the last record has shown:
	// its span had no context of its own. It is forgotten with every fetch,
	// because a program may install its tracer at any time.
	idle atomic.Bool
}

func newSpans(o *Options, tracer trace.Tracer, stream kinetrail.Stream, group, shardID string) *spans {
	propagator := o.Propagator
	if !o.Extract {
		propagator = nil
	}
	return &spans{
		tracing: tracing.New(tracer, stream.Name(), tracing.Config{
			ShardID: shardID, Group: group, LinkRecords: o.LinkTraces, PartitionKeys: o.SpanPartitionKeys,
		}),
		propagator: propagator, link: o.LinkTraces, fetches: o.FetchSpans, checkpoints: o.CheckpointSpans,
	}
}

// span is a span or none.
type span struct{ trace.Span }

func (s span) end(err error) {
	if s.Span != nil {
		tracing.EndSpan(s.Span, err)
	}
}

// process starts the span around the handler of one record, and gives the
// handler the context the record carries.
func (s *spans) process(ctx context.Context, r *kinetrail.Record) (context.Context, span) {
	own := s.propagator != nil && len(r.Headers) > 0
	if s.idle.Load() && !own {
		if s.link {
			return otelcarrier.ContextWithBaggage(ctx, r.Trace), span{}
		}
		return contextWith(ctx, r.Trace), span{}
	}
	above := trace.SpanContextFromContext(ctx)
	ctx, carried := otelcarrier.Carried(ctx, r, s.propagator)
	ctx, started := s.tracing.Process(ctx, r, carried, time.Now())
	if id := started.SpanContext().SpanID(); !id.IsValid() || id == carried.SpanID() || id == above.SpanID() {
		s.idle.Store(true)
	}
	return ctx, span{started}
}

// contextWith is otelcarrier.ContextWith, put off until somebody asks: a handler
// whose program makes no spans seldom does.
func contextWith(ctx context.Context, t kinetrail.TraceContext) context.Context {
	if t.IsZero() {
		return ctx
	}
	c := &carrying{Context: ctx}
	if len(t.Parent) != len(c.parent) || t.State != "" || t.Baggage != "" {
		return otelcarrier.ContextWith(ctx, t)
	}
	copy(c.parent[:], t.Parent)
	return c
}

// carrying is a ctx with a traceparent that has not been read yet. It is a copy: who
// keeps a ctx does not keep the page of its record.
type carrying struct {
	context.Context

	parent [55]byte
	once   sync.Once
	read   context.Context
}

// Value looks in the ctx that has the remote span.
func (c *carrying) Value(key any) any {
	c.once.Do(func() {
		text := unsafe.String(&c.parent[0], len(c.parent)) // nobody writes there any more
		c.read = otelcarrier.ContextWith(c.Context, kinetrail.TraceContext{Parent: text})
	})
	return c.read.Value(key)
}

// processBatch starts the span around the handler of a batch.
func (s *spans) processBatch(ctx context.Context, batch []kinetrail.Record) (context.Context, span) {
	links, now := s.tracing.NewLinks(), time.Now()
	for i := range batch {
		if _, carried := otelcarrier.Carried(ctx, &batch[i], s.propagator); carried.IsValid() {
			links.AddRecord(&batch[i], carried, now)
		}
	}
	ctx, started := s.tracing.ProcessBatch(ctx, len(batch), links)
	return ctx, span{started}
}

// fetched records a fetch that brought Kinesis records.
func (s *spans) fetched(ctx context.Context, started time.Time, records int) {
	s.idle.Store(false)
	if s.fetches {
		s.tracing.Fetched(ctx, started, time.Now(), records)
	}
}

// pushed records an event that brought Kinesis records, from its arrival until
// there was room for it.
func (s *spans) pushed(ctx context.Context, arrived time.Time, records int) {
	s.idle.Store(false)
	if s.fetches {
		s.tracing.Pushed(ctx, arrived, time.Now(), records)
	}
}

// checkpoint starts the span of a write to the lease store.
func (s *spans) checkpoint(ctx context.Context, at kinetrail.Position) (context.Context, span) {
	if !s.checkpoints {
		return ctx, span{}
	}
	ctx, started := s.tracing.Checkpoint(ctx, at)
	return ctx, span{started}
}
