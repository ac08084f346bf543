package promsink

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
)

type histogram struct{ prometheus.Observer }

func (h histogram) Observe(_ context.Context, v float64) { h.Observer.Observe(v) }

// exemplaryHistogram notes the span a value was measured in.
type exemplaryHistogram struct {
	histogram
	exemplary prometheus.ExemplarObserver
}

func (h exemplaryHistogram) Observe(ctx context.Context, v float64) {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsSampled() || !span.IsValid() {
		h.histogram.Observe(ctx, v)
		return
	}
	h.exemplary.ObserveWithExemplar(v, prometheus.Labels{
		"trace_id": span.TraceID().String(),
		"span_id":  span.SpanID().String(),
	})
}
