package producer

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/internal/tracing"
	"github.com/kinetrail/kinetrail/tracecarrier"
	"github.com/kinetrail/kinetrail/tracecarrier/otelcarrier"
)

// tracer starts the producer's spans.
type tracer struct {
	spans       *tracing.Spans
	createSpans bool
	rootSpans   bool
	baggageKeys []string
}

// SetCarrier changes the carrier of all later puts, for a program that wants to
// switch propagation off or on without a restart. The error says why a carrier is
// refused: one that New would refuse with these options; Headers without an
// Aggregation and without Headers among the options, because records that are put
// plain hold none; and any but the one in force while KINETRAIL_PROPAGATION is
// set, because the variable is stronger.
func (p *Producer) SetCarrier(c tracecarrier.Carrier) error {
	var errs []error
	refuse := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf("set carrier: "+format, args...))
		}
	}
	options := p.options
	options.Carrier = c
	options.checkCarrier(refuse)
	refuse(c != "", "Carrier is empty, use %q", tracecarrier.Off)
	refuse(c != tracecarrier.Headers || options.Aggregation != Off || p.options.Carrier == tracecarrier.Headers,
		"Carrier is %q with Aggregation %v, and was %q when the producer was made: only a container holds headers", c, options.Aggregation, p.options.Carrier)
	refuse(!p.forced || c == p.Carrier(), "Carrier is %q, but %s is set to %q", c, tracecarrier.EnvironmentVariable, p.Carrier())
	if err := errors.Join(errs...); err != nil {
		return err
	}
	p.carry(c)
	return nil
}

// Carrier is the carrier in force, empty when none was chosen for plain records.
func (p *Producer) Carrier() tracecarrier.Carrier { return p.writer.Load().Carrier }

func (p *Producer) carry(c tracecarrier.Carrier) {
	p.writer.Store(&tracecarrier.Writer{Carrier: c, LongKey: p.options.LongKey, TrustExisting: p.options.TrustExisting})
}

func newTracer(stream kinetrail.Stream, o *Options) tracer {
	return tracer{
		spans:       tracing.New(tracing.Tracer(o.TracerProvider), stream.Name(), tracing.Config{PartitionKeys: o.SpanPartitionKeys}),
		createSpans: o.CreateSpans,
		rootSpans:   o.RootSpans,
		baggageKeys: o.BaggageKeys,
	}
}

// startCreate finds the context that a record carries. A context the record
// brings along is carried as it is. Otherwise it is that of a span "create
// {stream}", if create spans are on, else of the caller's own; without a span
// around the caller there is none, unless root spans are wanted.
//
// The context of the caller's span is returned when it is bare, which is the common
// case; any other is u's own.
func (t *tracer) startCreate(ctx context.Context, u *userRecord, record *kinetrail.Record) (caller tracecarrier.Parent, bare bool) {
	if !record.Trace.IsZero() {
		u.own().trace = record.Trace
		return caller, false
	}
	span := trace.SpanContextFromContext(ctx)
	if !t.rootSpans && !span.IsValid() {
		return caller, false
	}
	if !t.createSpans && len(t.baggageKeys) == 0 {
		if caller, bare = otelcarrier.ParentOf(span); bare {
			return caller, true
		}
	}
	if t.createSpans {
		ctx, u.own().span = t.spans.Create(ctx, record)
	}
	u.carry(otelcarrier.FromContext(ctx, t.baggageKeys...))
	return caller, false
}

// carry makes a valid context u's own.
func (u *userRecord) carry(c kinetrail.TraceContext) {
	own := u.own()
	own.trace = c
	own.bare = c.State == "" && c.Baggage == ""
}

// traceparentLength is the length of a span context as a text.
const traceparentLength = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")

// parent is the span context of a record whose details are spanned: the most common
// one, without tracestate and baggage. It is kept beside the record and written
// into a key or a header when a request is made: as a text it would be cold by
// then, and in many pieces.
func (u *userRecord) parent() *tracecarrier.Parent { return &u.slab.parents[u.index] }

// context is the context that u carries, or would have carried.
func (u *userRecord) context() kinetrail.TraceContext {
	if u.spanned {
		return kinetrail.TraceContext{Parent: u.parent().String()}
	}
	return u.trace
}

// endSpan ends the record's create span with what became of it.
func (u *userRecord) endSpan(r *Result) {
	if u.span == nil {
		return
	}
	if r.Err == nil {
		tracing.SetRecord(u.span, r.ShardID, r.Position.Sequence())
	}
	tracing.EndSpan(u.span, r.Err)
}

// startPutRecords starts the span of one request, linked to the contexts of its
// records. Without any there is no span, unless root spans are wanted.
func (t *tracer) startPutRecords(ctx context.Context, r *request) (context.Context, func(error)) {
	if !t.rootSpans && !r.traced {
		return ctx, func(error) {}
	}
	ctx, span := t.spans.PutRecords(ctx, len(r.entries), nil)
	if span.IsRecording() {
		t.linksOf(r).AddTo(span)
	}
	return ctx, func(err error) { tracing.EndSpan(span, err) }
}

func (t *tracer) linksOf(r *request) *tracing.Links {
	links := t.spans.NewLinks()
	for u := r.express.first; u != nil; u = u.next {
		if u.spanned {
			links.Add(otelcarrier.SpanContext(u.context()))
		}
	}
	for i := range r.records {
		for u := r.records[i].users; u != nil; u = u.next {
			if u.span != nil {
				links.Add(u.span.SpanContext())
			} else if u.spanned {
				links.Add(otelcarrier.SpanContext(u.context()))
			} else if u.trace.Parent != "" {
				links.Add(otelcarrier.SpanContext(u.trace))
			}
		}
	}
	return links
}
