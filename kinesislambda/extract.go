package kinesislambda

import (
	"context"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier"
	"github.com/kinetrail/kinetrail/tracecarrier/otelcarrier"
)

// extract gives a record that came without a container the key and the context
// its producer gave it.
func (w *wrapper) extract(b *batch, r *kinetrail.Record) { w.finish(b, r, tracecarrier.Restore(r)) }

// extractUser gives a user record out of a container its context. Its own key
// is never decoded.
func (w *wrapper) extractUser(b *batch, r *kinetrail.Record) {
	w.finish(b, r, tracecarrier.RestoreUserRecord(r))
}

// finish looks into the payload of a record that carries no context of ours, if
// asked, and counts what was found.
func (w *wrapper) finish(b *batch, r *kinetrail.Record, found tracecarrier.Finding) {
	if w.JSONPayloads && !found.Extracted {
		r.Trace, found.Extracted = tracecarrier.FromJSON(r.Data)
	}
	if found.Extracted {
		b.extracted++
	}
	if found.Malformed {
		b.malformed++
	}
}

// carried returns the span context that a record carries, and ctx with the
// record's baggage.
func (w *wrapper) carried(ctx context.Context, r *kinetrail.Record) (context.Context, trace.SpanContext) {
	if w.Propagator != nil && len(r.Headers) > 0 {
		headers := otelcarrier.HeaderCarrier(r.Headers)
		found := w.Propagator.Extract(context.Background(), &headers)
		if carried := trace.SpanContextFromContext(found); carried.IsValid() {
			return withBaggage(ctx, baggage.FromContext(found)), carried
		}
	}
	return otelcarrier.ContextWithBaggage(ctx, r.Trace), otelcarrier.SpanContext(r.Trace)
}

func withBaggage(ctx context.Context, b baggage.Baggage) context.Context {
	if b.Len() == 0 {
		return ctx
	}
	return baggage.ContextWithBaggage(ctx, b)
}
