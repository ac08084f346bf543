package otelcarrier_test

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/kinetrail/kinetrail"
	"github.com/kinetrail/kinetrail/tracecarrier/otelcarrier"
)

func TestCarriedFindsTheContextOfARecord(t *testing.T) {
	t.Parallel()
	const other = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	w3c := propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
	inKey := kinetrail.TraceContext{Parent: parent, Baggage: "tenant=key"}
	inHeaders := []kinetrail.Header{{Name: "Traceparent", Value: other}, {Name: "baggage", Value: "tenant=header"}}
	for _, tt := range []struct {
		name       string
		record     kinetrail.Record
		propagator propagation.TextMapPropagator
		want       string // traceparent, empty for none
		tenant     string
	}{
		{"nothing carried", kinetrail.Record{}, w3c, "", "ctx"},
		{"no propagator", kinetrail.Record{Trace: inKey, Headers: inHeaders}, nil, parent, "key"},
		{"headers before the key", kinetrail.Record{Trace: inKey, Headers: inHeaders}, w3c, other, "header"},
		{"headers without baggage", kinetrail.Record{Headers: inHeaders[:1]}, w3c, other, "ctx"},
		{"a propagator that finds nothing", kinetrail.Record{Trace: inKey, Headers: inHeaders[1:]}, w3c, parent, "key"},
		{"no headers", kinetrail.Record{Trace: inKey}, w3c, parent, "key"},
		{"a context that is none", kinetrail.Record{Trace: kinetrail.TraceContext{Parent: "00-zz"}}, nil, "", "ctx"},
	} {
		given := trace.ContextWithSpanContext(withBaggage(t, t.Context(), "tenant=ctx"), spanContext(t, 0, "a=b"))
		ctx, carried := otelcarrier.Carried(given, &tt.record, tt.propagator)
		got := otelcarrier.FromContext(trace.ContextWithSpanContext(context.Background(), carried)).Parent
		if tenant := baggage.FromContext(ctx).Member("tenant").Value(); got != tt.want || tenant != tt.tenant {
			t.Errorf("%s: context %q, tenant %q; want %q, %q", tt.name, got, tenant, tt.want, tt.tenant)
		}
		if !trace.SpanContextFromContext(ctx).Equal(trace.SpanContextFromContext(given)) {
			t.Errorf("%s: the span of ctx is %v; want it unchanged", tt.name, trace.SpanContextFromContext(ctx))
		}
	}
}
