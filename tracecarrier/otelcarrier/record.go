package otelcarrier

import (
	"context"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
)

// Carried returns the span context that r carries, invalid when there is none,
// and ctx with r's baggage in place of its own. The span of ctx stays what it is.
//
// A propagator reads the headers of r. Where it is nil, or finds no span context
// there, r.Trace counts.
func Carried(ctx context.Context, r *kinetrail.Record, propagator propagation.TextMapPropagator) (context.Context, trace.SpanContext) {
	if propagator != nil && len(r.Headers) > 0 {
		headers := HeaderCarrier(r.Headers)
		found := propagator.Extract(context.Background(), &headers)
		if carried := trace.SpanContextFromContext(found); carried.IsValid() {
			if b := baggage.FromContext(found); b.Len() > 0 {
				ctx = baggage.ContextWithBaggage(ctx, b)
			}
			return ctx, carried
		}
	}
	if r.Trace.IsZero() {
		return ctx, trace.SpanContext{}
	}
	return ContextWithBaggage(ctx, r.Trace), SpanContext(r.Trace)
}
